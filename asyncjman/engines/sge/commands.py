"""Command lines of Grid Engine, built from values: nothing is run here.

All first arguments ``program`` are the commands: their names, or their paths.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from asyncjman.errors import UsageError

SHELL = "/bin/sh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One call of qsub. Paths are absolute; ``work_dir`` and ``script`` are ours and hold no comma."""

    name: str
    work_dir: str
    script: str
    script_args: tuple[str, ...] = ()
    stdout: str = "/dev/null"
    """Of the script itself, which says something only where it can't write elsewhere."""
    stderr: str = "/dev/null"
    tasks: range | None = None
    """Grid Engine takes one range with a step, from 1 on."""
    throttle: int | None = None
    hold: tuple[int | str, ...] = ()
    """Native ids of the jobs to wait for; those that Grid Engine doesn't know any more, it ignores."""
    hold_per_task: tuple[int | str, ...] = ()
    """Native ids of arrays with the same range: task i waits for task i."""
    not_before: float | None = None
    """When it may start, in seconds since 1970; qsub is given the next whole second, in local time."""
    options: tuple[str, ...] = ()
    """From ``resources.options``."""


def qsub(program: str, submission: Submission) -> list[str]:
    """Return the command line that submits.

    ``-b y -shell n`` runs ``/bin/sh SCRIPT`` with no login shell before it, and hands the
    arguments over unchanged. The colon before a path keeps it whole where it has colons of its
    own. ``-r n``: what ran once is not run again by the cluster. The options come last, so that they win
    (but for the start of a retry).

    Raises UsageError for a path with a comma or a newline: qsub has no way to quote it.
    """
    one = submission
    for path in (one.work_dir, one.script, one.stdout, one.stderr):
        if "," in path or "\n" in path:
            raise UsageError(f"Grid Engine can't use a path with a comma or a line break: {path!r}")
    argv = [program, "-terse", "-b", "y", "-shell", "n", "-r", "n", "-N", one.name, "-wd", one.work_dir]
    argv += ["-o", f":{one.stdout}", "-e", f":{one.stderr}"]
    if one.tasks is not None:
        argv += ["-t", _range(one.tasks)]
        if one.throttle:
            argv += ["-tc", str(one.throttle)]
    if one.hold:
        argv += ["-hold_jid", ",".join(map(str, one.hold))]
    if one.hold_per_task:
        argv += ["-hold_jid_ad", ",".join(map(str, one.hold_per_task))]
    # after the options, for it is later than a time that they may name: the job has been run once
    start = ["-a", _moment(one.not_before)] if one.not_before is not None else []
    return [*argv, *one.options, *start, SHELL, one.script, *one.script_args]


def qalter_verify(program: str, native_ids: Iterable[int | str], how: str) -> list[str]:
    """Return the command that asks whether jobs could run: ``v`` ever, ``p`` now. It changes nothing."""
    return [program, "-w", how, *_some(native_ids)]


def qstat(program: str, user: str) -> list[str]:
    """Return the one command of a poll. The user is always named: a site's defaults can change it."""
    return [program, "-u", user, "-xml"]


def qstat_jobs(program: str, native_ids: Iterable[int | str]) -> list[str]:
    """Return the command that describes jobs in detail, by native ids or name patterns."""
    return [program, "-j", ",".join(_some(native_ids))]


def qdel(program: str, native_ids: Iterable[int | str]) -> list[str]:
    """Return the command that deletes whole jobs, all in one call."""
    return [program, *_some(native_ids)]


def qdel_tasks(program: str, native_id: int | str, tasks: Sequence[range]) -> list[str]:
    """Return the command that deletes tasks of one array, by Grid Engine's numbers of them."""
    return [program, *_some(f"{native_id}.{_range(one)}" for one in tasks)]


def qacct_names(program: str, pattern: str, *, user: str | None = None) -> list[str]:
    """Return the command that prints the records of jobs by name or pattern, of one owner where given."""
    if not pattern:
        raise ValueError("an empty name would print the whole accounting file")
    return [program, *(("-o", user) if user else ()), "-j", pattern]


def qsub_anything(program: str) -> list[str]:
    """Return the command that asks whether this user can submit from this host; it submits nothing."""
    return [program, "-w", "v", "-b", "y", "-shell", "n", "/bin/true"]


def qconf_queues(program: str) -> list[str]:
    """Return the command that prints the names of all queues, one a line."""
    return [program, "-sql"]


def _range(tasks: range) -> str:
    if not tasks or tasks[0] < 1:
        raise UsageError("Grid Engine numbers tasks from 1")
    return f"{tasks[0]}-{tasks[-1]}:{tasks.step}" if len(tasks) > 1 else f"{tasks[0]}"


def _moment(seconds: float) -> str:
    """Write a time as qsub's ``-a`` takes it."""
    return time.strftime("%Y%m%d%H%M.%S", time.localtime(math.ceil(seconds)))


def _some(ids: Iterable[int | str]) -> list[str]:
    """Return the ids as words; an empty list would mean all jobs to some commands."""
    words = [str(one) for one in ids]
    if not words or not all(words):
        raise ValueError("no job is named")
    return words
