"""Failures that have one cause, together: how many, which tasks, and one of them as an example."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asyncjman.api import tasks
from asyncjman.errors import BadSelection
from asyncjman.model.failure import KEPT_BYTES
from asyncjman.model.job import PLAIN_TASK, Job, Task
from asyncjman.model.signature import Signature, lines_of, signature_of
from asyncjman.store import failures, jobs
from asyncjman.store.database import Reader
from asyncjman.store.failures import FailedTask
from asyncjman.system.logs import log_paths, read_end

if TYPE_CHECKING:
    from asyncjman.model.selection import Selection

MAX_GROUPS = 10
"""So many groups are shown at the end of a run; the user is told how many there are."""
MOST_HOSTS = 3
"""Hosts are named where all of a group failed on so few, of more that were used."""
_EXAMPLE_LINES = 5


@dataclass(slots=True)
class Group:
    """Tasks whose latest attempts failed alike."""

    signature: Signature
    tasks: int = 0
    ids: dict[int, list[int]] = field(default_factory=dict)
    """Task ids by job, in order; ``PLAIN_TASK`` of a job with no array."""
    hosts: set[str] = field(default_factory=set)

    @property
    def first(self) -> tuple[int, int]:
        """Return the first of its tasks: job id, task id."""
        job_id, some = next(iter(self.ids.items()))
        return job_id, some[0]


@dataclass(frozen=True, slots=True)
class Example:
    """One task of a group: how it ended, its error log, and the last lines that say something."""

    job: Job
    task: Task
    log: str | None
    lines: Sequence[str]


async def groups(
    database: Reader, job_ids: Iterable[int] | None = None, only: Mapping[int, Sequence[int]] | None = None
) -> list[Group]:
    """Return the failures of jobs (None: of all) in groups, the largest first.

    ``only``: of these jobs, by id, these tasks alone.
    """
    wanted = {job_id: frozenset(some) for job_id, some in (only or {}).items()}
    found: dict[Signature, Group] = {}
    unsigned: list[FailedTask] = []
    async for one in failures.failed_tasks(database, None if job_ids is None else list(job_ids)):
        if one.job_id in wanted and one.task_id not in wanted[one.job_id]:
            continue
        if one.signature is None:
            unsigned.append(one)
        else:
            _add(found, one, one.signature)
    for one, signature in await _signed(database, unsigned):
        _add(found, one, signature)
    return sorted(found.values(), key=lambda one: (-one.tasks, one.first))


async def named(database: Reader, name: str) -> dict[int, list[int]]:
    """Return the tasks of a group by its id, by job. Raises BadSelection where there is none."""
    merged: dict[int, list[int]] = {}
    for one in await groups(database):
        if one.signature.id == name:
            for job_id, some in one.ids.items():
                merged.setdefault(job_id, []).extend(some)
    if not merged:
        raise BadSelection(f"no failure {name!r} (jman failures shows those that are there)")
    return merged


async def narrowed(database: Reader, name: str, selection: Selection) -> Selection:
    """Return of a selection by ids what failed so. Raises BadSelection where nothing did."""
    from dataclasses import replace

    from asyncjman.model.selection import ranges_of

    found = await named(database, name)
    if selection.ids:
        found = {job_id: some for job_id, some in found.items() if any(job_id in r for r in selection.ids)}
    for job_id, only in selection.tasks.items():
        if job_id in found:
            found[job_id] = [one for one in found[job_id] if one in set(only)]
    found = {job_id: some for job_id, some in found.items() if some}
    if not found:
        raise BadSelection(f"none of these jobs has failure {name!r} (jman failures shows what has)")
    arrays = {job_id: some for job_id, some in found.items() if some != [PLAIN_TASK]}
    return replace(selection, ids=ranges_of(found), tasks=arrays)


async def examples(database: Reader, some: Sequence[Group]) -> list[Example | None]:
    """Return an example of each group; None where it was deleted in this moment."""
    known = {job.id: job for job in await jobs.get(database, {one.first[0] for one in some})}
    return [await _example(database, known.get(one.first[0]), one) for one in some]


async def _example(database: Reader, job: Job | None, group: Group) -> Example | None:
    job_id, task_id = group.first
    if job is None or (job.spec.array is not None and task_id not in job.spec.array):
        return None
    task = await tasks.get(database, job, task_id)
    paths = log_paths(job.spec, job_id, task_id)
    errors = await failures.errors_of(database, job_id, task_id, task.attempt)
    if not errors:
        errors = next(filter(None, (read_end(path, KEPT_BYTES) for path in reversed(paths or ()))), b"")
    return Example(job, task, paths[1] if paths else None, lines_of(errors)[-_EXAMPLE_LINES:])


def _add(found: dict[Signature, Group], one: FailedTask, signature: Signature) -> None:
    group = found.get(signature)
    if group is None:
        group = found[signature] = Group(signature)
    group.tasks += 1
    group.ids.setdefault(one.job_id, []).append(one.task_id)
    if one.host is not None and len(group.hosts) <= MOST_HOSTS:
        group.hosts.add(one.host)


async def _signed(database: Reader, unsigned: Sequence[FailedTask]) -> list[tuple[FailedTask, Signature]]:
    """Return failures that an earlier asyncjman stored, with signatures from their logs."""
    specs = await jobs.specs(database, {one.job_id for one in unsigned}) if unsigned else {}
    signed = []
    for one in unsigned:
        paths = log_paths(specs[one.job_id], one.job_id, one.task_id) if one.job_id in specs else None
        errors = read_end(paths[1], KEPT_BYTES) if paths else b""
        signed.append((one, signature_of(one.known_cause, one.reason, errors)))
    return signed
