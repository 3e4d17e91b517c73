"""How a task ended, by its state in squeue or sacct, in neutral words."""

from __future__ import annotations

from typing import NamedTuple

from asyncjman.engines.base import Observation, Saw
from asyncjman.model.failure import Cause
from asyncjman.model.job import Usage
from asyncjman.model.signals import signal_name

_NO_FILES = 53
"""The signal that stands for: standard input or output could not be opened, so nothing was run."""
_NO_MEMORY = 125
"""The same for memory."""
_REAL_SIGNALS = range(1, 65)
_CAUSES = {
    "TIMEOUT": (Cause.TIMEOUT, "its time limit on the cluster was reached"),
    "DEADLINE": (Cause.TIMEOUT, "its deadline on the cluster was reached"),
    "OUT_OF_MEMORY": (Cause.MEMORY, "it took more memory than it had asked the cluster for"),
    "NODE_FAIL": (Cause.NODE, "its node failed"),
    "BOOT_FAIL": (Cause.LAUNCH, "its node could not be booted"),
    "PREEMPTED": (Cause.NODE, "the cluster took its place for another job (preempted)"),
}
NEVER_SATISFIED = "DependencyNeverSatisfied"


class Ended(NamedTuple):
    """What Slurm says of it; times in seconds since 1970."""

    native_id: str
    state: str
    exit_status: int
    signal: int
    started_at: float | None = None
    finished_at: float | None = None
    nodes: str = ""
    """Empty where it never started."""
    reason: str = ""
    token: str = ""
    usage: Usage | None = None


def end_of(one: Ended) -> Observation:
    """Return how a task ended; ``at`` is 0 where no time is known."""
    found = Observation(
        token=one.token,
        ref=None,
        saw=Saw.ENDED,
        at=one.finished_at or one.started_at or 0.0,
        started_at=one.started_at if one.nodes else None,
        host=one.nodes or None,
        native_id=one.native_id,
        usage=one.usage,
    )
    if one.state in ("CANCELLED", "REVOKED"):
        _cancelled(one, found)
    elif one.state in _CAUSES:
        found.cause, found.reason = _CAUSES[one.state]
    elif one.state != "COMPLETED":
        _failed(one, found)
    else:
        found.exit_status = one.exit_status
        if one.exit_status or one.signal:
            _failed(one, found)
    return found


def _cancelled(one: Ended, found: Observation) -> None:
    if one.reason == NEVER_SATISFIED:
        found.saw, found.started_at = Saw.SKIPPED, None
        found.reason = "what it waited for did not end as it must"
    else:
        found.saw, found.reason = Saw.STOPPED, "cancelled on the cluster"


def _failed(one: Ended, found: Observation) -> None:
    if not one.nodes:
        found.cause, found.reason = Cause.LAUNCH, f"the cluster did not start it: {one.reason or one.state}"
    elif one.signal == _NO_FILES:
        found.cause = Cause.LAUNCH
        found.reason = (
            "it could not be started: its folder beside the database is missing on the node, "
            "or can't be written there"
        )
    elif one.signal == _NO_MEMORY:
        found.cause, found.reason = _CAUSES["OUT_OF_MEMORY"]
    elif one.signal in _REAL_SIGNALS:
        found.cause, found.signal = Cause.SIGNAL, one.signal
        found.reason = f"killed by {signal_name(one.signal)} (for its memory, or by hand)"
    elif one.exit_status:
        found.cause, found.exit_status = Cause.EXIT, one.exit_status
        found.reason = f"exit status {one.exit_status}"
    else:
        found.cause, found.reason = Cause.NODE, f"failed on the cluster: {one.reason or one.state}"
