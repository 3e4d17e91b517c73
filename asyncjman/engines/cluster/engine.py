"""The engine of every batch system: it speaks the protocol, and a dialect to the cluster."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from asyncjman.engines.base import (
    Capabilities,
    Evidence,
    Finding,
    Launched,
    LaunchFailed,
    LaunchRequest,
    Observation,
    Poll,
    Preview,
    Purpose,
    Saw,
    Target,
    Watched,
    Why,
)
from asyncjman.engines.budget import Budget
from asyncjman.engines.cluster import process
from asyncjman.engines.cluster.accounted import usage_of
from asyncjman.engines.cluster.conclusions import Conclusions, View, conclude
from asyncjman.engines.cluster.dialect import Accounting, Dialect, Fault, Row, Site
from asyncjman.engines.cluster.listed import by_token, is_there, numbers_of, user
from asyncjman.engines.cluster.process import CommandFailed, Commands
from asyncjman.engines.cluster.script import script_of, text_of
from asyncjman.engines.cluster.spool import Spool, forget_script, prepare_records, write_script
from asyncjman.engines.defaults import Defaults
from asyncjman.errors import EnvironmentProblem, JmanError, UsageError
from asyncjman.model.graph import Kind
from asyncjman.model.job import JobSpec, Usage

SUBMIT_SECONDS = 5.0
"""A launch isn't begun where less time is left: what is broken off may have been taken."""
CANCEL_RETRY_SECONDS = 10.0
CONFIRM_LOOKS = 5
CONFIRM_PAUSE_SECONDS = 0.3
_ENDS = (Saw.ENDED, Saw.SKIPPED, Saw.STOPPED)


