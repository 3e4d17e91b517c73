"""A simulated batch system: its queue, its nodes, and what can go wrong with both, in virtual time.

Tasks go on whatever becomes of the processes that submitted them. ``desk`` answers its commands.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tests.simulation import node
from tests.simulation.sites import SiteRules
from tests.simulation.world import EPOCH, World

Key = tuple[int, int]
PENDING, RUNNING, OVER = "pending", "running", "over"


@dataclass(slots=True, eq=False)
class Batch:
    """What one submission brought."""

    native_id: str
    name: str
    script: node.Script
    holds: Sequence[tuple[Sequence[str], bool]]
    """Native ids that it waits for, and whether each task waits for the one of its number."""
    at_once: int | None
    not_before: float
    limit: float | None
    runs: list[Run] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Run:
    """A task in the queue."""

    batch: Batch
    number: int
    key: Key
    attempt: int
    site: str
    state: str = PENDING
    restart: int = 0
    begun: float = 0.0
    """When it came to its node."""
    command_since: float | None = None
    """Since when its command runs; None: it does not."""
    started: float | None = None
    is_dying: bool = False
    is_hidden: bool = False
    """Whether the queue forgets to list it."""
    is_denied: bool = False
    """Whether it did so while it deleted it. That is believed: to wait for more than the cluster's word would
    make each stop take as long."""
    work: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return f"{self.key[0]}.{self.key[1]} attempt {self.attempt}"


class _Late(NamedTuple):
    """A record that is still to be seen."""

    path: Path
    at: float
    write: Callable[[], None]


class Site:
    """One batch system."""

    def __init__(self, world: World, rules: SiteRules) -> None:
        self.world = world
        self.rules = rules
        self.loop = world.spawn(rules.name)
        self.batches: dict[str, Batch] = {}
        self.accounting: list[tuple[Any, ...]] = []
        self.failing = 0.15
        self.seconds = 1.0
        self.long = 0.0
        """How often a command would take much longer than that."""
        self.lag = 0.0
        """How late records come at most, in seconds."""
        self.on_taken: Callable[[Batch], None] = lambda batch: None
        self.on_command: Callable[[Run], None] = lambda run: None
        self.on_over: Callable[[Run, str], None] = lambda run, how: None
        self.starts = 0
        self._late: list[_Late] = []
        """Records that are seen some time later, in the order of the nodes."""
        self._touched: dict[Path, float] = {}
        """When a node last wrote or removed a record: all see these changes late, but in order."""
        self._numbers = itertools.count(1)
        self._cycle: asyncio.TimerHandle | None = None

    @property
    def now(self) -> float:
        return EPOCH + self.world.now

    def runs(self) -> list[Run]:
        """Return all that the queue has."""
        return [run for batch in self.batches.values() for run in batch.runs if run.state != OVER]

    # -- the queue ---------------------------------------------------------------------------------

    def take(self, asked: dict[str, Any], script: str) -> str:
        """Take a submission; return its native id."""
        batch = Batch(
            str(next(self._numbers)),
            asked["name"],
            node.read_script(script),
            [(some, per_task) for some, per_task in asked["holds"]],
            asked["at_once"],
            asked["not_before"] or 0.0,
            asked["limit"],
        )
        for number in asked["numbers"]:
            task_id, attempt = batch.script.task_of(number)
            batch.runs.append(Run(batch, number, (batch.script.job_id, task_id), attempt, self.rules.name))
        self.batches[batch.native_id] = batch
        self.world.tell(f"{self.rules.name} takes job {batch.script.job_id} as {batch.native_id}")
        self.on_taken(batch)
        self._look_soon()
        return batch.native_id

    def delete(self, native_id: str, numbers: Sequence[int]) -> None:
        """Delete tasks: what runs takes a moment to end."""
        batch = self.batches.get(native_id)
        for run in batch.runs if batch else ():
            if run.state == OVER or (numbers and run.number not in numbers) or run.is_dying:
                continue
            self.world.tell(f"{self.rules.name} deletes {run.name} ({native_id})")
            if run.state == PENDING:
                self._end(run, "deleted")
            else:
                run.is_dying = True
                run.is_denied = run.is_hidden
                self.loop.call_later(self.world.chance.random() * 3, self.kill, run, "deleted")

    def rows(self) -> list[tuple[Any, ...]]:
        """Return what the queue says, as ``dialect`` reads it."""
        found: list[tuple[Any, ...]] = []
        for batch in self.batches.values():
            waiting = [run.number for run in batch.runs if run.state == PENDING and not run.is_hidden]
            if waiting:
                held = not all(self._is_free(batch, number) for number in waiting)
                saw, state = ("held", "held") if held else ("pending", None)
                found.append((batch.native_id, batch.name, waiting, saw, state, self.now // 1, None))
            for run in batch.runs:
                if run.state == RUNNING and not run.is_hidden:
                    state = "being deleted" if run.is_dying else None
                    row = (batch.native_id, batch.name, [run.number], "running", state, run.begun // 1, "n1")
                    found.append(row)
        return found

    def _is_free(self, batch: Batch, number: int) -> bool:
        """Tell whether nothing holds a task any more."""
        for native_ids, per_task in batch.holds:
            for one in native_ids:
                for other in self.batches[one].runs if one in self.batches else ():
                    if other.state != OVER and (not per_task or other.number == number):
                        return False
        return True

    def _look_soon(self) -> None:
        if self._cycle is None and any(run.state == PENDING for run in self.runs()):
            self._cycle = self.loop.call_later(self.world.chance.choice((0.1, 0.5, 1.5)), self._schedule)

    def _schedule(self) -> None:
        self._cycle = None
        free = self.rules.slots - sum(run.state == RUNNING for run in self.runs())
        for run in self.runs():
            batch = run.batch
            in_flight = sum(one.state == RUNNING for one in batch.runs)
            if run.state != PENDING or batch.not_before > self.now or not self._is_free(batch, run.number):
                continue
            if free > 0 and (batch.at_once is None or in_flight < batch.at_once):
                free -= 1
                run.state, run.begun = RUNNING, self.now
                run.work = self.loop.start(self._run(run))
        self._look_soon()

    def _end(self, run: Run, how: str, exit_status: int | None = None) -> None:
        """Take a task out of the queue."""
        was_running = run.state == RUNNING
        run.state = OVER
        if run.started is None and how != "skipped":
            self.on_over(run, how)
        if was_running:
            signal = 9 if exit_status is None else None
            causes = {"lost": "node", "limit": "timeout"}
            cause = causes.get(how) or ("signal" if signal else "exit" if exit_status else None)
            if how == "lost":
                signal = None
            batch = run.batch
            fields = (batch.native_id, batch.name, run.number, run.started, self.now)
            line = (*fields, exit_status, signal, cause)
            self.loop.call_later(self.world.chance.random() * 3, self.accounting.append, line)
        self._look_soon()

    # -- the nodes ---------------------------------------------------------------------------------

    def kill(self, run: Run, how: str) -> None:
        """End a running task at once: its script writes nothing more."""
        if run.state != RUNNING:
            return
        assert run.work is not None
        run.work.cancel()
        self._stop_command(run, how)
        if how == "restarted":
            run.state, run.restart, run.is_dying = PENDING, run.restart + 1, False
            self.world.tell(f"{self.rules.name} puts {run.name} back into its queue")
            self._look_soon()
        else:
            self._end(run, how)

    def _stop_command(self, run: Run, how: str) -> None:
        if run.command_since is not None:
            run.command_since = None
            self.world.tell(f"{self.rules.name}: {run.name} ends: {how}")
            self.on_over(run, how)

    async def _run(self, run: Run) -> None:
        """Do as the job script does."""
        chance, script = self.world.chance, run.batch.script
        await asyncio.sleep(self.world.pause())
        node.forget_record(script.folder, run.key[1])
        self._touched[script.folder / f"exit.{run.key[1]}"] = self.now
        for need in script.needs:
            if why := await self._need(run, need):
                self.world.tell(f"{self.rules.name}: {run.name} is skipped: job {need.job_id}{why}")
                self.on_over(run, "skipped")
                reason = f"reason because of job {need.job_id}{why}"
                self._record(run, "exit", f"skipped {need.job_id}", reason)
                self._end(run, "skipped", script.skipped)
                return
        run.started = self.now
        self._record(run, "start", f"started {run.started}")
        self.starts += 1
        self.world.tell(f"{self.rules.name} starts {run.name} ({run.batch.native_id})")
        self.on_command(run)
        run.command_since = self.world.now
        seconds = chance.expovariate(1 / self.seconds) + (60.0 if chance.random() < self.long else 0.0)
        limit = run.batch.limit
        if limit is not None and seconds > limit:
            await asyncio.sleep(limit)
            self._stop_command(run, "limit")
            self._end(run, "limit")
            return
        await asyncio.sleep(seconds)
        status = chance.choice((1, 2)) if chance.random() < self.failing else 0
        self._stop_command(run, "success" if status == 0 else "failure")
        self._record(run, "exit", f"started {run.started}", f"exit_status {status}")
        await asyncio.sleep(self.world.pause())
        self._end(run, "ended", status)

    async def _need(self, run: Run, need: node.Need) -> str | None:
        left, pause = need.seconds, 1.0
        while True:
            seen = node.look(need, run.key[1])
            if seen != "missing" or left <= 0:
                return node.verdict(need, seen)
            await asyncio.sleep(pause)
            left, pause = left - pause, min(pause * 2, 8.0)

    def _record(self, run: Run, name: str, *lines: str) -> None:
        task_id, folder = run.key[1], run.batch.script.folder
        head = (f"job {run.key[0]}", f"task {task_id}", f"attempt {run.attempt}")
        all_lines = (*head, f"grid {run.batch.native_id}", "host n1", f"time {self.now}", *lines)
        late = self.world.chance.random() * self.lag
        write = partial(node.write_record, folder, name, task_id, all_lines, self.now)
        path = folder / f"{name}.{task_id}"
        self._touched[path] = self.now
        if late:
            self._late.append(_Late(path, self.now, write))
            self.loop.call_later(late, self._come_late, self._late[-1])
        else:
            write()

    def _come_late(self, one: _Late) -> None:
        if one in self._late:
            self._late.remove(one)
            if self._touched[one.path] == one.at:
                one.write()

    def catch_up(self) -> None:
        """Have all records come that are late."""
        for one in list(self._late):
            self._come_late(one)
