"""Ending tasks with all their processes: asked first, killed after a while, until none is left."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from asyncjman.engines.local.processes import Marked, living, marked

TERM_SECONDS = 5.0
"""How long a task has between SIGTERM and SIGKILL."""
_TICK_SECONDS = 0.02
_FIRST_SEARCH_SECONDS = 0.05
_SEARCH_SECONDS = 0.5
"""The time between two searches: it doubles, up to this."""
_EMPTY_SEARCHES = 2
"""A search may miss once what forks meanwhile."""
GIVE_UP_SECONDS = 10.0
"""How long what was killed may take to end: a process that is stuck in the kernel is not waited for."""


@dataclass(slots=True, eq=False)
class _Asked:
    """A task that was asked to end."""

    key: int
    group: int
    """Its process group; 0 once nothing is in it: the number may be another one's by then."""
    task: str | None
    """The mark of its processes; None: those of all tasks that are not asked for by name."""
    deadline: float
    """When it is killed."""
    reaped: bool
    signalled: set[Marked] = field(default_factory=set)
    left: list[Marked] = field(default_factory=list)
    empty_searches: int = 0
    killed: bool = False

    def is_gone(self, ended: Collection[int] = ()) -> bool:
        """Tell whether nothing of it that is known runs any more. ``ended``: groups in which nothing does."""
        if self.group and self.reaped and not signal_group(self.group, 0):
            self.group = 0
        self.left = [one for one in self.left if one.is_running()]
        return self.reaped and (not self.group or self.group in ended) and not self.left


class Endings:
    """The tasks of a runner that were asked to end; ``on_gone(key)``: that one has no process left."""

    def __init__(self, token: str, on_gone: Callable[[int], None]) -> None:
        self._token = token
        self._on_gone = on_gone
        self._asked: dict[int, _Asked] = {}
        self._work: asyncio.Task[None] | None = None

    def ask(self, group: int, task: str, *, seconds: float) -> None:
        """Have the task that leads this process group end; it is killed after so many seconds."""
        self._add(_Asked(group, group, task, self._now() + seconds, reaped=False))

    def ask_rest(self, *, seconds: float) -> None:
        """Have everything else that the runner started end, too."""
        self._add(_Asked(0, 0, None, self._now() + seconds, reaped=True))

    def _add(self, asked: _Asked) -> None:
        if known := self._asked.get(asked.key):
            known.deadline = min(known.deadline, asked.deadline)
        else:
            self._asked[asked.key] = known = asked
            if asked.group and asked.deadline > self._now():
                signal_group(asked.group, signal.SIGTERM)
        self._kill_if_late(known)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._run())

    def hurry(self) -> None:
        """Kill now what was asked before."""
        for one in self._asked.values():
            one.deadline = self._now()
            self._kill_if_late(one)

    def reaped(self, group: int) -> bool:
        """Take note that a task's own process has ended; tell whether what it left is being ended."""
        if (asked := self._asked.get(group)) is None:
            return False
        asked.reaped = True
        return True

    async def wait(self) -> None:
        """Return when nothing is left of what was asked to end."""
        while self._asked and self._work is not None:
            await asyncio.wait([self._work])
            self._work.result()

    async def _run(self) -> None:
        next_search, pause = 0.0, _FIRST_SEARCH_SECONDS
        while self._asked:
            gone = [one for one in self._asked.values() if one.is_gone()]
            late = [self._kill_if_late(one) for one in self._asked.values()]
            if gone or any(late) or self._now() >= next_search:
                groups = {one.group for one in self._asked.values() if one.group and one.reaped}
                self._take_in(*await asyncio.to_thread(_search, self._token, groups))
                next_search, pause = self._now() + pause, min(pause * 2, _SEARCH_SECONDS)
            if self._asked:
                await asyncio.sleep(_TICK_SECONDS)  # nothing tells of the ends of others' children

    def _take_in(self, found: list[Marked], ended: set[int]) -> None:
        """Signal what was found of each task; drop the tasks of which nothing is left.

        ``ended``: process groups in which nothing runs, or what forked in that moment.
        """
        by_name = {one.task for one in self._asked.values()}
        for asked in list(self._asked.values()):
            asked.left = [
                one
                for one in found
                if (one.task not in by_name if asked.task is None else one.task == asked.task)
            ]
            self._signal(asked)
            asked.empty_searches = asked.empty_searches + 1 if asked.is_gone(ended) else 0
            given_up = asked.reaped and self._now() >= asked.deadline + GIVE_UP_SECONDS
            if asked.empty_searches >= _EMPTY_SEARCHES or given_up:
                del self._asked[asked.key]
                self._on_gone(asked.key)

    def _signal(self, asked: _Asked) -> None:
        if self._now() >= asked.deadline:
            if asked.group:
                signal_group(asked.group, signal.SIGKILL)
            _send(asked.left, signal.SIGKILL)
            return
        # a second SIGTERM would mean more than the first to some: the group has had its own
        new = [one for one in asked.left if one not in asked.signalled and not _is_in(one, asked.group)]
        _send(new, signal.SIGTERM)
        asked.signalled.update(new)

    def _kill_if_late(self, asked: _Asked) -> bool:
        """Kill a task whose time is over; tell whether it was just now."""
        if asked.killed or self._now() < asked.deadline:
            return False
        asked.killed = True
        self._signal(asked)
        return True

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _search(token: str, groups: set[int]) -> tuple[list[Marked], set[int]]:
    """Return what runs of a runner's tasks, and the groups in which nothing does."""
    return marked(token), groups - living(groups)


def signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group; False where there is none any more."""
    with suppress(ProcessLookupError, PermissionError):  # macOS: no permission for a group of zombies
        os.killpg(group, number)
        return True
    return False


def _is_in(process: Marked, group: int) -> bool:
    with suppress(OSError):
        return group != 0 and os.getpgid(process.pid) == group
    return False


def _send(processes: Iterable[Marked], number: int) -> None:
    for one in processes:
        one.send(number)
