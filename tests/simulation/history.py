"""One history: a plan, carried out in a world of its own, with all promises checked."""

from __future__ import annotations

import asyncio
import gc
import logging
import shutil
import sqlite3
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asyncjman.errors import JmanError
from asyncjman.store import home
from asyncjman.store.database import Database
from tests.simulation.clusters import Clusters
from tests.simulation.commands import Commands
from tests.simulation.machine import Machine
from tests.simulation.mixed import make_plan
from tests.simulation.oracle import Oracle
from tests.simulation.plan import (
    Action,
    Crash,
    Delete,
    Execute,
    Fault,
    Interrupt,
    List,
    Plan,
    Resubmit,
    Stop,
    Submit,
    Suspend,
    Trouble,
    Wait,
)
from tests.simulation.seams import simulated
from tests.simulation.world import Process, World

MOST_SECONDS = 200.0
"""Virtual: a history that isn't over by then never ends."""
MOST_CLUSTER_SECONDS = 2000.0
"""What a record is missing of is waited for, for minutes."""
MOST_TURNS = 60_000
MOST_CLUSTER_TURNS = 250_000
MOST_LAST_ROUNDS = 6


@dataclass(slots=True)
class Result:
    """How a history went."""

    seed: int
    violation: str | None
    digest: str
    turns: int
    starts: int
    late: int
    transitions: Counter[tuple[str, str]]
    done: Counter[str]
    """What was carried out, and how it ended."""
    steps: Counter[str] = field(default_factory=Counter)
    """What changed of tasks on clusters."""
    trace: list[str] = field(default_factory=list)


class _History:
    def __init__(self, seed: int, plan: Plan, path: Path, *, tracing: bool) -> None:
        self._plan = plan
        self._seed = seed
        self._world = World(seed, tracing=tracing)
        self._director = self._world.spawn("director")
        self._machine = Machine(self._world)
        self._machine.failing, self._machine.seconds = plan.failing, plan.seconds
        self._machine.refusing = plan.refusing
        self._clusters = Clusters(self._world, plan)
        self._oracle = Oracle(str(path), self._world, self._machine, self._clusters)
        self._commands = Commands(path, self._machine, self._oracle, plan.sites)
        self._done: Counter[str] = Counter()
        self._names: Counter[str] = Counter()
        self._to_come = len(plan.actions)
        self._users: dict[Process, asyncio.Task[Any]] = {}
        self._someone_ended = False

    def run(self) -> Result:
        world = self._world
        with simulated(world, self._machine, self._clusters):
            try:
                self._start("submit", lambda process: self._submit_all(process))
                for at, action in self._plan.actions:
                    self._director.call_at(at, self._perform, action)
                self._until_all_ended()
                if not world.violation:
                    world.tell("the last execute")
                    self._clusters.calm()
                    self._end_all()
                if not world.violation:
                    self._oracle.nothing_is_left()
            finally:
                world.close()
                self._oracle.close()
        return Result(
            self._seed,
            world.violation,
            world.digest,
            world.turns,
            self._machine.starts + self._clusters.starts,
            self._oracle.late,
            self._oracle.transitions,
            self._done,
            self._oracle.truth.steps,
            world.trace,
        )

    def _end_all(self) -> None:
        """Execute, wait and look, as a user would, until that changes nothing any more."""
        for _ in range(MOST_LAST_ROUNDS):
            before = self._oracle.view
            self._start("execute", lambda one: self._commands.execute(one, Execute(4)))
            if self._plan.sites:
                self._start("wait", self._commands.wait_for_all)
            self._until_all_ended()
            if not self._world.violation and self._plan.sites:
                self._start("list", lambda one: self._commands.list(one, List()))
                self._until_all_ended()
                # what is skipped finds that out, if it could not be deleted
                self._until_all_ended(self._clusters.runs)
            if self._world.violation or not self._plan.sites or self._oracle.view == before:
                return

    def _until_all_ended(self, also: Callable[[], Sequence[object]] = lambda: ()) -> None:
        world = self._world
        until = world.now + (MOST_CLUSTER_SECONDS if self._plan.sites else MOST_SECONDS)
        most = MOST_CLUSTER_TURNS if self._plan.sites else MOST_TURNS
        while (self._to_come or self._users or also()) and not world.violation:
            if not world.step():
                names = ", ".join(one.name for one in self._users)
                world.violated(f"a deadlock: {names} wait for nothing")
            if world.now > until or world.turns > most:
                names = ", ".join(one.name for one in self._users)
                world.violated(f"no end after {world.now:.0f} s, {world.turns} turns: {names} still run")
            if self._someone_ended:
                self._someone_ended = False
                self._reap()

    def _reap(self) -> None:
        for process, task in list(self._users.items()):
            if process.is_dead:
                del self._users[process]
                self._done[f"{_kind(process)} killed"] += 1
            elif task.done():
                del self._users[process]
                self._done[f"{_kind(process)} {self._how(process, task)}"] += 1
                process.leave()

    def _how(self, process: Process, task: asyncio.Task[Any]) -> str:
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or isinstance(error, JmanError):
            self._world.tell(f"{process.name} is refused: {error or 'cancelled'}")
            return "refused"
        if error is not None:
            self._world.violated(f"{process.name} fails: {error!r}")
            return "failed"
        self._world.tell(f"{process.name} is done")
        return "done"

    def _start(self, kind: str, work: Any) -> None:
        self._names[kind] += 1
        process = self._world.spawn(f"{kind}{self._names[kind]}")
        task = self._users[process] = process.start(work(process))
        task.add_done_callback(self._on_end)
        process.on_death.append(self._on_end)

    def _on_end(self, _: object = None) -> None:
        self._someone_ended = True

    async def _submit_all(self, process: Process) -> None:
        for job, pause in zip(self._plan.jobs, self._plan.pauses, strict=True):
            await asyncio.sleep(pause)
            await self._commands.submit(process, job)

    # -- what the plan says ------------------------------------------------------------------------

    def _perform(self, action: Action) -> None:
        self._to_come -= 1
        if isinstance(action, Fault):
            name = action.what if isinstance(action, Trouble) else type(action).__name__.lower()
            self._done[f"{name} {'met' if self._fault(action) else 'missed'}"] += 1
            return
        commands = self._commands
        work: dict[type[Any], Any] = {
            Submit: commands.submit,
            Stop: commands.stop,
            Resubmit: commands.resubmit,
            Delete: commands.delete,
            Execute: commands.execute,
            Wait: commands.wait,
            List: commands.list,
        }
        verb = work[type(action)]
        self._start(type(action).__name__.lower(), lambda process: verb(process, action))

    def _fault(self, fault: Fault) -> bool:
        if isinstance(fault, Trouble):
            return self._clusters.trouble(fault)
        alive = list(self._commands.engines) if isinstance(fault, Interrupt) else list(self._users)
        alive = [one for one in alive if not one.is_dead]
        if not alive:
            return False
        process = alive[int(fault.which * len(alive))]
        if isinstance(fault, Crash):
            process.fuse = fault.turns
            return True
        if isinstance(fault, Suspend):
            self._world.tell(f"{process.name} is suspended for {fault.seconds} s")
            process.suspend(fault.seconds)
            return True
        self._world.tell(f"{process.name} is interrupted")
        self._oracle.executes[process] = True
        engine = self._commands.engines[process]
        process.call_soon(lambda: process.create_task(engine.stop(kill=fault.kill)))
        return True


