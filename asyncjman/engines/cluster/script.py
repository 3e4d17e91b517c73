"""The job script that runs on a node: POSIX sh, no Python needed there.

It writes ``start.TASK`` and ``exit.TASK`` into the job's record folder (``records`` reads them).
A batch system signals the whole process group of a job (Grid Engine 8.1.9: USR1 of a soft limit, USR2
of ``-notify``; measured), so the command gets each signal itself. The script only survives it and notes it:
passing it on would deliver it twice. That is why the command runs in the foreground, which also
leaves SIGINT and SIGQUIT as the command expects them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from shlex import quote

from asyncjman.engines.base import LaunchRequest
from asyncjman.engines.cluster.dialect import ScriptRules
from asyncjman.engines.cluster.numbers import Run, runs_of
from asyncjman.engines.cluster.script_dependencies import Predecessor, dependency_part
from asyncjman.engines.cluster.script_records import FUNCTIONS
from asyncjman.engines.cluster.time_limit import END_AGAIN, end_part, watch_part
from asyncjman.errors import UsageError
from asyncjman.model.array import ArraySpec
from asyncjman.model.job import PLAIN_TASK
from asyncjman.model.sweep import Sweep, fill
from asyncjman.system.logs import display_name, earlier_log, logs_from


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """All that a job script is made of. Paths are absolute."""

    job_id: int
    records: str
    argv: tuple[str, ...]
    exec_dir: str
    name: str
    environment: Mapping[str, str] = field(default_factory=dict)
    """The user's own variables."""
    stdout: str | None = None
    """The output log; for an array without the ``.TASK`` at its end. None: output is dropped."""
    stderr: str | None = None
    array: ArraySpec | None = None
    sweep: Sweep | None = None
    """The parameters of the tasks; ``{name}`` in ``argv`` stands for a value."""
    attempt: int = 1
    task_map: tuple[tuple[int, int], ...] = ()
    """(task id, attempt) by the cluster's numbers 1, 2, 3… of tasks; empty where these are the task ids."""
    predecessors: tuple[Predecessor, ...] = ()
    time_limit: float | None = None
    """Seconds that the command may take."""
    rules: ScriptRules = field(default_factory=ScriptRules)


def script_of(request: LaunchRequest, rules: ScriptRules) -> Script:
    """Return the script of a launch.

    Raises UsageError for an array that is no range, and has no map of tasks.
    """
    spec = request.spec
    logs = logs_from(request.logs, request.job_id, PLAIN_TASK) if request.logs is not None else None
    attempt = 1
    task_map: tuple[tuple[int, int], ...] = ()
    if isinstance(request.tasks, tuple):
        if spec.array is None:
            attempt = request.tasks[0].attempt
        else:
            task_map = tuple((one.task_id, one.attempt) for one in request.tasks)
    return Script(
        job_id=request.job_id,
        records=request.folder,
        argv=spec.interpreter + spec.command,
        sweep=spec.sweep,
        exec_dir=spec.exec_dir,
        name=display_name(spec),
        environment=spec.environment,
        stdout=logs[0] if logs else None,
        stderr=logs[1] if logs else None,
        array=spec.array,
        attempt=attempt,
        task_map=task_map,
        predecessors=tuple(
            Predecessor(
                job_id=one.job_id,
                records=one.folder,
                kind=one.kind,
                tasks=one.tasks.ranges if one.tasks else (),
                stop_on_failure=one.stop_on_failure,
            )
            for one in request.after
        ),
        time_limit=request.time_limit if rules.keeps_time else None,
        rules=rules,
    )


def text_of(script: Script) -> bytes:
    """Return the job script. Bytes that are not UTF-8 (surrogates, PEP 383) stand in it as they were.

    Raises UsageError for what no process can be given: a NUL, a variable without a name.
    """
    parts = [
        f"#!/bin/sh\n# job {script.job_id} of asyncjman, attempt {script.attempt}; it is run on the node",
        f"jman_job={script.job_id}\njman_records={quote(script.records)}",
        _task_part(script),
        _native_part(script),
        FUNCTIONS,
        dependency_part(script.predecessors),
        _log_part(script),
        _command_part(script),
        _end_part(script),
    ]
    text = "\n".join(part for part in parts if part)
    if "\0" in text:
        raise UsageError("a NUL can't be in a command, a variable or a folder's name")
    return os.fsencode(text)


def _native_part(script: Script) -> str:
    rules = script.rules
    name = rules.array_id if script.array is not None and rules.array_id else rules.native_id
    restart = f"${{{rules.restart}:-0}}" if rules.restart else "unknown"
    return f"jman_native=${{{name}:-0}}\njman_restart={restart}"


def _task_part(script: Script) -> str:
    attempt = f"jman_attempt={script.attempt}"
    if script.array is None:
        return f"jman_task={PLAIN_TASK}\njman_tail=\n{attempt}"
    lines = [attempt]
    if script.task_map:
        lines.append(f"jman_number=${script.rules.task} jman_task=")
        lines.append("case $jman_number in ''|0*|*[!0-9]*) exit 1;; esac")
        lines += [_run_part(one) for one in runs_of(script.task_map, script.array)]
        lines.append('[ -n "$jman_task" ] || exit 1')
    else:
        lines.append(f"jman_task=${script.rules.task}\ncase $jman_task in ''|*[!0-9]*) exit 1;; esac")
        lines.append(f"jman_index=$(((jman_task - {script.array.first}) / {script.array.step}))")
    lines.append("jman_tail=.$jman_task")
    return "\n".join(lines)


