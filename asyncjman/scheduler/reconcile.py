"""What an earlier process left behind when it was killed: its processes are ended, its tasks given back."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass

import psutil

from asyncjman.errors import EnvironmentProblem
from asyncjman.executors.local.executor import TERM_SECONDS
from asyncjman.executors.local.processes import Marked, marked
from asyncjman.runtime import SYSTEM, Runtime
from asyncjman.scheduler.settle import release_runner
from asyncjman.store import runners
from asyncjman.store.database import Database
from asyncjman.store.runners import Runner

_CLOCK_SLACK = 2.0  # seconds by which two readings of a process's start may differ
_MAX_LOOKS = 50
_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Repair:
    """What was found of one killed runner."""

    pid: int
    tasks: int
    """Tasks that were executing; they run again."""
    processes: int
    """Processes that had lived on."""


def is_alive(runner: Runner, runtime: Runtime = SYSTEM) -> bool:
    """Tell whether a runner may still be at work; on another host nobody can know, so it is."""
    if runner.host != runtime.host():
        return True
    try:
        process = psutil.Process(runner.pid)
        if not _runs(process):
            return False
        if runner.boot is not None:
            boot, started = runtime.process_start(runner.pid)
            return boot is None or (boot, started) == (runner.boot, runner.process_started)
        return abs(process.create_time() - runner.process_started) < _CLOCK_SLACK
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


async def repair(database: Database, *, end: bool = True) -> list[Repair]:
    """End what dead runners left running, give their tasks back; return what was found.

    Without ``end`` processes that live on are left alone, and so are the tasks of their runner.
    """
    found: list[Repair] = []
    runtime = database.runtime
    for runner in await runners.select(database):
        if is_alive(runner, runtime):
            continue
        held = await runners.held(database, runner.id)
        if end:
            processes = await _end_left(runner, runtime)
        else:
            processes = len(await runtime.in_thread(left_processes, runner, runtime))
        if end or not processes:
            async with database.transaction() as tx:
                await release_runner(tx, runner.id, "the jman that ran it was killed", runtime.time())
        if held:
            found.append(Repair(runner.pid, sum(one.executing for one in held), processes))
    return found


async def _end_left(runner: Runner, runtime: Runtime) -> int:
    """End what a dead runner started; return how many processes that were.

    One that forks while it is looked for may leave a child whose number was passed already: two looks in
    a row must find nothing.
    """
    ended = empty = 0
    for _ in range(_MAX_LOOKS):
        left = await runtime.in_thread(left_processes, runner, runtime)
        empty = 0 if left else empty + 1
        if empty == 2:
            return ended
        await _end(left, runtime)
        ended += len(left)
    raise EnvironmentProblem("processes of a killed jman start new ones as fast as they are ended")


def left_processes(runner: Runner, runtime: Runtime = SYSTEM) -> list[Marked]:
    """Find the processes that a dead runner started, and that run still: by its token in their environment.

    A number in the database proves nothing: somebody may have written it there to have a process ended.
    """
    boot = runtime.process_start(runtime.pid())[0]
    return marked(runner.token, since=runner.process_started if runner.boot == boot else None)


async def _end(processes: list[Marked], runtime: Runtime) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            process.send(sign)
        deadline = runtime.monotonic() + TERM_SECONDS
        while processes and runtime.monotonic() < deadline:
            await asyncio.sleep(_PAUSE_SECONDS)  # nothing tells of the ends of others' children
            processes = [process for process in processes if process.is_running()]
        if not processes:
            return
    pids = ", ".join(str(process.pid) for process in processes)
    raise EnvironmentProblem(f"processes of a killed jman don't end: pid {pids}; end them by hand")


def _runs(process: psutil.Process) -> bool:
    """Tell whether a process hasn't ended; a zombie has, and in a container may stay one."""
    try:
        return process.is_running() and process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False
