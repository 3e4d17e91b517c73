"""What an earlier process left behind when it was killed: its processes are ended, its tasks given back."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import psutil

from asyncjman.errors import EnvironmentProblem
from asyncjman.executors.local.executor import RUNNER_VARIABLE, TERM_SECONDS
from asyncjman.store import runners
from asyncjman.store.database import Database
from asyncjman.store.runners import Held, Runner

_CLOCK_SLACK = 2.0  # seconds by which two readings of a process's start may differ


@dataclass(frozen=True, slots=True)
class Repair:
    """What was found of one killed runner."""

    pid: int
    tasks: int
    """Tasks that were executing; they run again."""
    processes: int
    """Processes that had lived on, and were ended."""


def this_process() -> tuple[str, int, float]:
    """Return host, pid and start time (seconds since 1970) of this process."""
    return socket.gethostname(), os.getpid(), psutil.Process().create_time()


def is_alive(runner: Runner) -> bool:
    """Tell whether a runner may still be at work; on another host nobody can know, so it is."""
    if runner.host != socket.gethostname():
        return True
    try:
        process = psutil.Process(runner.pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return False  # killed, and its parent hasn't looked at it: in a container that may never be
        return abs(process.create_time() - runner.process_started) < _CLOCK_SLACK
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


async def repair(database: Database) -> list[Repair]:
    """End what dead runners left running, give their tasks back; return what was found."""
    found: list[Repair] = []
    for runner in await runners.select(database):
        if is_alive(runner):
            continue
        held = await runners.held(database, runner.id)
        left = await asyncio.to_thread(left_processes, runner, held)
        await _end(left)
        async with database.transaction() as tx:
            await runners.give_back(tx, runner.id, "the jman that ran it was killed", time.time())
            await runners.delete(tx, runner.id)
        if held:
            found.append(Repair(runner.pid, sum(one.executing for one in held), len(left)))
    return found


def left_processes(runner: Runner, held: Iterable[Held]) -> list[psutil.Process]:
    """Find the processes that a dead runner started: by its token in their environment, or, where
    that was wiped, by pid and start time.
    """
    known = {one.pid: one.started_at for one in held if one.pid is not None and one.started_at is not None}
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            started = known.get(process.pid)
            if (
                started is not None and abs(process.create_time() - started) < _CLOCK_SLACK
            ) or process.environ().get(RUNNER_VARIABLE) == runner.token:
                found.append(process)
    return found


async def _end(processes: list[psutil.Process]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            with suppress(psutil.Error):
                process.send_signal(sign)
        _, processes = await asyncio.to_thread(psutil.wait_procs, processes, TERM_SECONDS)
        if not processes:
            return
    pids = ", ".join(str(process.pid) for process in processes)
    raise EnvironmentProblem(f"processes of a killed jman don't end: pid {pids}; end them by hand")
