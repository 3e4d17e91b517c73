"""What a user types, as a process of the world: the real thing, by ``JobManager`` and ``Dispatcher``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from asyncjman.api.manager import JobManager
from asyncjman.api.resubmission_request import Resubmission
from asyncjman.engines import registry
from asyncjman.engines.budget import Budget
from asyncjman.model.array import ArraySpec
from asyncjman.model.graph import Dependency, Kind
from asyncjman.model.job import PLAIN_TASK, JobSpec
from asyncjman.model.retry import Retry
from asyncjman.model.selection import Selection
from asyncjman.model.status import FINISHED, Status
from asyncjman.scheduler import polling
from asyncjman.scheduler.bus import Bus
from asyncjman.scheduler.dispatcher import Dispatcher
from asyncjman.scheduler.options import Options
from asyncjman.settings import Settings
from asyncjman.store import errands, schedule
from asyncjman.store.database import Database
from tests.simulation.machine import Machine, SimulatedEngine
from tests.simulation.oracle import Oracle
from tests.simulation.plan import Delete, Execute, List, Resubmit, Stop, Submit, Wait
from tests.simulation.state import JobView
from tests.simulation.world import Process

SETTINGS = Settings(vanish_grace=12.0, poll_interval=0.5, poll_interval_max=4.0)
STATUSES = {
    "unsuccessful": FINISHED - {Status.SUCCESS},
    "failed": frozenset({Status.FAILURE}),
    "everything": FINISHED,
}


class Commands:
    """Carries out commands in processes of their own."""

    def __init__(self, path: Path, machine: Machine, oracle: Oracle, sites: Sequence[str] = ()) -> None:
        self._path = path
        self._sites = sites
        self._machine = machine
        self._oracle = oracle
        self.engines: dict[Process, Dispatcher] = {}

    def _opened(self, process: Process) -> JobManager:
        return JobManager(self._path, run=False, settings=SETTINGS, runtime=process.runtime)

    async def submit(self, process: Process, wanted: Submit) -> None:
        async with self._opened(process) as manager:
            spec = self._spec(wanted, process.runtime.token(8))
            process.world.tell(f"{process.name}: submit {_words(spec)}")
            for job in await manager.submit_spec(spec, {}):  # none: it was deleted meanwhile
                process.world.tell(f"{process.name}: it is job {job.id}")

    def _spec(self, wanted: Submit, token: str) -> JobSpec:
        ids = sorted(self._oracle.view)
        array = ArraySpec.parse(f"1-{wanted.size}") if wanted.size else None
        dependencies: list[Dependency] = []
        for which, kind in wanted.after:
            if not ids:
                break
            other = self._oracle.view[ids[int(which * len(ids))]]
            if kind == "corr":
                if PLAIN_TASK in other.tasks:
                    kind = "ok"
                else:  # its tasks must be there too
                    least, most = min(other.tasks), max(other.tasks)
                    text = f"1-{most}" if len(other.tasks) == most else f"{least}-{least}"
                    if any(one.kind is Kind.CORR for one in dependencies):
                        kind = "any"
                    else:
                        array = ArraySpec.parse(text)
            dependencies.append(Dependency(other.id, Kind(kind)))
        if array is not None and wanted.throttle:
            array = ArraySpec(array.ranges, wanted.throttle)
        return JobSpec(
            command=("true",),
            exec_dir="/",
            array=array,
            retry=Retry(wanted.retries, delay=wanted.delay) if wanted.retries else None,
            stop_on_failure=wanted.stop_on_failure,
            dependencies=tuple(dict.fromkeys(dependencies)),
            engine=wanted.engine,
            timeout=wanted.timeout,
            token=token,
        )

    async def stop(self, process: Process, wanted: Stop) -> None:
        job = self._job(wanted.which)
        if job is None:
            return
        tasks = _some(job, wanted.task)
        process.world.tell(f"{process.name}: stop {job.id}{_of(tasks)}")
        begun = process.world.now
        async with self._opened(process) as manager:
            await manager.stop(_selection(job.id), tasks)
            confirmed = not await manager.unconfirmed([job.id], tasks)
        for one in self._machine.of_job(job.id):
            if one.begun < begun and (not tasks or one.key[1] in tasks):
                process.world.violated(f"{job.id}.{one.key[1]} was stopped, and runs on")
        if confirmed:
            self._oracle.truth.is_stopped(job.id, tasks, begun)

    async def resubmit(self, process: Process, wanted: Resubmit) -> None:
        job = self._job(wanted.which)
        if job is None:
            return
        tasks = _some(job, wanted.task)
        ids = sorted(self._oracle.view) if wanted.all_jobs and not tasks else [job.id]
        if wanted.what == "everything":
            self._oracle.may_repeat[process] = set(ids)
        options = " --running-jobs" if wanted.running_too else ""
        options += f" --to {wanted.to}" if wanted.to else ""
        options += "" if wanted.dependents else " --no-dependents"
        process.world.tell(f"{process.name}: resubmit {ids}{_of(tasks)} {wanted.what}{options}")
        async with self._opened(process) as manager:
            only = {job.id: tasks} if tasks else {}
            selection = Selection(ids=tuple(range(one, one + 1) for one in ids), tasks=only)
            request = Resubmission(statuses=STATUSES[wanted.what], dependents=wanted.dependents, to=wanted.to)
            await manager.resubmit(selection, request, running_too=wanted.running_too)

    async def delete(self, process: Process, wanted: Delete) -> None:
        job = self._job(wanted.which)
        if job is None:
            return
        tasks = _some(job, wanted.task)
        process.world.tell(f"{process.name}: delete {job.id}{_of(tasks)}")
        async with self._opened(process) as manager:
            for one in await manager.delete(_selection(job.id), tasks):
                if one.problems:
                    self._oracle.truth.told.add(one.job.id)
                    process.world.tell(f"{process.name}: job {one.job.id} may not be gone")

    async def execute(self, process: Process, wanted: Execute) -> None:
        process.world.tell(f"{process.name}: execute -p {wanted.parallel}")
        database = await Database.open(self._path, create=False, runtime=process.runtime)
        engine = Dispatcher(
            database,
            SimulatedEngine(process, self._machine),
            token=process.name,
            options=Options(parallel=wanted.parallel, log_files=False),
            bus=Bus(),
        )
        self.engines[process] = engine
        self._oracle.executes[process] = False
        following = asyncio.create_task(self._follow_others(database))
        try:
            await engine.run()
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            self.engines.pop(process, None)
            await database.close()

    async def _follow_others(self, database: Database) -> None:
        """Poll the clusters while a job of this machine waits for one there, as ``Execution`` does."""
        while self._sites:
            await asyncio.sleep(1.0)
            if await schedule.waits_elsewhere(database, "local"):
                for name in await errands.clusters(database):
                    await polling.poll(database, registry.make(name, database, SETTINGS, Budget()))

    async def wait(self, process: Process, wanted: Wait) -> None:
        job = self._job(wanted.which)
        if job is not None:
            process.world.tell(f"{process.name}: wait {job.id}")
            await self._wait(process, _selection(job.id), wanted.seconds)

    async def wait_for_all(self, process: Process) -> None:
        await self._wait(process, Selection(), None)

    async def _wait(self, process: Process, selection: Selection, seconds: float | None) -> None:
        async with self._opened(process) as manager:
            with suppress(TimeoutError):
                await manager.wait_for(selection, seconds)

    async def list(self, process: Process, wanted: List) -> None:
        process.world.tell(f"{process.name}: list")
        async with self._opened(process) as manager:
            await manager.poll()
            await manager.look_up_usage()

    def _job(self, which: float) -> JobView | None:
        ids = sorted(self._oracle.view)
        return self._oracle.view[ids[int(which * len(ids))]] if ids else None


def _some(job: JobView, which: float | None) -> list[int]:
    """Return the task that is meant; none, for all: of a job with no array, too."""
    if which is None or PLAIN_TASK in job.tasks:
        return []
    ids = sorted(job.tasks)
    return [ids[int(which * len(ids))]]


def _selection(job_id: int) -> Selection:
    return Selection(ids=(range(job_id, job_id + 1),))


def _of(tasks: list[int]) -> str:
    return f" task {tasks[0]}" if tasks else ""


def _words(spec: JobSpec) -> str:
    words = [f"-t {spec.array}"] if spec.array else []
    words += [f"--after-{one.kind} {one.job_id}" for one in spec.dependencies]
    words += [f"--retry {spec.retry.count} --retry-delay {spec.retry.delay}"] if spec.retry else []
    words += [f"--to {spec.engine}"] if spec.engine != "local" else []
    words += [f"--timeout {spec.timeout:g}"] if spec.timeout is not None else []
    words += ["--stop-on-failure"] if spec.stop_on_failure else []
    return " ".join(words) or "a plain job"
