"""The commands of simulated batch systems: on their way, answered, refused, lost, answered by half.

A command is a process of its own: one that is killed with its caller's time limit gets no answer, one whose
caller was killed goes on. What has reached the controller is carried out in its order, also after a freeze.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from asyncjman.system.tool import Completed
from tests.simulation.dialect import AWAY, BROKEN_OFF, TOO_MANY
from tests.simulation.site import OVER, Site
from tests.simulation.world import EPOCH, Process

_PID = 50_000


class Command:
    """One call of a command."""

    def __init__(self, number: int, caller: Process, argv: Sequence[str]) -> None:
        self.number = number
        self.caller = caller
        self.argv = argv
        self.verb = argv[0].rpartition("-")[2]
        self.born = EPOCH + caller.world.now
        self.future: asyncio.Future[Completed] = caller.create_future()
        self.has_arrived = False
        self.is_killed = False
        self.is_over = False

    def answer(self, done: Completed) -> None:
        self.is_over = True
        if not self.caller.is_dead:
            self.caller.call_soon(self._hand_over, done)

    def _hand_over(self, done: Completed) -> None:
        if not self.future.done():
            self.future.set_result(done)


class Seen(NamedTuple):
    """A process as psutil would list it."""

    pid: int
    born: float
    words: Sequence[str]

    def create_time(self) -> float:
        return self.born

    def cmdline(self) -> Sequence[str]:
        return self.words


class Desk:
    """Where the commands of one batch system go."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._world = site.world
        self._inbox: deque[Command] = deque()
        self._under_way: list[Command] = []
        self.away_until = self.frozen_until = self.full_until = 0.0
        self.rough = 0.0
        """How often a command goes wrong in one way or another."""
        self.refusing = 0.0
        """How often a submission is refused for good."""
        self.queries: dict[Process, int] = {}
        """How often a process has asked for the queue."""

    async def run(self, caller: Process, argv: Sequence[str], timeout: float) -> Completed:
        """Call a command, as ``executors.tool.run`` does."""
        command = Command(next(self._world.numbers), caller, argv)
        self._under_way.append(command)
        self._under_way = [one for one in self._under_way if not one.is_over]
        if command.verb == "stat":
            self.queries[caller] = self.queries.get(caller, 0) + 1
        self.site.loop.call_later(0.01 + self._world.pause() * 10, self._arrive, command)
        try:
            async with asyncio.timeout(timeout):
                return await command.future
        except TimeoutError:
            self._world.tell(f"{caller.name}: no answer from {argv[0]}")
            raise subprocess.TimeoutExpired(list(argv), timeout) from None
        finally:
            if not command.is_over:
                command.is_killed = command.is_over = True

    def under_way(self) -> Iterator[Seen]:
        """Yield the processes of commands that live."""
        for one in self._under_way:
            if not one.is_over:
                words = list(one.argv)
                yield Seen(_PID + one.number, one.born, words)

    # -- the controller ----------------------------------------------------------------------------

    def freeze(self, seconds: float) -> None:
        self.frozen_until = self._world.now + seconds
        self.site.loop.call_later(seconds, self._serve)

    def _arrive(self, command: Command) -> None:
        if command.is_killed:
            return
        if self.away_until > self._world.now:
            self._answer(command, Completed(1, "", AWAY))
            return
        command.has_arrived = True
        self._inbox.append(command)
        self._serve()

    def _serve(self) -> None:
        while self._inbox and self.frozen_until <= self._world.now:
            command = self._inbox.popleft()
            if command.is_killed and self._world.chance.random() < 0.5:
                continue  # its connection is closed
            self._carry_out(command)

    def _carry_out(self, command: Command) -> None:
        chance = self._world.chance
        goes_wrong = self.rough and chance.random() < self.rough
        if goes_wrong and chance.random() < 0.5:
            self._answer(command, Completed(1, "", chance.choice((AWAY, BROKEN_OFF))))
            return
        done = getattr(self, f"_{command.verb}")(command)
        if goes_wrong:
            self._world.tell(f"{command.caller.name}: what {command.argv[0]} says breaks off")
            broken = (Completed(1, "", BROKEN_OFF), Completed(-9, "", ""), Completed(0, "no answer", ""))
            done = chance.choice(broken)
        self._answer(command, done)

    def _answer(self, command: Command, done: Completed) -> None:
        self.site.loop.call_later(0.01 + self._world.pause(), command.answer, done)

    # -- its commands ------------------------------------------------------------------------------

    def _sub(self, command: Command) -> Completed:
        asked: dict[str, Any] = json.loads(command.argv[1])
        rules = self.site.rules
        if self.full_until > self._world.now:
            return Completed(1, "", TOO_MANY)
        if self._world.chance.random() < self.refusing:
            return Completed(1, "", "no")
        if len(asked["numbers"]) > rules.max_array:
            return Completed(1, "", f"an array has {rules.max_array} tasks at most")
        if asked["holds"] and not rules.holds:
            self._world.violated(f"{rules.name} is asked to hold a job, which it can't")
            return Completed(1, "", "a job can't be held for others")
        try:
            script = Path(asked["script"]).read_text()
        except FileNotFoundError:
            return Completed(1, "", "no such script")
        return Completed(0, self.site.take(asked, script), "")

    def _stat(self, command: Command) -> Completed:
        return Completed(0, json.dumps(self.site.rows()), "")

    def _del(self, command: Command) -> Completed:
        for native_id, numbers in json.loads(command.argv[1]):
            self.site.delete(native_id, numbers)
        return Completed(0, "deleted", "")

    def _acct(self, command: Command) -> Completed:
        return Completed(0, json.dumps(self.site.accounting), "")


def desk_of(desks: Mapping[str, Desk], program: str) -> Desk:
    """Return the desk that a command goes to."""
    return desks[program.rpartition("-")[0]]


def left(site: Site) -> list[str]:
    """Return the names of what a batch system still has."""
    return [run.name for batch in site.batches.values() for run in batch.runs if run.state != OVER]
