"""What is done, in which order: all of it follows from the seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from signal import SIGINT, SIGKILL, SIGSTOP, SIGTERM, Signals

ANCHOR = 1
"""The number of a job that is never deleted: with the last job the database goes, and its numbers with it."""
MOST_JOBS = 24
"""So many jobs are alive at most: what takes long to list and to end shows little that is new."""


@dataclass(frozen=True, slots=True)
class Need:
    """A dependency: on which job (by its number in the plan), and of which kind."""

    on: int
    kind: str


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it is submitted. ``number`` tells it from all others of the run; jman gives it an id."""

    number: int
    tasks: tuple[int, ...] = (0,)
    """Task 0 alone: no array."""
    needs: tuple[Need, ...] = ()
    throttle: int = 0
    retries: int = 0
    retry_delay: float = 0
    timeout: float = 0
    seconds: float = 0
    how: str = "ok"
    stop_on_failure: bool = False
    logs: bool = False


@dataclass(frozen=True, slots=True)
class Submit:
    job: Job


@dataclass(frozen=True, slots=True)
class Execute:
    """Always beside what comes after it. ``only``: these jobs; none: all."""

    parallel: int
    only: tuple[int, ...] = ()
    keep_running: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """``jobs``: none means all. ``tasks``: these of the one job."""

    jobs: tuple[int, ...]
    tasks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Resubmit:
    jobs: tuple[int, ...]
    options: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Delete:
    jobs: tuple[int, ...]
    tasks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class List:
    with_tasks: bool = True


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for all jobs, where none is left open."""


@dataclass(frozen=True, slots=True)
class Strike:
    """Send a signal to one of the executes that live; SIGSTOP is followed by SIGCONT."""

    which: int
    signal: Signals
    seconds: float = 0


@dataclass(frozen=True, slots=True)
class Quiet:
    """End all that runs (with a signal, or by waiting), and look at what is left."""

    signal: Signals | None


Operation = Submit | Execute | Stop | Resubmit | Delete | List | Wait | Strike | Quiet


@dataclass(frozen=True, slots=True)
class Fate:
    """A signal for a command, after so many seconds; SIGSTOP is followed by SIGCONT, ``pause`` later."""

    signal: Signals
    after: float
    pause: float = 0


@dataclass(frozen=True, slots=True)
class Step:
    """An operation: begun ``pause`` seconds after the one before; ``beside``: not waited for."""

    number: int
    operation: Operation
    pause: float = 0
    beside: bool = False
    fate: Fate | None = None


@dataclass
class Plan:
    """An endless sequence of steps."""

    seed: int
    chance: random.Random = field(init=False)
    jobs: dict[int, Job] = field(default_factory=dict)
    """Those that were submitted and not deleted, as far as the plan knows."""
    submitted: int = 0
    steps: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def __iter__(self) -> Iterator[Step]:
        yield self.step(Submit(self.new_job(Job(0))))
        for _ in range(3):
            yield self.step(Submit(self.new_job(self.random_job())))
        yield self.step(Execute(2))
        while True:
            yield self.next_step()

    def step(self, operation: Operation, **more: float | bool | Fate | None) -> Step:
        self.steps += 1
        return Step(self.steps, operation, **more)  # type: ignore[arg-type] # as the fields say

    def next_step(self) -> Step:
        chance = self.chance
        kinds = {"submit": 24, "execute": 18, "stop": 8, "resubmit": 14, "delete": 5, "list": 12}
        kinds |= {"strike": 12, "quiet": 5}
        if len(self.jobs) >= MOST_JOBS:
            kinds |= {"submit": 0, "delete": 25}
        kind = chance.choices(list(kinds), list(kinds.values()))[0]
        pause = chance.choice([0, 0, 0, 0.02, 0.05, 0.1, 0.2, 0.4])
        operation: Operation = getattr(self, f"_{kind}")()
        if isinstance(operation, Strike | Quiet):
            return self.step(operation, pause=pause)
        return self.step(
            operation, pause=pause, beside=self._is_beside(operation), fate=self._fate(operation)
        )

    def _is_beside(self, operation: Operation) -> bool:
        return isinstance(operation, Execute) or self.chance.random() < 0.3

    def _fate(self, operation: Operation) -> Fate | None:
        chance = self.chance
        if chance.random() > 0.14:
            return None
        after = chance.uniform(0.1, 2) if isinstance(operation, Execute) else chance.uniform(0.03, 0.45)
        signal = chance.choices([SIGKILL, SIGINT, SIGTERM, SIGSTOP], [5, 2, 2, 2])[0]
        return Fate(signal, after, chance.uniform(0.1, 1.2) if signal == SIGSTOP else 0)

    # -- one method for each kind of operation ------------------------------------------------------

    def _submit(self) -> Submit:
        return Submit(self.new_job(self.random_job()))

    def _execute(self) -> Execute:
        some = self.some_jobs(3) if self.chance.random() < 0.12 else ()
        return Execute(self.chance.choice([1, 2, 2, 4, 6]), some, self.chance.random() < 0.3)

    def _stop(self) -> Stop:
        chance = self.chance
        if chance.random() < 0.15:
            return Stop(())
        if chance.random() < 0.3 and (job := self.some_array()):
            return Stop((job.number,), self.some_tasks(job))
        return Stop(self.some_jobs(3))

    def _resubmit(self) -> Resubmit:
        chance = self.chance
        options = {
            name
            for name, likely in (
                ("--also-success", 0.35),
                ("--running-jobs", 0.35),
                ("--failed-only", 0.2),
                ("--clean", 0.1),
                ("--no-dependents", 0.1),
            )
            if chance.random() < likely
        }
        if "--failed-only" in options:
            options.discard("--running-jobs")  # refused: what runs would be stopped, and stay so
        return Resubmit(() if chance.random() < 0.4 else self.some_jobs(3), frozenset(options))

    def _delete(self) -> Delete:
        if self.chance.random() < 0.3 and (job := self.some_array()):
            return Delete((job.number,), self.some_tasks(job))
        some = tuple(one for one in self.some_jobs(2) if one != ANCHOR)
        if not some:
            some = (max(self.jobs),) if max(self.jobs) != ANCHOR else (10**6,)
        for one in some:
            self.jobs.pop(one, None)
        return Delete(some)

    def _list(self) -> List:
        return List(self.chance.random() < 0.85)

    def _strike(self) -> Strike:
        chance = self.chance
        signal = chance.choices([SIGKILL, SIGINT, SIGTERM, SIGSTOP], [5, 3, 2, 4])[0]
        return Strike(chance.randrange(100), signal, chance.uniform(0.1, 1.5) if signal == SIGSTOP else 0)

    def _quiet(self) -> Quiet:
        return Quiet(self.chance.choice([SIGKILL, SIGKILL, SIGINT, SIGTERM, None]))

    # -- what they are about ------------------------------------------------------------------------

    def new_job(self, job: Job) -> Job:
        self.submitted += 1
        assert job.number in (0, self.submitted)
        made = Job(**{name: getattr(job, name) for name in Job.__slots__} | {"number": self.submitted})
        self.jobs[made.number] = made
        return made

    def random_job(self) -> Job:
        chance = self.chance
        tasks: tuple[int, ...] = (0,)
        if chance.random() < 0.6:
            size = chance.choice([2, 3, 4, 4, 6, 8, 12, 40, 40])
            tasks = tuple(range(1, 1 + size))
            if chance.random() < 0.15:
                tasks = tuple(range(2, 2 + 3 * size, 3))
        needs, tasks = self._needs(tasks)
        how = chance.choices(
            ["ok", "fail", "odd", "first", "turns", "crash", "stubborn"], [46, 18, 10, 10, 8, 6, 2]
        )[0]
        seconds = 0.0 if len(tasks) > 12 else chance.choice([0, 0, 0.01, 0.03, 0.1, 0.3])
        if (how == "stubborn" or chance.random() < 0.04) and len(tasks) <= 12:
            seconds = 1.0  # of a large array, one at a time, it would last longer than what counts as a hang
        timeout = 0.0
        if len(tasks) <= 4 and chance.random() < 0.06:
            how, seconds, timeout = "slow", 3.0, 0.5
        return Job(
            number=0,
            tasks=tasks,
            needs=needs,
            throttle=chance.choice([1, 2, 3]) if len(tasks) > 2 and chance.random() < 0.35 else 0,
            retries=chance.choice([1, 2]) if chance.random() < 0.25 else 0,
            retry_delay=chance.choice([0, 0, 0.2]),
            timeout=timeout,
            seconds=seconds,
            how=how,
            stop_on_failure=chance.random() < 0.1,
            logs=chance.random() < 0.3,
        )

    def _needs(self, tasks: tuple[int, ...]) -> tuple[tuple[Need, ...], tuple[int, ...]]:
        """Return dependencies, and the array, which a pairing may change."""
        chance = self.chance
        if not self.jobs or chance.random() < 0.35:
            return (), tasks
        latest = sorted(self.jobs)[-6:]
        needs: list[Need] = []
        for number in sorted(chance.sample(latest, min(len(latest), chance.choice([1, 1, 1, 2, 3])))):
            kinds = ["any", "ok", "ok", "notok"]
            other = self.jobs[number]
            if other.tasks != (0,) and tasks != (0,) and all(one.kind != "corr" for one in needs):
                kinds += ["corr", "corr"]
            kind = chance.choice(kinds)
            if kind == "corr":
                tasks = other.tasks
            needs.append(Need(number, kind))
        return tuple(needs), tasks

    def some_jobs(self, most: int) -> tuple[int, ...]:
        """Return some jobs, rather later ones."""
        latest = sorted(self.jobs)[-10:]
        count = min(len(latest), self.chance.choice([1, 1, 1, 2, most]))
        return tuple(sorted(self.chance.sample(latest, count)))

    def some_array(self) -> Job | None:
        arrays = [job for number, job in sorted(self.jobs.items()) if job.tasks != (0,) and number != ANCHOR]
        return self.chance.choice(arrays[-8:]) if arrays else None

    def some_tasks(self, job: Job) -> tuple[int, ...]:
        count = self.chance.choice([1, 1, 2, max(1, len(job.tasks) // 2)])
        return tuple(sorted(self.chance.sample(job.tasks, min(count, len(job.tasks)))))
