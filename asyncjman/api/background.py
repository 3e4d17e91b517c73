"""What a JobManager does meanwhile: it runs local jobs, polls clusters, and resolves what is awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from asyncjman.api.running import Options, Output, Runner, make_runner
from asyncjman.api.session import Session
from asyncjman.api.watcher import Watcher
from asyncjman.model.events import TaskFinished, TaskStarted
from asyncjman.model.job import LOCAL, Job
from asyncjman.model.status import FINISHED, Status
from asyncjman.scheduler.bus import Bus
from asyncjman.scheduler.sending import send_new
from asyncjman.store import jobs
from asyncjman.store.database import Reader

if TYPE_CHECKING:
    from asyncjman.scheduler.polling import Polled

T = TypeVar("T")


class Background:
    """Runs local jobs (with ``run``) and polls clusters in tasks of its own.

    Those who ask for it do not wait for it: whoever is cancelled leaves nothing half done. What goes
    wrong in it reaches all who wait for jobs.
    """

    def __init__(self, session: Session, *, parallel: int, output: Output | None, run: bool) -> None:
        self._session = session
        self.bus = Bus()
        self.watcher = Watcher(session.database, self.bus)
        self._run = run
        self._parallel = parallel
        self._output = output
        self.requested: set[int] = set()
        """The jobs that are to run here."""
        self.failure: Exception | None = None
        """Why they don't run any more, until it is told anew."""
        self._sending: dict[int, asyncio.Task[None]] = {}
        self.refused: dict[int, Exception] = {}
        """Why jobs are no more that the cluster did not take."""
        self._needed: set[int] = set()
        """Those, and all that they wait for."""
        self._asked: set[int] = set()
        self._closing = False
        self._runner: Runner | None = None
        self._loading: asyncio.Task[None] | None = None
        self._following: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def run(self, job_ids: Iterable[int]) -> None:
        """Run these local jobs, and all that they wait for, as far as nobody else does."""
        ids = set(job_ids)
        self.requested |= ids
        self._asked |= ids
        self.failure = None
        if not self._closing and (self._loading is None or self._loading.done()):
            self._loading = self._start(self._load())

    async def apart(self, work: Coroutine[Any, Any, T]) -> T:
        """Have something done to its end, also where who waits for it is cancelled."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    def send(self, job: Job) -> None:
        """Send a job to the cluster; where that doesn't take it, it is deleted."""
        self._sending[job.id] = self._start(self._send(job))

    async def until_sent(self, job_id: int) -> None:
        """Wait for the call that sends a job; who is cancelled has it sent all the same.

        Raises CommandFailed where the cluster doesn't take it.
        """
        if task := self._sending.get(job_id):
            await asyncio.shield(task)
        if job_id in self.refused:
            raise self.refused.pop(job_id)

    async def _send(self, job: Job) -> None:
        try:
            session = self._session
            await send_new(session.writer(), session.engine(job.spec.engine), [job])
        except Exception as error:
            self.refused[job.id] = error
        del self._sending[job.id]
        self.run([job.id])

    def follow_cluster(self, name: str) -> None:
        """Poll a cluster again and again from now on."""
        following = self._following.get(name)
        if following is None or following.done():
            self._following[name] = self._start(self._session.poller().follow(name, self._publish))

    async def close(self) -> None:
        """End what runs here; it is recorded as stopped. Who still waits is told so."""
        try:
            await self.watcher.close()
        finally:
            try:
                await self._end()
            finally:
                self.bus.close()

    async def _end(self) -> None:
        self._closing = True
        for task in (self._loading, *self._following.values()):
            if task is not None:
                task.cancel()
        if self._runner is not None:
            await self._runner.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._minded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _minded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            self.failure = self.watcher.fail(error)

    async def _load(self) -> None:
        while self._asked:
            asked = set(self._asked)
            needed = await with_dependencies(self._session.database, asked)
            engines = {job.spec.engine for job in await jobs.get(self._session.database, needed)}
            self._needed |= needed
            for name in sorted(engines - {LOCAL}):
                self.follow_cluster(name)
            if LOCAL in engines and self._run:
                await self._take_in(needed)
            self._asked -= asked

    async def _take_in(self, job_ids: set[int]) -> None:
        if self._runner is not None:
            await self._runner.look(sorted(job_ids))
            return
        options = Options(
            parallel=self._parallel, only=self._needed, requested=self.requested, keep_running=True
        )
        output = self._put_out if self._output else None
        self._runner = make_runner(self._session, options, output=output, bus=self.bus)
        self._start(self._run_it(self._runner))

    async def _run_it(self, runner: Runner) -> None:
        try:
            await runner.run()
        finally:
            self._runner = None

    def _put_out(self, stream: int, data: bytes) -> None:
        """Call the user's function for output: what it raises must not end the callback that reads a pipe."""
        assert self._output is not None
        try:
            self._output(stream, data)
        except Exception as error:
            self.watcher.fail(error, "the output function of the JobManager failed")
            loop = asyncio.get_running_loop()
            loop.call_exception_handler({"message": "output function failed", "exception": error})

    def _publish(self, seen: Polled) -> None:
        """Tell of what was seen on the cluster; ends of jobs are told by those who wait for them."""
        for task in seen.seen:
            if task.started_at is not None and task.status is Status.EXECUTING:
                self.bus.publish(TaskStarted(task.job_id, task.started_at, task.task_id, task.attempt, ""))
            elif task.status in FINISHED and task.finished_at is not None:
                self.bus.publish(TaskFinished(task.job_id, task.finished_at, task, ""))


async def with_dependencies(database: Reader, job_ids: Iterable[int]) -> set[int]:
    """Return these jobs and all that they wait for, directly or not."""
    edges = await jobs.dependency_edges(database)
    needed: set[int] = set()
    todo = list(job_ids)
    while todo:
        job_id = todo.pop()
        if job_id not in needed:
            needed.add(job_id)
            todo.extend(edges.get(job_id, ()))
    return needed
