"""The development stack itself: contract.md 1, sentence by sentence."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

import psycopg2
import pytest
import redis

from conftest import ROOT, STACK, UP_SECONDS, plans, wait_for

ENV_NAMES = """BASE_URL DATABASE_URL REDIS_URL FAKE_URL TELEGRAM_API_URL DISCORD_API_URL WEBAPP_URL BOT_TOKEN BOT_USERNAME BOT_SECRET QUIZ_BOT_TOKEN
QUIZ_BOT_SECRET DISCORD_APPLICATION_ID DISCORD_PUBLIC_KEY DISCORD_PRIVATE_KEY DISCORD_BOT_TOKEN DISCORD_CLIENT_ID DISCORD_CLIENT_SECRET
DISCORD_GUILD_ID API_KEY TRIVET_KEY RUN_DIR DEVELOPMENT""".split()
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user to give the stack to")


def processes(*needles):
    """pid -> command line of every process that names one of these there, in its environment (programs: RUN_DIR) or as its folder."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            texts = []
            for part in ("cmdline", "environ"):
                with open(f"/proc/{pid}/{part}", "rb") as file:
                    texts.append(file.read().replace(b"\0", b" ").decode(errors="replace"))
            texts.append(os.readlink(f"/proc/{pid}/cwd") + "/")
        except OSError:
            continue
        if int(pid) != os.getpid() and any(needle in text for needle in needles for text in texts):
            found[int(pid)] = texts[0]
    return found


