"""What listings may say: nothing lost, no success without exit status 0, nothing left without a reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.faults.model.commands import Command
from tests.faults.model.driver import History
from tests.faults.model.journal import TaskLine
from tests.faults.model.oracle import Oracle
from tests.faults.model.plan import Delete, Job, Resubmit, Submit
from tests.faults.model.standing import May, skips, summarize
from tests.faults.model.track import Violation

UNFINISHED = {"submitted", "waiting", "queued", "executing"}
Listing = dict[int, dict[str, Any]]


def judge(history: History, oracle: Oracle) -> Iterator[Violation]:
    """Yield what is wrong with what was listed."""
    yield from throttles(history)
    yield from ids(history, oracle.listings)
    yield from successes(history, oracle.listings)
    for number in history.quiet:
        if number in oracle.listings:
            yield from quiet(number, oracle.listings[number])
            yield from skipped(history, number, oracle.listings[number])
    for number in history.final:
        if number in oracle.listings:
            yield from left(number, oracle.listings[number])
            yield from told(history.commands[number - 1], oracle.listings[number])
    if history.last in oracle.listings:
        yield from complete(history, oracle.listings[history.last])
        yield from told(history.commands[-1], oracle.listings[history.last])


def throttles(history: History) -> Iterator[Violation]:
    """By their own lines never more tasks of a job were between begin and end than it allows.

    Of one that was killed nobody knows how long it lived; it holds its place by a lock.
    """
    lines = [one for one in history.lines if isinstance(one, TaskLine)]
    ended = {(one.job, one.pid, one.attempt) for one in lines if one.what == "end"}
    running: dict[int, set[tuple[int, int]]] = {}
    for line in lines:
        if (line.job, line.pid, line.attempt) not in ended:
            continue
        throttle = history.jobs[line.job].throttle
        now = running.setdefault(line.job, set())
        if line.what == "begin":
            now.add((line.task, line.pid))
            if throttle and len(now) > throttle:
                tasks = sorted(task for task, _ in now)
                yield Violation(
                    f"tasks {tasks} ran at once, the throttle is {throttle}", line.job, 0, line.at
                )
        elif line.what == "end":
            now.discard((line.task, line.pid))


def ids(history: History, listings: dict[int, Listing]) -> Iterator[Violation]:
    """Each job has one id, the one that was reported, greater than those before."""
    known: dict[int, int] = {}
    for one in history.commands:
        if isinstance(one.operation, Submit) and one.code == 0:
            known[one.operation.job.number] = one.json()["id"]
    for number, listing in sorted(listings.items()):
        for job, shown in listing.items():
            if known.setdefault(job, shown["id"]) != shown["id"]:
                yield Violation(f"listing {number} has it with id {shown['id']}, it had {known[job]}", job)
    if len(set(known.values())) != len(known):
        yield Violation(f"an id was given twice: {known}")


def successes(history: History, listings: dict[int, Listing]) -> Iterator[Violation]:
    """A task that is listed as a success has written an end with 0 in just that attempt."""
    ends = {
        (line.job, line.task, line.attempt, line.code)
        for line in history.lines
        if isinstance(line, TaskLine) and line.what == "end"
    }
    for number, listing in listings.items():
        for job, shown in listing.items():
            for task in _tasks(shown):
                key = (job, task["id"] or 0, task["attempt"], 0)
                if task["status"] == "success" and (key not in ends or task["exit_status"] != 0):
                    words = f"attempt {task['attempt']}, exit status {task['exit_status']}"
                    yield Violation(
                        f"listing {number} has it as success, {words}: it did not end so", job, key[1]
                    )
                status = task["exit_status"]
                if task["status"] == "failure" and status is not None and (*key[:3], status) not in ends:
                    yield Violation(f"listing {number} has it with exit status {status}: not so", job, key[1])


def _tasks(shown: dict[str, Any]) -> list[dict[str, Any]]:
    return shown["tasks"] if isinstance(shown["tasks"], list) else []


def quiet(number: int, listing: Listing) -> Iterator[Violation]:
    """Beside nothing else, a job is closed just when all its tasks have ended."""
    for job, shown in listing.items():
        is_open = shown["status"] in UNFINISHED
        if is_open != (shown["finished_at"] is None):
            yield Violation(
                f"listing {number} has it as {shown['status']}, finished at {shown['finished_at']}", job
            )


def left(number: int, listing: Listing) -> Iterator[Violation]:
    """After an execute that had all for itself nothing is open any more."""
    for job, shown in listing.items():
        for task in _tasks(shown):
            if task["status"] in UNFINISHED:
                what = f"is {task['status']} after an execute that should run all that can run"
                yield Violation(f"listing {number}: it {what}", job, task["id"] or 0)


def told(command: Command, listing: Listing) -> Iterator[Violation]:
    """The execute before, or the wait after, ended with 0 just where all jobs are a success."""
    all_well = all(shown["status"] == "success" for shown in listing.values())
    if command.code in (0, 1) and (command.code == 0) != all_well:
        states = ", ".join(f"{job} {shown['status']}" for job, shown in listing.items())
        yield Violation(
            f"command {command.number} ({' '.join(command.words)}) ended with {command.code}: {states}"
        )


def skipped(history: History, number: int, listing: Listing) -> Iterator[Violation]:
    """What is skipped has a dependency that says so, as it is now, where nobody asked for less."""
    for job, shown in sorted(listing.items()):
        plan = history.jobs[job]
        if any(need.on not in listing for need in plan.needs) or _may_be_stale(history, plan, number):
            continue
        for task in _tasks(shown):
            if task["status"] == "skipped" and not _has_reason(history, plan, task["id"] or 0, listing):
                others = {need.on: f"{need.kind} {listing[need.on]['status']}" for need in plan.needs}
                yield Violation(
                    f"listing {number} has it skipped ({task['reason']}), but: {others}", job, task["id"] or 0
                )


def _may_be_stale(history: History, plan: Job, number: int) -> bool:
    """Tell whether somebody resubmitted what it waits for without it, or took tasks out of that."""
    above = _above(history.jobs, plan)
    for one in history.commands[:number]:
        operation = one.operation
        if isinstance(operation, Resubmit):
            if "--no-dependents" in operation.options and plan.number not in (one.jobs or ()):
                return True
        elif isinstance(operation, Delete) and above & (one.jobs or frozenset()):
            return True
    return False


def _above(jobs: dict[int, Job], plan: Job) -> set[int]:
    found: set[int] = set()
    todo = [plan.number]
    while todo:
        for need in jobs[todo.pop()].needs:
            if need.on not in found:
                found.add(need.on)
                todo.append(need.on)
    return found


def _has_reason(history: History, plan: Job, task: int, listing: Listing) -> bool:
    for need in plan.needs:
        other = history.jobs[need.on]
        tasks = {one["id"] or 0: _may(one["status"]) for one in _tasks(listing[need.on])}
        if need.kind == "corr":
            pair = tasks.get(task)
            if pair is None or pair.badly or pair.skipped or not pair.ended:
                return True
        else:
            summary = summarize(list(tasks.values()))
            if not summary.all_ended or skips(need.kind, summary, other.stop_on_failure):
                return True
    return False


def _may(status: str) -> May:
    well, badly = status == "success", status in ("failure", "stopped")
    return May(well, badly, status == "skipped", status not in UNFINISHED, False)


def complete(history: History, listing: Listing) -> Iterator[Violation]:
    """After all was resubmitted and executed in peace, nothing is stopped, and what can't fail has not."""
    for job, shown in listing.items():
        plan = history.jobs[job]
        for task in _tasks(shown):
            may_fail = plan.how not in ("ok", "stubborn")
            if task["status"] == "stopped" or (task["status"] == "failure" and not may_fail):
                yield Violation(
                    f"is {task['status']} ({task['reason']}) after all ran in peace", job, task["id"] or 0
                )
