"""Sun Grid Engine: submits job scripts, asks for the state of all of them at once, deletes."""

from __future__ import annotations

import asyncio
import getpass
import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path, PurePath
from typing import Any, Literal

from asyncjman.errors import UsageError
from asyncjman.executors import command
from asyncjman.executors.budget import Budget
from asyncjman.executors.command import CommandFailed, Completed, run_with_retry
from asyncjman.executors.logs import refuse_foreign_link
from asyncjman.executors.script import Script, native_range, text_of
from asyncjman.executors.sge import commands
from asyncjman.executors.sge.binaries import Binaries, locate
from asyncjman.executors.sge.limits import limits_of
from asyncjman.executors.sge.names import grid_name
from asyncjman.executors.sge.parse import (
    AccountingRecord,
    JobDetail,
    ParseError,
    QueueEntry,
    are_unknown,
    latest,
    parse_qacct,
    parse_qstat,
    parse_qstat_j,
    parse_qsub,
)
from asyncjman.executors.sge.resources import (
    QueueOption,
    ResourceRules,
    Resources,
    options,
    queues_in,
    unknown_queue,
)
from asyncjman.executors.sge.verification import Verdict, parse_verification
from asyncjman.model.job import PLAIN_TASK

QUEUES_SECONDS = 10.0
"""Which queues there are is asked before a job is sent, and should be known at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A job, or some tasks of it, to be submitted."""

    script: Script
    token: str
    """Goes into the job's name, by which it is found again."""
    folder: str
    """The job's spool folder, absolute."""
    resources: Mapping[str, Any]
    hold: tuple[int, ...] = ()
    hold_per_task: tuple[int, ...] = ()
    not_before: float | None = None
    """When it may start, in seconds since 1970; None: at once."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be run to submit a job, and the script that would be submitted."""

    command: list[str]
    script: bytes


