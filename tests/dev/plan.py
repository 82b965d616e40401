"""The plan of one development stack: who runs it, where its files are, its ports, secrets and addresses.

A plan is made once by `stack.py up` (which may be root), written to <data>/stack.json, and read by the supervisor, which
never is root. It is kept until `down`: a stack that was stopped or lost its power keeps its keys, or it could not read its data.

Two folders: RUN_DIR is the one that was promised to the outside; `data` is where the files really are. They are the same
unless the stack's user cannot write in RUN_DIR (a clone in root's home) or its path is too long for a Unix socket; then
`data` is a fresh directory under /var/tmp and RUN_DIR holds links to it.
"""
import base64
import json
import os
import pwd
import random
import re
import secrets
import shutil
import socket
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SERVED = ("trivet-telegram", "trivet-discord", "trivet-site", "trivet-desk", "trivet-api")
WORKER = "trivet-worker"
# All that a stack may make in its data folder; `down` removes these names and no other.
PLAN = "stack.json"
DIRECTORIES = ("sock", "log", "metrics")
MADE = DIRECTORIES + ("pg", "pg.new", "redis", "nginx", "stage", PLAN, "env", "clock", "control.sock")
LINKED = DIRECTORIES + ("env", "clock", PLAN)
PRIVATE_PREFIX = "/var/tmp/trivet-"
SOCKET_PATH_MAX = 107
# Not from the range that the kernel hands to outgoing connections.
PORTS = range(20000, 32000)


class Refusal(Exception):
    """Something the operator can mend; its text is one line that says how."""


