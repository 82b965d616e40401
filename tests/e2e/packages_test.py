"""make deps: what it asks apt-get for, and when it does not ask at all. apt-get, dpkg-query and sudo are doubles that write down their calls."""
import os
import subprocess

import pytest

from conftest import ROOT

SCRIPT = os.path.join(ROOT, "tests", "dev", "packages.sh")
DOUBLES = {
    # Every package asked for is installed but those in $LACKING, until apt-get has been here.
    "dpkg-query": 'shift 3; for p in "$@"; do case " $LACKING " in *" $p "*) [ -e "$STATE/installed" ] || continue;; esac; echo "$p installed"; done',
    "apt-get": 'echo "apt-get $* frontend=$DEBIAN_FRONTEND policy=$([ -x "$POLICY_RC_D" ] && echo yes)" >>"$STATE/calls"\n'
               '[ "${APT_FAILS-}" ] && exit 100\ncase " $* " in *" install "*) : >"$STATE/installed";; esac',
    "sudo": 'echo "sudo $*" >>"$STATE/calls"',
    "id": 'echo "$AS_UID"',
}


@pytest.fixture
def packages(tmp_path):
    """packages(word, **environment) -> (process, calls of the doubles)."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def run(word, without=(), **more):
        for name, text in DOUBLES.items():
            if name not in without:
                (folder / name).write_text("#!/bin/sh\n" + text + "\n")
                (folder / name).chmod(0o755)
        for name in ("sh", "sed", "grep", "rm", "chmod", "cat"):
            if not (folder / name).exists():
                (folder / name).symlink_to(f"/bin/{name}")
        environment = {"PATH": str(folder), "STATE": str(tmp_path), "POLICY_RC_D": str(tmp_path / "policy-rc.d"), "LACKING": "", "AS_UID": "0", **more}
        done = subprocess.run(["/bin/sh", SCRIPT, word], env=environment, capture_output=True, text=True)
        calls = (tmp_path / "calls").read_text().splitlines() if (tmp_path / "calls").exists() else []
        return done, calls
    return run


def test_when_all_is_there_apt_is_not_touched(packages):
    done, calls = packages("test")
    assert (done.returncode, done.stdout, done.stderr, calls) == (0, "", "", [])


def test_only_what_is_missing_is_installed_without_questions_and_without_starting_services(packages, tmp_path):
    done, calls = packages("build", LACKING="nginx libinih-dev wrk")
    assert done.returncode == 0, done.stderr
    assert "update" in calls[0] and calls[1].split(" install ")[1].startswith("libinih-dev nginx frontend=noninteractive policy=yes")
    assert not (tmp_path / "policy-rc.d").exists(), "taken away again"


def test_a_policy_that_stands_is_left(packages, tmp_path):
    (tmp_path / "policy-rc.d").write_text("own")
    assert packages("build", LACKING="nginx")[0].returncode == 0
    assert (tmp_path / "policy-rc.d").read_text() == "own"


def test_a_failing_apt_is_reported_and_its_policy_taken_away(packages, tmp_path):
    done, _ = packages("build", LACKING="nginx", APT_FAILS="1")
    assert done.returncode == 1 and "could not install nginx" in done.stderr
    assert not (tmp_path / "policy-rc.d").exists()


def test_another_user_goes_through_sudo(packages):
    done, calls = packages("test", LACKING="wrk", AS_UID="1000")
    assert calls == [f"sudo sh {SCRIPT} install wrk"]
    assert done.returncode == 1 and "not installed: wrk" in done.stderr, "the double installs nothing, and that is noticed"


def test_without_sudo_the_command_is_named(packages):
    done, calls = packages("test", without=("sudo",), LACKING="wrk gcovr", AS_UID="1000")
    assert done.returncode == 1 and "apt-get install gcovr wrk" in done.stderr and calls == []


def test_without_apt_the_packages_are_named(packages):
    done, _ = packages("build", without=("apt-get",), LACKING="nginx")
    assert done.returncode == 1 and "Debian 12" in done.stderr


def test_wrong_usage_is_refused(packages):
    done, calls = packages("everything")
    assert done.returncode == 2 and "usage:" in done.stderr and calls == []
