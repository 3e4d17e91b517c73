"""What sacct prints: a line for each job or task, and one for each of its steps."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from asyncjman.engines.base import Observation, Watched
from asyncjman.engines.cluster.dialect import Accounting, ParseError
from asyncjman.engines.slurm.commands import ACCOUNTING_FIELDS
from asyncjman.engines.slurm.ends import Ended, end_of
from asyncjman.engines.slurm.squeue import time_of
from asyncjman.engines.slurm.states import ENDED
from asyncjman.model.job import PLAIN_TASK, Usage
from asyncjman.system.tool import Completed

_OFF = "accounting storage is disabled"
_ID = re.compile(r"(\d{1,10})(?:_(\d{1,10}))?(\.\S+)?", re.ASCII)
_EXIT = re.compile(r"(\d{1,3}):(\d{1,3})", re.ASCII)
_CPU = re.compile(r"(?:(\d{1,6})-)?(?:(\d{1,3}):)?(\d{1,3}):(\d{1,3}(?:\.\d{1,6})?)", re.ASCII)
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)([KMGT]?)", re.ASCII)
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_SLACK_SECONDS = 60.0
"""So much the clocks of this machine and of the controller may differ."""


def is_off(done: Completed) -> bool:
    """Tell whether the site has no accounting."""
    return _OFF in (done.stderr + done.stdout).lower()


def parse_sacct(done: Completed, watched: Sequence[Watched]) -> Accounting:
    """Read the ends of launches; a task that was started anew has several, of which the last one counts.

    A job whose counterpart here was made after it is another one: its cluster was set up anew, and gave
    the same number again. Raises ParseError.
    """
    if is_off(done):
        return {}
    if done.exit_status != 0:
        raise ParseError((done.stderr or done.stdout).strip() or "sacct said nothing")
    launches = {one.native_id: one for one in watched if one.native_id is not None}
    found: dict[tuple[str, int], Observation] = {}
    usage: dict[tuple[str, int], Usage] = {}
    for line in done.stdout.splitlines():
        fields = line.split("|")
        if len(fields) != len(ACCOUNTING_FIELDS):
            raise ParseError(f"sacct's output can't be read: {line!r}")
        match = _ID.fullmatch(fields[0])
        if match is None:
            continue  # tasks that have not started: 7_[1,3-4]
        key = (match[1], int(match[2]) if match[2] else PLAIN_TASK)
        if match[3]:
            if match[3] == ".batch":
                usage[key] = _usage(fields)
        elif end := _end(match[1], fields, launches):
            found[key] = end
    for key, used in usage.items():
        if key in found:
            found[key].usage = used
    return found


def _end(native_id: str, fields: Sequence[str], launches: Mapping[str, Watched]) -> Observation | None:
    _, state, code, submit, start, end, nodes, *_ = fields
    words = state.split()  # CANCELLED by 0
    exit_code = _EXIT.fullmatch(code)
    launch = launches.get(native_id)
    if not words or words[0] not in ENDED or exit_code is None or launch is None:
        return None
    submitted = time_of(submit)
    if submitted is not None and submitted < launch.created_at - _SLACK_SECONDS:
        return None
    return end_of(
        Ended(
            native_id,
            words[0],
            exit_status=int(exit_code[1]),
            signal=int(exit_code[2]),
            started_at=time_of(start),
            finished_at=time_of(end),
            nodes="" if nodes == "None assigned" else nodes,
            token=launch.token,
        )
    )


def _usage(fields: Sequence[str]) -> Usage:
    cpu, peak = _CPU.fullmatch(fields[7]), _SIZE.fullmatch(fields[8])
    seconds = 0.0
    if cpu:
        days, hours, minutes = (int(one or 0) for one in cpu.groups()[:3])
        seconds = ((days * 24 + hours) * 60 + minutes) * 60 + float(cpu[4])
    return Usage(seconds, round(float(peak[1]) * _UNITS[peak[2]]) if peak else 0)