def stack_user():
    """The account that runs everything but apt and the build: the caller, and postgres when that is root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        raise Refusal("PostgreSQL never runs as root and there is no user postgres: install postgresql-15 (make deps)") from None


def as_user(user, act):
    """The truth of what act() returns when that user does it: root follows no link that another user may have laid."""
    if os.geteuid() == user.pw_uid:
        return bool(act())
    pid = os.fork()
    if pid == 0:
        status = 2
        try:
            os.setgroups([user.pw_gid])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            status = 0 if act() else 1
        except Exception as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1] == 0


# ---- settings of the caller --------------------------------------------------------------------------------------------------


def setting_number(name, default, low, high):
    text = os.environ.get(name, "")
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise Refusal(f"{name}={text}: expected a number from {low} to {high}")
    return int(text)


def setting_url(name):
    text = os.environ.get(name, "")
    if text and not re.fullmatch(r"https?://[^\s/'\"$`\\]+(/[^\s'\"$`\\]*)?", text):
        raise Refusal(f"{name}={text}: expected an http:// or https:// address")
    return text.rstrip("/")


def settings():
    """What the caller asked for; None or '' where nothing was said."""
    variant = os.environ.get("V", "") or "release"
    if not re.fullmatch(r"[a-z0-9-]{1,32}", variant):
        raise Refusal(f"V={variant}: expected the name of a build, as release or asan")
    run_dir = os.path.realpath(os.path.join(ROOT, os.environ.get("RUN_DIR", "") or ".run"))
    if re.search(r"[\s'\"\\$;{}#]", run_dir):
        raise Refusal(f"RUN_DIR={run_dir}: its path may not hold spaces, quotes or any of \\ $ ; {{ }} #: they cannot stand in nginx's settings")
    return {"variant": variant, "run_dir": run_dir, "port": setting_number("PORT", None, 1, 65535),
            "workers": setting_number("WORKERS", None, 1, 16),
            "telegram_api_url": setting_url("TELEGRAM_API_URL"), "discord_api_url": setting_url("DISCORD_API_URL")}


# ---- folders -----------------------------------------------------------------------------------------------------------------


def data_of(run_dir):
    """The data folder of a stack that exists, running or not; None when there is none."""
    plan = os.path.join(run_dir, PLAN)
    return os.path.dirname(os.path.realpath(plan)) if os.path.exists(plan) else None


def make_data(run_dir, user):
    """The data folder for a new stack, and whether RUN_DIR was made for it."""
    made = not os.path.isdir(run_dir)
    try:
        os.makedirs(run_dir, mode=0o755, exist_ok=True)
        if made and os.geteuid() == 0:
            os.chown(run_dir, user.pw_uid, user.pw_gid)
    except OSError as error:
        raise Refusal(f"RUN_DIR={run_dir}: cannot be made ({error.strerror}): choose another, as RUN_DIR=/tmp/trivet") from None
    longest = os.path.join(run_dir, "sock", max(SERVED, key=len) + ".sock")
    if len(os.fsencode(longest)) <= SOCKET_PATH_MAX and as_user(user, lambda: os.access(run_dir, os.R_OK | os.W_OK | os.X_OK)):
        return run_dir, made
    if os.geteuid() != 0 and not os.access(run_dir, os.W_OK | os.X_OK):
        raise Refusal(f"RUN_DIR={run_dir}: you may not write there: choose another, as RUN_DIR=/tmp/trivet")
    data = tempfile.mkdtemp(prefix=PRIVATE_PREFIX)
    os.chmod(data, 0o755)
    os.chown(data, user.pw_uid, user.pw_gid)
    return data, made


def program_names(workers):
    return list(SERVED) + [WORKER if number == 1 else f"{WORKER}.{number}" for number in range(1, workers + 1)]


def link(plan, names):
    """Makes the promised names in RUN_DIR point into the data folder; nothing to do where they are the same."""
    if plan["data"] == plan["run_dir"]:
        return
    for name in names:
        path = os.path.join(plan["run_dir"], name)
        if os.path.lexists(path) and not os.path.islink(path):
            raise Refusal(f"{path}: is in the way: move it, or choose another RUN_DIR")
        if os.path.islink(path):
            os.unlink(path)
        os.symlink(os.path.join(plan["data"], name), path)


def link_promised(plan):
    link(plan, [*LINKED, *(name + ".pid" for name in program_names(plan["workers"]))])


def unlink_promised(run_dir, data, made_run_dir):
    """Takes the links away again, and RUN_DIR when it was made for the stack and nothing else is in it."""
    for entry in list(os.scandir(run_dir)):
        if entry.is_symlink() and os.path.dirname(os.readlink(entry.path)) == data:
            os.unlink(entry.path)
    if made_run_dir and not os.listdir(run_dir):
        os.rmdir(run_dir)


def remove(run_dir):
    """Removes all that the stack in RUN_DIR made."""
    plan, data = load(run_dir), data_of(run_dir)
    if not as_user(pwd.getpwuid(plan["uid"]), lambda: remove_data(data, data != run_dir)):
        raise Refusal(f"{data}: could not be removed: see above, then remove it by hand")
    unlink_promised(run_dir, data, plan["made_run_dir"])


def remove_data(data, private):
    """Removes the known names, so nothing of others that stands beside them; the plan last, so it can be done again."""
    pids = [name for name in os.listdir(data) if re.fullmatch(r"trivet-[a-z]+(\.[0-9]+)?\.pid", name)]
    for name in pids + sorted(MADE, key=lambda name: name == PLAN):
        path = os.path.join(data, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)
    if private:
        os.rmdir(data)
    return True


def sources(variant):
    """The files that the running stack reads, relative to the root."""
    found = []
    for top in (f"build/{variant}", "nginx", "tests/dev", "tests/fakes"):
        for path, folders, files in os.walk(os.path.join(ROOT, top)):
            folders[:] = [] if top.startswith("build/") else [f for f in folders if f != "__pycache__"]
            files = [f for f in files if not top.startswith("build/") or re.fullmatch(r"trivet(-[a-z]+)?", f)]
            found += [os.path.relpath(os.path.join(path, f), ROOT) for f in files]
    return found


def stage(data, variant, user):
    """Where the stack reads programs and files: the clone, or a copy in the data folder when its user cannot reach that."""
    wanted = sources(variant)
    if as_user(user, lambda: all(os.access(os.path.join(ROOT, path), os.R_OK) for path in wanted)):
        return ROOT
    target = os.path.join(data, "stage")
    shutil.rmtree(target, ignore_errors=True)
    for path in wanted:
        os.makedirs(os.path.dirname(os.path.join(target, path)), exist_ok=True)
        shutil.copy2(os.path.join(ROOT, path), os.path.join(target, path))
    for path, folders, files in os.walk(target):
        for entry in [path] + [os.path.join(path, f) for f in files]:
            executable = os.path.isdir(entry) or os.stat(entry).st_mode & 0o100
            os.chmod(entry, 0o755 if executable else 0o644)
            os.chown(entry, user.pw_uid, user.pw_gid, follow_symlinks=False)
    return target


# ---- ports, secrets, addresses ------------------------------------------------------------------------------------------------


def port_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count, taken):
    """So many different free ports that are not in `taken`."""
    found = []
    for port in random.sample(PORTS, 200):
        if port not in taken and port_free(port):
            found.append(port)
            if len(found) == count:
                return found
    raise Refusal("no free port between 20000 and 32000 on 127.0.0.1: stop other stacks (make down)")


def new_secrets():
    """Keys and tokens in the forms that the platforms use; of this stack alone, so none can be known beforehand."""
    def token(bot_id):
        return f"{bot_id}:AA{secrets.token_urlsafe(24)}-"

    application = str(2**60 + secrets.randbelow(2**59))
    head = base64.urlsafe_b64encode(application.encode()).decode().rstrip("=")
    return {
        "BOT_TOKEN": token(7000000001), "BOT_SECRET": secrets.token_urlsafe(36), "BOT_USERNAME": "trivet_dev_bot",
        "QUIZ_BOT_TOKEN": token(7000000002), "QUIZ_BOT_SECRET": secrets.token_urlsafe(36), "QUIZ_BOT_USERNAME": "trivet_quiz_bot",
        "DISCORD_APPLICATION_ID": application, "DISCORD_CLIENT_ID": application, "DISCORD_CLIENT_SECRET": secrets.token_urlsafe(24),
        "DISCORD_PRIVATE_KEY": secrets.token_hex(32), "DISCORD_BOT_TOKEN": f"{head}.{secrets.token_urlsafe(4)}.{secrets.token_urlsafe(28)}",
        "DISCORD_GUILD_ID": "41771983423143937", "TRIVET_KEY": secrets.token_hex(32), "API_KEY": "trivet_" + secrets.token_urlsafe(32),
        "pg_superuser": secrets.token_hex(16), "pg_role": secrets.token_hex(16), "redis_user": secrets.token_hex(16), "redis_developer": secrets.token_hex(16),
    }


def redis_url(plan, user):
    return f"redis://{user}:{plan['secrets']['redis_' + ('developer' if user == 'developer' else 'user')]}@127.0.0.1:{plan['ports']['redis']}/0"


def environment(plan):
    """The lines of $RUN_DIR/env, which are also the environment of every program."""
    from nacl.signing import SigningKey

    own, ports = plan["secrets"], plan["ports"]
    base, fake = f"http://127.0.0.1:{plan['port']}", f"http://127.0.0.1:{ports['fakes']}"
    shared = {key: own[key] for key in own if key.isupper()}
    return {
        "BASE_URL": base, "WEBAPP_URL": base, "FAKE_URL": fake, "RUN_DIR": plan["data"], "DEVELOPMENT": "1",
        "COMMANDS_PER_MINUTE": "1000000",  # tests and load must not wait for one person's minute
        "DATABASE_URL": f"postgresql://trivet:{own['pg_role']}@127.0.0.1:{ports['postgres']}/trivet",
        "REDIS_URL": redis_url(plan, "developer"),  # a person may look at everything; programs get their own (services.program_environment)
        "TELEGRAM_API_URL": plan["telegram_api_url"] or fake + "/telegram",
        "DISCORD_API_URL": plan["discord_api_url"] or fake + "/discord/api/v10",
        "DISCORD_PUBLIC_KEY": SigningKey(bytes.fromhex(own["DISCORD_PRIVATE_KEY"])).verify_key.encode().hex(), **shared,
    }


def credentials(program):
    """The secrets that a program's unit loads; None where there is no unit."""
    try:
        with open(os.path.join(ROOT, "systemd", program + ".service")) as file:
            return set(re.findall(r"^LoadCredential=(\w+):", file.read(), re.M))
    except FileNotFoundError:
        return None


