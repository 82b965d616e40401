#!/usr/bin/python3
"""The development stack: PostgreSQL, Redis, nginx, the stand-ins for Telegram and Discord, and every program of Trivet.

usage: stack.py up | run | down | status | stop NAME | start NAME

up      starts the stack in the background and returns when it answers; a stack that runs is left as it is
run     the same, stays until Ctrl-C, then stops it; its data stay for the next time, until `down`
down    stops the stack and removes all that it made
status  one line per process
stop    takes one process away (redis, postgres, nginx, fakes, or a program); start gives it back. trivet-worker.2 adds a worker

Environment: PORT (8080), RUN_DIR (.run), V (release), WORKERS (1), TELEGRAM_API_URL and DISCORD_API_URL (the stand-ins).
Started as root, everything runs as user postgres.
"""
import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time

import plan as plans
from plan import Refusal

STOP_SECONDS = 60
LOG_LINES = 15


# ---- talking to the supervisor -------------------------------------------------------------------------------------------------


def ask(data, seconds=60, **question):
    """The supervisor's answer; None when there is no supervisor."""
    here = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(seconds)
            link.connect(f"/proc/self/fd/{here}/control.sock")  # short whatever the folder's path is
            link.sendall(json.dumps(question).encode() + b"\n")
            return json.loads(link.makefile().readline())
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    except (OSError, ValueError) as error:
        raise Refusal(f"the supervisor of {data} does not answer ({error}): see {data}/log/supervisor.log") from None
    finally:
        os.close(here)


def running(run_dir):
    """The supervisor's status when the stack runs, else None."""
    data = plans.data_of(run_dir)
    return ask(data, do="status") if data else None


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def locked(run_dir):
    """One up or down at a time for a folder. The lock is the folder itself, so it leaves no file."""
    if not os.path.isdir(run_dir):
        yield
        return
    descriptor = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


# ---- up, run, down -------------------------------------------------------------------------------------------------------------


def show_log(log):
    if not log or not os.path.exists(log):
        return
    with open(log, "rb") as file:
        file.seek(max(0, os.path.getsize(log) - 8192))
        lines = file.read().decode("utf-8", "replace").splitlines()[-LOG_LINES:]
    print(f"the last lines of {log}:", file=sys.stderr)
    for line in lines:
        print("    " + line[:400], file=sys.stderr)


def launch(plan, user, bound):
    """Starts the supervisor and follows its words until the stack is ready; Refusal when it is not, and then nothing runs."""
    script = os.path.join(plan["root"], "tests", "dev", "supervisor.py")
    argv = ["/usr/bin/python3", "-B", script, os.path.join(plan["data"], plans.PLAN), *(["--bound"] if bound else [])]
    account = {} if os.geteuid() == user.pw_uid else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [user.pw_gid]}
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, cwd=plan["data"], start_new_session=True, **account)
    last = {"failed": "the supervisor ended without a word", "log": os.path.join(plan["data"], "log", "supervisor.log")}
    try:
        for line in process.stdout:
            last = json.loads(line)
            if "ready" in last:
                return process
            if "say" in last:
                print("  " + last["say"], flush=True)
        process.wait(STOP_SECONDS)
    except BaseException:
        process.terminate()
        process.wait(STOP_SECONDS)
        raise
    show_log(last.get("log"))
    raise Refusal(last.get("failed", "the supervisor ended while it " + last.get("say", "began")))


def print_addresses(plan):
    own = plan["environment"]
    print(f"""Trivet runs ({plan['variant']}):
  website      {own['BASE_URL']}/
  playground   {own['BASE_URL']}/playground/   (chats of the stand-ins)
  Telegram     {own['TELEGRAM_API_URL']}   webhook {own['BASE_URL']}/telegram/main
  Discord      {own['DISCORD_API_URL']}   webhook {own['BASE_URL']}/discord/interactions
  PostgreSQL   127.0.0.1:{plan['ports']['postgres']}   Redis 127.0.0.1:{plan['ports']['redis']}   (with passwords: DATABASE_URL, REDIS_URL in the settings)
  settings     {plan['run_dir']}/env   logs {plan['run_dir']}/log/""", flush=True)


