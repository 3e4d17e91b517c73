"""A job manager for people who run experiments.

from asyncjman import JobManager
"""

from __future__ import annotations

TYPE_CHECKING = False  # nothing is loaded here: an interrupt of `jman` would be told as a traceback
if TYPE_CHECKING:
    from typing import Any

    from asyncjman.api.handle import JobHandle
    from asyncjman.api.manager import JobManager
    from asyncjman.api.result import JobResult
    from asyncjman.errors import CallFailed, JmanError, JobDeleted, JobFailed, UsageError
    from asyncjman.model.array import ArraySpec
    from asyncjman.model.events import (
        Event,
        JobFinished,
        JobSubmitted,
        TaskFinished,
        TaskRetried,
        TaskStarted,
    )
    from asyncjman.model.failure import Cause
    from asyncjman.model.job import Job, Task
    from asyncjman.model.retry import Retry
    from asyncjman.model.selection import Selection
    from asyncjman.model.status import Status
    from asyncjman.model.sweep import Sweep
    from asyncjman.slices import array_slice
    from asyncjman.version import __version__

__all__ = [
    "ArraySpec",
    "CallFailed",
    "Cause",
    "Event",
    "JmanError",
    "Job",
    "JobDeleted",
    "JobFailed",
    "JobFinished",
    "JobHandle",
    "JobManager",
    "JobResult",
    "JobSubmitted",
    "Retry",
    "Selection",
    "Status",
    "Sweep",
    "Task",
    "TaskFinished",
    "TaskRetried",
    "TaskStarted",
    "UsageError",
    "__version__",
    "array_slice",
]

_HOMES = {
    "ArraySpec": "model.array",
    "CallFailed": "errors",
    "Cause": "model.failure",
    "Event": "model.events",
    "JmanError": "errors",
    "Job": "model.job",
    "JobDeleted": "errors",
    "JobFailed": "errors",
    "JobFinished": "model.events",
    "JobHandle": "api.handle",
    "JobManager": "api.manager",
    "JobResult": "api.result",
    "JobSubmitted": "model.events",
    "Retry": "model.retry",
    "Selection": "model.selection",
    "Status": "model.status",
    "Sweep": "model.sweep",
    "Task": "model.job",
    "TaskFinished": "model.events",
    "TaskRetried": "model.events",
    "TaskStarted": "model.events",
    "UsageError": "errors",
    "__version__": "version",
    "array_slice": "slices",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `jman --help` needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"asyncjman.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
