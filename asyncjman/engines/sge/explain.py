"""Why a job waits: what ``qstat -j`` and ``qalter -w`` say of it, with advice where there is some."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from asyncjman.engines.base import IN_ERROR, Evidence, Watched
from asyncjman.engines.cluster.dialect import Call, ParseError, Plan, Row
from asyncjman.engines.cluster.numbers import statuses_of, task_id_of
from asyncjman.engines.sge import commands
from asyncjman.engines.sge.accounting import read_time
from asyncjman.engines.sge.qstat_job import JobDetail, are_unknown, parse_qstat_j
from asyncjman.engines.sge.verification import Verdict, is_doubtful, parse_verification, why_never
from asyncjman.errors import EnvironmentProblem
from asyncjman.model.job import PLAIN_TASK
from asyncjman.model.status import Status
from asyncjman.system.tool import Completed

_AT_ONCE = 200
"""Jobs that are named in one command."""
_MAX_TASKS = 5
_PENDING = {Status.QUEUED, Status.WAITING}
_NOTES = {
    "suspended": "suspended: somebody with the right to (qmod -usj) can let it go on",
    "suspended with its queue": "suspended with its queue, which an administrator can resume",
    "suspended by a load threshold": "suspended while its host has too much to do",
    "being deleted": "being deleted on the cluster, as soon as its host says so",
}


@dataclass(slots=True)
class Answers:
    """All that the cluster says of some jobs, by native ids."""

    details: dict[str, JobDetail] = field(default_factory=dict)
    in_error: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """The cluster's numbers of tasks that are in error now (1 for a job with no array)."""
    ever: dict[str, Verdict] = field(default_factory=dict)
    now: dict[str, Verdict] = field(default_factory=dict)


def ask(watched: Sequence[Watched], query: Call[Sequence[Row]]) -> Plan[Answers]:
    """Ask for it in three commands, or in five, whatever the number of jobs."""
    found = Answers()
    native_ids = [one.native_id for one in watched if one.native_id is not None]
    for part in _parts(native_ids):
        answer: list[JobDetail] = yield _describe(part)
        found.details |= {str(one.native_id): one for one in answer}
    with_text = any(one.error_reasons for one in found.details.values())
    if with_text or any(one.engine_state == IN_ERROR for one in watched):
        # the text of an error stays with a job that runs: only the state tells whether it holds
        rows: Sequence[Row] = yield query
        for row in rows:
            if row.engine_state == IN_ERROR:
                found.in_error[row.native_id] |= {n for one in row.numbers or (range(1, 2),) for n in one}
    pending = [
        one.native_id
        for one in watched
        if one.native_id in found.details and one.native_id not in found.in_error and _only_waits(one)
    ]
    with suppress(EnvironmentProblem):  # it says less then
        yield from _verify(sorted(native_id for native_id in pending if native_id), found)
    return found


def _only_waits(one: Watched) -> bool:
    found = statuses_of(one)
    return bool(found & _PENDING) and Status.EXECUTING not in found


def _describe(native_ids: Sequence[str]) -> Call[list[JobDetail]]:
    def read(done: Completed) -> list[JobDetail]:
        try:
            return parse_qstat_j(done.stdout)
        except ParseError:
            if are_unknown(done.stderr + done.stdout):
                return []
            raise

    return Call(tuple(commands.qstat_jobs("qstat", native_ids)), read, checked=False)


def _verify(native_ids: Sequence[str], found: Answers) -> Plan[None]:
    for part in _parts(native_ids):
        found.ever |= yield _verification(part, "v")
    doubtful = [
        native_id
        for native_id, verdict in found.ever.items()
        if verdict.suitable is False and is_doubtful(verdict, found.details[native_id].resources)
    ]
    for part in _parts(doubtful):
        found.now |= yield _verification(part, "p")


def _verification(native_ids: Sequence[str], how: Literal["v", "p"]) -> Call[Mapping[str, Verdict]]:
    argv = commands.qalter_verify("qalter", native_ids, how)
    return Call(tuple(argv), lambda done: parse_verification(done.stdout, native_ids), checked=False)


def _parts(native_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(native_ids), _AT_ONCE):
        yield native_ids[start : start + _AT_ONCE]


def evidence(watched: Sequence[Watched], answers: Answers, now: float) -> list[Evidence]:
    """Return what is to be shown of each job, a line each."""
    by_job: dict[int, list[Watched]] = defaultdict(list)
    for one in watched:
        by_job[one.job_id].append(one)
    found = []
    for job_id, some in by_job.items():
        lines = [line for one in some for line in _lines(one, answers, now)]
        lines += [_NOTES[one.engine_state] for one in some if one.engine_state in _NOTES]
        if not lines and any(_only_waits(one) and Status.QUEUED in statuses_of(one) for one in some):
            lines = ["waits in the queue; the scheduler says nothing more (schedd_job_info may be off)"]
        found += [Evidence(job_id, line) for line in dict.fromkeys(lines)]
    return found


def _lines(one: Watched, answers: Answers, now: float) -> list[str]:
    assert one.native_id is not None
    detail = answers.details.get(one.native_id)
    if detail is None:
        return [f"the cluster does not list {one.native_id} any more; its end is not known yet"]
    lines = _errors(one, detail, answers)
    statuses = statuses_of(one)
    start = read_time(detail.not_before)
    if detail.not_before and Status.QUEUED in statuses and (start is None or start > now):
        lines.append(f"starts not before {detail.not_before}")
    if detail.hold:
        lines.append(f"held on the cluster by {', '.join(map(str, detail.hold))}")
    never = why_never(answers.ever.get(one.native_id), answers.now.get(one.native_id), detail.resources)
    if never:
        lines += never
        lines.append(
            f"to ask for something else: jman stop {one.job_id}, then jman resubmit {one.job_id} "
            "with -q, -m, -p or --time"
        )
    elif statuses & _PENDING:  # what the scheduler says is about tasks that wait
        lines += list(dict.fromkeys(detail.scheduling))[:10]
    return lines


def _errors(one: Watched, detail: JobDetail, answers: Answers) -> list[str]:
    in_error = answers.in_error.get(str(detail.native_id), set())
    if not in_error:
        return []
    lines = []
    for number in [number for number in detail.error_reasons if number in in_error][:_MAX_TASKS]:
        reasons = detail.error_reasons[number]
        task_id = task_id_of(one.tasks, number)
        task = f" of task {task_id}" if one.array is not None and task_id != PLAIN_TASK else ""
        lines += [f"error{task}: {reason}" for reason in reasons]
        lines += _advice(reasons)
    lines.append(
        f"it stays so until somebody acts: mend the cause, then qmod -cj {detail.native_id}; "
        f"or jman stop {one.job_id} and jman resubmit {one.job_id}"
    )
    return lines


def _advice(reasons: Sequence[str]) -> list[str]:
    text = " ".join(reasons)
    if "can't chdir" in text:
        return ["the working folder is missing on the node"]
    if "can't open output file" in text or "can't open error file" in text:
        return ["the log folder is missing on the node, or can't be written there"]
    if "execvlp" in text or "unable to find shell" in text:
        return ["the command is missing on the node, or its #! line is wrong"]
    return []
