#!/usr/bin/python3
"""Starts one development stack, keeps its programs alive, and ends with all of them.

usage: supervisor.py PLAN [--bound]     (stack.py starts it; it never runs as root)

One process for the whole stack. It holds the listening socket of each program, as systemd does in production, and hands it
over as descriptor 3 (LISTEN_FDS, LISTEN_PID), so a connection made while a program restarts waits instead of failing. A program that
dies is started again at once, and with a growing pause below 1 s while it keeps dying. PostgreSQL, Redis, nginx and the stand-ins are
started but not restarted: tests take them away and give them back by `stack.py stop|start NAME`.
Every process is told by the kernel to end when the supervisor does, and strays come back to it (a subreaper), so nothing outlives it.

On standard output, until the stack is ready: one JSON object per line, {"say"}, {"failed", "log"} or {"ready"}.
On control.sock: one JSON object per connection, {"do": "status" | "stop" | "start" | "shutdown", "name"}, answered by {"ok", ...}.
--bound: ends when the process that started it ends (make run).
"""
import ctypes
import json
import os
import re
import resource
import selectors
import signal
import socket
import sys
import time
import traceback

import plan as plans
import services
from services import Failure

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
BACKLOG = 1024
RESTART_PAUSE_MAX = 0.8
LIVED_LONG = 1.0
STOP_SECONDS = 10.0
READY_SECONDS = 30.0
LIBC = ctypes.CDLL(None, use_errno=True)


class Stop(BaseException):
    """SIGTERM or SIGINT came."""


class Child:
    """A process that is wanted: how to start it, and how it stands."""

    def __init__(self, name, argv, log, restart, end_signal=signal.SIGTERM, death_signal=signal.SIGKILL, listener=None, pid_file=None):
        self.name, self.argv, self.log, self.restart = name, argv, log, restart
        self.end_signal, self.death_signal, self.listener, self.pid_file = end_signal, death_signal, listener, pid_file
        self.pid, self.started, self.due, self.pause, self.starts = None, 0.0, None, 0.0, 0


