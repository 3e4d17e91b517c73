"""What can be said of all that is submitted through a view of a JobManager."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypedDict

from asyncjman.api.earlier import Earlier
from asyncjman.errors import UsageError
from asyncjman.model.duration import Duration
from asyncjman.model.retry import Retry

if TYPE_CHECKING:
    from asyncjman.api.asked import Resources
    from asyncjman.api.job_options import Options as SubmitOptions
    from asyncjman.api.request import JobRequest

OnCancel = Literal["stop", "leave"]
Workers = Literal["fresh", "warm"]


class CallOptions(TypedDict, total=False):
    """Defaults of a view: options of ``submit`` that functions have, too, and what only these have."""

    name: str | None
    """Default: the name of the function, or of the command."""
    exec_dir: str | os.PathLike[str] | None
    log_dir: str | os.PathLike[str] | None
    environment: Mapping[str, str] | None
    after_any: Earlier
    after_ok: Earlier
    after_notok: Earlier
    retry: Retry | int | None
    timeout: Duration | None
    """Of one attempt: seconds, a text such as ``"2h"``, or a timedelta."""
    queue: str | None
    resources: Resources | Mapping[str, object] | None
    workers: Workers
    """Of functions: ``"fresh"``, a process a task (default); ``"warm"``, processes that take several."""
    on_cancel: OnCancel
    """What becomes of the work of a ``call``, ``map``, ``imap`` or ``starmap`` that is cancelled: it is
    stopped (default), or left to run."""


_OF_FUNCTIONS = {"workers": ("fresh", "warm"), "on_cancel": ("stop", "leave")}


def checked(options: CallOptions) -> CallOptions:
    """Return options, all of which can be. Raises UsageError."""
    from asyncjman.settings import Settings

    given = dict(options)
    if unknown := given.keys() - CallOptions.__annotations__.keys():
        names = ", ".join(CallOptions.__annotations__)
        raise UsageError(f"no option {sorted(unknown)[0]!r}: there are {names}")
    for name, words in _OF_FUNCTIONS.items():
        if given.get(name, words[0]) not in words:
            raise UsageError(f"no {name} {given[name]!r}: there are {' and '.join(map(repr, words))}")
    from asyncjman.api.request import JobRequest

    JobRequest(command=["true"], check=False)._replace(**of_jobs(options)).resolve("local", Settings())
    return options


def of_jobs(options: CallOptions) -> SubmitOptions:
    """Return those that ``submit`` has, too."""
    return {name: one for name, one in options.items() if name not in _OF_FUNCTIONS}  # type: ignore[return-value]  # what is left is its keys


def applied(request: JobRequest, options: CallOptions) -> JobRequest:
    """Return the request for a function job with the options; what they don't name stays."""
    given = {name: one for name, one in of_jobs(options).items() if one is not None}
    return request._replace(**given)  # type: ignore[arg-type]  # checked: they are fields
