"""The options of a job, for those who name their types: each is a type to look up when this is loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TypedDict

from asyncjman.api.asked import Array, Resources
from asyncjman.api.earlier import Earlier
from asyncjman.model.duration import Duration
from asyncjman.model.retry import Retry
from asyncjman.model.sweep import Sweep


class Options(TypedDict, total=False):
    """The options of a job; those of ``jman submit``."""

    name: str | None
    array: Array | None
    """As in ``"1-10%4"``: ids, and how many of them at a time; a number: 1 to that; a range of ids."""
    exec_dir: str | os.PathLike[str] | None
    """Default: the current folder."""
    log_dir: str | os.PathLike[str] | None
    """Absolute, or relative to ``exec_dir``; None: the setting ``log-dir``, without one no log files on this
    machine, and ``logs`` on a cluster."""
    environment: Mapping[str, str] | None
    after_any: Earlier
    after_ok: Earlier
    after_notok: Earlier
    after_corr: Earlier
    stop_on_failure: bool
    sweep: Sweep | Mapping[str, Sequence[object]] | None
    """Parameters with their values, which are multiplied."""
    retry: Retry | int | None
    timeout: Duration | None
    """Seconds, a text such as ``"2h"``, or a timedelta."""
    queue: str | None
    resources: Resources | Mapping[str, object] | None
    """What a task needs: ``Resources``, or a mapping of its fields."""
    check: bool
    """Whether the command is looked for first."""