def _kind(process: Process) -> str:
    return process.name.rstrip("0123456789")


class Stage:
    """A folder for the database of one history after the other."""

    def __init__(self, folder: Path) -> None:
        self._template = folder / "template.sql3"
        self._path = folder / "jobs.sql3"
        self._count = 0
        asyncio.run(self._make())

    async def _make(self) -> None:
        await (await Database.open(self._template, create=True)).close()

    def run(self, seed: int, *, tracing: bool = False, plan: Plan | None = None) -> Result:
        for side in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + side).unlink(missing_ok=True)
        shutil.rmtree(f"{self._path}.spool", ignore_errors=True)
        shutil.copyfile(self._template, self._path)
        self._say_that_it_is_no_copy()
        self._count += 1
        if self._count % 20 == 0:
            gc.collect()
        return _History(seed, plan or make_plan(seed), self._path, tracing=tracing).run()

    def _say_that_it_is_no_copy(self) -> None:
        with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
            for sql, values in home.statements(home.Home.of(self._path)):
                connection.execute(sql, values)


@contextmanager
def stage() -> Iterator[Stage]:
    """Give a place for histories; what crashed processes leave behind is nobody's business meanwhile."""
    memory = Path("/dev/shm")
    folder = tempfile.mkdtemp(prefix="jman-simulation-", dir=memory if memory.is_dir() else None)
    hook, level = sys.unraisablehook, logging.root.manager.disable
    sys.unraisablehook = lambda _: None
    logging.disable(logging.CRITICAL)
    gc.collect()
    gc.disable()
    try:
        with warnings.catch_warnings():
            # of coroutines that nobody goes on with
            warnings.simplefilter("ignore", RuntimeWarning)
            warnings.simplefilter("ignore", ResourceWarning)
            yield Stage(Path(folder))
            gc.collect()
    finally:
        gc.enable()
        logging.disable(level)
        sys.unraisablehook = hook
        shutil.rmtree(folder)
