"""Checks the promises for tasks on clusters: by what really happened there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from tests.simulation.clusters import Clusters
from tests.simulation.machine import Machine
from tests.simulation.site import PENDING, Batch, Key, Run
from tests.simulation.state import UNFINISHED, JobView, View, judge
from tests.simulation.world import EPOCH, Process, World

if TYPE_CHECKING:
    from tests.simulation.oracle import Oracle

STEPS = {
    "submitted": {"waiting", "queued", "executing", "success", "failure", "stopped", "skipped"},
    "waiting": {"submitted", "queued", "executing", "success", "failure", "stopped", "skipped"},
    "queued": {"waiting", "submitted", "executing", "success", "failure", "stopped", "skipped"},
    # the site starts it again; a retry
    "executing": {"queued", "waiting", "submitted", "success", "failure", "stopped", "skipped"},
    # a record that comes late
    "failure": {"submitted", "waiting", "success", "stopped", "skipped"},
    # submitted again, and skipped at once where its dependencies say so now
    "success": {"submitted", "waiting", "skipped"},
    "stopped": {"submitted", "waiting", "skipped"},
    "skipped": {"submitted", "waiting"},
}
NOTICE_SECONDS = 0.3
"""So long after another process's commit a command may still act on what was before."""
STARTING_SECONDS = 1.0
"""So long a start may take on its way from what allowed it."""


