"""Why a job did not run, from the last of a chain back to what went wrong first."""

from __future__ import annotations

import pytest

from tests.cli.tools import Jman


def test_a_skipped_job_names_the_first_cause(jman: Jman) -> None:
    jman.submit("--sweep", "lr=0.1,0.2,0.3", "--", "sh", "-c", "[ {lr} = 0.1 ] || exit 3")
    jman.submit("--after-ok", "1", "true")
    jman.submit("--after-any", "2", "true")
    jman("execute", code=1)
    lines = jman("why", "3", "1").out.splitlines()
    assert lines[0].startswith("job 1 failed: ")
    assert lines[-2:] == [
        "job 3 was skipped: true",
        "  skipped: 3 ← 2 ← 1 failed: 1.2 lr=0.2: exit status 3, and 1 more",
    ]


@pytest.mark.parametrize("first", ["succeeded", "was stopped"])
def test_a_cause_that_is_no_failure(jman: Jman, first: str) -> None:
    jman.submit("true")
    if first == "was stopped":
        jman("stop", "1")
    jman.submit("--after-notok" if first == "succeeded" else "--after-ok", "1", "true")
    jman("execute", code=None)
    assert jman("why", "2").out.splitlines()[1:] == [f"  skipped: 2 ← 1 {first}"]


def test_what_explains_it_may_be_gone(jman: Jman) -> None:
    jman.submit("false")
    jman.submit("--after-ok", "1", "true")
    jman("execute", code=1)
    jman("delete", "1")
    assert jman("why", "2").out.splitlines()[1:] == ["  2 skipped: because of job 1"]


def test_what_never_started(jman: Jman) -> None:
    jman.submit("true")
    jman("stop")
    assert jman("why", "1").out == "job 1 was stopped: true\n  1 stopped: before it started\n"


def test_another_environment_is_told_where_it_failed(jman: Jman) -> None:
    """The virtual environment was left, or another one entered, between submit and execute."""
    jman.variables["VIRTUAL_ENV"] = "/home/me/one"
    jman.submit("false")
    jman.submit("true")
    jman.variables["VIRTUAL_ENV"] = "/home/me/two"
    jman("execute", code=1)
    told = jman("why", "1").out
    assert (
        "another environment than where it was submitted: VIRTUAL_ENV /home/me/two, not /home/me/one" in told
    )


def test_of_a_progress_bar_it_shows_the_end(jman: Jman) -> None:
    jman.submit("-l", "logs", "sh", "-c", r"printf '\r10 %%\r20 %%\r\nbroken pump\r\n' >&2; exit 3")
    jman("execute", code=1)
    assert jman("why", "1").out.splitlines()[-2:] == ["    | 20 %", "    | broken pump"]
