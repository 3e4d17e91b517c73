"""The machine that tasks run on: what runs, whose it is, how it ends; and the engine that asks for it.

A runner that crashes leaves its tasks running, as a real one does: nobody sees their ends then.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from asyncjman.engines.base import (
    Abandoned,
    Capabilities,
    Launched,
    LaunchFailed,
    LaunchRequest,
    Observation,
    Poll,
    Preview,
    Ref,
    Saw,
    Target,
    Watched,
    Why,
)
from asyncjman.engines.defaults import Defaults
from asyncjman.model.failure import Cause
from tests.simulation.world import EPOCH, Process, World

TERM_SECONDS = 5.0
AT_ONCE = 0.6
"""How often a process starts without a thread."""
Key = tuple[int, int]
"""Job id and task id."""


@dataclass(slots=True, eq=False)
class Running:
    """A process of a task."""

    number: int
    key: Key
    attempt: int
    runner: Process
    exit_status: int
    """How it ends if it is left alone."""
    begun: float


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended, and when its runner saw it."""

    attempt: int
    runner: Process
    exit_status: int | None
    at: float


class Machine:
    """All processes of tasks; a process of the world of its own, which nothing ends."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._loop = world.spawn("machine")
        self.running: dict[int, Running] = {}
        self.ended: dict[Key, Ended] = {}
        """How the latest attempt ended that a living runner saw the end of."""
        self.successes: set[tuple[int, int, int]] = set()
        """(job, task, attempt) that were seen to end with exit status 0."""
        self.tries: dict[tuple[Process, Key], int] = {}
        """How often a runner has started a task since it claimed it."""
        self.on_start: Callable[[Running], None] = lambda one: None
        self.starts = 0
        self.failing = 0.15
        self.seconds = 0.2
        self.refusing = 0.0
        """How often there is no process left."""

    def of_job(self, job_id: int) -> list[Running]:
        return [one for one in self.running.values() if one.key[0] == job_id]

    def start(self, ref: Ref, engine: SimulatedEngine) -> int:
        """Start a process. Raises OSError, as the real thing does."""
        chance = self._world.chance
        runner = engine.process
        if self.refusing and chance.random() < self.refusing:
            number = errno.EAGAIN if chance.random() < 0.8 else errno.ENOENT
            if number == errno.ENOENT:
                self.ended[ref.job_id, ref.task_id] = Ended(ref.attempt, runner, 127, self._world.now)
                self._count(runner, (ref.job_id, ref.task_id))
            self._world.tell(
                f"{runner.name} can't start {ref.job_id}.{ref.task_id}: {errno.errorcode[number]}"
            )
            raise OSError(number, "no")
        failed = chance.random() < self.failing
        one = Running(
            number=next(self._world.numbers),
            key=(ref.job_id, ref.task_id),
            attempt=ref.attempt,
            runner=runner,
            exit_status=chance.choice((1, 2)) if failed else 0,
            begun=self._world.now,
        )
        self.starts += 1
        self._world.tell(f"{runner.name} starts {ref.job_id}.{ref.task_id} attempt {ref.attempt}")
        self.on_start(one)
        self.running[one.number] = one
        self._count(runner, one.key)
        self._loop.call_later(
            chance.expovariate(1 / self.seconds), self._end, one, one.exit_status, None, engine
        )
        return one.number

    def _count(self, runner: Process, key: Key) -> None:
        self.tries[runner, key] = self.tries.get((runner, key), 0) + 1

    def signal(self, number: int, engine: SimulatedEngine, *, kill: bool) -> None:
        """Ask a process to end: most do, some say that it was a success, some must be killed."""
        one = self.running.get(number)
        if one is None:
            return
        mood = self._world.chance.random()
        if kill or mood < 0.7:
            delay = self._world.chance.random() * 0.05
            self._loop.call_later(delay, self._end, one, None, 9 if kill else 15, engine)
        elif mood < 0.85:
            self._loop.call_later(self._world.chance.random() * 0.5, self._end, one, 0, None, engine)
        else:
            self._loop.call_later(TERM_SECONDS, self._end, one, None, 9, engine)

    def end_orphans(self, token: str) -> int:
        """End at once what a runner left behind; return how many."""
        left = [one for one in self.running.values() if one.runner.name == token]
        for one in left:
            self._world.tell(f"{one.key[0]}.{one.key[1]} of {token} is ended")
            del self.running[one.number]
        return len(left)

    def orphans(self, token: str) -> list[Running]:
        return [one for one in self.running.values() if one.runner.name == token]

    def _end(
        self, one: Running, exit_status: int | None, signal: int | None, engine: SimulatedEngine
    ) -> None:
        if self.running.pop(one.number, None) is None:
            return
        how = f"with {exit_status}" if signal is None else f"by signal {signal}"
        self._world.tell(f"{one.key[0]}.{one.key[1]} attempt {one.attempt} ends {how}")
        if one.runner.is_dead:
            return
        one.runner.call_soon(self._seen, one, exit_status, signal, engine)

    def _seen(
        self, one: Running, exit_status: int | None, signal: int | None, engine: SimulatedEngine
    ) -> None:
        """Have its runner see the end, in a turn of its own."""
        self.ended[one.key] = Ended(one.attempt, one.runner, exit_status, self._world.now)
        if exit_status == 0:
            self.successes.add((*one.key, one.attempt))
        engine.saw(one, exit_status, signal)


class SimulatedEngine(Defaults):
    """Asks the machine to run tasks: what a dispatcher has in the place of LocalEngine."""

    name = "local"
    capabilities = Capabilities(survives_us=False)

    def __init__(self, process: Process, machine: Machine) -> None:
        self.process = process
        self._machine = machine
        self._seen: list[Observation] = []
        self._left: set[int] = set()
        self._wake: Callable[[], None] = lambda: None

    async def open(self, wake: Callable[[], None] = lambda: None) -> None:
        self._wake = wake

    async def close(self) -> None:
        while self._left & self._machine.running.keys():  # noqa: ASYNC110 - as the local engine does
            await asyncio.sleep(0.02)

    def launch_at_once(self, request: LaunchRequest) -> Launched | LaunchFailed | None:
        return self._launch(request) if self.process.world.chance.random() < AT_ONCE else None

    async def launch(self, requests: Sequence[LaunchRequest]) -> Sequence[Launched | LaunchFailed]:
        if self.process.world.chance.random() >= AT_ONCE:
            await asyncio.sleep(self.process.world.pause())
        return [self._launch(one) for one in requests]

    def _launch(self, request: LaunchRequest) -> Launched | LaunchFailed:
        (ref,) = request.tasks
        assert isinstance(ref, Ref)
        at = EPOCH + self.process.world.now
        try:
            return Launched(str(self._machine.start(ref, self)), at)
        except OSError as error:
            why = Why.LIMIT if error.errno == errno.EAGAIN else Why.REFUSED
            return LaunchFailed(why, "no", 127)

    async def poll(self, watched: Sequence[Watched], budget: float) -> Poll:
        seen, self._seen = self._seen, []
        return Poll(seen)

    async def cancel(self, targets: Sequence[Target], *, force: bool, budget: float) -> Sequence[Target]:
        for number in (int(one.native_id) for one in targets):
            self._left.add(number)
            self._machine.signal(number, self, kill=force)
        return ()

    async def recover(
        self, runner: Abandoned, refs: Collection[Ref] | None = None, *, end: bool = True
    ) -> int:
        if not end:
            return len(self._machine.orphans(runner.token))
        await asyncio.sleep(self.process.world.pause())
        ended = self._machine.end_orphans(runner.token)
        await asyncio.sleep(self.process.world.pause())
        return ended

    async def preview(self, request: LaunchRequest) -> Preview:
        return Preview((), b"")

    def saw(self, one: Running, exit_status: int | None, signal: int | None) -> None:
        self._seen.append(
            Observation(
                "",
                Ref(*one.key, one.attempt),
                Saw.ENDED,
                EPOCH + self.process.world.now,
                exit_status=exit_status,
                signal=signal,
                cause=None if exit_status == 0 else Cause.EXIT if signal is None else Cause.SIGNAL,
                reason=None if exit_status == 0 else "it failed",
                host="host",
                native_id=str(one.number),
            )
        )
        self._wake()
