"""The systemd units and `make install`, by systemd's own judgement."""
import glob
import os
import re
import shutil
import subprocess

import pytest

from conftest import ROOT, plans

UNITS = os.path.join(ROOT, "systemd")
SERVICES = sorted(os.path.basename(path) for path in glob.glob(os.path.join(UNITS, "*.service")))
# Of the served programs those whose source is there.
WRITTEN = [name for name in plans.SERVED if os.path.isdir(os.path.join(ROOT, "handlers", name.removeprefix("trivet-")))]
pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


def read(name):
    with open(os.path.join(UNITS, name)) as file:
        return file.read()


def test_there_is_a_service_for_each_program_and_a_socket_for_each_that_is_served():
    assert SERVICES == sorted(f"{name}.service" for name in (*WRITTEN, plans.WORKER))
    assert sorted(os.path.basename(path) for path in glob.glob(os.path.join(UNITS, "*.socket"))) == sorted(f"{name}.socket" for name in WRITTEN)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_exposed_to_no_more_than_1_5(service):
    judged = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", os.path.join(UNITS, service)],
                            capture_output=True, text=True)
    assert judged.returncode == 0, judged.stdout.splitlines()[-1:] or judged.stderr


def test_the_judge_can_say_no(tmp_path):
    """Without the drop-in a unit fails: the test above looks at what it should."""
    shutil.copy(os.path.join(UNITS, SERVICES[0]), tmp_path)
    assert subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", str(tmp_path / SERVICES[0])],
                          capture_output=True).returncode != 0


@pytest.mark.parametrize("name", WRITTEN)
def test_a_socket_is_for_nginx_alone(name):
    text = read(f"{name}.socket")
    for line in (f"ListenStream=/run/trivet/{name}.sock", "SocketMode=0660", "SocketGroup=www-data"):
        assert line in text.splitlines()


@pytest.mark.parametrize("service", SERVICES)
def test_secrets_come_as_credentials_and_never_in_a_unit(service):
    text = read(service)
    assert "LoadCredential=TRIVET_KEY:trivet.TRIVET_KEY" in text.splitlines()
    assert not re.search(r"^Environment=.*(TOKEN|SECRET|KEY|URL)", text, re.M)


def test_units_are_well_formed(tmp_path):
    """As installed, so each ExecStart is a file that is there; only the missing manual page is forgiven."""
    shutil.copytree(UNITS, tmp_path / "units", ignore=shutil.ignore_patterns("*.d", "deb"))
    for path in (tmp_path / "units").glob("*.service"):
        path.write_text(re.sub(r"^ExecStart=.*", "ExecStart=/bin/true", path.read_text(), flags=re.M))
    done = subprocess.run(["systemd-analyze", "verify", *map(str, (tmp_path / "units").iterdir())], capture_output=True, text=True)
    assert [line for line in done.stderr.splitlines() if "man " not in line] == []


def test_a_program_is_given_no_secret_of_another(stack):
    """Here as by systemd: what a program does not use it cannot give away. All other tests run on stacks like this one."""
    names = {"trivet-telegram": {"BOT_SECRET", "QUIZ_BOT_SECRET"}, "trivet-worker": {"BOT_TOKEN", "QUIZ_BOT_TOKEN", "DISCORD_BOT_TOKEN", "DISCORD_CLIENT_SECRET"}}
    tokens = {key for key in stack.env if key.endswith(("BOT_TOKEN", "BOT_SECRET", "CLIENT_SECRET"))}
    for program in stack.programs():
        with open(f"/proc/{stack.pid(program)}/environ", "rb") as file:
            held = {entry.partition(b"=")[0].decode() for entry in file.read().split(b"\0")}
        assert held & tokens == names.get(re.sub(r"\.[0-9]+$", "", program), set()), program