class Supervisor:
    def __init__(self, plan, bound):
        self.plan, self.children, self.ready_tests, self.stopping, self.asked_to_end = plan, {}, {}, False, False
        self.report = os.fdopen(os.dup(1), "w", buffering=1)
        self.selector = selectors.DefaultSelector()
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        if bound:
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        self.environment = services.program_environment(plan)

    # ---- reports

    def say(self, **line):
        try:
            self.report.write(json.dumps(line) + "\n")
        except OSError:
            pass

    def note(self, text):
        print(time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime()) + text, file=sys.stderr, flush=True)

    # ---- processes

    def start(self, child):
        """Forks and executes; the child's own process group keeps a Ctrl-C of the terminal from it."""
        child.pid, child.started, child.due = os.fork(), time.monotonic(), None
        if child.pid == 0:
            self.become(child)
        child.starts += 1
        self.note(f"{child.name}: started, pid {child.pid}")
        if child.pid_file:
            self.write_pid(child)

    def become(self, child):
        """In the new process: never returns, and never runs what the supervisor has to clean up."""
        try:
            signal.set_wakeup_fd(-1)
            os.setsid()
            LIBC.prctl(PR_SET_PDEATHSIG, child.death_signal, 0, 0, 0)
            if os.getppid() != self.pid:
                os._exit(1)
            for number in (signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            log = os.open(child.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(log, 1)
            os.dup2(log, 2)
            withheld = self.plan["withheld"].get(os.path.basename(child.argv[0]), ())
            environment = {key: value for key, value in self.environment.items() if key not in withheld}
            if child.listener is not None:
                if child.listener.fileno() == 3:
                    os.set_inheritable(3, True)
                else:
                    os.dup2(child.listener.fileno(), 3)
                environment.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
            os.execve(child.argv[0], child.argv, environment)
        except OSError as error:
            os.write(2, f"{child.argv[0]}: cannot be run: {error.strerror}\n".encode())
        finally:
            os._exit(127)

    def write_pid(self, child):
        temporary = child.pid_file + ".new"
        with open(temporary, "w") as file:
            file.write(f"{child.pid}\n")
        os.rename(temporary, child.pid_file)

    @staticmethod
    def forget_pid(child):
        if child.pid_file and os.path.exists(child.pid_file):
            os.unlink(child.pid_file)

    def reap(self):
        """Takes note of who died; strays that came back to us are only buried."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = next((c for c in self.children.values() if c.pid == pid), None)
            if child:
                self.died(child, status)

    def died(self, child, status):
        how = f"signal {signal.Signals(os.WTERMSIG(status)).name}" if os.WIFSIGNALED(status) else f"status {os.waitstatus_to_exitcode(status)}"
        lived = time.monotonic() - child.started
        self.note(f"{child.name}: pid {child.pid} ended with {how} after {lived:.1f} s")
        child.pid = None
        if not child.restart:
            self.forget_pid(child)
        if child.restart and not self.stopping:
            child.pause = 0.0 if lived > LIVED_LONG else min(RESTART_PAUSE_MAX, child.pause * 2 or 0.1) if child.starts > 1 else 0.0
            child.due = time.monotonic() + child.pause

    def end(self, names, seconds=STOP_SECONDS):
        """Stops these and waits for them; SIGKILL for one that does not listen."""
        wanted = [self.children[name] for name in names if name in self.children]
        for child in wanted:
            child.restart, child.due = False, None
            if not child.pid:
                self.forget_pid(child)
            if child.pid:
                self.kill(child.pid, child.end_signal)
                self.kill(child.pid, signal.SIGCONT)
        if not self.gone(wanted, seconds):
            for child in wanted:
                if child.pid:
                    self.note(f"{child.name}: does not end, killed")
                    os.killpg(child.pid, signal.SIGKILL)
            self.gone(wanted, seconds)

    def gone(self, wanted, seconds):
        def nobody():
            self.reap()
            self.start_due()
            return not any(child.pid for child in wanted)
        return services.wait(nobody, seconds, 0.01)

    @staticmethod
    def kill(pid, number):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass

    # ---- the stack, step by step

    def add(self, child):
        self.children[child.name] = child
        self.start(child)
        return child

    def server(self, name, argv, ready, remedy, end_signal=signal.SIGTERM):
        """Starts one of the servers; to be followed by `await_ready` with what is returned."""
        log = services.log_path(self.plan, name)
        child = self.add(Child(name, argv, log, restart=False, end_signal=end_signal, death_signal=end_signal))
        return child, ready, remedy

    def await_ready(self, child, ready, remedy):
        def settled():
            self.reap()
            return child.pid is None or ready()
        if not services.wait(settled, READY_SECONDS) or child.pid is None:
            what = "ended at its start" if child.pid is None else f"is not ready after {READY_SECONDS:.0f} s"
            raise Failure(f"{child.name} {what}: {remedy}", child.log)

    def listen(self, name):
        where = services.path(self.plan, "sock", name + ".sock")
        if os.path.lexists(where):
            os.unlink(where)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        listener.bind(where)
        os.chmod(where, 0o660)
        listener.listen(BACKLOG)
        return listener

    def start_servers(self):
        plan, ports = self.plan, self.plan["ports"]
        another = "its port may have been taken meanwhile: try again"
        waits = []
        services.redis_prepare(plan)
        redis = ["/usr/bin/redis-server", services.path(plan, "redis", "redis.conf")]
        waits.append(self.server("redis", redis, lambda: services.redis_ready(plan), another))
        if os.path.exists(services.fakes_script(plan)):
            fakes = [services.PYTHON, "-B", services.fakes_script(plan), "--listen", f"127.0.0.1:{ports['fakes']}", "--env", services.path(plan, "env")]
            waits.append(self.server("fakes", fakes, lambda: services.port_listens(ports["fakes"]), another))
        services.postgres_prepare(plan)
        postgres = [f"{services.PG_BIN}/postgres", "-D", services.path(plan, "pg")]
        waits.append(self.server("postgres", postgres, lambda: services.postgres_ready(plan), another, signal.SIGINT))
        for server in waits:
            self.await_ready(*server)
        self.ready_tests.update((child.name, (ready, remedy)) for child, ready, remedy in waits)
        services.database_make(plan)

    def start_programs(self):
        plan = self.plan
        for name in plans.program_names(plan["workers"]):
            if services.built(plan, re.sub(r"\.[0-9]+$", "", name)):
                self.start_program(name)
            else:
                self.say(say=f"{name} is not built: left out")

    def start_program(self, name):
        binary = re.sub(r"\.[0-9]+$", "", name)
        listener = self.listen(name) if name in plans.SERVED else None
        self.add(Child(name, [services.program(self.plan, binary)], services.log_path(self.plan, name), restart=True, listener=listener,
                       pid_file=services.path(self.plan, name + ".pid")))

    def start_nginx(self):
        plan = self.plan
        services.nginx_prepare(plan)
        remedy = f"is port {plan['port']} taken? choose another: make up PORT={plan['port'] + 1}"
        nginx = self.server("nginx", services.nginx_argv(plan), lambda: services.port_listens(plan["port"]), remedy)
        self.ready_tests["nginx"] = nginx[1:]
        self.await_ready(*nginx)

    def await_answer(self):
        """/readyz must answer 200; a program that dies meanwhile is named, for its log says why: at the start none ever should."""
        programs = [child for child in self.children.values() if child.restart]
        if not programs:
            return
        last = (0, "")

        def dead():
            return [child for child in programs if child.starts > 1 or not child.pid]

        def settled():
            nonlocal last
            self.pump(0.02)
            if dead():
                return True
            last = services.web_answer(self.plan, "/readyz")
            return last[0] == 200
        services.wait(settled, READY_SECONDS)
        self.pump(0)
        if dead():
            raise Failure(f"{dead()[0].name} ends at its start: its last words say why", dead()[0].log)
        if last[0] != 200:
            raise Failure(f"/readyz answers {last[0]} {last[1][:200]!r} instead of 200", services.log_path(self.plan, "nginx"))

    def bring_up(self):
        plan = self.plan
        if not plans.port_free(plan["port"]):
            raise Failure(f"port {plan['port']} of 127.0.0.1 cannot be had: stop what listens there, or choose another above 1023:"
                          f" make up PORT={plan['port'] + 1}")
        self.say(say="starting PostgreSQL, Redis and the stand-ins")
        self.start_servers()
        if services.built(plan, "trivet"):
            self.say(say="migrating and loading demo data")
            services.migrate(plan)
            services.demo_load(plan)
        else:
            self.say(say="trivet is not built: the database stays empty")
        services.write(plan, "".join(f"{key}={value}\n" for key, value in sorted(plan["environment"].items())), "env")
        if services.built(plan, "trivet"):
            services.commands_register(plan)  # the stand-ins know our tokens from the file just written
        self.say(say="starting the programs and nginx")
        self.start_programs()
        self.start_nginx()
        self.await_answer()

    def tear_down(self):
        """First who takes requests, then who serves them, last who stores; then every stray."""
        self.stopping = True
        programs = [name for name, child in self.children.items() if name.startswith("trivet-")]
        for names in (["nginx"], programs, ["fakes", "redis", "postgres"]):
            self.end(names)
        self.end_strays()
        for name in ("env", "control.sock", *(f"sock/{name}.sock" for name in plans.SERVED), "sock/redis.sock"):
            where = services.path(self.plan, name)
            if os.path.lexists(where):
                os.unlink(where)

    def end_strays(self):
        """Children of the dead, who are ours now."""
        for _ in range(100):
            self.reap()
            strays = [int(pid) for pid in open(f"/proc/self/task/{self.pid}/children").read().split()]
            if not strays:
                return
            for pid in strays:
                self.kill(pid, signal.SIGKILL)
            time.sleep(0.01)

    # ---- life

    def pump(self, seconds):
        """Waits for a death, a control call or the time, and restarts who is due."""
        now = time.monotonic()
        dues = [child.due - now for child in self.children.values() if child.due is not None]
        for key, _ in self.selector.select(max(0.0, min([seconds, *dues]))):
            if key.data == "wake":
                os.read(self.wake, 4096)
            elif key.data == "control":
                self.control(key.fileobj)
                if self.asked_to_end:  # only now: the caller has its answer
                    raise Stop()
        self.reap()
        self.start_due()

    def start_due(self):
        for child in list(self.children.values()):
            if child.due is not None and child.due <= time.monotonic() and not self.stopping:
                self.start(child)

    def control(self, listener):
        """One question, one answer. A caller that says nothing is left after a second."""
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(1)
            try:
                question = connection.makefile().readline(4096)
                answer = self.answer(json.loads(question))
            except (OSError, ValueError, KeyError, AttributeError, Failure) as error:
                answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
            try:
                connection.sendall(json.dumps(answer).encode() + b"\n")
            except OSError:
                pass

    def answer(self, question):
        verb = question["do"]
        if verb == "status":
            return {"ok": True, "pid": self.pid, "children": {c.name: {"pid": c.pid, "starts": c.starts} for c in self.children.values()}}
        if verb == "shutdown":
            self.asked_to_end = True
            return {"ok": True, "pid": self.pid}
        name = question["name"]
        if verb == "start" and re.fullmatch(plans.WORKER + r"\.[0-9]{1,2}", name) and name not in self.children:
            self.start_program(name)
        elif name not in self.children or verb not in ("start", "stop"):
            return {"ok": False, "error": f"{verb} {name}: there is start and stop of {' '.join(sorted(self.children))}"}
        elif verb == "stop":
            self.end([name])
        elif not self.children[name].pid:
            child = self.children[name]
            child.restart, child.starts, child.pause = name.startswith("trivet-"), 0, 0.0
            self.start(child)
            if name in self.ready_tests:
                self.await_ready(child, *self.ready_tests[name])
        return {"ok": True, "pid": self.children[name].pid}

    def open_doors(self):
        self.pid = os.getpid()
        self.wake, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self.interrupted)
        self.selector.register(self.wake, selectors.EVENT_READ, "wake")

    def interrupted(self, number, _frame):
        if not self.stopping:
            self.stopping = True
            raise Stop()

    def serve(self):
        control = self.plan["data"] + "/control.sock"
        if os.path.lexists(control):
            os.unlink(control)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(control)
        os.chmod(control, 0o600)
        listener.listen(16)
        self.selector.register(listener, selectors.EVENT_READ, "control")
        self.say(ready=True)
        self.report.close()
        while True:
            self.pump(3600)


def main():
    if os.geteuid() == 0:
        sys.exit("supervisor.py never runs as root: start it by stack.py")
    with open(sys.argv[1]) as file:
        plan = json.load(file)
    os.chdir(plan["data"])
    os.umask(0o022)
    supervisor = Supervisor(plan, "--bound" in sys.argv[2:])
    log = os.open(services.log_path(plan, "supervisor"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    supervisor.open_doors()
    try:
        supervisor.bring_up()
        supervisor.serve()
    except Stop:
        pass
    except Failure as failure:
        supervisor.note(str(failure))
        supervisor.say(failed=str(failure), log=failure.log)
        sys.exit(1)
    except Exception as error:
        traceback.print_exc()
        supervisor.say(failed=f"{type(error).__name__}: {error}", log=services.log_path(plan, "supervisor"))
        sys.exit(1)
    finally:
        supervisor.tear_down()


if __name__ == "__main__":
    main()
