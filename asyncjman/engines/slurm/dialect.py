"""Slurm, as a dialect of ``engines.cluster``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from asyncjman.engines.base import After, Evidence, Finding, LaunchRequest, Watched
from asyncjman.engines.cluster.dialect import Accounting, Call, Fault, Plan, Row, ScriptRules, Site
from asyncjman.engines.cluster.numbers import one_range
from asyncjman.engines.slurm import commands
from asyncjman.engines.slurm.check import check
from asyncjman.engines.slurm.explain import explain
from asyncjman.engines.slurm.faults import fault_of
from asyncjman.engines.slurm.limits import judge
from asyncjman.engines.slurm.programs import PROGRAMS
from asyncjman.engines.slurm.resources import asked_of, make_rules, options
from asyncjman.engines.slurm.sacct import parse_sacct
from asyncjman.engines.slurm.sbatch import parse_sbatch
from asyncjman.engines.slurm.site import parse_config
from asyncjman.engines.slurm.squeue import parse_squeue
from asyncjman.errors import UsageError
from asyncjman.model.graph import Kind
from asyncjman.model.job import JobSpec, Usage
from asyncjman.system.logs import display_name
from asyncjman.system.tool import Completed

SUBMIT_SECONDS = 180.0
"""sbatch waits 120 s by itself where the controller has no room for a job (measured on 22.05)."""


class SlurmDialect:
    """Slurm, as this host's commands reach it."""

    name = "slurm"
    programs = PROGRAMS
    script = ScriptRules(
        task="SLURM_ARRAY_TASK_ID",
        native_id="SLURM_JOB_ID",
        array_id="SLURM_ARRAY_JOB_ID",
        restart="SLURM_RESTART_COUNT",
        # its limits are minutes, and it checks them every 30 seconds or so
        keeps_time=True,
    )
    queue_decides = True
    # a controller that was frozen answers squeue before it has taken what sbatch left in its socket
    appears_within = 2.0

    def __init__(self, rules: Mapping[str, Any] | None = None, queue: str = "") -> None:
        self._rules = make_rules(rules or {})
        self._queue = queue

    def fault(self, done: Completed) -> Fault:
        return fault_of(done)

    def site(self) -> Call[Site]:
        return Call(tuple(commands.show_config()), parse_config, environment=commands.PLAIN)

    def refuse(self, spec: JobSpec) -> str | None:
        try:
            self._options(spec)
        except UsageError as error:
            return str(error)
        return None

    def submission(self, request: LaunchRequest, script: str) -> Plan[Call[str]]:
        yield from ()
        numbers = one_range(request)
        submission = commands.Submission(
            token=request.token,
            name=display_name(request.spec),
            script=script,
            output=f"{request.folder}/output",
            tasks=numbers,
            throttle=request.at_once if numbers is not None else None,
            after=tuple((_kind(one), one.native_ids) for one in request.after if one.native_ids),
            not_before=request.not_before,
            options=self._options(request.spec),
        )
        argv = tuple(commands.sbatch(submission))
        return Call(argv, parse_sbatch, timeout=SUBMIT_SECONDS, repeatable=False, whole=True)

    def refusal(self, request: LaunchRequest, words: str) -> Plan[str | None]:
        yield from ()
        lines = [line.removeprefix("sbatch: ").removeprefix("error: ") for line in words.splitlines()]
        return "the cluster refuses it: " + "; ".join(dict.fromkeys(lines)) if lines else None

    def query(self, user: str) -> Call[Sequence[Row]]:
        argv = tuple(commands.squeue(user, commands.QUEUE_FIELDS))
        return Call(argv, parse_squeue, environment=commands.PLAIN)

    def cancel(self, targets: Sequence[tuple[str, Sequence[range]]]) -> Sequence[Call[str]]:
        if not targets:
            return ()
        argv = tuple(commands.scancel(targets))
        return [Call(argv, lambda done: done.stdout + done.stderr, checked=False, patient=True)]

    def account(self, watched: Sequence[Watched], user: str) -> Call[Accounting] | None:
        native_ids = sorted({one.native_id for one in watched if one.native_id}, key=int)
        if not native_ids:
            return None
        argv = tuple(commands.sacct(native_ids))
        return Call(argv, lambda done: parse_sacct(done, watched), checked=False, environment=commands.PLAIN)

    def explain(self, watched: Sequence[Watched], user: str, now: float) -> Plan[Sequence[Evidence]]:
        return (yield from explain(watched, user, now, self._options))

    def judge(self, spec: JobSpec, seconds: float | None, usage: Usage | None) -> Sequence[str]:
        try:
            return judge(asked_of(spec.resources), seconds, usage)
        except UsageError:
            return ()

    def check(self, user: str) -> Plan[Sequence[Finding]]:
        wanted = [one.strip() for one in self._queue.split(",")]
        wanted = [one for one in wanted if one and one not in self._rules.default_queues]
        return (yield from check(self.site(), wanted))

    def _options(self, spec: JobSpec) -> tuple[str, ...]:
        return options(spec.queue, spec.resources, spec.timeout, self._rules)


def _kind(one: After) -> str:
    """Return the condition that the cluster is given; what it can't tell, the job script finds out.

    Of a job whose tasks went in several launches, or not for the first time, none says how the job ends.
    """
    if one.per_task:
        return "aftercorr"
    if not one.whole or one.kind is Kind.CORR:
        return "afterany"
    if one.kind is Kind.ANY:
        return "afterok" if one.stop_on_failure else "afterany"
    return "afterok" if one.kind is Kind.OK else "afternotok"
