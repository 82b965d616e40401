"""The private PostgreSQL, Redis, nginx and stand-ins of one stack: their settings, their command lines, when they are ready.

Each function takes the plan (plan.py). Nothing here starts or stops a process but initdb; that is the supervisor's.
"""
import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

import psycopg2

import plan as plans

PG_BIN = "/usr/lib/postgresql/15/bin"
PYTHON = "/usr/bin/python3"
DEMO_CHAT = "telegram:-1001234567890"
SCOPES = ["events", "users", "ledger", "sessions", "link", "promo", "access", "trainings", "tickets"]
ACL = ("~link:* ~guess:* ~board:* resetchannels -@all +@read +@write +@transaction +@connection +@sortedset +@string -@dangerous")


class Failure(Exception):
    """A step went wrong: what in one line, and the log that tells more."""

    def __init__(self, what, log=None):
        super().__init__(what)
        self.log = log


def path(plan, *parts):
    return os.path.join(plan["data"], *parts)


def log_path(plan, name):
    return path(plan, "log", name + ".log")


def write(plan, text, *parts):
    plans.write_private(path(plan, *parts), text)


# ---- PostgreSQL --------------------------------------------------------------------------------------------------------------


def postgres_conf(plan):
    return f"""# Written anew at every start.
listen_addresses = '127.0.0.1'
port = {plan['ports']['postgres']}
unix_socket_directories = '{path(plan, "sock")}'
unix_socket_permissions = 0700
max_connections = 100
superuser_reserved_connections = 3
password_encryption = 'scram-sha-256'
fsync = on
synchronous_commit = on
deadlock_timeout = 200ms
full_page_writes = on
shared_buffers = 256MB
effective_cache_size = 1GB
work_mem = 8MB
maintenance_work_mem = 64MB
huge_pages = off
jit = off
random_page_cost = 1.1
wal_compression = lz4
min_wal_size = 128MB
max_wal_size = 2GB
checkpoint_timeout = 15min
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d %a '
log_lock_waits = on
log_min_duration_statement = 2s
"""