def _run_part(run: Run) -> str:
    last = run.first + run.count - 1
    task, index = f"{run.task_id} + jman_number * {run.step}", f"{run.index} + jman_number"
    found = f"jman_task=$(({task})) jman_index=$(({index})) jman_attempt={run.attempt}"
    return f'[ -n "$jman_task" ] || [ "$jman_number" -gt {last} ] || {{ {found}; }}'


def _log_part(script: Script) -> str:
    folder = quote(script.exec_dir)
    lines = [
        "jman_now\njman_started=$jman_time",
        'jman_record start "started $jman_started"',
        f"cd {folder} 2>/dev/null || jman_fail {_words('folder missing: ', script.exec_dir)}",
        "jman_out=/dev/null\njman_err=/dev/null",
    ]
    for variable, log in (("jman_out", script.stdout), ("jman_err", script.stderr)):
        if log is None:
            continue
        parent = os.path.dirname(log)  # noqa: PTH120 - a string, not a path of this machine
        earlier = earlier_log(f"${variable}", 0).removesuffix("0")
        no_folder = _words("can't make the log folder ", parent)
        no_log = _words("can't write the log ", log)
        lines += [
            f'{variable}={quote(log)}"$jman_tail"',
            f"mkdir -p {quote(parent)} 2>/dev/null || jman_fail {no_folder}",
            f'jman_kept="{earlier}$((jman_attempt - 1))"',
            f'[ "$jman_attempt" -le 1 ] || [ -e "$jman_kept" ] || mv "${variable}" "$jman_kept" 2>/dev/null',
            # a link may lead to a file that isn't ours to write, and to open a pipe waits for its reader
            f'{{ [ ! -h "${variable}" ] && {{ [ ! -e "${variable}" ] || [ -f "${variable}" ]; }} &&',
            f'  (: >> "${variable}") 2>/dev/null; }} || jman_fail {no_log}"$jman_tail"',
        ]
    return "\n".join(lines)


_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# a shell keeps these for itself, and some fail when they are set
_SHELLS_OWN = frozenset(
    {"BASHOPTS", "BASH_VERSINFO", "EUID", "IFS", "LINENO", "OPTIND", "PPID", "PWD", "OLDPWD", "RANDOM"}
    | {"SECONDS", "SHELLOPTS", "UID", "_", "PS1", "PS2", "PS4", "ENV"}
)


def _command_part(script: Script) -> str:
    lines = ['export TMPDIR="${TMPDIR:-${TMP:-/tmp}}"']
    lines.append(f"export JOB_NAME={quote(script.name)}")
    lines.append(f'export JOB_ID="$jman_native" JMAN_JOB_ID={script.job_id} JMAN_ATTEMPT="$jman_attempt"')
    if array := script.array:
        lines.append('export SGE_TASK_ID="$jman_task"')
        lines.append(f'export JMAN_TASK_INDEX="$jman_index" JMAN_TASK_COUNT={len(array)}')
        lines.append(
            f"export SGE_TASK_FIRST={array.first} SGE_TASK_LAST={array.last} SGE_TASK_STEPSIZE={array.step}"
        )
    else:
        names = ("SGE_TASK_ID", "SGE_TASK_FIRST", "SGE_TASK_LAST", "SGE_TASK_STEPSIZE")
        lines.append("export " + " ".join(f"{name}=undefined" for name in names))
        lines.append("export JMAN_TASK_INDEX=0 JMAN_TASK_COUNT=1")
    by_env: list[str] = []
    for key, value in script.environment.items():
        if not key or "=" in key:
            raise UsageError(f"{key!r} can't be the name of an environment variable")
        if _IDENTIFIER.fullmatch(key) and key not in _SHELLS_OWN:
            lines.append(f"export {key}={quote(value)}")
        else:
            by_env.append(quote(f"{key}={value}"))
    argv = " ".join(map(quote, script.argv))
    if script.sweep is not None:
        lines.append(_sweep_part(script, script.sweep))
        argv = '"$@"'
    if by_env:
        if "=" in script.argv[0]:
            raise UsageError(
                f"{script.argv[0]!r} can't be run with a variable whose name the shell does not allow"
            )
        argv = f"/usr/bin/env -- {' '.join(by_env)} {argv}"
    lines.append(f"exec {argv}")
    body = "\n".join(lines)
    before, behind = "", ""
    if script.time_limit is not None:
        before, behind = f"\n{watch_part(script.time_limit)}", f"\n{end_part(script.time_limit)}"
    return f"""
case $jman_signal in TERM|USR2|XCPU) jman_fail "stopped before it started";; esac{before}
(
{body}
) </dev/null >>"$jman_out" 2>>"$jman_err"
jman_status=$?{behind}""".lstrip("\n")


def _sweep_part(script: Script, sweep: Sweep) -> str:
    """Set the parameters of the task, and its command as the arguments of the shell."""
    assert script.array is not None
    lines = ["case $jman_task in"]
    for task_id in script.array:
        values = sweep.at(task_id - 1)
        exports = " ".join(f"JMAN_PARAM_{name}={quote(value)}" for name, value in values.items())
        words = " ".join(map(quote, fill(script.argv, values)))
        lines.append(f"{task_id}) export {exports}; set -- {words};;")
    return "\n".join([*lines, "esac"])


def _end_part(script: Script) -> str:
    record = 'jman_record exit "started $jman_started\nsignal $jman_signal\nexit_status $jman_status"'
    changed = "".join(f" {status}) exit {other};;" for status, other in script.rules.exit_statuses.items())
    cases = [f"case $jman_status in{changed} esac"] if changed else []
    again = [END_AGAIN] if script.time_limit is not None else []
    return "\n".join([record, *again, *cases, 'exit "$jman_status"']) + "\n"


def _words(start: str, path: str) -> str:
    """Return words for a record, where a line break would end them."""
    return quote(start + path.replace("\n", "?"))