class Truth:
    """What really happened on the clusters, and what the database makes of it."""

    def __init__(self, world: World, oracle: Oracle, machine: Machine, clusters: Clusters) -> None:
        self._world = world
        self._oracle = oracle
        self._machine = machine
        self._clusters = clusters
        self.ends: dict[tuple[int, int, int], str] = {}
        """How attempts ended: success, failure, skipped, or what ended them."""
        self.told: set[int] = set()
        """Jobs of which a command said that something may be left there."""
        self.steps: Counter[str] = Counter()
        for site in clusters.sites.values():
            site.on_taken, site.on_command, site.on_over = self.taken, self.command, self.over

    # -- what happens there ------------------------------------------------------------------------

    def taken(self, batch: Batch) -> None:
        """A submission came: no attempt is there twice."""
        own = set(batch.runs)
        there = {(run.key, run.attempt) for run in self._clusters.runs() if run not in own}
        for run in batch.runs:
            if (run.key, run.attempt) in there:
                self._world.violated(f"{run.name} is launched twice")

    def command(self, run: Run) -> None:
        """A command starts on a node."""
        key, name = run.key, run.name
        job = self._oracle.view.get(key[0])
        if job is None:
            if key[0] not in self.told:
                self._world.violated(f"{name} starts, but its job was deleted, and nobody was told")
            return
        if all(
            view[key[0]].tasks.get(key[1]) == "stopped" for view in self._oracle.views_since(STARTING_SECONDS)
        ):
            self._world.violated(f"{name} starts, but was stopped")
        others = [one for one in self._clusters.in_flight() if one is not run and not one.is_denied]
        in_flight = [one.key for one in others] + [one.key for one in self._machine.running.values()]
        if key in in_flight:
            self._world.violated(f"{name} runs twice at once")
        if job.tasks.get(key[1]) == "success":
            self._world.violated(f"{name} starts, but has succeeded")
        if job.throttle is not None and sum(one[0] == job.id for one in in_flight) >= job.throttle:
            self._world.violated(f"{name} starts, more than {job.throttle} at a time")
        if not self._may_start(run):
            self._world.violated(f"{name} starts, but its dependencies say {self._says(job, key)}")

    def over(self, run: Run, how: str) -> None:
        """A command ends, or is skipped."""
        self.ends[*run.key, run.attempt] = how
        job = self._oracle.view.get(run.key[0])
        if job is None or run.started is None or job.timeout is None or how == "skipped":
            return
        took = self._clusters_now(run) - run.started
        if took > job.timeout + STARTING_SECONDS:
            self._world.violated(f"{run.name} ran for {took:.1f} s, {job.timeout:g} are allowed")

    def _clusters_now(self, run: Run) -> float:
        return next(site.now for site in self._clusters.sites.values() if run.batch in site.batches.values())

    # -- dependencies ------------------------------------------------------------------------------

    def statuses(self, job: JobView) -> Mapping[int, str]:
        """Return how the tasks of a job stand in truth: an end counts before it is stored."""
        found = dict(job.tasks)
        if job.engine == "local":
            return found
        for task, status in job.tasks.items():
            row = job.rows.get(task)
            attempt = row.attempt if row else 1
            end = self.ends.get((job.id, task, attempt))
            if status in UNFINISHED and end is not None:
                found[task] = end if end in ("success", "failure", "skipped") else "failure"
        return found

    def _as_recorded(self, job: JobView) -> Mapping[int, str]:
        """Return how tasks stand by their records alone: one that succeeded before it was stopped, say."""
        found = dict(self.statuses(job))
        for task in job.tasks:
            row = job.rows.get(task)
            if self.ends.get((job.id, task, row.attempt if row else 1)) == "success":
                found[task] = "success"
        return found

    def _may_start(self, run: Run) -> bool:
        """Tell whether what a task waits for allowed its start: when its script began to look, or when a
        cluster was last polled with success. What is away can't be told that a job is open again, or has
        fewer tasks.
        """
        key, now = run.key, self._world.now
        clean = self._clusters.clean_since.get(run.site, 0.0)
        since = min(now - STARTING_SECONDS, run.begun - EPOCH, clean)
        # what is there already is not told that tasks of what it waits for were deleted
        needs = [other for other, _ in self._oracle.view[key[0]].dependencies]
        since = min(
            [since, *(self._oracle.shrunk[one] - 0.001 for one in needs if one in self._oracle.shrunk)]
        )
        return any(
            all(
                judge(kind, view[other], statuses, key[1]) in ("go", "either")
                for other, kind in view[key[0]].dependencies
                if other in view
                for statuses in [overlay(view[other])]
            )
            for view in self._oracle.views_since(now - since)
            if key[0] in view
            for overlay in (self.statuses, self._as_recorded, _as_stored)
        )

    def _says(self, job: JobView, key: Key) -> dict[tuple[int, str], str]:
        view = self._oracle.view
        return {
            (other, kind): judge(kind, view[other], self.statuses(view[other]), key[1])
            for other, kind in job.dependencies
            if other in view
        }

    # -- what is stored of it ----------------------------------------------------------------------

    def changed(self, process: Process, key: Key, was: str, status: str) -> None:
        """The database says something new of a task on a cluster."""
        name = f"{key[0]}.{key[1]}"
        self._world.tell(f"{process.name}: {name} {was} -> {status}")
        self.steps[f"{was} -> {status}"] += 1
        if status not in STEPS[was]:
            self._world.violated(f"{name} goes from {was} to {status}")
        row = self._oracle.view[key[0]].rows.get(key[1])
        attempt = row.attempt if row is not None else 1
        end = self.ends.get((*key, attempt))
        if status == "success" and end != "success":
            self._world.violated(f"{name} is a success, but attempt {attempt} ended: {end}")
        if was == "success" and key[0] not in self._oracle.may_repeat.get(process, ()):
            self._world.violated(f"{name} was a success, and nobody asked for another run")
        if status == "stopped" and process.name.startswith(("wait", "list", "execute", "submit")):
            before = self._oracle.view_before[key[0]].rows.get(key[1])
            if before is None or not before.stop:
                self._world.violated(f"{name} is stopped, and nobody asked for it")
        if status == "failure":
            self._check_failure(key, attempt, end)
        if status == "skipped" and end != "skipped" and not self._is_skipped_rightly(key):
            says = self._says(self._oracle.view[key[0]], key)
            self._world.violated(f"{name} is skipped, but no dependency says so: {says}")

    def _check_failure(self, key: Key, attempt: int, end: str | None) -> None:
        alive = [run for run in self._clusters.runs() if run.key == key and run.attempt == attempt]
        if alive and end is None:
            state = "waits" if alive[0].state == PENDING else "runs"
            self._world.violated(f"{alive[0].name} is a failure, but still {state} on the cluster")

    def _is_skipped_rightly(self, key: Key) -> bool:
        if not {"skip", "either"}.isdisjoint(self._oracle.deleted_now_says(key)):
            return True
        return any(
            judge(kind, view[other], overlay(view[other]), key[1]) in ("skip", "either")
            for view in self._oracle.views_since(STARTING_SECONDS)
            if key[0] in view
            for other, kind in view[key[0]].dependencies
            if other in view
            for overlay in (self.statuses, _as_stored, partial(self._as_to_be, view))
        )

    def _as_to_be(self, view: View, job: JobView, depth: int = 3) -> Mapping[int, str]:
        """Return how tasks stand when those have found out that they are to be skipped that will."""
        found = dict(self.statuses(job))
        for task, status in found.items():
            says = [
                judge(kind, view[other], self._as_to_be(view, view[other], depth - 1), task)
                for other, kind in job.dependencies
                if other in view and depth
            ]
            if status in UNFINISHED and "skip" in says:
                found[task] = "skipped"
        return found

    # -- after commands, and at the end ------------------------------------------------------------

    def is_stopped(self, job_id: int, tasks: list[int], begun: float) -> None:
        """Check that nothing runs of what was stopped, and was confirmed to be."""
        for run in self._clusters.in_flight():
            meant = run.key[0] == job_id and (not tasks or run.key[1] in tasks)
            if meant and run.command_since is not None and run.command_since < begun and not run.is_denied:
                self._world.violated(f"{run.name} was stopped, and runs on")

    def nothing_is_left(self) -> None:
        """Check that all ended, and as it is stored."""
        view = self._oracle.view
        for run in self._clusters.runs():
            if run.key[0] not in self.told:
                self._world.violated(f"{run.name} is on the cluster still")
        for job in view.values():
            for task, status in job.tasks.items() if job.engine != "local" else ():
                row = job.rows.get(task)
                end = self.ends.get((job.id, task, row.attempt if row else 1))
                if end == "success" and status == "failure":
                    self._world.violated(f"{job.id}.{task} is a failure, but ended with success")


def _as_stored(job: JobView) -> Mapping[int, str]:
    return job.tasks


def unfinished(view: View) -> list[int]:
    """Return the jobs that have not ended."""
    return [job.id for job in view.values() if not job.closed]
