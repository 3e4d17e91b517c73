"""jman submit --retry, --retry-on, --retry-delay, --timeout; attempts are kept and shown."""

from __future__ import annotations

import time

import pytest

from tests.cli.test_bad_input import check
from tests.cli.tools import Jman, pid_in, wait_dead, wait_until

COUNT = "echo attempt $JMAN_ATTEMPT; "


def attempts(jman: Jman, job_id: int = 1) -> int:
    (task,) = jman.tasks(job_id).values()
    return int(task["attempt"])


def test_until_it_succeeds(jman: Jman) -> None:
    jman.submit("--retry", "5", "-l", "logs", "sh", "-c", COUNT + "[ $JMAN_ATTEMPT = 3 ]")
    jman("execute")
    assert (jman.status(), attempts(jman)) == ({1: "success"}, 3)
    assert (jman.folder / "logs/sh.o1").read_text() == "attempt 3\n"
    assert [(jman.folder / f"logs/sh.o1.attempt{one}").read_text() for one in (1, 2)] == [
        "attempt 1\n",
        "attempt 2\n",
    ]


def test_no_more_than_so_many_times(jman: Jman) -> None:
    job = jman.submit("--retry", "2", "-l", "logs", "sh", "-c", COUNT + "exit $JMAN_ATTEMPT")
    every = ["exit", "launch", "memory", "node", "signal", "timeout", "vanished"]
    assert job["retry"] == {"count": 2, "on": every, "delay": 0}
    jman("execute", code=1)
    assert (attempts(jman), jman.job()["exit_status"]) == (3, 3)
    for one in (1, 2, 3):
        text = jman("report", "--attempt", one, "1").out
        assert f"attempt {one}\n" in text
        assert f"exit status {one}" in text
    titles, _, row = jman("list", "-t").lines
    at = titles.index("attempt")
    assert row[at : at + len("attempt")].strip() == "3"


CAUSES = {
    "failure": "exit 3",
    "signal": "kill -SEGV $$",
    "oom": "kill -KILL $$",
    "timeout": "exec sleep 1000",
}


@pytest.mark.parametrize("cause", CAUSES)
def test_by_cause(jman: Jman, cause: str) -> None:
    """A job of each cause, all of which are tried again only after ``cause``."""
    for program in CAUSES.values():
        jman.submit("--retry", "1", "--retry-on", cause, "--timeout", "0.3", "--", "sh", "-c", program)
    jman("execute", "-p", "4", code=1)
    again = [name for job_id, name in enumerate(CAUSES, 1) if attempts(jman, job_id) == 2]
    assert again == (["signal", "oom"] if cause == "signal" else [cause])


def test_several_causes(jman: Jman) -> None:
    job = jman.submit("--retry", "1", "--retry-on", "oom,node", "--retry-on", "timeout", "true")
    assert job["retry"]["on"] == ["memory", "node", "timeout"]


def test_delay(jman: Jman) -> None:
    jman.submit("--retry", "1", "--retry-delay", "0.5s", "sh", "-c", "date +%s.%N >> moments; exit 1")
    jman("execute", code=1)
    first, second = map(float, (jman.folder / "moments").read_text().split())
    assert second - first >= 0.5


def test_timeout_ends_all_that_it_forked(jman: Jman) -> None:
    job = jman.submit("--timeout", "0.5", "sh", "-c", "sleep 1000 & echo $! > child; echo $$ > parent; wait")
    assert job["timeout"] == 0.5
    began = time.monotonic()
    done = jman("execute", code=1)
    assert time.monotonic() - began < 20
    wait_dead(pid_in(jman.folder / "parent"), pid_in(jman.folder / "child"))
    assert jman.job()["status"] == "failure"
    assert "0.5" in str(jman.job()["reason"])
    assert str(jman.job()["reason"]) in done.out


def test_a_timeout_that_is_not_reached(jman: Jman) -> None:
    assert jman.submit("--timeout", "2h", "true")["timeout"] == 7200
    jman("execute")
    assert jman.status() == {1: "success"}


def test_a_stopped_job_is_not_tried_again(jman: Jman) -> None:
    jman.submit("--retry", "5", "sh", "-c", "echo $$ > pid; exec sleep 1000")
    process = jman.start("execute")
    pid = pid_in(jman.folder / "pid")
    jman("stop")
    wait_dead(pid)
    assert process.wait(20) == 1
    assert (jman.status(), attempts(jman)) == ({1: "stopped"}, 1)


def test_each_task_of_an_array_on_its_own(jman: Jman) -> None:
    jman.submit("--retry", "3", "-t", "4", "sh", "-c", "[ $JMAN_ATTEMPT -ge $SGE_TASK_ID ]")
    jman.submit("--after-ok", "1", "true")
    jman("execute", "-p", "2")
    assert {i: task["attempt"] for i, task in jman.tasks().items()} == {1: 1, 2: 2, 3: 3, 4: 4}
    assert jman.status() == {1: "success", 2: "success"}


def test_resubmitted_it_may_be_tried_again_as_often(jman: Jman) -> None:
    jman.submit("--retry", "1", "sh", "-c", "echo x >> file; exit 1")
    jman("execute", code=1)
    jman("resubmit")
    jman("execute", code=1)
    assert (jman.folder / "file").read_text() == "x\n" * 4


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--retry", "-1"], "--retry"),
        (["--retry", "x"], "--retry"),
        (["--retry", "1", "--retry-on", "nonsense"], "nonsense"),
        (["--retry", "1", "--retry-delay", "soon"], "soon"),
        (["--timeout", "1w"], "1w"),
    ],
    ids=" ".join,
)
def test_bad_input(jman: Jman, words: list[str], named: str) -> None:
    check(jman("-l", "submit", *words, "true", code=2), named)


def test_a_resubmission_gives_all_retries_anew(jman: Jman) -> None:
    jman.submit("--retry", "1", "false")
    jman("execute", code=1)
    assert attempts(jman) == 2
    jman("resubmit", "1")
    jman("execute", code=1)
    assert attempts(jman) == 4


def test_what_waits_to_be_tried_again_is_stopped_at_once(jman: Jman) -> None:
    jman.submit("--retry", "2", "--retry-delay", "1h", "false")
    process = jman.start("execute", "--keep-running")
    wait_until(lambda: attempts(jman) == 2)
    begun = time.monotonic()
    jman("stop", "1")
    assert time.monotonic() - begun < 10
    assert jman.status() == {1: "stopped"}
    jman("resubmit", "1")
    wait_until(lambda: attempts(jman) == 3)
    process.terminate()
    assert process.wait(20) == 130


def test_a_killed_execute_gives_none_anew(jman: Jman) -> None:
    jman.submit("--retry", "2", "--retry-delay", "1h", "false")
    process = jman.start("execute")
    wait_until(lambda: attempts(jman) == 2)
    process.kill()
    process.wait()
    process = jman.start("execute")
    wait_until(lambda: attempts(jman) == 3)
    process.kill()
    process.wait()
    jman("execute", code=1)
    assert (attempts(jman), jman.status()) == (3, {1: "failure"})


def test_an_attempt_that_its_execute_took_along_is_no_failure_of_its_own(jman: Jman) -> None:
    jman.submit("--retry", "1", "sh", "-c", "[ $JMAN_ATTEMPT != 1 ] || exec sleep 1000; exit 3")
    process = jman.start("execute")
    wait_until(lambda: jman.status() == {1: "executing"})
    process.kill()
    process.wait()
    jman("execute", code=1)
    assert attempts(jman) == 3
