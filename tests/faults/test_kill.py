"""Killed at any moment: what was reported stays, no success is repeated, nothing runs twice at once."""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import psutil
import pytest

from asyncjman.runtime import SYSTEM
from asyncjman.scheduler.liveness import Life, liveness
from asyncjman.store.runnerlock import LockNames
from asyncjman.store.runners import Runner
from tests.cli.tools import Jman, wait_until
from tests.faults.tools import (
    LONG,
    SEED,
    Figures,
    assert_one_line,
    assert_sound,
    kill_after,
    kill_left_in,
    left_in,
    query,
    trials,
)

TASKS = 2000 if LONG else 300
# each task notes its begin and its end in a file of its own; every tenth one fails
TASK = 'f=lines/$JOB_ID.$SGE_TASK_ID; echo "b $$" >>$f; sleep 0.0$((SGE_TASK_ID % 7)); '
TASK += '[ $((SGE_TASK_ID % 10)) = 0 ] && exit 3; echo "e $$" >>$f'


def lines_of(folder: Path, job_id: int, task_id: int) -> list[str]:
    path = folder / "lines" / f"{job_id}.{task_id}"
    return path.read_text().splitlines() if path.exists() else []


def assert_never_two_at_once(lines: list[str]) -> None:
    """An end stands right after its own begin: the process of a killed execute was gone by then."""
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith("e "):
            assert before == f"b {line[2:]}", lines


class Successes:
    """What was recorded as success, and what its files said then."""

    def __init__(self, jman: Jman) -> None:
        self._jman = jman
        self.seen: dict[tuple[int, int], list[str]] = {}

    def check(self) -> None:
        sql = "SELECT job_id, task_id FROM task WHERE status = 'success'"
        recorded = query(self._jman.database, sql)
        assert self.seen.keys() <= set(recorded), "a success was forgotten"
        for job_id, task_id in recorded:
            lines = lines_of(self._jman.folder, job_id, task_id)
            assert task_id % 10, "a success of a task that failed"
            assert lines and lines[-1].startswith("e "), (job_id, task_id, lines)
            assert self.seen.setdefault((job_id, task_id), lines) == lines, "ran again after its success"


def test_execute_killed(jman: Jman, figures: Figures) -> None:
    chance = random.Random(SEED)
    count = trials(6, 100)
    (jman.folder / "lines").mkdir()
    successes = Successes(jman)
    submitted = kills = 0

    def submit() -> None:
        nonlocal submitted
        jman("--local", "submit", "-t", f"1-{TASKS}", "--", "sh", "-c", TASK)
        submitted += 1

    submit()
    begun = time.monotonic()
    for _ in range(count):
        ended, output = kill_after(
            jman, chance.uniform(0.05, 1.1), "--local", "execute", "-p", "4", "--no-progress"
        )
        assert "Traceback" not in output, output
        kills += not ended
        successes.check()
        if ended:
            submit()
    last = jman.fresh("--local", "execute", "-p", "8", "--no-progress", code=1)
    assert "Traceback" not in last.err
    successes.check()
    assert_sound(jman.database)
    for job_id in range(1, submitted + 1):
        for task_id in range(1, TASKS + 1):
            lines = lines_of(jman.folder, job_id, task_id)
            assert lines, "never ran"
            assert_never_two_at_once(lines)
    assert len(successes.seen) == submitted * (TASKS - TASKS // 10)
    assert not left_in(jman.folder)
    assert query(jman.database, "SELECT * FROM runner") == []
    again = sum(
        len(lines_of(jman.folder, *key)) > 2 for key in successes.seen
    )  # killed, or ended and not yet recorded
    figures(
        f"kill execute: {kills} kills, {submitted * TASKS} tasks, {len(successes.seen)} successes, "
        f"{again} tasks begun more than once before their success, 0 lost, 0 run again after a success, "
        f"0 two at once; {time.monotonic() - begun:.0f} s (seed {SEED})"
    )


async def test_a_clock_that_jumps_makes_no_runner_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its tasks would be started once more, by another execute, while they run."""
    boot, started = SYSTEM.process_start(os.getpid())
    mine = Runner(
        id=1,
        token="0" * 32,
        host="a name that it had before",
        pid=os.getpid(),
        process_started=started,
        started_at=time.time(),
        boot=boot,
        namespace=SYSTEM.namespace(),
        lock=None,
        tasks_lock=None,
    )

    def life(runner: Runner) -> Life:
        return liveness(runner, LockNames.of(tmp_path / "jobs.sql3", "0", runner.token), SYSTEM)

    if boot is None:
        pytest.skip("the kernel doesn't name its start here")
    assert life(mine) is Life.ALIVE
    assert life(mine._replace(process_started=started + 1)) is Life.DEAD, "a later process with this number"
    assert life(mine._replace(boot="another")) is Life.UNKNOWN
    assert life(mine._replace(namespace="pid:[1]")) is Life.UNKNOWN
    assert life(mine._replace(namespace=None)) is Life.UNKNOWN, "of an earlier version"
    assert life(mine._replace(pid=2**22 + 1)) is Life.DEAD, "there is no such number"
    for odd in (0, -1, 2**40, 2**70):
        assert life(mine._replace(pid=odd)) is Life.DEAD
    true = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: true(self) + 3600)
    assert life(mine) is Life.ALIVE


def test_processes_that_fork_while_they_are_looked_for(jman: Jman) -> None:
    """Each lives for a moment only and starts the next one, so that no single look finds all."""
    hop = "import os, signal, time\n"
    hop += "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    hop += "for _ in range(40):\n    if os.fork(): os._exit(0)\n    time.sleep(0.02)\n"
    hop += "time.sleep(600)"
    jman("--local", "submit", "--", "sh", "-c", 'touch ready; "$0" -c "$1"; sleep 600', sys.executable, hop)
    process = jman.start("--local", "execute", "--no-progress")
    wait_until((jman.folder / "ready").exists)
    process.kill()
    process.wait()
    jman("--local", "stop")
    assert not left_in(jman.folder)
    assert jman.status() == {1: "stopped"}


@pytest.mark.parametrize("alive", [True, False], ids=["its tasks live on", "nothing lives on"])
def test_list_after_a_kill_shows_what_is_true(jman: Jman, alive: bool) -> None:
    jman("--local", "submit", "-t", "1-3", "--", "sleep", "600")
    process = jman.start("--local", "execute", "-p", "2", "--no-progress")
    sql = "SELECT count(*) FROM task WHERE status = 'executing'"
    wait_until(lambda: jman.database.exists() and query(jman.database, sql) == [(2,)])
    process.kill()
    process.wait()
    if not alive:
        kill_left_in(jman.folder)
        wait_until(lambda: not left_in(jman.folder))
    seen = jman("list", "-a", "--json")
    assert_one_line(seen.err)
    assert "was killed" in seen.err
    states = sorted(task["status"] for task in seen.json()[0]["tasks"])
    if alive:
        assert states == ["executing", "executing", "submitted"]
        assert "processes that live on: 2 " in seen.err
        assert len(left_in(jman.folder)) == 2
        jman("--local", "stop")
        assert not left_in(jman.folder)
    else:
        assert states == ["submitted"] * 3
        assert jman("list").err == ""
