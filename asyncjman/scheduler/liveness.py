"""Whether a runner is dead: only what is proven counts. What can't be seen may be alive."""

from __future__ import annotations

import os
from enum import Enum

from asyncjman.procfs import ENDED
from asyncjman.runtime import Runtime
from asyncjman.store.filesystem import is_local
from asyncjman.store.runnerlock import LOCK, TASKS, LockNames, State, state_of
from asyncjman.store.runners import Runner


class Life(Enum):
    """What is known of a runner."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"
    """It may be alive, where this process can't see it."""


def liveness(runner: Runner, names: LockNames, runtime: Runtime) -> Life:
    """Find out whether a runner lives: by its lock, and where that says nothing by its number.

    A free lock proves its death on the same start of the machine, and where no other machine can have
    the file. A number proves it only in the same pid namespace: elsewhere it means another process.
    """
    boot = runtime.process_start(runtime.pid())[0]
    same_boot = boot is not None and boot == runner.boot
    state = state_of(names.path(LOCK), runner.lock, same_boot=same_boot)
    if state is State.HELD:
        return Life.ALIVE
    if state is State.FREE and (same_boot or is_local(names.folder)):
        return Life.DEAD
    if not is_numbered_here(runner, runtime):
        return Life.UNKNOWN
    return Life.ALIVE if _has_number(runner, runtime) else Life.DEAD


def tasks_may_live(runner: Runner, names: LockNames, runtime: Runtime) -> bool:
    """Tell whether tasks of a dead runner may run still, also where they can't be seen."""
    boot = runtime.process_start(runtime.pid())[0]
    if boot is not None and runner.boot is not None and boot != runner.boot:
        return False  # the machine that they ran on was started anew
    state = state_of(names.path(TASKS), runner.tasks_lock, same_boot=True)
    if state is State.UNKNOWN:  # then only what can be seen is known: by its marks
        return not is_numbered_here(runner, runtime)
    return state is State.HELD


def is_numbered_here(runner: Runner, runtime: Runtime) -> bool:
    """Tell whether the number of a runner's process means, here, that process or none."""
    boot, namespace = runtime.process_start(runtime.pid())[0], runtime.namespace()
    if namespace is None or namespace != runner.namespace:
        return False
    if boot is None:  # no Linux: the machine's name is all there is
        return namespace == "" and runner.boot is None and runner.host == runtime.host()
    return boot == runner.boot


def is_suspended(runner: Runner, runtime: Runtime) -> bool:
    """Tell whether a runner is known to be suspended (Ctrl-Z, SIGSTOP)."""
    return is_numbered_here(runner, runtime) and runtime.process_state(runner.pid) in ("T", "t")


def _has_number(runner: Runner, runtime: Runtime) -> bool:
    """Tell whether the process with a runner's number is the runner."""
    if runner.pid <= 0:
        return False
    try:
        os.kill(runner.pid, 0)  # finds also what /proc hides
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass  # another user's
    if not runtime.has_own_numbers():
        return True
    started = runtime.process_start(runner.pid)[1]
    return started in (0.0, runner.process_started) and runtime.process_state(runner.pid) not in ENDED
