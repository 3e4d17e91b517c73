"""Which tasks are meant: by status, cause and parameters; and what a resubmission changes."""

from __future__ import annotations

import pytest

from tests.cli.tools import Jman

SWEPT = ("--sweep", "lr=0.1,0.01", "--sweep", "seed=1-3", "--")
SCRIPT = "case {seed} in 2) exit 3;; 3) kill -9 $$;; esac"


@pytest.fixture
def ran(jman: Jman) -> Jman:
    """A sweep, a job that timed out, and an array with two failures that is not at its end."""
    jman.submit("-l", "logs", *SWEPT, "sh", "-c", SCRIPT)
    jman.submit("--timeout", "0.1s", "sleep", "100")
    jman.submit("-t", "1-4", "--", "sh", "-c", "[ $((SGE_TASK_ID % 2)) = 0 ]")
    jman("execute", "-p", "4", code=1)
    jman("resubmit", "3.1")
    return jman


def ids_in(text: str) -> list[str]:
    """Return the ids of the lines of a table."""
    return [line.split()[0] for line in text.splitlines()[2:]]


def test_tasks_of_a_status(ran: Jman) -> None:
    """Also of jobs that have not ended; a job is shown where a task of it is."""
    assert ids_in(ran("list", "-a", "-s", "failure").out) == [
        "1",
        "1.2",
        "1.3",
        "1.5",
        "1.6",
        "2",
        "3",
        "3.3",
    ]
    assert ids_in(ran("list", "-a", "-s", "submitted").out) == ["3", "3.1"]
    assert ids_in(ran("list", "-s", "failure").out) == ["1", "2"], "without -a: jobs"


def test_tasks_of_a_cause(ran: Jman) -> None:
    assert ids_in(ran("list", "--cause", "signal").out) == ["1", "1.3", "1.6"]
    assert ids_in(ran("list", "--cause", "timeout,exit").out) == ["1", "1.2", "1.5", "2", "3", "3.3"]
    assert "bad cause" in ran("list", "--cause", "nonsense", code=2).err
    lines = ran("why", "--cause", "signal").out.splitlines()
    assert [line.split()[0] for line in lines] == ["job", "1.3", "1.6"]
    heads = [line.split()[0] for line in ran("report", "--cause", "signal").lines if "killed by" in line]
    assert heads == ["1.3", "1.6"]


def test_tasks_with_parameters(ran: Jman) -> None:
    assert ids_in(ran("list", "--where", "lr=0.1", "--where", "seed=2").out) == ["1", "1.2"]
    assert ids_in(ran("list", "--where", "lr=0.1", "-s", "failure").out) == ["1", "1.2", "1.3"]
    (job,) = ran("list", "--json", "--where", "seed=2").json()
    assert [task["id"] for task in job["tasks"]] == [2, 5]
    assert "lr=0.1 seed=2" in ran("report", "1.2").out
    assert "lr=0.1 seed=2" in ran("why", "1", "--where", "lr=0.1").out
    assert "nosuch" in ran("list", "--where", "nosuch=1", code=2).err


def test_stop_by_parameters(jman: Jman) -> None:
    jman.submit(*SWEPT, "true", "{lr}")
    jman("stop", "--where", "lr=0.1")
    assert {i for i, task in jman.tasks().items() if task["status"] == "stopped"} == {1, 2, 3}


def test_resubmit_by_cause(ran: Jman) -> None:
    ran("resubmit", "--cause", "signal")
    assert ids_in(ran("list", "-a", "-s", "submitted").out) == ["1", "1.3", "1.6", "3", "3.1"]


def test_what_is_different_from_now_on(ran: Jman) -> None:
    ran(
        "resubmit", "2", "--timeout", "2h", "--retry", "3", "--retry-on", "timeout", "--name", "long",
        "--environment", "A=1",
    )  # fmt: skip
    job = ran.job(2)
    assert (job["timeout"], job["name"], job["environment"]) == (7200.0, "long", {"A": "1"})
    assert (job["retry"]["count"], job["retry"]["on"]) == (3, ["timeout"])
    ran("resubmit", "3", "--array-limit", "2")
    assert ran.job(3)["array"] == "1-4%2"
    assert ran.job(1)["timeout"] is None
    before = ran.database.read_bytes()
    assert "bad time" in ran("resubmit", "2", "--timeout", "soon", code=2).err
    assert ran.database.read_bytes() == before


@pytest.mark.parametrize("word", ["{lrr}", "{l}r}", "{sed}", "{lR}"])
def test_a_mistyped_parameter(jman: Jman, word: str) -> None:
    done = jman("--local", "submit", *SWEPT, "true", word, code=None)
    assert (done.code == 2 and word[1:-1] in done.err) if word != "{l}r}" else done.code == 0
    jman("--local", "submit", "--no-check", *SWEPT, "true", word)


def test_what_is_no_parameter_passes(jman: Jman) -> None:
    jman("--local", "submit", *SWEPT, "true", "awk '{print}'", "${lR}", "{other}")


def test_the_last_lines_of_logs(jman: Jman) -> None:
    jman.submit("-l", "logs", "sh", "-c", "seq 1 100000; printf end")
    jman("execute")
    assert jman("report", "1", "-o", "--tail", "2").lines[-2:] == ["100000", "end"]
    assert jman("report", "1", "-o", "--tail", "1000000").lines[-1] == "end"
    assert len(jman("report", "1", "-o", "--tail", "50").lines) == 4 + 50
