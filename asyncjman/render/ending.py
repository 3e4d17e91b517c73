"""What is printed when a run is over: how all of it is, and what to type next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from asyncjman.model.selection import format_ids
from asyncjman.model.status import Status
from asyncjman.render.failures import Shown, group_lines
from asyncjman.render.text import colored, duration, use_color

_NOT_STARTED = (Status.SUBMITTED, Status.WAITING, Status.QUEUED)


class Closing(NamedTuple):
    """How the jobs of a run are at its end."""

    counts: Mapping[Status, int]
    """Of their tasks, by whichever execute they ran."""
    groups: Sequence[Shown]
    """The failures among them, the largest groups first: as many as are shown."""
    causes: int
    """How many groups there are."""
    seconds: float
    """How long the run took."""
    cpu_seconds: float


def closing_lines(closing: Closing) -> list[str]:
    """Return the failures by their causes, the table by status, and what it took."""
    if not closing.counts:
        return []
    color = use_color()
    lines = [""]
    if closing.groups:
        lines += [*group_lines(closing.groups, color=color, more=closing.causes - len(closing.groups)), ""]
    lines += ["status     tasks", "=========  ====="]
    for status in Status:
        if count := closing.counts.get(status, 0):
            word = colored(f"{status:<9}", status) if color else f"{status:<9}"
            lines.append(f"{word}  {count:>5}")
    return [*lines, f"took {duration(closing.seconds)}, CPU time {duration(closing.cpu_seconds)}"]


def left_line(
    counts: Mapping[Status, int], causes: int, job_ids: Sequence[int] = (), *, run: bool = True
) -> str | None:
    """Say what is left of jobs, and what to type: ``8 stopped, 3 failed (2 causes): jman resubmit && ...``.

    ``job_ids``: the jobs that were named, none means all; ``run``: whether an execute is to follow.
    """
    not_started = sum(counts.get(status, 0) for status in _NOT_STARTED)
    stopped, skipped = counts.get(Status.STOPPED, 0), counts.get(Status.SKIPPED, 0)
    failed, running = counts.get(Status.FAILURE, 0), counts.get(Status.EXECUTING, 0)
    of = f" ({causes} causes)" if causes > 1 else ""
    parts = [
        words
        for count, words in (
            (not_started, f"{not_started} not started"),
            (running, f"{running} running"),
            (stopped, f"{stopped} stopped"),
            (failed, f"{failed} failed{of}"),
            (skipped, f"{skipped} skipped"),
        )
        if count
    ]
    if not parts:
        return None
    ids = f" {format_ids(job_ids)}" if job_ids else ""
    steps = [f"jman resubmit{ids}"] if failed or skipped or (stopped and not run) else []
    if run and (steps or not_started or stopped):
        steps.append(f"jman execute{' --resume' if stopped and not steps else ''}{ids}")
    advice = [" && ".join(steps)] if steps else []
    if failed:
        advice.append(f"jman failures{ids}")
    return f"{', '.join(parts)}{': ' if advice else ''}{'; '.join(advice)}"