def withheld(settings):
    """By program: the secrets of other programs' units, which it must do without here as in production. Further bots' are like the first's."""
    own = {name: credentials(name) for name in (*SERVED, WORKER)}
    secret = set().union(*(held for held in own.values() if held))

    def stands_for(key):
        return key if key in secret else next((part for part in ("BOT_TOKEN", "BOT_SECRET") if key.endswith("_" + part)), None)

    return {name: [key for key in settings if stands_for(key) and stands_for(key) not in held] for name, held in own.items() if held is not None}


def write_private(path, text):
    """Replaces a file in one step; only its owner reads it."""
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".new-")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    os.rename(temporary, path)
    return True


def load(run_dir):
    """The plan of the stack in RUN_DIR, running or not; None when there is none."""
    data = data_of(run_dir)
    if not data:
        return None
    with open(os.path.join(data, PLAN)) as file:
        return json.load(file)


def write_plan(plan):
    for name in DIRECTORIES + ("redis", "nginx"):
        os.makedirs(os.path.join(plan["data"], name), mode=0o755, exist_ok=True)
    clock = os.path.join(plan["data"], "clock")
    if not os.path.exists(clock):
        with open(clock, "w") as file:
            file.write("0\n")
    return write_private(os.path.join(plan["data"], PLAN), json.dumps(plan, indent=1))


def make(asked):
    """A plan for a stack that does not run: its old one with what is asked now, or a new one; folders, links and copies are made."""
    user = stack_user()
    plan = load(asked["run_dir"])
    if plan and plan["uid"] != user.pw_uid:
        raise Refusal(f"{asked['run_dir']}: holds a stack of user {pwd.getpwuid(plan['uid']).pw_name}: run `make down` as that user first")
    if plan:
        return renew(plan, asked, user), user
    data, made = make_data(asked["run_dir"], user)
    try:
        return renew({"data": data, "made_run_dir": made, "uid": user.pw_uid, "secrets": new_secrets()}, asked, user), user
    except Exception:
        if data != asked["run_dir"]:
            shutil.rmtree(data)
        raise


def renew(plan, asked, user):
    """The plan with what is asked now and fresh ports, written down; RUN_DIR shows it."""
    plan.update(run_dir=asked["run_dir"], variant=asked["variant"], port=asked["port"] or 8080,
                workers=asked["workers"] or 1, telegram_api_url=asked["telegram_api_url"], discord_api_url=asked["discord_api_url"])
    plan["ports"] = dict(zip(("postgres", "redis", "fakes"), free_ports(3, {plan["port"]})))
    plan["root"] = stage(plan["data"], plan["variant"], user)
    plan["environment"] = environment(plan)
    plan["withheld"] = withheld(plan["environment"])
    if not as_user(user, lambda: write_plan(plan)):
        raise Refusal(f"{plan['data']}: could not be prepared: see above; `make down` clears it")
    link_promised(plan)
    return plan