def parent_of(pid):
    """0 when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def data_of(stack):
    return os.path.dirname(os.path.realpath(os.path.join(stack.run_dir, plans.PLAN)))


def private_folders():
    return {name for name in os.listdir("/var/tmp") if name.startswith("trivet-")}


def family(pid):
    """pid and all below it, as (pid, uid)."""
    parents = {}
    for other in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{other}/stat") as file:
                parents.setdefault(int(file.read().rsplit(")", 1)[1].split()[1]), []).append(int(other))
        except OSError:
            continue
    todo, found = [pid], []
    while todo:
        one = todo.pop()
        try:
            found.append((one, os.stat(f"/proc/{one}").st_uid))
        except OSError:
            continue
        todo += parents.get(one, [])
    return found


def assert_refused(done, *words):
    """One line that names what is wrong and what to do, exit status 1."""
    assert done.returncode == 1, done.stdout + done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("stack: ") and all(word in last for word in words), done.stderr


# ---- what a stack is ---------------------------------------------------------------------------------------------------------------


def test_env_has_every_promised_name_and_a_shell_can_source_it(stack):
    assert not [name for name in ENV_NAMES if not stack.env.get(name)]
    shown = subprocess.run(["sh", "-eu", "-c", '. "$1"; printf "%s\\n" "$BOT_TOKEN" "$DATABASE_URL" "$DISCORD_BOT_TOKEN"', "sh",
                            os.path.join(stack.run_dir, "env")], capture_output=True, text=True, check=True).stdout.split("\n")
    assert shown[:3] == [stack.env["BOT_TOKEN"], stack.env["DATABASE_URL"], stack.env["DISCORD_BOT_TOKEN"]]
    assert stack.env["BASE_URL"] == f"http://127.0.0.1:{stack.settings['PORT']}"
    assert re.fullmatch(r"[0-9]+:[A-Za-z0-9_-]{35}", stack.env["BOT_TOKEN"])
    assert re.fullmatch(r"[A-Za-z0-9_-]{32,256}", stack.env["BOT_SECRET"])
    assert os.stat(os.path.join(stack.run_dir, "env")).st_mode & 0o077 == 0, "it holds secrets"


def test_base_url_answers_and_is_ready(stack):
    answer = stack.request("GET", "/readyz")
    assert answer.status_code == 200, answer.text


def test_every_port_is_on_loopback_only(stack):
    """Listening sockets of the stack's processes: 127.0.0.1 in the kernel's table, never 0.0.0.0."""
    ports = {int(stack.settings["PORT"]), *(urllib.parse.urlsplit(stack.env[name]).port for name in ("DATABASE_URL", "REDIS_URL", "FAKE_URL"))}
    with open("/proc/net/tcp") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    where = {int(row[1].split(":")[1], 16): row[1].split(":")[0] for row in rows if row[3] == "0A"}
    assert {port: where.get(port) for port in ports} == {port: "0100007F" for port in ports}


def test_postgres_is_durable_and_its_role_makes_databases_but_is_no_superuser(db):
    with db.cursor() as cursor:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            cursor.execute("SELECT current_setting(%s)", (setting,))
            assert cursor.fetchone()[0] == "on", setting
        cursor.execute("SELECT rolcreatedb, rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (True, False, False)


def test_demo_chat_and_key_are_there(db):
    with db.cursor() as cursor:
        cursor.execute("SELECT state::text FROM public.chat WHERE platform = 'telegram' AND chat_id = -1001234567890")
        assert cursor.fetchone() == ("registered",)
        cursor.execute("SELECT count(*) FROM public.api_key WHERE name = 'development' AND revoked_at IS NULL AND platform IS NULL")
        assert cursor.fetchone() == (1,)


def test_redis_lets_our_code_do_what_it_does_and_nothing_else(stack):
    with open(os.path.join(data_of(stack), plans.PLAN)) as file:
        link = redis.Redis.from_url(plans.redis_url(json.load(file), "trivet"), socket_timeout=5)
    assert link.ping()
    assert link.set("link:e2e", "x", px=60000) and link.get("link:e2e") == b"x"
    with link.pipeline(transaction=True) as pipe:
        pipe.zadd("guess:e2e", {"a": 1}).zcard("guess:e2e").zrange("guess:e2e", 0, 0, withscores=True).zremrangebyscore("guess:e2e", "-inf", 5)
        assert pipe.execute() == [1, 1, [(b"a", 1.0)], 1]
    assert link.zadd("board:e2e", {"a": 1, "b": 2}) == 2 and link.zrevrange("board:e2e", 0, -1) == [b"b", b"a"]
    assert link.delete("link:e2e", "board:e2e") == 2
    for refused in (["FLUSHALL"], ["KEYS", "*"], ["CONFIG", "GET", "dir"], ["EVAL", "return 1", "0"], ["SORT", "link:x"], ["ACL", "LIST"],
                    ["RESTORE", "link:x", "0", "x"], ["SET", "other:x", "1"], ["GET", "session"]):
        with pytest.raises(redis.exceptions.NoPermissionError):
            link.execute_command(*refused)
    with pytest.raises(redis.exceptions.AuthenticationError):
        redis.Redis(port=urllib.parse.urlsplit(stack.env["REDIS_URL"]).port, socket_timeout=5).ping()


@as_root
def test_nothing_runs_as_root(stack):
    supervisor = [pid for pid, line in processes(data_of(stack)).items() if "supervisor.py" in line]
    assert len(supervisor) == 1
    everyone = family(supervisor[0])
    assert len(everyone) > 8
    assert [pid for pid, uid in everyone if uid == 0] == []


def test_only_programs_leave_pid_files_and_each_names_itself(stack):
    assert {"trivet-telegram", "trivet-discord", "trivet-site", "trivet-worker"} <= set(stack.programs()) <= {*plans.SERVED, plans.WORKER}
    for program in stack.programs():
        assert os.path.basename(os.readlink(f"/proc/{stack.pid(program)}/exe")) == program


def test_the_stand_ins_know_the_bots_and_do_as_they_are_told(stack, fakes):
    fakes.rule("telegram", {"status": 403, "description": "Forbidden: bot was blocked by the user"}, method="sendMessage", times=1)
    method = stack.env["TELEGRAM_API_URL"] + "/bot" + stack.env["BOT_TOKEN"]
    assert stack.http.get(method + "/getMe").json()["result"]["username"] == stack.env["BOT_USERNAME"]
    assert stack.http.post(method + "/sendMessage", json={"chat_id": 5, "text": "hi"}).status_code == 403
    assert [(call["method"], call["answer_status"]) for call in fakes.calls(wait=5, method="sendMessage")] == [("sendMessage", 403)]


def test_the_playground_is_served_under_base_url(stack):
    assert stack.request("GET", "/playground/").status_code == 200


# ---- supervision ---------------------------------------------------------------------------------------------------------------


def test_a_killed_program_is_back_within_a_second_with_a_new_pid_in_its_file(stack):
    for program in stack.programs():
        before = stack.pid(program)
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: stack.pid(program) != before and os.path.exists(f"/proc/{stack.pid(program)}"), 1.0, f"{program}'s return")
    assert stack.request("GET", "/readyz").status_code == 200


def test_a_request_during_a_restart_waits_instead_of_failing(stack):
    """The supervisor holds the listening socket, as systemd does: no connection is refused while a program is away."""
    for _ in range(5):
        os.kill(stack.pid("trivet-site"), signal.SIGKILL)
        assert stack.request("GET", "/healthz").status_code == 200


def test_a_program_that_keeps_dying_is_started_again_each_time_within_a_second(stack):
    for _ in range(6):
        before = stack.pid("trivet-worker")
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: stack.pid("trivet-worker") != before, 1.0, "the worker's return")


def test_a_server_can_be_taken_away_and_given_back(stack):
    for server, port in (("redis", urllib.parse.urlsplit(stack.env["REDIS_URL"]).port), ("postgres", urllib.parse.urlsplit(stack.env["DATABASE_URL"]).port)):
        stack.command("stop", server)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 1)
        stack.command("start", server)
        socket.create_connection(("127.0.0.1", port), 1).close()
    wait_for(lambda: stack.request("GET", "/readyz").status_code == 200, 5, "readiness after the servers' return")


def test_a_second_worker_can_be_added_and_taken_away(stack):
    stack.command("start", "trivet-worker.2")
    try:
        assert stack.pid("trivet-worker.2") != stack.pid("trivet-worker")
        os.kill(stack.pid("trivet-worker.2"), 0)
    finally:
        stack.command("stop", "trivet-worker.2")
    assert stack.pid("trivet-worker.2") is None


def test_every_program_ends_cleanly_when_asked(stack):
    for program in stack.programs():
        pid = stack.pid(program)
        stack.command("stop", program)
        stack.command("start", program)
        assert f"{program}: pid {pid} ended with status 0 " in stack.log("supervisor"), program


def test_unknown_names_are_refused(stack):
    assert_refused(stack.command("stop", "mysql", check=False), "mysql", "postgres")


# ---- up, down, run ----------------------------------------------------------------------------------------------------------------


def test_up_on_a_running_stack_changes_nothing(stack):
    def state():
        with open(os.path.join(stack.run_dir, "env")) as file:
            # PostgreSQL's own children come and go: one for each connection, and its vacuum's. A new one is not named yet.
            found = processes(data_of(stack))
            started = {pid for pid in found if "postgres" not in found.get(parent_of(pid), "") and parent_of(pid)}
            return {name: stack.pid(name) for name in stack.programs()}, file.read(), started
    before = state()
    stack.command("up")
    assert state() == before


def test_up_with_other_settings_than_the_running_stacks_is_refused(stack):
    other = {**os.environ, **stack.settings, "PORT": "19999"}
    assert_refused(subprocess.run([*STACK, "up"], env=other, capture_output=True, text=True), "PORT=19999", stack.settings["PORT"], "make down")


def test_two_stacks_run_side_by_side_and_down_leaves_nothing(stack, another_stack):
    folders = private_folders()
    other = another_stack()
    started = time.monotonic()
    other.up()
    assert time.monotonic() - started < 15, "a start with nothing to install or build takes less than 15 s"
    try:
        assert other.request("GET", "/readyz").status_code == stack.request("GET", "/readyz").status_code == 200
        assert [key for key in ENV_NAMES if key not in ("BOT_USERNAME", "DISCORD_GUILD_ID", "DEVELOPMENT") and stack.env[key] == other.env[key]] == []
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(other.env["DATABASE_URL"].replace(str(urllib.parse.urlsplit(other.env["DATABASE_URL"]).port),
                                                              str(urllib.parse.urlsplit(stack.env["DATABASE_URL"]).port)))
        seen = " ".join(processes(data_of(other)).values())
        assert all(name in seen for name in (*other.programs(), "postgres", "redis-server", "nginx: worker", "fakes.py", "supervisor.py"))
        data = data_of(other)
    finally:
        other.down()
    assert processes(data) == {}
    assert not os.path.lexists(other.run_dir)
    assert private_folders() == folders
    assert other.command("down").stdout.startswith("no stack")
    assert stack.request("GET", "/readyz").status_code == 200


def test_run_stays_until_ctrl_c_then_stops_all_and_keeps_the_data_until_down(another_stack):
    other = another_stack()
    running = subprocess.Popen([*STACK, "run"], env={**os.environ, **other.settings}, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        for line in running.stdout:
            if "Ctrl-C" in line:
                break
        data = data_of(other)
        assert processes(data)
        os.killpg(running.pid, signal.SIGINT)
        assert running.wait(30) == 0
    finally:
        running.stdout.close()
        if running.poll() is None:
            running.kill()
            running.wait()
    assert processes(data) == {}
    assert other.programs() == [] and not os.path.lexists(os.path.join(other.run_dir, "env"))
    assert os.path.isdir(os.path.join(other.run_dir, "pg"))
    with open(os.path.join(other.run_dir, plans.PLAN)) as file:
        assert "TRIVET_KEY" in file.read()


def test_nothing_outlives_a_supervisor_that_was_killed_and_up_recovers_the_data(another_stack):
    other = another_stack()
    other.up()
    with other.connect() as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE public.chat SET title = 'kept' WHERE chat_id = -1001234567890")
    key, data = other.env["TRIVET_KEY"], data_of(other)
    supervisor = next(pid for pid, line in processes(data).items() if "supervisor.py" in line)
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: processes(data) == {}, 20, "the end of everything")
    other.up()
    assert other.env["TRIVET_KEY"] == key
    with other.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT title FROM public.chat WHERE chat_id = -1001234567890")
        assert cursor.fetchone() == ("kept",)


def test_a_taken_port_is_refused_and_nothing_is_left_running(another_stack):
    other = another_stack()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(other.settings["PORT"])))
        taken.listen()
        assert_refused(other.command("up", check=False), other.settings["PORT"], "make up PORT=")
    assert processes(data_of(other)) == {}


def test_a_program_that_fails_at_its_start_stops_everything_and_shows_its_last_words(another_stack):
    variant = f"e2e-{os.getpid()}"
    folder = os.path.join(ROOT, "build", variant)
    other = another_stack(V=variant)
    try:
        shutil.copytree(os.path.join(ROOT, "build", os.environ.get("V") or "release"), folder, ignore=lambda path, names: [
            name for name in names if not re.fullmatch(r"trivet(-[a-z]+)?", name)])
        with open(os.path.join(folder, "trivet-api"), "w") as file:
            file.write("#!/bin/sh\necho BOT_TOKEN: missing: set it\nexit 1\n")
        os.chmod(os.path.join(folder, "trivet-api"), 0o755)
        done = other.command("up", check=False)
        assert_refused(done, "trivet-api", "last words")
        assert "BOT_TOKEN: missing: set it" in done.stderr
        assert processes(data_of(other)) == {}
        assert other.programs() == []
    finally:
        other.command("down", check=False)
        shutil.rmtree(folder, ignore_errors=True)


@as_root
def test_a_folder_that_its_user_cannot_reach_gets_links_and_down_removes_what_they_led_to(another_stack):
    folders = private_folders()
    other = another_stack(mode=0o700)
    other.up()
    assert len(private_folders() - folders) == 1
    assert other.request("GET", "/readyz").status_code == 200
    before = other.pid("trivet-site")
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: other.pid("trivet-site") != before, 1.0, "the return, seen through the link")
    for name in ("sock/trivet-site.sock", "log/trivet-site.log", "metrics", "clock"):
        assert os.path.exists(os.path.join(other.run_dir, name)), name
    other.command("up")
    other.down()
    assert not os.path.lexists(other.run_dir) and private_folders() == folders


@as_root
def test_a_clone_that_its_user_cannot_reach_runs_from_a_copy(another_stack):
    """A clone in root's home: programs, pages and stand-ins are in a copy that goes with the stack."""
    variant = os.environ.get("V") or "release"
    other, folders = another_stack(), private_folders()
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="trivet-clone-") as clone:  # mode 700
        for part in ("tests/dev", "tests/fakes", "nginx"):
            shutil.copytree(os.path.join(ROOT, part), os.path.join(clone, part))
        os.makedirs(os.path.join(clone, "build", variant))
        for name in os.listdir(os.path.join(ROOT, "build", variant)):
            if re.fullmatch(r"trivet(-[a-z]+)?", name):
                shutil.copy2(os.path.join(ROOT, "build", variant, name), os.path.join(clone, "build", variant))
        command = ["/usr/bin/python3", "-B", os.path.join(clone, "tests", "dev", "stack.py")]
        environment = {**os.environ, **other.settings, "RUN_DIR": ""}
        done = subprocess.run([*command, "up"], env=environment, capture_output=True, text=True, timeout=UP_SECONDS)
        try:
            assert done.returncode == 0, done.stdout + done.stderr
            assert len(private_folders() - folders) == 1
            assert other.http.get(f"http://127.0.0.1:{other.settings['PORT']}/readyz", timeout=5).status_code == 200
            with open(os.path.join(clone, ".run", "trivet-site.pid")) as file:
                assert os.stat(f"/proc/{file.read().strip()}").st_uid != 0
        finally:
            subprocess.run([*command, "down"], env=environment, check=True, capture_output=True)
        assert not os.path.lexists(os.path.join(clone, ".run")) and private_folders() == folders


