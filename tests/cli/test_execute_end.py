"""How execute ends: its exit status, and what it says of what did not run or did not succeed."""

from __future__ import annotations

import signal

from tests.cli.tools import Jman, wait_until


def test_earlier_failures_count_for_the_exit_status(jman: Jman) -> None:
    jman.submit("false")
    jman.submit("--after-ok", "1", "true")
    jman("--local", "execute", code=1)
    again = jman("--local", "execute", code=1)
    assert "1 failed, 1 skipped: jman resubmit && jman execute; jman failures" in again.err
    jman.submit("true")
    jman("--local", "execute", "3")
    jman("--local", "execute", "1", code=1)
    done = jman("--local", "execute", code=1)
    assert "1 failed, 1 skipped" in done.err


def test_two_executes_say_what_list_says(jman: Jman) -> None:
    """What another execute skipped does not wait any more."""
    jman.submit("sh", "-c", "until [ -e go ]; do sleep 0.05; done; exit 1")
    jman.submit("--after-ok", "1", "true")
    jman.submit("--after-ok", "2", "true")
    both = [jman.start("--local", "execute", "-p", "2") for _ in range(2)]
    wait_until(lambda: jman.status()[1] == "executing")
    (jman.folder / "go").touch()
    assert [one.wait(30) for one in both] == [1, 1]
    assert jman.status() == {1: "failure", 2: "skipped", 3: "skipped"}
    for one in both:
        assert "did not run: it waits" not in jman.output_of(one)


def test_stopped_tasks_did_not_fail_before(jman: Jman) -> None:
    jman.submit("-t", "3", "sh", "-c", "touch began; sleep 1000")
    process = jman.start("--local", "execute", "-p", "2")
    wait_until(lambda: (jman.folder / "began").exists())
    wait_until(lambda: jman.status()[1] == "executing")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    again = jman.start("--local", "execute", "-p", "2")
    wait_until(lambda: jman.job()["tasks"].get("executing"))
    jman("stop", "1")
    assert again.wait(30) == 1
    assert "failed before" not in jman.output_of(again)
    assert "stopped" in jman.output_of(again)
