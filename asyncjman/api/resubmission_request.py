"""What is asked for when jobs are to run once more: which tasks, and what is different then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from asyncjman.api import tasks as task_rows
from asyncjman.api.ids import where_tasks
from asyncjman.model.array import ArraySpec
from asyncjman.model.job import LOCAL, Job, JobSpec
from asyncjman.model.resources import checked
from asyncjman.model.retry import Retry
from asyncjman.model.selection import Selection, TaskFilter
from asyncjman.model.status import UNSUCCESSFUL, Status
from asyncjman.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """New values of what was asked for; None, or nothing: as it was."""

    resources: Mapping[str, Any] = field(default_factory=dict)
    """Of what a cluster is asked for (``queue`` among them)."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that are added, or have other values."""
    name: str | None = None
    timeout: float | None = None
    """Seconds that an attempt may take."""
    retry: Retry | None = None
    at_once: int | None = None
    """How many tasks of an array may run at a time; 0: any number."""

    def __bool__(self) -> bool:
        return self != Changes()

    def applied(self, spec: JobSpec) -> JobSpec:
        """Return a job with these changes. Raises UsageError for what makes no sense."""
        resources = checked({**spec.resources, **self.resources})
        array = spec.array
        if self.at_once is not None and array is not None:
            array = ArraySpec(array.ranges, self.at_once or None)
        return replace(
            spec,
            resources=resources,
            queue=spec.queue if spec.engine == LOCAL else resources.get("queue", spec.queue),
            environment={**spec.environment, **self.environment},
            name=spec.name if self.name is None else self.name,
            timeout=spec.timeout if self.timeout is None else self.timeout,
            retry=spec.retry if self.retry is None else self.retry,
            array=array,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Resubmission:
    """What is to run once more, and what is different then.

    Jobs that haven't started yet count too: they are where they should be, and take over the changes.
    """

    statuses: frozenset[Status] = UNSUCCESSFUL
    """The tasks of the named jobs: those that ended in one of these."""
    tasks: Mapping[int, Sequence[int]] = field(default_factory=dict)
    """Of these jobs only these; of others all."""
    dependents: bool = True
    """Whether what was skipped because of these jobs comes along."""
    clean: bool = False
    """Whether their logs are removed."""
    command: Sequence[str] = ()
    """A new one, for one job."""
    to: str | None = None
    """The engine that they run on from now on."""
    changes: Changes = field(default_factory=Changes)
    """What is different in the jobs from now on."""
    wanted: TaskFilter | None = None
    """Of the tasks only such."""

    @property
    def changes_specs(self) -> bool:
        """Tell whether something is different in the jobs from now on."""
        return bool(self.command or self.changes) or self.to is not None


def narrowed(
    selected: Sequence[Job], selection: Selection, request: Resubmission, where: Mapping[str, str]
) -> tuple[Sequence[Job], Resubmission]:
    """Return the jobs, and the request for those of their tasks that are meant.

    Raises UsageError for an engine that isn't there, and BadSelection where ``where`` means no task.
    """
    if request.to is not None:
        from asyncjman.engines.registry import check

        check(request.to)
    tasks_of = selection.tasks
    if where:
        tasks_of = where_tasks(selected, where)
        selected = [job for job in selected if job.id in tasks_of]
    return selected, replace(request, tasks=tasks_of)


async def matching(
    database: Database, selected: Sequence[Job], request: Resubmission
) -> tuple[Sequence[Job], Resubmission]:
    """Return the jobs that have tasks of those that are wanted, and the request for these tasks."""
    tasks_of: dict[int, list[int]] = {}
    for job in selected:
        only = request.tasks.get(job.id, ())
        async for task in task_rows.select(database, job, only, request.wanted):
            tasks_of.setdefault(job.id, []).append(task.task_id)
    return [job for job in selected if job.id in tasks_of], replace(request, tasks=tasks_of)
