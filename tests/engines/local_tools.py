"""An engine of this machine, for tests: what it starts are real processes."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path
from typing import Any

import psutil

from asyncjman.engines.base import Launched, LaunchRequest, Observation, Ref, Saw, Target, Why
from asyncjman.engines.local import LocalEngine
from asyncjman.model.job import PLAIN_TASK, JobSpec
from asyncjman.system.logs import log_start

LIMIT = 20.0


class NotStarted(Exception):
    """The engine did not start it."""


class Runner:
    """An engine, and what it printed."""

    def __init__(self) -> None:
        self.printed: list[tuple[int, bytes]] = []
        self.line = asyncio.Event()
        self.engine = LocalEngine(token="the token", output=self._print)
        self._wake = asyncio.Event()
        self._seen: deque[Observation] = deque()

    async def open(self) -> None:
        await self.engine.open(self._wake.set)

    def _print(self, ref: Ref, stream: int, lines: bytes) -> None:
        self.printed.append((stream, lines))
        self.line.set()

    def text(self, stream: int) -> bytes:
        return b"".join(lines for one, lines in self.printed if one == stream)

    async def next(self) -> Observation:
        async with asyncio.timeout(LIMIT):
            while not self._seen:
                await self._wake.wait()
                self._wake.clear()
                self._seen.extend((await self.engine.poll()).seen)
        return self._seen.popleft()

    async def launch(self, *argv: str, **more: Any) -> str:
        """Start a program; return its native id. Raises NotStarted."""
        (answer,) = await self.engine.launch([request(*argv, **more)])
        if not isinstance(answer, Launched):
            assert (answer.why, answer.exit_status) == (Why.REFUSED, 127)
            raise NotStarted(answer.words)
        return answer.native_id

    async def run(self, *argv: str, **more: Any) -> Observation:
        native_id = await self.launch(*argv, **more)
        seen = await self.next()
        assert (seen.native_id, seen.saw) == (native_id, Saw.ENDED)
        return seen

    async def cancel(self, native_id: str | None, *, force: bool = False) -> None:
        assert native_id is not None
        assert await self.engine.cancel([Target("", native_id)], force=force) == ()

    async def printed_pids(self, count: int) -> list[int]:
        """Wait until a task has printed so many pids."""
        async with asyncio.timeout(LIMIT):
            while len(self.text(1).split()) < count:
                self.line.clear()
                await self.line.wait()
        return [int(word) for word in self.text(1).split()]


def request(
    *argv: str,
    folder: object = "/",
    log: Path | None = None,
    attempt: int = 1,
    time_limit: float | None = None,
    **environment: str,
) -> LaunchRequest:
    """Make a request whose logs are LOG.o1 and LOG.e1; without ``log`` its output is printed."""
    spec = JobSpec(
        command=argv,
        name=log.name if log else "",
        exec_dir=str(folder),
        log_dir=str(log.parent) if log else None,
        environment=environment,
    )
    return LaunchRequest(
        token="",
        job_id=1,
        spec=spec,
        tasks=(Ref(1, PLAIN_TASK, attempt),),
        time_limit=time_limit,
        folder="",
        logs=log_start(spec),
    )


async def gone(pids: list[int]) -> None:
    """Wait until none of the processes runs any more."""
    async with asyncio.timeout(LIMIT):
        while any(runs(pid) for pid in pids):  # noqa: ASYNC110 - nobody tells of grandchildren
            await asyncio.sleep(0.005)


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
