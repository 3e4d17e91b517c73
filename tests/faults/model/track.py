"""What one task may have been, at each place of the journal."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from signal import SIGHUP, SIGINT, SIGKILL, SIGTERM

from tests.faults.model.commands import Command
from tests.faults.model.journal import CommandLine, TaskLine
from tests.faults.model.plan import Delete, Execute, Job, List, Resubmit, Stop
from tests.faults.model.states import (
    ALIVE,
    FINISHED,
    UNFINISHED,
    State,
    Status,
    brings_back,
    brought_back,
    concerns,
    effects,
    untouched,
)

States = frozenset[State]
ORDERLY = {0, 1, 130}
"""How an execute ends that has recorded all it ran."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken."""

    what: str
    job: int = 0
    task: int = 0
    at: int = -1

    def __str__(self) -> str:
        where = f"task {self.job}.{self.task}: " if self.job else ""
        place = f" (line {self.at} of the journal)" if self.at >= 0 else ""
        return f"{where}{self.what}{place}"


@dataclass(slots=True)
class Track:
    """The states that a task may have had: each set holds from its place on."""

    places: list[int] = field(default_factory=list)
    sets: list[States] = field(default_factory=list)

    def add(self, at: int, states: States) -> None:
        self.places.append(at)
        self.sets.append(states)

    def at(self, place: int) -> States:
        index = bisect_right(self.places, place)
        return self.sets[index - 1] if index else frozenset([State(Status.ABSENT)])

    def during(self, first: int, last: int) -> Iterator[States]:
        """Yield all sets that held between two places."""
        yield self.at(first)
        yield from self.sets[bisect_right(self.places, first) : bisect_right(self.places, last)]


