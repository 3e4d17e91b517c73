"""A job manager for people who run experiments.

from asyncjman import JobManager
"""

from __future__ import annotations

TYPE_CHECKING = False  # nothing is loaded here: an interrupt of `jman` would be told as a traceback
if TYPE_CHECKING:
    from typing import Any

    from asyncjman.api.asked import Array, Resources
    from asyncjman.api.call_handle import CallHandle
    from asyncjman.api.call_options import CallOptions, OnCancel, Workers
    from asyncjman.api.functions import JobView
    from asyncjman.api.handle import JobHandle
    from asyncjman.api.job_options import Options
    from asyncjman.api.manager import JobManager, OnExit
    from asyncjman.api.progress import Progress
    from asyncjman.api.result import JobResult
    from asyncjman.api.running import Output
    from asyncjman.errors import (
        BadArray,
        BadDependency,
        BadSelection,
        CallFailed,
        CommandNotFound,
        DamagedDatabase,
        DatabaseProblem,
        EnvironmentProblem,
        JmanError,
        JobDeleted,
        JobFailed,
        MapFailed,
        NotOpen,
        NotOwner,
        UsageError,
    )
    from asyncjman.model.array import ArraySpec
    from asyncjman.model.duration import Duration
    from asyncjman.model.events import (
        Event,
        JobFinished,
        JobSubmitted,
        TaskFinished,
        TaskRetried,
        TaskStarted,
    )
    from asyncjman.model.failure import Cause
    from asyncjman.model.job import Job, Task, Usage
    from asyncjman.model.retry import Retry
    from asyncjman.model.selection import Selection
    from asyncjman.model.status import Status
    from asyncjman.model.sweep import Sweep
    from asyncjman.slices import array_slice
    from asyncjman.version import __version__

__all__ = [
    "Array",
    "ArraySpec",
    "BadArray",
    "BadDependency",
    "BadSelection",
    "CallFailed",
    "CallHandle",
    "CallOptions",
    "Cause",
    "CommandNotFound",
    "DamagedDatabase",
    "DatabaseProblem",
    "Duration",
    "EnvironmentProblem",
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
    "JobView",
    "MapFailed",
    "NotOpen",
    "NotOwner",
    "OnCancel",
    "OnExit",
    "Options",
    "Output",
    "Progress",
    "Resources",
    "Retry",
    "Selection",
    "Status",
    "Sweep",
    "Task",
    "TaskFinished",
    "TaskRetried",
    "TaskStarted",
    "Usage",
    "UsageError",
    "Workers",
    "__version__",
    "array_slice",
]

_HOMES = {
    "Array": "api.asked",
    "ArraySpec": "model.array",
    "BadArray": "errors",
    "BadDependency": "errors",
    "BadSelection": "errors",
    "CallFailed": "errors",
    "CallHandle": "api.call_handle",
    "CallOptions": "api.call_options",
    "Cause": "model.failure",
    "CommandNotFound": "errors",
    "DamagedDatabase": "errors",
    "DatabaseProblem": "errors",
    "Duration": "model.duration",
    "EnvironmentProblem": "errors",
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
    "JobView": "api.functions",
    "MapFailed": "errors",
    "NotOpen": "errors",
    "NotOwner": "errors",
    "OnCancel": "api.call_options",
    "OnExit": "api.manager",
    "Options": "api.job_options",
    "Output": "api.running",
    "Progress": "api.progress",
    "Resources": "api.asked",
    "Retry": "model.retry",
    "Selection": "model.selection",
    "Status": "model.status",
    "Sweep": "model.sweep",
    "Task": "model.job",
    "TaskFinished": "model.events",
    "TaskRetried": "model.events",
    "TaskStarted": "model.events",
    "Usage": "model.job",
    "UsageError": "errors",
    "Workers": "api.call_options",
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
