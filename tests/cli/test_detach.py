"""An execute without a terminal, what others may change of a running one, and what is done at its end."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import psutil
import pytest

from tests.cli.terminal import on_terminal
from tests.cli.tools import Jman, overlaps, wait_dead, wait_until

# runs until there is a file of the name go
WAITS = ("sh", "-c", ": > at.$JOB_ID.$SGE_TASK_ID; until [ -e go ]; do sleep 0.02; done")


def at_work(jman: Jman, count: int) -> None:
    wait_until(lambda: len(list(jman.folder.glob("at.*"))) == count, what=f"{count} tasks at work")


def detached(jman: Jman, *words: str) -> tuple[int, Path]:
    """Start an execute; return its pid and the file that it writes to."""
    said = jman.fresh("--local", "execute", "--detach", *words).out
    assert said.startswith("jman execute runs detached: pid ")
    pid, _, output = said.removeprefix("jman execute runs detached: pid ").strip().partition(", output in ")
    return int(pid), Path(output)


@pytest.fixture
def waiting(jman: Jman) -> Jman:
    jman.submit("-n", "waits", "-l", "logs", "-t", "6", *WAITS)
    return jman


def test_detached_it_outlives_its_terminal(waiting: Jman) -> None:
    terminal = on_terminal(waiting, "--local", "execute", "-p", "2", "--detach")
    assert terminal.finish()[0] == 0, "the terminal is closed"
    at_work(waiting, 2)
    (file,) = waiting.folder.glob("submitted.sql3.execute-*.out")
    pid = int(file.name.removeprefix("submitted.sql3.execute-").removesuffix(".out"))
    assert os.getsid(pid) == pid
    os.kill(pid, signal.SIGHUP)
    told = f"pid {pid} on "
    assert told in waiting("list").err and str(file.name) in waiting("list").err
    assert told in waiting("watch").out and str(file.name) in waiting("watch").out
    (waiting.folder / "go").touch()
    wait_until(lambda: waiting.status() == {1: "success"})
    wait_dead(pid)
    assert "success  1.6 waits" in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("keep", [(), ("--keep-logs",)], ids=" ".join)
def test_its_output_goes_with_the_last_job(jman: Jman, keep: tuple[str, ...]) -> None:
    jman.submit("-n", "first", "true")
    jman.submit("-n", "second", "true")
    outputs = []
    for job in (1, 2):
        pid, output = detached(jman, "-j", str(job))
        wait_dead(pid)
        outputs.append(output)
    other = jman.folder / "other.sql3.execute-1.out"
    link = jman.folder / "submitted.sql3.execute-1.out"
    other.write_text("of another database")
    link.symlink_to(other)
    jman("delete", "1", *keep)
    assert all(output.exists() for output in outputs), "there is a job that it may be of"
    said = jman("delete", "2", *keep).out
    left = [output for output in outputs if output.exists()]
    assert left == (outputs if keep else [])
    assert [output for output in outputs if f"removed `{output.name}'" in said] == ([] if keep else outputs)
    assert other.exists() and link.is_symlink()


@pytest.mark.parametrize("how", ["signal", "command"])
def test_it_is_ended_as_by_an_interrupt(waiting: Jman, how: str) -> None:
    pid, output = detached(waiting, "-p", "2", "--on-failure", "cat > summary")
    at_work(waiting, 2)
    if how == "signal":
        os.kill(pid, signal.SIGTERM)
    else:
        assert f"Stopped jman execute (pid {pid} on " in waiting("stop", "--execute").out
    wait_dead(pid)
    # one may be at work already whose start has not been taken in
    assert re.search(r"stopping [12] running task", output.read_text())
    assert waiting.job()["tasks"]["stopped"] == 2
    assert json.loads((waiting.folder / "summary").read_text())["exit_code"] == 130
    assert "no jman execute runs" in waiting("stop", "--execute", code=2).err


def test_what_is_wrong_is_told_at_the_terminal(jman: Jman) -> None:
    jman.submit("true")
    done = jman.fresh("--local", "execute", "--detach", "99", code=2)
    assert "99" in done.err
    assert list(jman.folder.glob("*.out")) == []


def test_slots_change_while_it_runs(waiting: Jman) -> None:
    process = waiting.start("execute", "-p", "1")
    at_work(waiting, 1)
    done = waiting("parallel", "4")
    assert f"jman execute (pid {process.pid} on " in done.out and "4 tasks at once, was 1" in done.out
    at_work(waiting, 4)
    waiting("parallel", "1")
    (waiting.folder / "go").touch()
    assert process.wait(60) == 0
    assert overlaps(list(waiting.tasks().values())) == 4
    assert "no jman execute runs" in waiting("parallel", "2", code=2).err


def test_several_are_told_apart_by_their_pids(waiting: Jman) -> None:
    first, second = waiting.start("execute"), waiting.start("execute")
    at_work(waiting, 2)
    err = waiting("parallel", "2", code=2).err
    assert str(first.pid) in err and str(second.pid) in err
    waiting("parallel", "2", second.pid)
    at_work(waiting, 3)
    waiting("stop", "--execute", first.pid)
    assert first.wait(20) == 130
    assert psutil.pid_exists(second.pid)
    (waiting.folder / "go").touch()
    assert second.wait(60) == 1, "what the first one ran was stopped"


@pytest.mark.parametrize(("limit", "ran"), [("3", 3), ("10%", 4)])
def test_no_more_is_started_after_so_many_failures(jman: Jman, limit: str, ran: int) -> None:
    jman.submit("-t", "40", "-l", "logs", "false")
    done = jman("execute", "--max-fails", limit, code=1)
    assert f"(--max-fails {limit}): no more is started" in done.out
    counts = jman.job()["tasks"]
    # a few more start until the end of the last one that counts is stored
    assert ran <= counts["failure"] < 40
    assert counts["submitted"] == 40 - counts["failure"]
    for bad in ("0", "-1", "x", "101%", "%"):
        assert "--max-fails" in jman("execute", "--max-fails", bad, code=2).err


def test_commands_at_the_end_are_told_how_it_went(jman: Jman) -> None:
    jman.submit("-n", "good", "true")
    jman("execute", "--on-finish", "cat > finish", "--on-failure", "cat > failure")
    text = (jman.folder / "finish").read_text()
    assert text.index("\n") == len(text) - 1, "not a line"
    told = json.loads(text)
    assert told["success"] is True and told["tasks"] == {"success": 1}
    assert told["jobs"] == [{"id": 1, "name": "good", "status": "success", "tasks": {"success": 1}}]
    assert not (jman.folder / "failure").exists()
    jman.submit("-n", "bad", "false")
    done = jman("execute", "--on-finish", "exit 3", "--on-failure", "echo once >> failure", code=1)
    assert "'exit 3' failed: exit status 3" in done.err
    assert (jman.folder / "failure").read_text() == "once\n"
    assert jman("wait", "2", "--on-failure", "cat > waited", code=1)
    assert json.loads((jman.folder / "waited").read_text())["jobs"][0]["name"] == "bad"


def test_a_wait_that_gives_up_is_an_end(jman: Jman) -> None:
    jman.submit("-n", "later", "true")
    hooks = ("--on-finish", "cat > finish", "--on-failure", "cat > failure")
    done = jman("wait", "--timeout", "0.1", *hooks, code=124)
    assert "not all jobs ended within 0.1 s" in done.err
    for name in ("finish", "failure"):
        told = json.loads((jman.folder / name).read_text())
        assert (told["exit_code"], told["success"], told["done"]) == (124, False, 0)
        assert told["jobs"] == [{"id": 1, "name": "later", "status": "submitted", "tasks": {"submitted": 1}}]
