"""Groups of failures as lines for people, and as objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from asyncjman.model.job import PLAIN_TASK, Job, Task
from asyncjman.model.selection import format_ids
from asyncjman.model.status import Status
from asyncjman.render.objects import task_object
from asyncjman.render.text import colored, printable, short_path, task_arguments

_MAX_LINE = 400  # of a log's end; the log has all of it
_MAX_IDS = 60
_MAX_ARGUMENTS = 120


class Signature(Protocol):
    """What failures have in common."""

    @property
    def id(self) -> str: ...
    @property
    def cause(self) -> str: ...
    @property
    def text(self) -> str: ...


class Group(Protocol):
    """Tasks that failed alike."""

    @property
    def signature(self) -> Signature: ...
    @property
    def tasks(self) -> int: ...
    @property
    def ids(self) -> Mapping[int, Sequence[int]]: ...
    @property
    def hosts(self) -> set[str]: ...


class Example(Protocol):
    """One task of a group."""

    @property
    def job(self) -> Job: ...
    @property
    def task(self) -> Task: ...
    @property
    def log(self) -> str | None: ...
    @property
    def lines(self) -> Sequence[str]: ...


Shown = tuple[Group, Example | None]


def ids_of(group: Group) -> list[str]:
    """Return the tasks of a group as a user would type them, a word a job: ``2.1-9,12``, ``3``."""
    return [
        str(job_id) if list(some) == [PLAIN_TASK] else f"{job_id}.{format_ids(some)}"
        for job_id, some in group.ids.items()
    ]


def short_ids(group: Group, width: int = _MAX_IDS) -> str:
    """Return the first of its tasks, as many as fit: ``2.11,51,91…``."""
    words = " ".join(ids_of(group))
    if len(words) <= width:
        return words
    cut = words[:width]
    return cut[: max(cut.rfind(","), cut.rfind(" "))] + "…"


def group_lines(some: Sequence[Shown], *, color: bool, hosts: int = 0, more: int = 0) -> list[str]:
    """Return for each group how many failed of what, which, and one of them with the end of its log.

    ``hosts``: name those of a group where there are so few; ``more``: groups that are not among these.
    """
    lines: list[str] = []
    for group, example in some:
        word = colored("failure", Status.FAILURE) if color else "failure"
        count = f"{group.tasks} tasks" if group.tasks != 1 else "1 task"
        where = f" on {', '.join(sorted(group.hosts))}" if 0 < len(group.hosts) <= hosts else ""
        text = printable(group.signature.text)
        lines.append(f"{word} {group.signature.id}: {count}{where}: {text}")
        lines += _example_lines(group, example)
    if more > 0:
        lines.append(f"and {more} more causes (jman failures shows all)")
    return lines


def _example_lines(group: Group, example: Example | None) -> list[str]:
    if example is None:
        return [f"  {short_ids(group)}"]
    task = example.task
    number = f"{task.job_id}.{task.task_id}" if task.task_id else str(task.job_id)
    given = task_arguments(example.job, task.task_id)
    if len(given) > _MAX_ARGUMENTS:
        given = given[: _MAX_ARGUMENTS - 1] + "…"
    lines = [f"  {short_ids(group)}"] if group.tasks > 1 else []
    which = f"for example {number}" if group.tasks > 1 else number
    reason = printable(task.reason or group.signature.cause)
    lines.append(f"  {which}: {reason}  {given}")
    if example.log:
        lines.append(f"  {short_path(example.log)}{'' if example.lines else ' (empty)'}")
    lines += [f"  | {printable(line[:_MAX_LINE].expandtabs())}" for line in example.lines]
    return lines


def group_object(group: Group, example: Example | None) -> dict[str, object]:
    """Return a group as JSON shows it."""
    shown: dict[str, object] = {
        "id": group.signature.id,
        "tasks": group.tasks,
        "cause": group.signature.cause,
        "signature": group.signature.text,
        "ids": ids_of(group),
        "hosts": sorted(group.hosts),
        "example": None,
    }
    if example is not None:
        task, job = example.task, example.job
        shown["example"] = {
            **task_object(task, None, job.spec.parameters(task.task_id)),
            "job": task.job_id,
            "command": list(job.spec.argv(task.task_id)),
            "log": example.log,
            "errors": list(example.lines),
        }
    return shown
