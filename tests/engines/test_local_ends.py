"""Tasks that are made to end, with all that they started."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress

import psutil
import pytest

from asyncjman.engines.local import ending
from asyncjman.engines.local.processes import living
from asyncjman.model.failure import Cause
from tests.engines.local_tools import LIMIT, Runner, gone, runs

TREE = "sleep 100 & echo $!; (sleep 101; true) & echo $!; echo $$; wait"
DEAF = "trap '' TERM; (sh -c 'echo $$; exec sleep 100') & echo $!; echo $$; while :; do sleep 1; done"


async def test_cancel_takes_the_children_along(runner: Runner) -> None:
    native_id = await runner.launch("sh", "-c", TREE)
    pids = await runner.printed_pids(3)
    await runner.cancel(native_id)
    seen = await runner.next()
    assert (seen.cause, seen.signal) == (Cause.SIGNAL, signal.SIGTERM)
    await runner.engine.close()
    await gone(pids)


@pytest.fixture
def adopts() -> Iterator[None]:
    """Have orphans be children of this process, which does not fetch their ends: as in many containers."""
    library, set_subreaper = ctypes.CDLL(None), 36  # prctl(2)
    if sys.platform != "linux" or library.prctl(set_subreaper, 1, 0, 0, 0):
        pytest.skip("needs Linux")
    yield
    library.prctl(set_subreaper, 0, 0, 0, 0)


async def test_a_zombie_does_not_hold_the_end_up(
    runner: Runner, adopts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "GIVE_UP_SECONDS", 10 * LIMIT)
    native_id = await runner.launch("sh", "-c", "sleep 1000 & echo $!; wait")
    (pid,) = await runner.printed_pids(1)
    await runner.cancel(native_id)
    assert (await runner.next()).signal == signal.SIGTERM
    assert psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def test_what_a_search_misses_is_killed_with_its_group(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What forks in the moment of a search is not seen; without its environment it is in the group alone."""
    missed: list[Collection[int]] = []

    def search(groups: Collection[int]) -> set[int]:
        if groups and not missed:
            missed.append(groups)
            return set()
        return living(groups)

    monkeypatch.setattr(ending, "living", search)
    monkeypatch.setattr("asyncjman.engines.local.engine.TERM_SECONDS", 0.3)
    native_id = await runner.launch(
        "sh", "-c", "trap '' TERM; env -i sleep 1000 & echo $!; trap - TERM; wait"
    )
    pids = await runner.printed_pids(1)
    await runner.cancel(native_id)
    try:
        await runner.next()
        assert not runs(pids[0])
    finally:
        with suppress(ProcessLookupError):
            os.kill(pids[0], signal.SIGKILL)


async def test_what_ignores_sigterm_is_killed(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncjman.engines.local.engine.TERM_SECONDS", 0.1)
    native_id = await runner.launch("sh", "-c", DEAF)
    pids = await runner.printed_pids(3)
    await runner.cancel(native_id)
    assert (await runner.next()).signal == signal.SIGKILL
    await gone(pids)


async def test_a_child_that_outlives_its_parent_is_killed_by_close(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncjman.engines.local.engine.TERM_SECONDS", 0.1)
    native_id = await runner.launch("sh", "-c", "(trap '' TERM; echo 1; exec sleep 100) & echo $!; wait")
    pids = [pid for pid in await runner.printed_pids(2) if pid != 1]
    await runner.cancel(native_id)
    assert (await runner.next()).signal == signal.SIGTERM
    await runner.engine.close()
    await gone(pids)


async def test_kill_does_not_ask(runner: Runner) -> None:
    native_id = await runner.launch("sh", "-c", DEAF)
    pids = await runner.printed_pids(3)
    await runner.cancel(native_id, force=True)
    assert (await runner.next()).signal == signal.SIGKILL
    await gone(pids)


async def test_a_limit_of_time(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = await runner.run("sh", "-c", TREE, time_limit=0.05)
    assert (seen.cause, seen.signal) == (Cause.TIMEOUT, signal.SIGTERM)
    assert seen.reason == "timed out after 0.05 s"
    await gone(await runner.printed_pids(3))


async def test_cancel_of_what_has_ended(runner: Runner) -> None:
    seen = await runner.run("true")
    await runner.cancel(seen.native_id)


async def test_a_child_in_the_background_does_not_hold_the_task_up(runner: Runner) -> None:
    seen = await runner.run("sh", "-c", "sleep 100 & echo $!")
    assert seen.cause is None
    os.kill((await runner.printed_pids(1))[0], signal.SIGKILL)