def check_same(plan, asked):
    """A stack that runs is left alone; what was asked of it by name must already be so."""
    for key, name in (("port", "PORT"), ("telegram_api_url", "TELEGRAM_API_URL"), ("discord_api_url", "DISCORD_API_URL"), ("workers", "WORKERS")):
        if asked[key] and asked[key] != plan[key]:
            raise Refusal(f"{name}={asked[key]}: the stack in {plan['run_dir']} already runs with {plan[key] or 'the stand-in'}:"
                          " make down first, or choose another RUN_DIR")
    if asked["variant"] != plan["variant"]:
        raise Refusal(f"V={asked['variant']}: the stack in {plan['run_dir']} already runs build {plan['variant']}: make down first")


def up(asked, bound=False):
    """Makes the stack run; the supervisor's process when it was started now, None when it ran already."""
    run_dir = asked["run_dir"]
    with locked(run_dir):
        if running(run_dir):
            plan = plans.load(run_dir)
            check_same(plan, asked)
            process = None
        else:
            plan, user = plans.make(asked)
            process = launch(plan, user, bound)
        print_addresses(plan)
    return process


def run(asked):
    if running(asked["run_dir"]):
        raise Refusal(f"a stack already runs in {asked['run_dir']}: make down first, or choose another RUN_DIR and PORT")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # SIGINT too: a shell's background job inherits it ignored
        signal.signal(number, signal.default_int_handler)
    process = None
    try:
        process = up(asked, bound=True)
        print("Ctrl-C stops it.", flush=True)
        process.wait()
        print("the stack was stopped from outside")
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if process:
            print("\nstopping", flush=True)
            process.terminate()
            process.wait(STOP_SECONDS)
        print("stopped; its data stay for the next time, make down removes them")


def down(asked):
    run_dir = asked["run_dir"]
    with locked(run_dir):
        data = plans.data_of(run_dir)
        if not data:
            print(f"no stack in {run_dir}")
            return
        answer = ask(data, do="shutdown")
        if answer:
            end = time.monotonic() + STOP_SECONDS
            while alive(answer["pid"]):
                if time.monotonic() > end:
                    raise Refusal(f"the supervisor, pid {answer['pid']}, does not end: see {data}/log/supervisor.log, then kill -9 {answer['pid']}")
                time.sleep(0.02)
        plans.remove(run_dir)
        print(f"removed the stack in {run_dir}")


# ---- small change ----------------------------------------------------------------------------------------------------------------


def status(asked):
    answer = running(asked["run_dir"])
    if not answer:
        raise Refusal(f"no stack runs in {asked['run_dir']}: make up")
    for name, child in sorted(answer["children"].items()):
        print(f"{name:20} {'pid ' + str(child['pid']) if child['pid'] else 'stopped':12} started {child['starts']}x")


def steer(asked, verb, name):
    data = plans.data_of(asked["run_dir"])
    answer = ask(data, do=verb, name=name) if data else None
    if not answer:
        raise Refusal(f"no stack runs in {asked['run_dir']}: make up")
    if not answer["ok"]:
        raise Refusal(answer["error"])
    if verb == "start" and name.startswith(plans.WORKER):
        plans.link(plans.load(asked["run_dir"]), [name + ".pid"])


def main():
    verbs = {"up": up, "run": run, "down": down, "status": status}
    words = sys.argv[1:]
    try:
        if len(words) == 1 and words[0] in verbs:
            verbs[words[0]](plans.settings())
        elif len(words) == 2 and words[0] in ("stop", "start"):
            steer(plans.settings(), *words)
        else:
            print(__doc__, file=sys.stderr)
            sys.exit(2)
    except Refusal as refusal:
        print(f"stack: {refusal}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