class SgeExecutor:
    """Grid Engine, as this host's commands reach it."""

    name = "sge"

    def __init__(self, resource_rules: Mapping[str, Any] | None = None, budget: Budget | None = None) -> None:
        self.budget = budget or Budget()
        self._rules = make_rules(resource_rules or {})
        self._found: Binaries | None = None
        self._queues: Collection[str] | None = None

    @property
    def user(self) -> str:
        return getpass.getuser()

    async def submit(self, order: Order, *, patience: float | None = None) -> int:
        """Write the job script, submit it, and return the grid id.

        Raises CommandFailed with qsub's own words; it may be ``ambiguous``: the job may be there.
        Raises UsageError for a queue that the cluster does not have.
        """
        await asyncio.to_thread(_write, Path(self._script_path(order)), text_of(order.script))
        argv = commands.qsub(self._binaries.path("qsub"), await self._submission(order))
        try:
            done = await self._ask(argv, patience=patience, repeatable=False)
        except CommandFailed as error:
            asked = queues_in(make_resources(order.resources).queue)
            if (queue := unknown_queue(error.words)) in asked:
                with suppress(CommandFailed):
                    if there := await self.queues():
                        names = ", ".join(sorted(there))
                        raise UsageError(f"the cluster has no queue {queue}: there are {names}") from error
            raise
        try:
            return parse_qsub(done.stdout)
        except ParseError as error:
            raise CommandFailed("qsub", done.returncode, str(error), ambiguous=True) from error

    async def preview(self, order: Order) -> Preview:
        """Return what ``submit`` would do."""
        argv = commands.qsub(self._binaries.path("qsub"), await self._submission(order))
        return Preview(argv, text_of(order.script))

    def limits(self, resources: Mapping[str, Any]) -> dict[str, float]:
        """Return the limits that a job is given, by Grid Engine's names for them, in seconds or bytes."""
        made = make_resources(resources)
        return limits_of(options(made, self._rules), made.slots or 1)

    async def verify(self, order: Order) -> str | None:
        """Return why the cluster could never run this, None where it could."""
        argv = commands.qsub_verify(self._binaries.path("qsub"), await self._submission(order))
        done = await self._ask(argv, check=False)
        return None if done.returncode == 0 else (done.stdout + done.stderr).strip()

    async def may_submit(self) -> str | None:
        """Return why this user can't submit from this host, None where it works (nothing is submitted)."""
        argv = [self._binaries.path("qsub"), "-w", "v", "-b", "y", "-shell", "n", "/bin/true"]
        try:
            done = await self._ask(argv, check=False)
        except CommandFailed as error:
            return str(error)
        return None if done.returncode == 0 else (done.stderr or done.stdout).strip()

    async def query(self, *, patience: float = 0.0) -> list[QueueEntry]:
        """Return what the cluster says of all this user's jobs, from one qstat.

        Raises CommandFailed where it doesn't answer, or nothing that can be read: nothing is known then.
        """
        argv = commands.qstat(self._binaries.path("qstat"), self.user)
        done = await self._ask(argv, patience=patience)
        try:
            return parse_qstat(done.stdout)
        except ParseError as error:
            raise CommandFailed("qstat", 0, str(error), transient=True) from error

    async def delete(self, jobs: Iterable[int], tasks: Mapping[int, Sequence[range]]) -> str:
        """Delete whole jobs, and single tasks (the cluster's numbers) of others; return what qdel says.

        What isn't there any more is no error. Raises CommandFailed where the cluster doesn't answer.
        """
        whole = sorted(set(jobs))
        calls = [commands.qdel(self._binaries.path("qdel"), whole)] if whole else []
        for grid_id, some in tasks.items():
            calls.append(commands.qdel_tasks(self._binaries.path("qdel"), grid_id, some))
        words = ""
        for argv in calls:
            done = await self._ask(argv, check=False, patience=None)
            words += done.stdout + done.stderr
        return words

    async def account(self, pattern: str) -> dict[tuple[int, int], AccountingRecord] | None:
        """Return what accounting has on jobs by the pattern of their names; nothing where it has none.

        By grid id and the cluster's task number, 0 for a job with no array. None where there was too
        little time for its answer: nothing follows from that. An accounting that gives no answer in the
        time of any command has none.
        """
        whole = self.budget.left() >= command.TIMEOUT_SECONDS
        try:
            argv = commands.qacct_names(self._binaries.path("qacct"), pattern, user=self.user)
            done = await self._ask(argv, check=False)
            return latest(parse_qacct(done.stdout))
        except CommandFailed as error:
            return {} if whole or not error.silent else None
        except ParseError:
            return {}

    async def detail(self, grid_ids: Iterable[int]) -> list[JobDetail]:
        """Return what the cluster says of single jobs in detail; nothing of those it doesn't know.

        Raises CommandFailed where it doesn't answer, or nothing that can be read.
        """
        argv = commands.qstat_jobs(self._binaries.path("qstat"), grid_ids)
        done = await self._ask(argv, check=False)
        try:
            return parse_qstat_j(done.stdout)
        except ParseError as error:
            if are_unknown(done.stderr + done.stdout):
                return []
            if done.returncode != 0:
                raise command.failure(argv, done) from error
            raise CommandFailed("qstat", 0, str(error), transient=True) from error

    async def verify_jobs(self, grid_ids: Sequence[int], how: Literal["v", "p"]) -> dict[int, Verdict]:
        """Return whether jobs could run, by grid ids: ever (``v``), or now (``p``)."""
        argv = commands.qalter_verify(self._binaries.path("qalter"), grid_ids, how)
        done = await self._ask(argv, check=False)
        return parse_verification(done.stdout, grid_ids)

    async def queues(self) -> Collection[str]:
        """Return the names of the cluster's queues, none where it doesn't say.

        Raises CommandFailed where it doesn't answer now, but may later.
        """
        if self._queues is None:
            argv = commands.qconf_queues(self._binaries.path("qconf"))
            try:
                done = await self._ask(argv, check=False, timeout=QUEUES_SECONDS)
            except CommandFailed as error:
                if error.transient:
                    error.ambiguous = False  # it was a question only
                    raise
                return ()
            self._queues = done.stdout.split() if done.returncode == 0 else ()
        return self._queues

    @property
    def _binaries(self) -> Binaries:
        if self._found is None:
            self._found = locate()
        return self._found

    async def _ask(
        self,
        argv: list[str],
        *,
        check: bool = True,
        patience: float | None = 0.0,
        repeatable: bool = True,
        timeout: float = math.inf,
    ) -> Completed:
        """Run a command of the cluster, in the time that is left for all of them."""
        left = self.budget.left()
        program = PurePath(argv[0]).name
        if left <= 0:
            failed = CommandFailed(program, None, self.budget.words, transient=True)
            failed.silent = True
            raise failed
        timeout = min(timeout, left, command.TIMEOUT_SECONDS)
        patience = min(left, command.PATIENCE_SECONDS if patience is None else patience)
        try:
            return await run_with_retry(
                argv,
                env=self._binaries.environment,
                check=check,
                timeout=timeout,
                patience=patience,
                repeatable=repeatable,
            )
        except CommandFailed as error:
            if error.silent:
                self.budget.got_no_answer(timeout)
            raise

    async def _submission(self, order: Order) -> commands.Submission:
        script = order.script
        resources = make_resources(order.resources)
        asked = queues_in(resources.queue)
        known = () if set(asked) <= set(self._rules.default_queues) else await self.queues()
        tasks = None
        if script.mapped:
            tasks = range(1, len(script.mapped) + 1)
        elif script.array is not None:
            tasks = native_range(script.array)
        return commands.Submission(
            name=grid_name(script.job_id, f"{order.token}_{script.name}"),
            work_dir=order.folder,
            script=self._script_path(order),
            stdout=str(Path(order.folder, "output")),
            stderr=str(Path(order.folder, "output")),
            tasks=tasks,
            throttle=script.array.throttle if script.array else None,
            hold=order.hold,
            hold_per_task=order.hold_per_task,
            not_before=order.not_before,
            options=options(resources, self._rules, queues=known),
        )

    @staticmethod
    def forget(folder: str, token: str) -> None:
        """Delete the script of a job that was not taken, and its folder if nothing else is there."""
        with suppress(OSError):
            Path(folder, f"script.{token}").unlink(missing_ok=True)
            Path(folder).rmdir()
            Path(folder).parent.rmdir()

    @staticmethod
    def _script_path(order: Order) -> str:
        return str(Path(order.folder, f"script.{order.token}"))


