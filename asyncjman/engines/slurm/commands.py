"""Command lines of Slurm, built from values: nothing is run here.

Their first words are names of commands. Options are written ``--option=value``, which takes any value.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote

from asyncjman.engines.slurm.nodes import NODE_FIELDS
from asyncjman.engines.slurm.tasks import format_tasks
from asyncjman.engines.slurm.tokens import comment_of

PLAIN: Mapping[str, str] = {"LC_ALL": "C", "SLURM_BITSTR_LEN": "0", "SLURM_TIME_FORMAT": "%s"}
"""For what is read: whole lists of tasks (else cut to 64 characters), and times in seconds since 1970."""
QUEUE_FIELDS = (
    "ArrayJobID",
    "ArrayTaskID",
    "JobID",
    "State",
    "exit_code",
    "RestartCnt",
    "StartTime",
    "EndTime",
    "NodeList",
    "Reason",
    "Comment",
)
"""The comment is the last one: of another job it may hold anything, line breaks too."""
WAIT_FIELDS = (
    "ArrayJobID",
    "ArrayTaskID",
    "State",
    "StartTime",
    "Partition",
    "TimeLimit",
    "Reason",
    "Comment",
)
ACCOUNTING_FIELDS = ("JobID", "State", "ExitCode", "Submit", "Start", "End", "NodeList", "TotalCPU", "MaxRSS")
_CONTROL = re.compile(r"[\x00-\x1f\x7f/]+")
_MAX_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One call of sbatch. Paths are absolute."""

    token: str
    name: str
    script: str
    output: str
    """Of the script itself, which says something only where it can't write elsewhere."""
    tasks: range | None = None
    throttle: int | None = None
    after: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Kinds of dependencies as ``--dependency`` names them, each with native ids; all must hold."""
    not_before: float | None = None
    """When it may start, in seconds since 1970; sbatch is given the next whole second, in local time."""
    options: tuple[str, ...] = ()
    """From ``resources.options``."""


def sbatch(one: Submission) -> list[str]:
    """Return the command line that submits.

    The script stays where it is, and is run from there: what sbatch copies may have 4 MiB. ``--no-requeue``:
    what ran once is not run again by the cluster. The options come last, so that they win (but for the
    start of a retry).
    """
    argv = ["sbatch", "--parsable", f"--comment={comment_of(one.token)}", f"--job-name={job_name(one.name)}"]
    argv += ["--export=ALL", "--chdir=/", f"--output={_pattern(one.output)}", "--open-mode=append"]
    argv += ["--no-requeue"]
    if one.tasks is not None:
        throttle = f"%{one.throttle}" if one.throttle else ""
        argv.append(f"--array={format_tasks([one.tasks])}{throttle}")
    if one.after:
        conditions = ",".join(":".join([kind, *native_ids]) for kind, native_ids in one.after)
        argv += [f"--dependency={conditions}", "--kill-on-invalid-dep=yes"]
    # after the options, for it is later than a time that they may name: the job has been run once
    start = [f"--begin={_moment(one.not_before)}"] if one.not_before is not None else []
    return [*argv, *one.options, *start, f"--wrap=exec /bin/sh {quote(one.script)}"]


def squeue(user: str, fields: Sequence[str]) -> list[str]:
    """Return the one command of a poll.

    Never with ``-r``: 22.05 loses the last task of a pending array with a step.
    """
    return ["squeue", "--noheader", "--states=all", f"--user={user}", f"--Format={_layout(fields)}"]


def scancel(targets: Iterable[tuple[str, Sequence[range]]]) -> list[str]:
    """Return the command that ends jobs, or tasks of them, all in one call."""
    words = [
        f"{native_id}_[{format_tasks(numbers)}]" if numbers else native_id for native_id, numbers in targets
    ]
    if not words or not all(words):
        raise ValueError("no job is named")
    return ["scancel", *words]


def sacct(native_ids: Sequence[str]) -> list[str]:
    """Return the command that asks accounting; with ``--jobs`` it goes back as far as it can."""
    if not native_ids:
        raise ValueError("no job is named")
    fields = ",".join(ACCOUNTING_FIELDS)
    return ["sacct", "--noheader", "--parsable2", f"--format={fields}", f"--jobs={','.join(native_ids)}"]


def show_config() -> list[str]:
    return ["scontrol", "show", "config"]


def partitions() -> list[str]:
    """Return the command that prints the partitions, one a line: name (* for the default one), state."""
    return ["sinfo", "--noheader", "--format=%P|%a"]


def nodes() -> list[str]:
    """Return the command that prints how the nodes are, in groups, a line each."""
    return ["sinfo", "--noheader", f"--Format={_layout(NODE_FIELDS)}"]


def test_only(options: Sequence[str] = ()) -> list[str]:
    """Return the command that asks whether this user can submit; it submits nothing."""
    return ["sbatch", "--test-only", "--output=/dev/null", *options, "--wrap=true"]


def job_name(name: str) -> str:
    """Return a name that Slurm takes, and shows in a line."""
    return _CONTROL.sub("_", name)[:_MAX_NAME] or "job"


def _layout(fields: Sequence[str]) -> str:
    """Return fields as --Format takes them: whole, with | between."""
    return ",".join(f"{one}:|" for one in fields[:-1]) + f",{fields[-1]}:"


def _pattern(path: str) -> str:
    """Return a path as a file name pattern; a backslash in it means that there are no patterns."""
    return path if "\\" in path else path.replace("%", "%%")


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(math.ceil(seconds)))
