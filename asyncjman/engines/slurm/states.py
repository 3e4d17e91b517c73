"""Slurm's states and reasons (squeue(1), "JOB STATE CODES", "JOB REASON CODES") in our words.

Measured on 22.05.
"""

from __future__ import annotations

from asyncjman.engines.base import IN_ERROR, Saw
from asyncjman.engines.cluster.dialect import ENDING

_ACTIVE = {
    "PENDING": Saw.PENDING,
    "REQUEUED": Saw.PENDING,
    "REQUEUE_FED": Saw.PENDING,
    "CONFIGURING": Saw.PENDING,
    "POWER_UP_NODE": Saw.PENDING,
    "REQUEUE_HOLD": Saw.HELD,
    "RESV_DEL_HOLD": Saw.HELD,
    "SPECIAL_EXIT": Saw.HELD,
    "RUNNING": Saw.RUNNING,
    "COMPLETING": Saw.RUNNING,
    "SUSPENDED": Saw.RUNNING,
    "STOPPED": Saw.RUNNING,
    "SIGNALING": Saw.RUNNING,
    "STAGE_OUT": Saw.RUNNING,
    "RESIZING": Saw.RUNNING,
}
ENDED = frozenset(
    {"COMPLETED", "FAILED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "BOOT_FAIL", "DEADLINE", "PREEMPTED"}
    | {"CANCELLED", "REVOKED"}
)
_WAITS = frozenset({"Dependency", "JobHeldUser", "JobHeldAdmin", "BeginTime", "DependencyNeverSatisfied"})
NEVER = {
    "PartitionTimeLimit": "it asks for more time than its partition allows",
    "PartitionNodeLimit": "it asks for more nodes than its partition has, or than may be asked for",
    "PartitionConfig": "its partition can't give what it asks for",
    "BadConstraints": "no node has what it asks for",
    "AccountNotAllowed": "its account may not use the partition",
    "QOSNotAllowed": "its QOS may not be used here",
    "InvalidAccount": "there is no such account",
    "InvalidQOS": "there is no such QOS",
    "AssocMaxWallDurationPerJobLimit": "it asks for more time than its account may",
    "AssocMaxCpuPerJobLimit": "it asks for more CPUs than its account may",
    "AssocMaxMemPerJob": "it asks for more memory than its account may",
    "QOSMaxWallDurationPerJobLimit": "it asks for more time than its QOS allows",
    "QOSMaxCpuPerJobLimit": "it asks for more CPUs than its QOS allows",
    "QOSMaxMemoryPerJob": "it asks for more memory than its QOS allows",
    "JobHeldAdmin": "held by the administrators",
    "DependencyNeverSatisfied": "what it waits for did not end as it must",
}
"""Reasons that last until a person acts."""


def saw_of(state: str, reason: str) -> Saw | None:
    """Return what the state of a job that has not ended says; None: keep what was known."""
    saw = _ACTIVE.get(state)
    return Saw.HELD if saw is Saw.PENDING and reason in _WAITS else saw


def note_of(state: str, reason: str) -> str | None:
    """Return what a state says beyond our status, None for nothing."""
    if state == "PENDING" and reason in NEVER:
        return IN_ERROR
    if state == "PENDING" and reason == "JobHeldUser":
        return "held"
    if state in ("REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"):
        return "held"
    if state in ("SUSPENDED", "STOPPED"):
        return "suspended"
    return ENDING if state == "COMPLETING" else None
