"""What a task may be, and what each command may make of it.

What the database holds is not known, so the oracle keeps all that it may hold: a set of states. A command
takes effect at some moment between its call and its return; one that was killed perhaps never did.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from tests.faults.model.plan import Delete, Job, List, Operation, Resubmit, Stop, Submit


class Status(StrEnum):
    """The words of ``list`` for what has ended; what is between, as far as it can be told from outside."""

    ABSENT = "not submitted"
    OPEN = "open"
    """Submitted, waiting, queued, or started and not yet at its first line."""
    RUNS = "runs"
    ENDED = "ended with 0"
    """Its process has ended, or is about to; jman may not know."""
    FAILED = "ended with another status than 0"
    SUCCESS = "success"
    FAILURE = "failure"
    STOPPED = "stopped"
    SKIPPED = "skipped"
    GONE_SUCCESS = "deleted after its success"
    GONE_FAILURE = "deleted after a failure or a stop"
    GONE_SKIPPED = "deleted after it was skipped"
    TAKEN_OUT = "taken out of its array"


ALIVE = frozenset({Status.RUNS, Status.ENDED, Status.FAILED})
UNFINISHED = ALIVE | {Status.OPEN}
FINISHED = frozenset({Status.SUCCESS, Status.FAILURE, Status.STOPPED, Status.SKIPPED})
GONE = frozenset({Status.GONE_SUCCESS, Status.GONE_FAILURE, Status.GONE_SKIPPED})
_AFTER_DELETE = {
    Status.SUCCESS: Status.GONE_SUCCESS,
    Status.FAILURE: Status.GONE_FAILURE,
    Status.STOPPED: Status.GONE_FAILURE,
    Status.SKIPPED: Status.GONE_SKIPPED,
}
_SHOWN = {
    "submitted": frozenset({Status.OPEN}),
    "waiting": frozenset({Status.OPEN}),
    "queued": UNFINISHED,
    "executing": UNFINISHED,
    "success": frozenset({Status.SUCCESS}),
    "failure": frozenset({Status.FAILURE}),
    "stopped": frozenset({Status.STOPPED}),
    "skipped": frozenset({Status.SKIPPED}),
}
SHOWN = {
    **_SHOWN,
    **{f"all {word}": may | {Status.TAKEN_OUT} for word, may in _SHOWN.items()},
    "present": UNFINISHED | FINISHED | {Status.TAKEN_OUT},
    "no job": GONE | {Status.ABSENT, Status.TAKEN_OUT},
    "no task": frozenset({Status.TAKEN_OUT}),
}
"""What a task may be of which ``list`` says this (of the task, or of its whole job)."""


class State(NamedTuple):
    """One of the states that a task may be in."""

    status: Status
    execute: int = -1
    """Which command started the process that runs."""
    opener: int = -1
    """Which command made it open: submitted it, or resubmitted it."""
    done: frozenset[int] = frozenset()
    """Which of the commands that run now have taken effect on it."""
    stop_asked: bool = False
    """Whether a command that was killed may have asked for its stop before."""

    def now(self, status: Status) -> State:
        return self._replace(status=status, stop_asked=self.stop_asked and status in UNFINISHED)


def concerns(operation: Operation, named: frozenset[int] | None, job: int, task: int) -> bool:
    """Tell whether a command is about a task."""
    if isinstance(operation, Stop | Delete) and operation.tasks and task not in operation.tasks:
        return False
    if isinstance(operation, Submit | Stop | Delete | Resubmit):
        return named is None or job in named
    return isinstance(operation, List)


def brings_back(operation: Operation, named: frozenset[int] | None, job: int, jobs: dict[int, Job]) -> bool:
    """Tell whether a resubmission may take what is skipped of a job along, as it depends on a named one."""
    if not isinstance(operation, Resubmit) or "--no-dependents" in operation.options:
        return False
    if named is None:
        return bool(jobs[job].needs)
    todo = [job]
    seen = set()
    while todo:
        for need in jobs[todo.pop()].needs:
            if need.on in named:
                return True
            if need.on not in seen:
                seen.add(need.on)
                todo.append(need.on)
    return False


def effects(operation: Operation, number: int, state: State, shown: str | None) -> Iterator[State]:
    """Yield what a command makes of a state, in one step; it has taken effect where it is in ``done``.

    ``shown`` is what a listing said; None where it said nothing.
    """
    done = state._replace(done=state.done | {number})
    match operation:
        case Submit():
            if state.status is Status.ABSENT:
                yield done._replace(status=Status.OPEN, opener=number)
        case List():
            if shown is None or state.status in SHOWN[shown]:
                yield done
        case Stop():
            yield done.now(Status.STOPPED) if state.status in UNFINISHED else done
        case Delete(_, tasks):
            if state.status in UNFINISHED:  # it is stopped first; this much may be all that is done
                yield state.now(Status.STOPPED)
            elif tasks and state.status is not Status.ABSENT:
                yield done.now(Status.TAKEN_OUT)
            else:
                yield done.now(_AFTER_DELETE.get(state.status, state.status))
        case Resubmit(_, options):
            if state.status in UNFINISHED and "--running-jobs" in options:
                yield state.now(Status.STOPPED)
            elif state.status in _scope(options):
                yield done._replace(status=Status.OPEN, opener=number, execute=-1)
            else:
                yield done
        case _:
            yield done


def untouched(number: int, state: State) -> Iterator[State]:
    yield state._replace(done=state.done | {number})


def brought_back(number: int, state: State) -> Iterator[State]:
    """Yield what a resubmission may make of a task of a job that depends on one that it names."""
    if state.status is Status.SKIPPED:
        yield state._replace(status=Status.OPEN, opener=number, done=state.done | {number})


def _scope(options: frozenset[str]) -> frozenset[Status]:
    statuses = {Status.FAILURE}
    if "--failed-only" not in options:
        statuses |= {Status.STOPPED, Status.SKIPPED}
    if "--also-success" in options:
        statuses |= {Status.SUCCESS}
    return frozenset(statuses)
