"""Commands beside a delete: jobs that they were about to show or to change are no more."""

from __future__ import annotations

import json

import pytest

from tests.cli.tools import Jman

MUCH = (
    5000  # tasks of a job: their list (115 kB) is longer than a pipe (64 KiB) and three buffers (8 KiB each)
)


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["table", "json"])
def test_a_list_that_is_read_slowly(jman: Jman, form: list[str]) -> None:
    """It has begun, and waits for its reader, while jobs and tasks go."""
    for _ in range(3):
        jman.submit("-t", str(MUCH), "true")
        jman.submit("true")
    for job_id in (1, 3, 5):
        jman("stop", job_id, "-a", f"1-{MUCH}")
    process = jman.piped("list", "-a", *form)
    assert process.stdout is not None and process.stderr is not None
    first = process.stdout.readline()
    jman("delete", "3-6")
    jman("delete", "1", "-a", str(MUCH))
    with process.stdout, process.stderr:
        out, errors = process.stdout.read(), process.stderr.read()
    assert (process.wait(60), errors) == (0, "")
    # job 1 was being shown; of what was deleted nothing is made up
    if form:
        shown = json.loads(first + out)
        assert {task["status"] for task in shown[0]["tasks"]} == {"stopped"}
        assert len(shown[0]["tasks"]) == MUCH - 1
        assert [job["id"] for job in shown] == [1, 2]
    else:
        numbers = [line.split()[0] for line in out.splitlines()]
        assert [one for one in numbers if "." not in one][-6:] == ["1", "2", "3", "4", "5", "6"]
        assert {one.split(".")[0] for one in numbers if "." in one} == {"1"}


def test_all_commands_beside_a_delete(jman: Jman) -> None:
    for _ in range(2):
        jman.submit("-t", "2", "-l", "logs", "false")
        for _ in range(40):
            jman("--local", "submit", "-t", "2", "-l", "logs", "--after-any", "1", "false")
        jman("execute", "-p", "4", code=1)
        jobs = len(jman.list())
        assert jobs == 41
        others = [
            jman.piped("--local", *words)
            for words in (
                ["list", "-a"],
                ["list", "-a", "--json"],
                ["report"],
                ["why"],
                ["stop"],
                ["resubmit", "--failed-only"],
                ["resubmit", "--clean"],
                ["delete", "-s", "failure"],
                ["wait", "--timeout", "0.1"],
            )
        ]
        jman("delete")
        for process in others:
            out, errors = process.communicate(timeout=60)
            assert "Traceback" not in errors, errors
            assert process.returncode in (0, 1, 3), (process.args, out, errors)
        jman("delete")