@dataclass
class Tracker:
    """Follows one task through the journal."""

    job: Job
    task: int
    jobs: dict[int, Job]
    commands: list[Command]
    shown: Callable[[int], str | None]
    """What the listing with this number said of the task."""
    hindrance: Callable[[TaskLine, int], str]
    """Which dependency can't have allowed a start, if any; given its line, and what had opened the task."""
    may_skip: Callable[[int, int], bool]
    """Whether dependencies may have asked to skip it; given which command had opened it, and a place."""
    violations: list[Violation] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.track = Track()
        self._states: States = frozenset([State(Status.ABSENT)])
        self._active: dict[int, Callable[[State], Iterator[State]]] = {}
        self._interrupted: set[int] = set()
        self._killed: set[int] = set()
        self._ended: set[int] = set()
        self._executes: set[int] = set()
        self._at = 0

    def line(self, line: CommandLine | TaskLine) -> None:
        """Take in a line: of this task, or of a command."""
        self.tick(line.at)
        if isinstance(line, TaskLine):
            changed = self._task_line(line)
        else:
            command = self.commands[line.command]
            if isinstance(command.operation, Execute):
                changed = self._execute_line(line)
            else:
                changed = self._command_line(line, command)
        if changed:
            self._states = self._closed(self._states)
            self.track.add(line.at, self._states)

    def tick(self, at: int) -> None:
        """Take in that other jobs may have changed."""
        self._at = at
        if self.job.needs and (states := self._closed(self._states)) != self._states:
            self._states = states
            self.track.add(at, states)

    # -- lines ----------------------------------------------------------------------------------------

    def _task_line(self, line: TaskLine) -> bool:
        before = self._states
        match line.what:
            case "begin":
                self._begin(line, before)
            case "end":
                ended = Status.FAILED if line.code else Status.ENDED
                self._states = frozenset(
                    one.now(ended)
                    for one in before
                    if one.status is Status.RUNS and one.execute == line.execute
                )
                self._demand(f"ended with {line.code} after nobody had it run any more", before, line)
            case "twice":
                self._report("began while another process of it was alive")
            case "crowd":
                self._report(f"began while {self.job.throttle} tasks of the job were alive: the throttle")
        return True

    def _begin(self, line: TaskLine, before: States) -> None:
        free = [one for one in before if one.status is Status.OPEN]
        if not free:
            self._states = frozenset()
            self._demand("began, and nobody asked for it", before, line)
            return
        openers = {one.opener for one in free}
        hindrances = {one: self.hindrance(line, one) for one in openers}
        allowed = {one for one in openers if not hindrances[one]}
        if not allowed:
            why = "; or ".join(f"opened by command {one}: {told}" for one, told in hindrances.items())
            self._report(f"began (by command {line.execute}) before its dependencies allowed it: {why}")
            allowed = openers
        self._states = frozenset(
            one._replace(status=Status.RUNS, execute=line.execute) for one in free if one.opener in allowed
        )

    def _execute_line(self, line: CommandLine) -> bool:
        match line.what:
            case "call":
                self._executes.add(line.command)
                return bool(self.job.timeout)
            case "signal":
                if line.value == SIGKILL:
                    self._killed.add(line.command)
                elif line.value in (SIGINT, SIGTERM, SIGHUP):
                    self._interrupted.add(line.command)
                return any(one.status in UNFINISHED for one in self._states)
        self._executes.discard(line.command)
        self._interrupted.discard(line.command)
        self._ended.add(line.command)
        # a kill may come too late; and one that ends in disorder is as good as killed
        if line.value in ORDERLY:
            self._killed.discard(line.command)
            before = self._states
            self._states = frozenset(
                one for one in before if one.status not in ALIVE or one.execute != line.command
            )
            self._demand("was left behind by an execute that ended in order", before, line)
        else:
            self._killed.add(line.command)
        return any(one.status in UNFINISHED for one in self._states)

    def _command_line(self, line: CommandLine, command: Command) -> bool:
        number, operation = line.command, command.operation
        if line.what == "call":
            named = concerns(operation, command.jobs, self.job.number, self.task)
            along = brings_back(operation, command.jobs, self.job.number, self.jobs)
            if named or along:
                shown = self.shown(number) if isinstance(operation, List) else None
                self._active[number] = lambda one: chain(
                    effects(operation, number, one, shown) if named else untouched(number, one),
                    brought_back(number, one) if along else (),
                )
            return number in self._active
        if line.what != "return" or number not in self._active:
            return False
        del self._active[number]
        before = self._states
        chosen = before
        if line.value == 0:
            chosen = frozenset(one for one in before if number in one.done)
        elif line.value == 2:
            chosen = frozenset(one for one in before if number not in one.done)
        lingers = line.value not in (0, 2) and _stops(operation)
        self._states = frozenset(
            one._replace(
                done=one.done - {number},
                stop_asked=one.stop_asked
                or (lingers and number not in one.done and one.status in UNFINISHED),
            )
            for one in chosen
        )
        what = f"{' '.join(command.words)} ended with {line.value}: "
        if isinstance(operation, List):
            what = f"was listed as {self.shown(number)!r}: "
        self._demand(f"{what}that can't be", before, line)
        return True

    # -- what may happen without a line ---------------------------------------------------------------

    def _closed(self, states: States) -> States:
        found = set(states)
        todo = list(states)
        while todo:
            one = todo.pop()
            for another in self._next(one):
                if another not in found:
                    found.add(another)
                    todo.append(another)
        return frozenset(found)

    def _next(self, state: State) -> Iterator[State]:
        """Yield what may follow a state, now, unseen."""
        status = state.status
        if status in ALIVE:
            yield from self._next_of_alive(state)
        elif status is Status.OPEN:
            if self.job.needs and self.may_skip(state.opener, self._at):
                yield state.now(Status.SKIPPED)
            # a process that was started may end before it has written a line
            if self._interrupted or state.stop_asked:
                yield state.now(Status.STOPPED)
            if self.job.timeout and self._executes:
                yield state.now(Status.FAILURE)
        for number, act in self._active.items():
            if number not in state.done:
                yield from act(state)

    def _next_of_alive(self, state: State) -> Iterator[State]:
        status, execute = state.status, state.execute
        if execute not in self._ended:
            if status is Status.ENDED:
                yield state.now(Status.SUCCESS)
            if status is Status.FAILED or self.job.timeout:
                yield state.now(Status.FAILURE)
                if self.job.retries:
                    yield state._replace(status=Status.OPEN, execute=-1)
            if execute in self._interrupted:
                yield state.now(Status.STOPPED)
        if execute in self._killed:
            yield state._replace(status=Status.OPEN, execute=-1)
        if state.stop_asked:
            yield state.now(Status.STOPPED)

    # -- words ----------------------------------------------------------------------------------------

    def _demand(self, what: str, before: States, line: CommandLine | TaskLine) -> None:
        """Report that nothing is possible any more; go on with what the line says."""
        if self._states:
            return
        may = ", ".join(sorted({one.status for one in before}))
        self._report(f"{what}; it was: {may}")
        self._states = frozenset(self._as_said(before, line))

    def _as_said(self, before: States, line: CommandLine | TaskLine) -> Iterator[State]:
        opener = max((one.opener for one in before), default=-1)
        if isinstance(line, TaskLine):
            status = {"begin": Status.RUNS, "end": Status.FAILED if line.code else Status.ENDED}[line.what]
            yield State(status, line.execute, opener)
            return
        for status in FINISHED | {Status.OPEN}:
            yield State(status, -1, opener, frozenset(self._active))

    def _report(self, what: str) -> None:
        self.violations.append(Violation(what, self.job.number, self.task, self._at))


def _stops(operation: object) -> bool:
    return isinstance(operation, Stop | Delete) or (
        isinstance(operation, Resubmit) and "--running-jobs" in operation.options
    )
