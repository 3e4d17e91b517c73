"""Dependencies between jobs: their kinds, what each asks for, and cycles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum

from asyncjman.model.status import FINISHED, Status


class Kind(StrEnum):
    """When a dependency lets the job that has it start."""

    ANY = "any"
    """After the other job's end, however it ended (SGE's ``-hold_jid``)."""
    OK = "ok"
    """After its success only."""
    NOTOK = "notok"
    """After its failure, or after it was stopped."""
    CORR = "corr"
    """Task i after the success of task i of the other array."""


class Verdict(Enum):
    """What a dependency says of the job that has it."""

    WAIT = "wait"
    GO = "go"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Dependency:
    """``job_id`` is the job that is waited for."""

    job_id: int
    kind: Kind


def verdict(kind: Kind, status: Status, *, stop_on_failure: bool) -> Verdict:
    """Judge one dependency from the status of the job, or for CORR of the task, that is waited for.

    A skipped job skips all that depends on it, whatever the kind. ``stop_on_failure`` is the
    waited-for job's own: unless it succeeds, nothing that depends on it runs, save what was
    submitted for just that case (NOTOK).
    """
    if status not in FINISHED:
        return Verdict.WAIT
    if status is Status.SKIPPED:
        return Verdict.SKIP
    succeeded = status is Status.SUCCESS
    if kind is Kind.NOTOK:
        return Verdict.SKIP if succeeded else Verdict.GO
    if succeeded:
        return Verdict.GO
    return Verdict.GO if kind is Kind.ANY and not stop_on_failure else Verdict.SKIP


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """One SKIP skips at once; else one WAIT waits; else GO."""
    combined = Verdict.GO
    for one in verdicts:
        if one is Verdict.SKIP:
            return Verdict.SKIP
        if one is Verdict.WAIT:
            combined = Verdict.WAIT
    return combined


def dependents(waits_for: Mapping[int, Iterable[int]], start: Iterable[int]) -> list[int]:
    """Return all jobs that wait for one of ``start``, transitively, in increasing order of id."""
    waited_by: dict[int, list[int]] = {}
    for job, others in waits_for.items():
        for other in others:
            waited_by.setdefault(other, []).append(job)
    found: set[int] = set()
    todo = list(start)
    while todo:
        for job in waited_by.get(todo.pop(), ()):
            if job not in found:
                found.add(job)
                todo.append(job)
    return sorted(found)
