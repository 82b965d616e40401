"""The line that all kinds of tests end with, and the same in the file that TOTAL names (tests/support/run_tests --sum)."""
import os


def pytest_terminal_summary(terminalreporter):
    count = {name: len(terminalreporter.stats.get(name, [])) for name in ("passed", "failed", "error", "skipped")}
    total = (count["passed"], count["failed"] + count["error"], count["skipped"])
    if os.environ.get("TOTAL"):
        os.makedirs(os.path.dirname(os.path.abspath(os.environ["TOTAL"])), exist_ok=True)
        with open(os.environ["TOTAL"], "w", encoding="ascii") as file:
            file.write("{} {} {}\n".format(*total))
    terminalreporter.write_line("{} passed, {} failed, {} skipped".format(*total))
