"""A job manager for people who run experiments.

from asyncjman import JobManager
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from asyncjman.version import __version__

if TYPE_CHECKING:
    from asyncjman.api.manager import JobManager
    from asyncjman.errors import JmanError, JobFailed
    from asyncjman.model.array import ArraySpec
    from asyncjman.model.job import Job, JobSpec, Task
    from asyncjman.model.selection import Selection
    from asyncjman.model.status import Status

__all__ = [
    "ArraySpec",
    "JmanError",
    "Job",
    "JobFailed",
    "JobManager",
    "JobSpec",
    "Selection",
    "Status",
    "Task",
    "__version__",
]

_HOMES = {
    "ArraySpec": "model.array",
    "JmanError": "errors",
    "Job": "model.job",
    "JobFailed": "errors",
    "JobManager": "api.manager",
    "JobSpec": "model.job",
    "Selection": "model.selection",
    "Status": "model.status",
    "Task": "model.job",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `jman --help` needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"asyncjman.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
