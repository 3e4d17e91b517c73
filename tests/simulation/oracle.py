"""Checks the promises after each commit, and whenever a task starts.

What a runner has seen and not stored yet counts as well: it may go on from that at once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping

from asyncjman.model.status import Status
from tests.simulation.clusters import Clusters
from tests.simulation.machine import Machine, Running
from tests.simulation.state import UNFINISHED, Key, Reader, View, is_finished, judge
from tests.simulation.transitions import may_follow
from tests.simulation.truth import Truth
from tests.simulation.world import Process, World

NOTICE_SECONDS = 0.3
"""So long after another process's commit a runner may still act on what was before."""


class Oracle:
    """Knows all that was ever committed, and what runs on the machine."""

    def __init__(self, path: str, world: World, machine: Machine, clusters: Clusters) -> None:
        self._reader = Reader(path)
        self._world = world
        self._machine = machine
        self._clusters = clusters
        self._times = [0.0]
        self._views: list[View] = [self._reader.read()]
        self.transitions: Counter[tuple[str, str]] = Counter()
        self.late = 0
        """Starts that what was a moment before allowed, and what is does not."""
        self.may_repeat: dict[Process, set[int]] = {}
        """The jobs of which a process was asked to repeat successes too."""
        self.executes: dict[Process, bool] = {}
        """The processes that execute, and whether they were interrupted."""
        self.shrunk: dict[int, float] = {}
        """When tasks of a job were first deleted."""
        self.truth = Truth(world, self, machine, clusters)
        world.on_commit = self.committed
        machine.on_start = self.started

    def close(self) -> None:
        self._reader.close()

    @property
    def view(self) -> View:
        return self._views[-1]

    @property
    def view_before(self) -> View:
        return self._views[-2]

    def views_since(self, seconds: float) -> Iterator[View]:
        """Yield what was committed at some moment of the last seconds, the latest first."""
        since = bisect_right(self._times, self._world.now - seconds) - 1
        yield from reversed(self._views[since:])

    # -- after each commit -------------------------------------------------------------------------

    def committed(self, process: Process) -> None:
        before, now = self.view, self._reader.read()
        self._times.append(self._world.now)
        self._views.append(now)
        for job_id, job in now.items():
            old = before.get(job_id)
            if old is not None and (old.tasks != job.tasks):
                for task, status in job.tasks.items():
                    was = old.tasks.get(task)
                    if was is not None and was != status:
                        self._changed(process, (job_id, task), was, status)
            if old is not None and old.tasks.keys() - job.tasks.keys():
                self.shrunk.setdefault(job_id, self._world.now)
            for task, row in old.rows.items() if old is not None else ():
                held = row.runner is not None and row.status in ("queued", "executing")
                if task not in job.tasks and held:
                    self._world.violated(f"{job_id}.{task} is deleted while {row.runner} holds it")
            if job.rows.keys() - job.tasks.keys():
                self._world.violated(f"job {job_id} has a row of a task that was deleted: {dict(job.rows)}")
            if job.closed != is_finished(job.tasks.values()):
                state = "closed, but has unfinished tasks" if job.closed else "open, but all its tasks ended"
                self._world.violated(f"job {job_id} is {state}: {dict(job.tasks)}")
        for job_id in before.keys() - now.keys():
            self._world.tell(f"{process.name}: job {job_id} is deleted")
            for one in self._machine.of_job(job_id):
                self._world.violated(f"job {job_id} was deleted while its task {one.key[1]} runs")

    def _changed(self, process: Process, key: Key, was: str, status: str) -> None:
        if self.view[key[0]].engine != "local":
            self.truth.changed(process, key, was, status)
            return
        self._world.tell(f"{process.name}: {_name(key)} {was} -> {status}")
        self.transitions[was, status] += 1
        at_once = was not in UNFINISHED and status == "skipped"  # submitted again, and skipped again
        if not may_follow(Status(was), Status(status)) and not at_once:
            self._world.violated(f"{_name(key)} goes from {was} to {status}")
        if status not in UNFINISHED:
            for runner, other in list(self._machine.tries):
                if other == key:
                    del self._machine.tries[runner, other]
        if status == "success":
            attempt = self.view[key[0]].rows[key[1]].attempt
            if (*key, attempt) not in self._machine.successes:
                self._world.violated(f"{_name(key)} is a success, but no attempt {attempt} ended with 0")
        elif was == "success" and key[0] not in self.may_repeat.get(process, ()):
            self._world.violated(f"{_name(key)} was a success, and nobody asked for another run")
        if status == "stopped" and process in self.executes and not self.executes[process]:
            row = self._views[-2][key[0]].rows.get(key[1])
            if row is None or not row.stop:
                self._world.violated(f"{_name(key)} is stopped, and nobody asked for it")
        if status == "skipped" and not self._is_skipped_rightly(key):
            self._world.violated(f"{_name(key)} is skipped, but no dependency says so: {self._says(key)}")

    def _is_skipped_rightly(self, key: Key) -> bool:
        says = {*self._says(key).values(), *self.deleted_now_says(key)}
        return not {"skip", "either"}.isdisjoint(says) or self._is_held_back(key[0])

    def _is_held_back(self, job_id: int) -> bool:
        """Tell whether what a job waits for is stopped, to run again: the job must not start by that."""
        waits_for = [self.view[other] for other, _ in self.view[job_id].dependencies]
        return any(row.stop for job in waits_for if job.engine == "local" for row in job.rows.values())

    def deleted_now_says(self, key: Key) -> Iterator[str]:
        """Yield what dependencies say of which this commit deletes tasks: what had not ended is stopped."""
        before, now = self._views[-2], self.view
        for other, kind in before[key[0]].dependencies:
            tasks = before[other].tasks
            left = now[other].tasks if other in now else {}
            if tasks.keys() - left.keys():
                stopped = {
                    task: "stopped" if status in UNFINISHED and task not in left else status
                    for task, status in tasks.items()
                }
                yield judge(kind, before[other], stopped, key[1])

    def _says(self, key: Key) -> dict[tuple[int, str], str]:
        view = self.view
        return {
            (other, kind): judge(kind, view[other], view[other].tasks, key[1])
            for other, kind in view[key[0]].dependencies
        }

    # -- when a task starts ------------------------------------------------------------------------

    def started(self, one: Running) -> None:
        key, runner, name = one.key, one.runner, _name(one.key)
        job = self.view.get(key[0])
        if job is None:
            self._world.violated(f"{name} starts, but was deleted")
            return
        in_flight = [other.key for other in self._machine.running.values()]
        in_flight += [other.key for other in self._clusters.in_flight()]
        if key in in_flight:
            self._world.violated(f"{name} runs twice at once")
        if job.tasks.get(key[1]) == "success":
            self._world.violated(f"{name} starts, but has succeeded")
        row = job.rows.get(key[1])
        if row is None or row.runner != runner.name or row.status not in ("queued", "executing"):
            self._world.violated(f"{name} starts, but {runner.name} does not hold it: {row}")
        if job.throttle is not None and sum(other[0] == job.id for other in in_flight) >= job.throttle:
            self._world.violated(f"{name} starts, more than {job.throttle} at a time")
        self._check_dependencies(key, runner)

    def _check_dependencies(self, key: Key, runner: Process) -> None:
        if any(self._allow(statuses, self.view, key) for statuses in self._as_seen_by(runner)):
            return
        for view in self.views_since(NOTICE_SECONDS):
            if key[0] in view and any(self._allow(seen, view, key) for seen in self._since(view, runner)):
                self.late += 1
                return
        self._world.violated(f"{_name(key)} starts, but its dependencies say {self._says(key)}")

    def _allow(self, seen: Mapping[Key, str], view: View, key: Key) -> bool:
        for other_id, kind in view[key[0]].dependencies:
            other = view[other_id]
            statuses = {task: seen.get((other_id, task), status) for task, status in other.tasks.items()}
            if judge(kind, other, statuses, key[1]) not in ("go", "either"):
                return False
        return True

    def _since(self, view: View, runner: Process) -> Iterator[dict[Key, str]]:
        """Yield how the tasks that a runner held once may stand in its eyes now."""
        held = [
            (job.id, task)
            for job in view.values()
            for task, row in job.rows.items()
            if row.runner == runner.name and row.status in UNFINISHED
        ]
        for seen in self._as_seen_by(runner):
            now = {key: self.view[key[0]].tasks.get(key[1]) for key in held if key[0] in self.view}
            yield {key: status for key, status in now.items() if status is not None} | seen
            yield {}

    def _as_seen_by(self, runner: Process) -> Iterator[dict[Key, str]]:
        """Yield how tasks that a runner holds may stand in its eyes, beyond what is stored."""
        yield {}
        ended: dict[Key, str] = {}
        stopped: dict[Key, str] = {}
        in_flight = {one.key for one in self._machine.running.values()}
        for job in self.view.values():
            for task, row in job.rows.items():
                key = (job.id, task)
                if row.runner != runner.name or row.status not in UNFINISHED or key in in_flight:
                    continue
                end = self._machine.ended.get(key)
                if end is not None and end.runner is runner and end.attempt >= row.attempt:
                    if end.exit_status == 0:
                        ended[key] = "success"
                    elif (
                        self._machine.tries.get((runner, key), 0) > job.retries
                        or end.attempt - row.first >= job.retries  # another runner used up some
                    ):
                        ended[key] = "failure"
                if row.stop:
                    stopped[key] = "stopped"
        yield ended
        if stopped:
            yield {**ended, **stopped}

    # -- at the end --------------------------------------------------------------------------------

    def nothing_is_left(self) -> None:
        """Check that all is ended, after an execute that nobody disturbed."""
        for job in self.view.values():
            if not job.closed:
                self._world.violated(f"job {job.id} is left open: {dict(job.tasks)}")
        if self._machine.running:
            keys = ", ".join(_name(one.key) for one in self._machine.running.values())
            self._world.violated(f"{keys} still run at the end")
        self.truth.nothing_is_left()


def _name(key: Key) -> str:
    return f"{key[0]}.{key[1]}"