def _write(path: Path, text: bytes) -> None:
    """Write a script, which nothing must be in the place of."""
    refuse_foreign_link(str(path.parents[2]), str(path))
    path.parent.parent.mkdir(mode=0o755, exist_ok=True)  # whatever the umask: nobody else may write there
    path.parent.mkdir(mode=0o755, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
        file.write(text)


def make_resources(values: Mapping[str, Any]) -> Resources:
    """Build Resources from what is stored; a list becomes a tuple."""
    known = {one.name for one in fields(Resources)}
    found: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in values.items()
        if key in known
    }
    return Resources(**found)


def make_rules(values: Mapping[str, Any]) -> ResourceRules:
    """Build a site's rules from its settings. Raises UsageError for one that makes no sense."""
    known = {one.name for one in fields(ResourceRules)}
    if unknown := values.keys() - known:
        raise UsageError(
            f"no setting [resources] {', '.join(sorted(unknown))}: there are {', '.join(sorted(known))}"
        )
    changed: dict[str, Any] = {}
    for key, value in values.items():
        words = value if isinstance(getattr(ResourceRules(), key), tuple) else [value]
        if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
            kind = "a text" if words is not value else "a list of texts"
            raise UsageError(f"[resources] {key.replace('_', '-')} must be {kind}")
        changed[key] = tuple(value) if words is value else value
    if "queue_option" in changed:
        try:
            changed["queue_option"] = QueueOption(changed["queue_option"])
        except ValueError:
            raise UsageError("[resources] queue-option is auto, -l or -q") from None
    return ResourceRules(**changed)


def number_of(task_id: int, mapped: Sequence[int]) -> int:
    """Return the cluster's number of a task, 0 for the one task of a job with no array."""
    if task_id == PLAIN_TASK or not mapped:
        return task_id
    return mapped.index(task_id) + 1
