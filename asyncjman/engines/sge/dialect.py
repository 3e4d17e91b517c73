"""Sun Grid Engine and its heirs, as a dialect of ``engines.cluster``."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from asyncjman.engines.base import Evidence, Finding, LaunchRequest, Watched
from asyncjman.engines.cluster.checks import check_submission
from asyncjman.engines.cluster.dialect import (
    Accounting,
    Call,
    Fault,
    Plan,
    Row,
    ScriptRules,
    Site,
)
from asyncjman.engines.cluster.names import job_name, pattern_of, token_in
from asyncjman.engines.cluster.numbers import one_range
from asyncjman.engines.cluster.process import CommandFailed
from asyncjman.engines.sge import commands
from asyncjman.engines.sge.ends import accounting_of
from asyncjman.engines.sge.explain import ask, evidence
from asyncjman.engines.sge.faults import fault_of
from asyncjman.engines.sge.limits import amount_of, judge, limits_of
from asyncjman.engines.sge.parse import parse_qsub
from asyncjman.engines.sge.programs import PROGRAMS
from asyncjman.engines.sge.qstat import QueueEntry, parse_qstat
from asyncjman.engines.sge.resources import make_rules, options, unknown_queue
from asyncjman.engines.sge.states import is_error, note_of, saw_of
from asyncjman.errors import EnvironmentProblem, UsageError
from asyncjman.model.job import JobSpec, Usage
from asyncjman.model.resources import Resources, make_resources, queues_in
from asyncjman.system.logs import display_name
from asyncjman.system.tool import Completed

QUEUES_SECONDS = 10.0
"""Which queues there are is asked before a job is sent, and should be known at once."""
MAX_ARRAY = 75000
"""What a cell allows by default (sge_conf(5), max_aj_tasks)."""


class SgeDialect:
    """Grid Engine, as this host's commands reach it. It remembers the names of the queues."""

    name = "sge"
    programs = PROGRAMS
    # it would start a job that exits with 99 again, and put one that exits with 100 into Eqw
    script = ScriptRules(exit_statuses={99: 1, 100: 1})
    queue_decides = False
    appears_within = 0.0

    def __init__(self, rules: Mapping[str, Any] | None = None, queue: str = "all.q") -> None:
        self._rules = make_rules(rules or {})
        self._queue = queue
        self._queues: Collection[str] | None = None

    def fault(self, done: Completed) -> Fault:
        return fault_of(done)

    def site(self) -> Site:
        return Site(MAX_ARRAY, None, True)

    def refuse(self, spec: JobSpec) -> str | None:
        try:
            options(_asked(spec), self._rules)
        except UsageError as error:
            return str(error)
        return None

    def submission(self, request: LaunchRequest, script: str) -> Plan[Call[str]]:
        resources = _asked(request.spec)
        known: Collection[str] = ()
        if not set(queues_in(resources.queue)) <= set(self._rules.default_queues):
            known = yield from self._known_queues()
        numbers = one_range(request)
        per_task = {one for after in request.after if after.per_task for one in after.native_ids}
        hold = {one for after in request.after if not after.per_task for one in after.native_ids}
        submission = commands.Submission(
            name=job_name(request.job_id, request.token, display_name(request.spec)),
            work_dir=request.folder,
            script=script,
            stdout=f"{request.folder}/output",
            stderr=f"{request.folder}/output",
            tasks=numbers,
            throttle=request.at_once if numbers is not None else None,
            hold=tuple(sorted(hold, key=int)),
            hold_per_task=tuple(sorted(per_task - hold, key=int)),
            not_before=request.not_before,
            options=options(resources, self._rules, queues=known),
        )
        argv = tuple(commands.qsub("qsub", submission))
        return Call(argv, lambda done: str(parse_qsub(done.stdout)), repeatable=False)

    def refusal(self, request: LaunchRequest, words: str) -> Plan[str | None]:
        queue = unknown_queue(words)
        if queue in queues_in(_asked(request.spec).queue):
            try:
                there = yield from self._known_queues()
            except EnvironmentProblem:
                return None
            if there:
                return f"the cluster has no queue {queue}: there are {', '.join(sorted(there))}"
        return None

    def query(self, user: str) -> Call[Sequence[Row]]:
        return Call(tuple(commands.qstat("qstat", user)), _rows)

    def cancel(self, targets: Sequence[tuple[str, Sequence[range]]]) -> Sequence[Call[str]]:
        whole = sorted({native_id for native_id, numbers in targets if not numbers}, key=int)
        argvs = [commands.qdel("qdel", whole)] if whole else []
        argvs += [commands.qdel_tasks("qdel", one, numbers) for one, numbers in targets if numbers]
        return [
            Call(tuple(argv), lambda done: done.stdout + done.stderr, checked=False, patient=True)
            for argv in argvs
        ]

    def account(self, watched: Sequence[Watched], user: str) -> Call[Accounting]:
        pattern = pattern_of(one.token for one in watched)
        argv = commands.qacct_names("qacct", pattern, user=user)
        return Call(tuple(argv), accounting_of, checked=False)

    def explain(self, watched: Sequence[Watched], user: str, now: float) -> Plan[Sequence[Evidence]]:
        answers = yield from ask(watched, self.query(user))
        return evidence(watched, answers, now)

    def judge(self, spec: JobSpec, seconds: float | None, usage: Usage | None) -> Sequence[str]:
        try:
            resources = _asked(spec)
            limits = limits_of(options(resources, self._rules), resources.slots or 1)
        except UsageError:
            return ()  # the settings are others now
        cpu = usage.cpu_seconds if usage else None
        peak = usage.peak_memory_bytes or None if usage else None
        return judge(limits, seconds=seconds, cpu_seconds=cpu, peak_bytes=peak)

    def check(self, user: str) -> Plan[Sequence[Finding]]:
        try:
            yield self.query(user)
        except CommandFailed as error:
            words = "does not answer" if error.transient else "refuses to answer"
            return [Finding("qmaster", words, error.words)]
        found = [Finding("qmaster", "answers")]
        try:
            queues = yield from self._known_queues()
        except CommandFailed as error:
            found.append(Finding("queue", "the cluster does not say now which there are", str(error)))
        else:
            found.append(self._queue_finding(queues))
        found.append((yield from check_submission(commands.qsub_anything("qsub"))))
        return found

    def _queue_finding(self, queues: Collection[str]) -> Finding:
        missing = [one for one in queues_in(self._queue) if one not in queues]
        if not queues:
            return Finding("queue", "the cluster does not say which there are")
        if not missing:
            return Finding("queue", f"{self._queue} is there")
        names = ", ".join(sorted(queues))
        return Finding("queue", f"there is no {', '.join(missing)}", f"set queue to one of {names}")

    def _known_queues(self) -> Plan[Collection[str]]:
        """Find out the names of the cluster's queues, none where it doesn't say."""
        if self._queues is None:
            argv = tuple(commands.qconf_queues("qconf"))
            call = Call(argv, _queue_names, timeout=QUEUES_SECONDS, checked=False)
            try:
                self._queues = yield call
            except CommandFailed as error:
                if error.transient:
                    error.fault &= ~Fault.AMBIGUOUS  # it was a question only
                    raise
                return ()
            except EnvironmentProblem:
                return ()
        return self._queues or ()


def _asked(spec: JobSpec) -> Resources:
    """Return what a job asks for: of its two limits of time the smaller one."""
    resources = make_resources({**spec.resources, "queue": spec.queue})
    if spec.timeout is None:
        return resources
    time = amount_of(resources.time) if resources.time else None
    if resources.time and (time is None or time <= spec.timeout):
        return resources
    return replace(resources, time=str(math.ceil(spec.timeout)))


def _queue_names(done: Completed) -> Sequence[str]:
    return done.stdout.split() if done.exit_status == 0 else ()


def _rows(done: Completed) -> Sequence[Row]:
    return [row_of(one) for one in parse_qstat(done.stdout)]


def row_of(entry: QueueEntry) -> Row:
    """Return a line of qstat in neutral words."""
    return Row(
        native_id=str(entry.native_id),
        token=token_in(entry.name),
        numbers=entry.tasks or (),
        saw=saw_of(entry.state_codes),
        engine_state=note_of(entry.state_codes),
        at=entry.started_at,
        host=entry.host,
        reason="in error state on the cluster (jman why tells more)" if is_error(entry.state_codes) else None,
    )