def postgres_prepare(plan):
    """Makes the cluster once; a folder that initdb did not finish is never taken for one."""
    if not os.path.isdir(path(plan, "pg")):
        shutil.rmtree(path(plan, "pg.new"), ignore_errors=True)
        os.mkdir(path(plan, "pg.new"), 0o700)
        plans.write_private(path(plan, "password"), plan["secrets"]["pg_superuser"])
        try:
            made = subprocess.run([f"{PG_BIN}/initdb", "-D", path(plan, "pg.new"), "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8",
                                   "--locale=C.UTF-8", "--no-sync", "--no-instructions", "--pwfile", path(plan, "password")],
                                  stdout=open(log_path(plan, "initdb"), "w"), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        except OSError as error:
            raise Failure(f"initdb cannot be run ({error.strerror}): install postgresql-15 (make deps)") from None
        finally:
            os.unlink(path(plan, "password"))
        if made.returncode:
            raise Failure("initdb could not make the PostgreSQL cluster: is the disk full?", log_path(plan, "initdb"))
        os.rename(path(plan, "pg.new"), path(plan, "pg"))
    if not wait(lambda: not postmaster_lives(plan), 20):
        raise Failure("the PostgreSQL of a stack whose supervisor was killed does not end: end the process whose number is in "
                      + path(plan, "pg", "postmaster.pid"))
    write(plan, postgres_conf(plan), "pg", "postgresql.conf")


def postmaster_lives(plan):
    """Whether a server still has the cluster: one whose supervisor was killed needs a moment for its checkpoint."""
    try:
        with open(path(plan, "pg", "postmaster.pid")) as file:
            pid = int(file.readline())
        return os.readlink(f"/proc/{pid}/exe").startswith(PG_BIN)
    except (OSError, ValueError):
        return False


def postgres_connect(plan, database="postgres", superuser=True):
    role, key = ("postgres", "pg_superuser") if superuser else ("trivet", "pg_role")
    return psycopg2.connect(host="127.0.0.1", port=plan["ports"]["postgres"], user=role, password=plan["secrets"][key], dbname=database,
                            connect_timeout=5, application_name="stack")


def postgres_ready(plan):
    try:
        postgres_connect(plan).close()
    except psycopg2.OperationalError:
        return False
    return True


def database_make(plan):
    """The role of DATABASE_URL, which may create databases and nothing more, and its database."""
    connection = postgres_connect(plan)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = 'trivet'")
        verb = "ALTER" if cursor.fetchone() else "CREATE"
        cursor.execute(f"{verb} ROLE trivet LOGIN CREATEDB NOSUPERUSER NOCREATEROLE PASSWORD %s", (plan["secrets"]["pg_role"],))
        cursor.execute("SELECT 1 FROM pg_catalog.pg_database WHERE datname = 'trivet'")
        if not cursor.fetchone():
            cursor.execute("CREATE DATABASE trivet OWNER trivet")
    connection.close()


def trivet(plan, log, *words):
    """Runs the operator's command; False when it failed, with its words in the log."""
    with open(log_path(plan, log), "a") as file:
        return subprocess.run([program(plan, "trivet"), *words], env=program_environment(plan), cwd=plan["data"], stdin=subprocess.DEVNULL,
                              stdout=file, stderr=subprocess.STDOUT).returncode == 0


def migrate(plan):
    if not trivet(plan, "migrate", "migrate"):
        raise Failure("`trivet migrate` failed; if a migration file was edited, `make down` starts an empty database", log_path(plan, "migrate"))


def demo_load(plan):
    """One chat that gives activity and one API key of every scope; a stack that comes back keeps what was made of them."""
    with contextlib.closing(postgres_connect(plan, "trivet", superuser=False)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM public.chat")
        empty = cursor.fetchone()[0] == 0
    if empty and not trivet(plan, "demo", "chat", "add", DEMO_CHAT, "--title", "The Community"):
        raise Failure("`trivet chat add` failed", log_path(plan, "demo"))
    api_key_make(plan)


def api_key_make(plan):
    """In SQL, for `trivet apikey new` binds a key with scope link to one platform (contract.md 3), and shows a new key each time."""
    with contextlib.closing(postgres_connect(plan, "trivet", superuser=False)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("""INSERT INTO public.api_key (name, hash, scopes, bot, in_flight, per_minute, created_at) VALUES ('development', %s, %s, '*', 64, NULL, now())
                          ON CONFLICT (name) DO UPDATE SET hash = excluded.hash, scopes = excluded.scopes, bot = '*', per_minute = NULL, revoked_at = NULL""",
                       (hashlib.sha256(plan["secrets"]["API_KEY"].encode()).digest(), SCOPES))


def commands_register(plan):
    """With the stand-ins only: what the real platforms show is for the operator to decide."""
    if plan["telegram_api_url"] or plan["discord_api_url"]:
        return
    if not trivet(plan, "demo", "commands", "sync"):
        raise Failure("`trivet commands sync` failed", log_path(plan, "demo"))


# ---- Redis -------------------------------------------------------------------------------------------------------------------


def redis_prepare(plan):
    """Nothing is kept over a restart; only our keys, only the commands that our code may call."""
    digest, developer = (hashlib.sha256(plan["secrets"][key].encode()).hexdigest() for key in ("redis_user", "redis_developer"))
    write(plan, f"""bind 127.0.0.1
port {plan['ports']['redis']}
unixsocket {path(plan, "sock", "redis.sock")}
unixsocketperm 700
daemonize no
dir {path(plan, "redis")}
save ""
appendonly no
databases 1
maxmemory 512mb
maxmemory-policy noeviction
user default off
user trivet on #{digest} {ACL}
user developer on #{developer} ~* &* +@all
""", "redis", "redis.conf")


def redis_ready(plan):
    try:
        with socket.create_connection(("127.0.0.1", plan["ports"]["redis"]), 1) as link:
            link.sendall(f"AUTH trivet {plan['secrets']['redis_user']}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2:
                piece = link.recv(100)
                if not piece:
                    return False
                answer += piece
            return answer == b"+OK\r\n+PONG\r\n"
    except OSError:
        return False


# ---- nginx -------------------------------------------------------------------------------------------------------------------


def nginx_upstreams(plan):
    """As nginx/trivet.conf has them."""
    kept = {"trivet-telegram": " keepalive 64;", "trivet-discord": " keepalive 64;"}
    return "".join(f"upstream {name.replace('-', '_')} {{ server unix:{path(plan, 'sock', name)}.sock;{kept.get(name, '')} }}\n"
                   for name in plans.SERVED)


def nginx_conf(plan):
    """The production files (limits, parameters, refusals, locations) between this stack's own addresses and paths."""
    own, house = path(plan, "nginx"), os.path.join(plan["root"], "nginx")
    temporary = "\n".join(f"    {kind}_temp_path {own}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return f"""daemon off;
worker_processes 2;
pid {own}/nginx.master;
error_log {log_path(plan, 'nginx')} warn;
events {{ worker_connections 2048; }}
http {{
{temporary}
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    server_tokens off;
    access_log off;
    sendfile on;
    keepalive_requests 1000000;
    client_body_buffer_size 64k;
    include {own}/upstreams.conf;
    include {house}/limits.conf;
    fastcgi_cache_path {own}/board keys_zone=trivet_board:1m max_size=16m inactive=10s use_temp_path=off;
    server {{
        listen 127.0.0.1:{plan['port']} default_server;
        server_name _;
        include {house}/refusals.conf;
        error_page 404 @nobody;
        location / {{ return 444; }}
        location @nobody {{ return 444; }}
    }}
    server {{
        listen 127.0.0.1:{plan['port']};
        server_name 127.0.0.1 localhost;
        root {house}/www;
        include {house}/fastcgi.conf;
        include {house}/refusals.conf;
        include {house}/locations.conf;
        location ^~ /playground/ {{
            proxy_pass http://127.0.0.1:{plan['ports']['fakes']};
            proxy_set_header Host $host;
        }}
    }}
}}
"""


def nginx_prepare(plan):
    write(plan, nginx_upstreams(plan), "nginx", "upstreams.conf")
    write(plan, nginx_conf(plan), "nginx", "nginx.conf")
    tested = subprocess.run([*nginx_argv(plan), "-t", "-q"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if tested.returncode:
        raise Failure("nginx refuses its settings: " + (tested.stderr.strip().splitlines() or ["no word"])[0], log_path(plan, "nginx"))


def nginx_argv(plan):
    return ["/usr/sbin/nginx", "-p", path(plan, "nginx"), "-c", path(plan, "nginx", "nginx.conf"), "-e", log_path(plan, "nginx")]


def port_listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


# ---- stand-ins and programs ----------------------------------------------------------------------------------------------------


def fakes_script(plan):
    return os.path.join(plan["root"], "tests", "fakes", "fakes.py")


def program(plan, name):
    return os.path.join(plan["root"], "build", plan["variant"], name)


def built(plan, name):
    return os.access(program(plan, name), os.X_OK)


def program_environment(plan):
    """What a program is given: the stack's settings, and what steers a sanitizer or a coverage run; nothing else of the caller's."""
    passed = {key: os.environ[key] for key in os.environ if key.endswith("SAN_OPTIONS") or key in ("GCOV_PREFIX", "GCOV_PREFIX_STRIP")}
    return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": plan["data"], **passed, **plan["environment"], "REDIS_URL": plans.redis_url(plan, "trivet")}


def web_answer(plan, target):
    """Status and body of one GET through nginx; status 0 when there was none."""
    try:
        with urllib.request.urlopen(plan["environment"]["BASE_URL"] + target, timeout=5) as answer:
            return answer.status, answer.read(4096).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read(4096).decode("utf-8", "replace")
    except OSError as error:
        return 0, str(error)


def wait(condition, seconds, pause=0.02):
    """Whether condition() came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True
