"""What runs without its runner: only what is known to be its is ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from asyncjman.engines.base import Abandoned, Launched, LaunchRequest, Ref
from asyncjman.engines.local import LocalEngine
from asyncjman.model.job import JobSpec
from asyncjman.system.logs import log_start

LOST, OTHER = "ab" * 16, "cd" * 16


class Running:
    """Tasks of a runner, which do not end by themselves."""

    def __init__(self, token: str) -> None:
        self.engine = LocalEngine(token=token)
        self.processes: list[psutil.Process] = []
        self._wake = asyncio.Event()

    async def start(self, folder: Path, token: str, task_ids: Sequence[int]) -> None:
        await self.engine.open(self._wake.set)
        spec = JobSpec(command=("sleep", "100"), exec_dir="/", log_dir=str(folder), name=token)
        for one in task_ids:
            ref = Ref(1, one, 1)
            request = LaunchRequest(
                token=token, job_id=1, spec=spec, tasks=(ref,), folder="", logs=log_start(spec)
            )
            (answer,) = await self.engine.launch([request])
            assert isinstance(answer, Launched)
            self.processes.append(psutil.Process(int(answer.native_id)))

    async def ended(self) -> list[Ref | None]:
        """Wait until a task has ended; return which did."""
        async with asyncio.timeout(20):
            await self._wake.wait()
        self._wake.clear()
        return [one.ref for one in (await self.engine.poll()).seen]

    def are_running(self, *places: int) -> bool:
        return all(self.processes[one].is_running() for one in places)


@asynccontextmanager
async def running(token: str, folder: Path, *task_ids: int) -> AsyncIterator[Running]:
    """Have a runner's tasks run; what is left of them is killed."""
    found = Running(token)
    try:
        await found.start(folder, token, task_ids)
        yield found
    finally:
        for one in found.processes:
            if one.is_running():
                one.kill()


async def test_a_dead_runners_tasks_are_ended_and_nobody_elses(tmp_path: Path) -> None:
    finder = LocalEngine()
    async with running(LOST, tmp_path, 1, 2) as lost, running(OTHER, tmp_path, 1) as others:
        runner = Abandoned(LOST, None, None)
        assert await finder.recover(runner, end=False) == 2
        assert lost.are_running(0, 1), "they were to be counted only"
        assert await finder.recover(runner, {Ref(1, 2, 1)}) == 1
        assert await lost.ended() == [Ref(1, 2, 1)]
        assert lost.are_running(0), "another task"
        assert await finder.recover(runner) == 1
        assert await lost.ended() == [Ref(1, 1, 1)]
        assert others.are_running(0), "another runner's"


async def test_what_started_before_the_runner_is_not_its(tmp_path: Path) -> None:
    async with running(LOST, tmp_path, 1) as lost:
        assert await LocalEngine().recover(Abandoned(LOST, 1e12, None)) == 0
        assert lost.are_running(0)


@pytest.mark.parametrize("token", ["", "*", "0" * 31])
async def test_a_token_that_is_none_finds_nothing(tmp_path: Path, token: str) -> None:
    """Every process carries the empty one; a database may say anything."""
    async with running(LOST, tmp_path, 1) as lost:
        assert await LocalEngine().recover(Abandoned(token, None, None)) == 0
        assert lost.are_running(0)
