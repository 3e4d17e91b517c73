"""What ``jman list`` shows, as text: of whatever reads the jobs."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from asyncjman.render.jobs import Details

TYPE_CHECKING = False  # the typing module is not loaded for it
if TYPE_CHECKING:
    from asyncjman.api.reader import JobReader
    from asyncjman.cli.globals import Globals
    from asyncjman.model.job import Job
    from asyncjman.model.selection import Selection, TaskFilter
    from asyncjman.model.status import Status
    from asyncjman.render.jobs import JobTable

PAGE = 500
"""Columns are as wide as the widest cell so far: of fewer jobs than this, of all."""


class Query:
    """Which jobs and tasks are meant, and how they are shown."""

    def __init__(
        self,
        *,
        selection: Selection,
        where: Mapping[str, str],
        failure: str | None,
        wanted: TaskFilter,
        details: Details,
        ids_only: bool,
        as_json: bool,
    ) -> None:
        self.selection = selection
        self.where = where
        self.failure = failure
        self.wanted = wanted
        self.details = details
        self.ids_only = ids_only
        self.as_json = as_json

    @property
    def is_table(self) -> bool:
        return not (self.ids_only or self.as_json)


def query_of(
    globals_: Globals,
    *,
    ids: Iterable[str] | None = None,
    job_ids: Iterable[str] | None = None,
    names: Iterable[str] | None = None,
    status: Iterable[Status] | None = None,
    cause: Sequence[str] | None = None,
    where: Iterable[str] | None = None,
    failure: str | None = None,
    print_array_jobs: bool = False,
    long: bool = False,
    print_times: bool = False,
    print_dependencies: bool = False,
    ids_only: bool = False,
    as_json: bool = False,
) -> Query:
    """Return what the options of ``jman list`` ask for. Raises UsageError."""
    from asyncjman.cli.context import parse_where, task_filter

    with_tasks = print_array_jobs or bool(cause) or bool(where) or failure is not None
    wanted = task_filter(status if with_tasks else None, cause)
    return Query(
        selection=globals_.selection(
            ids,
            job_ids,
            names,
            None if with_tasks else status,
            derived_names=True,
            having=wanted.having,
        ),
        where=parse_where(where),
        failure=failure,
        wanted=wanted,
        details=Details(times=print_times, dependencies=print_dependencies, long=long, tasks=with_tasks),
        ids_only=ids_only,
        as_json=as_json,
    )


async def shown(reader: JobReader, query: Query) -> AsyncIterator[str]:
    """Yield the text piece by piece: the first of a hundred thousand jobs is shown at once."""
    selection = await reader.narrowed(query.selection, query.where, failure=query.failure)
    if query.as_json:
        async for text in _objects(reader, query, selection):
            yield text
    elif query.ids_only:
        async for job in reader.select(selection):
            yield f"{job.id}\n"
    else:
        async for text in _table(reader, query, selection):
            yield f"{text}\n"


async def _table(reader: JobReader, query: Query, selection: Selection) -> AsyncIterator[str]:
    """Yield line after line, page after page."""
    from asyncjman.render.jobs import JobTable
    from asyncjman.render.table import terminal_width
    from asyncjman.render.text import use_color

    now, width, color = time.time(), terminal_width(), use_color()
    table: JobTable | None = None
    async for jobs in _pages(reader.select(selection)):
        table = JobTable(jobs, query.details, now, width, color, table)
        for line in table.head():
            yield line
        for job in jobs:
            async for line in _rows(reader, table, job, selection.tasks.get(job.id, ()), query):
                yield line


async def _pages(jobs: AsyncIterator[Job]) -> AsyncIterator[list[Job]]:
    page: list[Job] = []
    async for job in jobs:
        page.append(job)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page


async def _rows(
    reader: JobReader, table: JobTable, job: Job, only: Sequence[int], query: Query
) -> AsyncIterator[str]:
    """Yield a job, and its tasks where they are asked for."""
    pending = [table.job(job)]
    if query.wanted or (job.spec.array and (query.details.tasks or only)):
        if not query.wanted:
            yield pending.pop()
        async for task in reader.tasks(job, only, query.wanted or None):
            if pending:  # a job is shown where a task of it is
                yield pending.pop()
            if job.spec.array:
                yield table.task(job, task)
    else:
        yield pending.pop()


async def _objects(reader: JobReader, query: Query, selection: Selection) -> AsyncIterator[str]:
    """Yield job after job, and task after task: a million of them don't fill the memory."""
    from asyncjman.render.objects import dumps, job_object, task_object

    yield "["
    separator = "\n"
    async for job in reader.select(selection):
        object_ = job_object(job)
        only = selection.tasks.get(job.id, ())
        if not query.details.tasks and not only:
            yield separator + dumps(object_)
        else:
            del object_["tasks"]
            before = separator + dumps(object_)[:-1] + ', "tasks": [\n  '
            async for task in reader.tasks(job, only, query.wanted or None):
                parameters = job.spec.parameters(task.task_id)
                logs = reader.logs(job, task.task_id)
                yield before + dumps(task_object(task, logs, parameters))
                before = ",\n  "
            if before != ",\n  ":
                continue  # without tasks: deleted in this moment
            yield "]}"
        separator = ",\n"
    yield "\n]\n"
