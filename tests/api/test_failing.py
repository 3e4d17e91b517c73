"""What goes wrong in the background reaches all who wait, and doesn't end with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from asyncjman import JmanError, JobManager, Status
from tests.api.tools import GATED, check_clean

LIMIT = 20.0


async def test_an_output_function_that_raises_is_told_to_all_who_wait(folder: Path) -> None:
    def refuse(stream: int, data: bytes) -> None:
        raise ZeroDivisionError("no room on the screen")

    async def consume(stream: AsyncIterator[object]) -> None:
        async for _ in stream:
            pass

    logged: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context["exception"]))
    async with JobManager(output=refuse, parallel=2) as jm:
        quiet = await jm.submit(GATED)
        later = await jm.submit(["true"], after_any=[quiet])
        watching = (jm.wait(quiet, later), consume(jm.events(later)), consume(jm.as_completed(quiet, later)))
        waiters = [asyncio.create_task(one) for one in (quiet.wait(), *watching)]
        await asyncio.wait(waiters, timeout=0.2)
        loud = await jm.submit(["echo", "hello"])
        waiters.append(asyncio.create_task(loud.wait()))
        for outcome in await asyncio.wait_for(asyncio.gather(*waiters, return_exceptions=True), LIMIT):
            assert isinstance(outcome, JmanError)
            assert "ZeroDivisionError: no room on the screen" in str(outcome)
        (folder / "go").touch()  # nothing is lost by it
        results = await asyncio.wait_for(jm.wait(quiet, later, loud), LIMIT)
        assert [result.status for result in results] == [Status.SUCCESS] * 3
    assert [str(error) for error in logged] == ["no room on the screen"]
    check_clean(folder)