class ClusterEngine(Defaults):
    """Jobs on a cluster, as this host's commands reach it.

    ``grace``: seconds until a task that vanished counts as failed; ``clock`` gives seconds since 1970.
    """

    def __init__(
        self,
        dialect: Dialect,
        *,
        grace: float,
        budget: Budget | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = dialect.name
        self._dialect = dialect
        self._grace = grace
        self._clock = clock
        self._budget = budget or Budget()
        self._commands = Commands(dialect.programs, dialect.fault, self._budget)
        self._spool = Spool()
        site = dialect.site()
        self._site = site if isinstance(site, Site) else None
        self._opening = asyncio.Lock()

    @property
    def capabilities(self) -> Capabilities:
        site = self._site or Site(1, None, False)
        return Capabilities(
            survives_us=True, max_array=site.max_array, max_number=site.max_number, holds=frozenset(Kind)
        )

    async def open(self, wake: Callable[[], None] = lambda: None) -> None:
        """Ask for the facts of the site, once, where the dialect does not know them."""
        async with self._opening:
            if self._site is None:
                call = self._dialect.site()
                self._site = call if isinstance(call, Site) else await self._commands.ask(call)

    def refuse(self, spec: JobSpec) -> str | None:
        return self._dialect.refuse(spec)

    # -- launching --------------------------------------------------------------------------------

    async def prepare(self, request: LaunchRequest) -> None:
        await asyncio.to_thread(prepare_records, request)

    async def launch(self, requests: Sequence[LaunchRequest]) -> Sequence[Launched | LaunchFailed]:
        return [await self._launch(one) for one in requests]

    async def _launch(self, request: LaunchRequest) -> Launched | LaunchFailed:
        if not self._budget.has_time_for(SUBMIT_SECONDS):
            return LaunchFailed(Why.LATER, f"the cluster is slow; {self._budget.words}")
        path = _script_path(request)
        try:
            text = text_of(script_of(request, self._dialect.script))
            await asyncio.to_thread(write_script, path, text)
            answer = await self._submit(request, path)
        except UsageError as error:
            answer = LaunchFailed(Why.REFUSED, str(error), of_request=True)
        except CommandFailed as error:
            answer = await self._failure(request, error)
        except EnvironmentProblem as error:
            answer = LaunchFailed(Why.LATER, str(error))
        except OSError as error:
            answer = LaunchFailed(Why.LATER, f"{error.strerror}: {error.filename}")
        if isinstance(answer, LaunchFailed) and answer.why is not Why.AMBIGUOUS:
            await asyncio.to_thread(forget_script, path)
        return answer

    async def _submit(self, request: LaunchRequest, path: Path) -> Launched | LaunchFailed:
        call = await self._commands.carry_out(self._dialect.submission(request, str(path)), retry_for=0.0)
        native_id = await self._commands.ask(call, retry_for=0.0)
        return Launched(native_id, self._clock())

    async def _failure(self, request: LaunchRequest, error: CommandFailed) -> LaunchFailed:
        if Fault.LIMIT in error.fault:
            return LaunchFailed(Why.LIMIT, str(error))
        if error.ambiguous:
            return LaunchFailed(Why.AMBIGUOUS, str(error))
        if error.transient:
            return LaunchFailed(Why.LATER, str(error), again=not error.silent)
        with suppress(EnvironmentProblem):
            if better := await self._commands.carry_out(self._dialect.refusal(request, error.words)):
                return LaunchFailed(Why.REFUSED, better, of_request=True)
        return LaunchFailed(Why.REFUSED, str(error))

    async def preview(self, request: LaunchRequest) -> Preview:
        call = await self._commands.carry_out(self._dialect.submission(request, str(_script_path(request))))
        return Preview(tuple(self._commands.argv(call)), text_of(script_of(request, self._dialect.script)))

    # -- polling ----------------------------------------------------------------------------------

    async def poll(self, watched: Sequence[Watched], budget: float = math.inf) -> Poll:
        usage = [one for one in watched if one.purpose is Purpose.USAGE]
        others = [one for one in watched if one.purpose is not Purpose.USAGE]
        seen: list[Observation] = []
        rows: dict[str, list[Row]] | None = None
        answered, words = True, ""
        if any(one.purpose is Purpose.STATE for one in others):
            try:
                rows = by_token(await self._query(budget=budget))
            except EnvironmentProblem as error:
                answered, words = False, str(error)
        if others:
            seen += await self._conclude(others, rows, budget)
        if usage:
            accounting = await self._account(usage, budget)
            answered = answered and accounting is not None
            seen += usage_of(usage, accounting or {})
        return Poll(seen, answered, words)

    async def _query(self, *, retry_for: float = 0.0, budget: float = math.inf) -> Sequence[Row]:
        call = self._dialect.query(user())
        return await self._commands.ask(call, retry_for=retry_for, within=budget)

    async def _conclude(
        self, watched: Sequence[Watched], rows: dict[str, list[Row]] | None, budget: float
    ) -> list[Observation]:
        await asyncio.to_thread(self._spool.read, watched)
        found = self._interpret(watched, rows, None)
        if self._dialect.appears_within and any(one.is_not_sent for one in found):
            await asyncio.sleep(min(self._dialect.appears_within, budget))
            rows = await self._again(budget)
            found = self._interpret(watched, rows, None)
        if any(one.ask_accounting for one in found):
            accounting = await self._account(watched, budget)
            if accounting is not None:
                found = self._interpret(watched, rows, accounting)
        seen = [one for some in found for one in some.seen]
        # what is reported from a record is on the disk before anybody stores it
        await asyncio.to_thread(self._spool.secure, [one for one in seen if one.saw in _ENDS])
        return seen

    async def _again(self, budget: float) -> dict[str, list[Row]] | None:
        try:
            return by_token(await self._query(budget=budget))
        except EnvironmentProblem:
            return None

    def _interpret(
        self, watched: Sequence[Watched], rows: dict[str, list[Row]] | None, accounting: Accounting | None
    ) -> list[Conclusions]:
        now = self._clock()
        return [
            conclude(
                View(
                    watched=one,
                    records=self._spool.records_of(one),
                    rows=None if rows is None else rows.get(one.token, ()),
                    accounting=accounting,
                    now=now,
                    grace=self._grace,
                    queue_decides=self._dialect.queue_decides,
                )
            )
            for one in watched
        ]

    async def _account(self, watched: Iterable[Watched], budget: float) -> Accounting | None:
        """Return what accounting has on jobs; nothing where it has none.

        None where there was too little time for its answer: nothing follows from that. An accounting that
        gives no answer in the time of any command has none.
        """
        whole = min(self._budget.left(), budget) >= process.TIMEOUT_SECONDS
        some = [one for one in watched if one.purpose is not Purpose.LATE]
        there = self._site is None or self._site.accounting
        call = self._dialect.account(some, user()) if there else None
        if call is None:
            return {}
        try:
            return await self._commands.ask(call, within=budget)
        except CommandFailed as error:
            return {} if whole or not error.silent else None
        except EnvironmentProblem:
            return {}

    async def stored(self, ends: Sequence[Observation]) -> None:
        with suppress(OSError):
            await asyncio.to_thread(self._spool.tidy, [one for one in ends if one.saw in _ENDS])

    # -- cancelling -------------------------------------------------------------------------------

    async def cancel(
        self, targets: Sequence[Target], *, force: bool, budget: float = math.inf
    ) -> Sequence[Target]:
        """Have the cluster delete, and see that it does: what its command says tells too little.

        Returned is what it still lists as being deleted. A cluster whose counter was set back may have given
        a number to another job.
        """
        listed = await self._query(retry_for=CANCEL_RETRY_SECONDS, budget=budget)
        owners = {row.native_id: row.token for row in listed}
        wanted = {one.token: one for one in targets if owners.get(one.native_id, one.token) == one.token}
        if not wanted:
            return ()
        calls = self._dialect.cancel([(one.native_id, numbers_of(one)) for one in wanted.values()])
        words = "".join([await self._commands.ask(call, within=budget) for call in calls])
        left: list[Target] = []
        for _ in range(CONFIRM_LOOKS):
            rows = by_token(await self._query(retry_for=CANCEL_RETRY_SECONDS, budget=budget))
            left = [one for one in wanted.values() if is_there(one, rows.get(one.token, ()))]
            if not left:
                return [one for one in wanted.values() if is_there(one, rows.get(one.token, ()), dying=True)]
            await asyncio.sleep(CONFIRM_PAUSE_SECONDS)
        names = ", ".join(sorted(one.native_id for one in left))
        raise EnvironmentProblem(f"the cluster did not delete {names}: {words.strip() or 'it said nothing'}")

    # -- telling ----------------------------------------------------------------------------------

    async def explain(self, watched: Sequence[Watched]) -> Sequence[Evidence]:
        sent = [one for one in watched if one.native_id is not None]
        plan = self._dialect.explain(sent, user(), self._clock())
        return await self._commands.carry_out(plan) if sent else ()

    def judge(self, spec: JobSpec, seconds: float | None, usage: Usage | None) -> Sequence[str]:
        return self._dialect.judge(spec, seconds, usage)

    async def check(self) -> Sequence[Finding]:
        command = self._dialect.programs.names[0]
        try:
            path = self._commands.binaries.path(command)
        except JmanError as error:
            return [Finding(command, "not here", str(error))]
        found = await self._commands.carry_out(self._dialect.check(user()))
        return [Finding(command, path), *found]


def _script_path(request: LaunchRequest) -> Path:
    return Path(request.folder, f"script.{request.token}")