def test_a_path_too_long_for_a_socket_is_no_hindrance(another_stack):
    other = another_stack()
    other.run_dir = other.settings["RUN_DIR"] = os.path.join(other.run_dir, "x" * 100)
    other.up()
    assert other.request("GET", "/readyz").status_code == 200
    other.down()


@pytest.mark.parametrize("name, value", [("PORT", "http"), ("PORT", "0"), ("PORT", "65536"), ("PORT", "80 81"), ("WORKERS", "0"), ("WORKERS", "17"),
                                         ("V", "../release"), ("RUN_DIR", "/tmp/a b"), ("RUN_DIR", "/tmp/a;b"), ("TELEGRAM_API_URL", "ftp://x"),
                                         ("DISCORD_API_URL", "http://"), ("RUN_DIR", "/proc/trivet")])
def test_wrong_settings_are_refused_in_one_line(another_stack, name, value):
    other = another_stack(**{name: value})
    done = other.command("up", check=False)
    assert_refused(done, f"{name}={value}")
    assert len(done.stderr.splitlines()) == 1
    other.settings[name] = ""
    other.settings["RUN_DIR"] = other.run_dir


def test_real_addresses_of_the_platforms_are_honoured(another_stack):
    other = another_stack(TELEGRAM_API_URL="http://127.0.0.1:9/bots/", DISCORD_API_URL="http://127.0.0.1:9/api/v10")
    other.up()
    assert other.env["TELEGRAM_API_URL"] == "http://127.0.0.1:9/bots" and other.env["DISCORD_API_URL"] == "http://127.0.0.1:9/api/v10"
