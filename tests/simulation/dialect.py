"""The dialect of the simulated batch systems: its commands are answered in the process, by a ``Site``.

Pure, as every dialect: what the commands print is JSON.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from asyncjman.engines.base import Capabilities, Evidence, Finding, LaunchRequest, Observation, Saw, Watched
from asyncjman.engines.cluster.dialect import (
    Accounting,
    Call,
    Fault,
    ParseError,
    Plan,
    Programs,
    Row,
    ScriptRules,
    Site,
)
from asyncjman.engines.cluster.engine import ClusterEngine
from asyncjman.engines.cluster.names import job_name, token_in
from asyncjman.engines.registry import Context
from asyncjman.model.array import ArraySpec
from asyncjman.model.failure import Cause
from asyncjman.model.graph import Kind
from asyncjman.model.job import JobSpec, Usage
from asyncjman.system.tool import Completed
from tests.simulation.sites import SITES, SiteRules

AWAY = "the controller is away"
TOO_MANY = "too many jobs"
BROKEN_OFF = "the connection broke off"


class SimulatedDialect:
    """One of the simulated batch systems."""

    script = ScriptRules()
    queue_decides = False
    appears_within = 0.0

    def __init__(self, rules: SiteRules) -> None:
        self.name = rules.name
        self.programs = Programs(tuple(f"{rules.name}-{one}" for one in ("sub", "stat", "del", "acct")), "")
        self._rules = rules

    def fault(self, done: Completed) -> Fault:
        if AWAY in done.stderr:
            return Fault.PASSING
        if BROKEN_OFF in done.stderr:
            return Fault.PASSING | Fault.AMBIGUOUS
        return Fault.LIMIT | Fault.PASSING if TOO_MANY in done.stderr else Fault.LASTING

    def site(self) -> Site:
        return Site(self._rules.max_array, None, self._rules.accounting)

    def refuse(self, spec: JobSpec) -> str | None:
        return None

    def submission(self, request: LaunchRequest, script: str) -> Plan[Call[str]]:
        yield from ()
        numbers = [0]
        if request.spec.array is not None:
            whole = isinstance(request.tasks, ArraySpec)
            numbers = list(request.tasks if whole else range(1, len(request.tasks) + 1))  # type: ignore[arg-type]
        asked = {
            "name": job_name(request.job_id, request.token, request.spec.name),
            "script": script,
            "numbers": numbers,
            "holds": [[list(one.native_ids), one.per_task] for one in request.after],
            "at_once": request.at_once,
            "not_before": request.not_before,
            "limit": request.time_limit,
        }
        words = (f"{self.name}-sub", json.dumps(asked))
        return Call(words, _native_id, repeatable=False)

    def refusal(self, request: LaunchRequest, words: str) -> Plan[str | None]:
        yield from ()
        return None

    def query(self, user: str) -> Call[Sequence[Row]]:
        return Call((f"{self.name}-stat",), lambda done: [_row(one) for one in _read(done)])

    def cancel(self, targets: Sequence[tuple[str, Sequence[range]]]) -> Sequence[Call[str]]:
        asked = [[native_id, [n for one in some for n in one]] for native_id, some in targets]
        return [Call((f"{self.name}-del", json.dumps(asked)), lambda done: done.stdout)]

    def account(self, watched: Sequence[Watched], user: str) -> Call[Accounting] | None:
        if not self._rules.accounting:
            return None
        return Call((f"{self.name}-acct",), lambda done: dict(map(_accounted, _read(done))))

    def explain(self, watched: Sequence[Watched], user: str, now: float) -> Plan[Sequence[Evidence]]:
        yield from ()
        return ()

    def judge(self, spec: JobSpec, seconds: float | None, usage: Usage | None) -> Sequence[str]:
        return ()

    def check(self, user: str) -> Plan[Sequence[Finding]]:
        yield from ()
        return ()


class SimulatedCluster(ClusterEngine):
    """The real engine, with what a simulated batch system can do."""

    def __init__(self, rules: SiteRules, context: Context) -> None:
        super().__init__(
            SimulatedDialect(rules),
            grace=context.settings.vanish_grace,
            budget=context.budget,
            clock=context.runtime.time,
        )
        self._rules = rules

    @property
    def capabilities(self) -> Capabilities:
        holds = frozenset(Kind) if self._rules.holds else frozenset[Kind]()
        return Capabilities(survives_us=True, max_array=self._rules.max_array, holds=holds)


def factory(name: str, context: Context) -> SimulatedCluster:
    """Make the engine of one of the simulated batch systems, as the registry's factories do."""
    return SimulatedCluster(SITES[name], context)


def _native_id(done: Completed) -> str:
    if not done.stdout.isdecimal():
        raise ParseError("that is no number")
    return done.stdout


def _read(done: Completed) -> list[Any]:
    try:
        found: list[Any] = json.loads(done.stdout)
    except ValueError as error:
        raise ParseError("that is no answer") from error
    return found


def _row(fields: Sequence[Any]) -> Row:
    native_id, name, numbers, saw, state, at, host = fields
    some = tuple(range(one, one + 1) for one in numbers if one)
    return Row(native_id, token_in(name), some, Saw(saw) if saw else None, state, at, host)


def _accounted(fields: Sequence[Any]) -> tuple[tuple[str, int], Observation]:
    native_id, name, number, begun, ended, exit_status, signal, cause = fields
    one = Observation(
        token_in(name) or "",
        None,
        Saw.ENDED,
        ended,
        started_at=begun,
        exit_status=exit_status,
        signal=signal,
        cause=Cause(cause) if cause else None,
        reason=f"accounting says {cause}" if cause else None,
        usage=Usage(0.0, 0),
    )
    return (native_id, number), one
