"""What squeue prints: all jobs of a user, those too that ended within MinJobAge."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from asyncjman.engines.base import IN_ERROR
from asyncjman.engines.cluster.dialect import ParseError, Row
from asyncjman.engines.slurm.commands import QUEUE_FIELDS, WAIT_FIELDS
from asyncjman.engines.slurm.ends import Ended, end_of
from asyncjman.engines.slurm.states import ENDED, NEVER, note_of, saw_of
from asyncjman.engines.slurm.tasks import parse_tasks
from asyncjman.engines.slurm.tokens import token_in
from asyncjman.system.tool import Completed

_START = re.compile(r"\d{1,10}\|[^|\n]*\|", re.ASCII)
_CODE = re.compile(r"(\d{1,10})(?::(\d{1,3}))?", re.ASCII)
_LATEST = 32503680000.0
"""The year 3000: a time after it is no time."""


class Waiting(NamedTuple):
    """A job, or some tasks of it, that has not ended."""

    native_id: str
    token: str | None
    numbers: tuple[range, ...]
    state: str
    reason: str
    start: float | None
    """When it is to start, as far as the cluster has planned, in seconds since 1970."""
    partition: str
    time_limit: str


def parse_squeue(done: Completed) -> list[Row]:
    """Read the answer of a poll.

    Raises ParseError for one that can't be read. squeue ends with exit status 0 also where it did not
    understand the question: it prints only an error then.
    """
    return [_row(fields) for fields in _lines(done, len(QUEUE_FIELDS))]


def parse_waiting(done: Completed) -> list[Waiting]:
    """Read what squeue says of jobs that wait or run. Raises ParseError."""
    return [
        Waiting(
            native_id,
            token_in(comment),
            parse_tasks(numbers),
            state,
            reason,
            time_of(start),
            partition,
            time_limit,
        )
        for native_id, numbers, state, start, partition, time_limit, reason, comment in _lines(
            done, len(WAIT_FIELDS)
        )
        if state not in ENDED
    ]


def _lines(done: Completed, count: int) -> list[Sequence[str]]:
    """Split the lines into fields; the last field of another job may go on over several lines."""
    if not done.stdout.strip() and done.stderr.strip():
        raise ParseError(f"squeue did not answer: {done.stderr.strip()}")
    found: list[list[str]] = []
    for line in done.stdout.splitlines():
        fields = line.split("|", count - 1)
        if _START.match(line) and len(fields) == count:
            found.append(fields)
        elif not found:
            raise ParseError(f"squeue's output can't be read: {line!r}")
    return [[field.strip() for field in fields] for fields in found]


def _row(fields: Sequence[str]) -> Row:
    array_id, numbers, _, state, exit_code, restart, start, end, nodes, reason, comment = fields
    code = _CODE.fullmatch(exit_code)
    if code is None or not restart.isdecimal():
        raise ParseError(f"squeue's output can't be read: {'|'.join(fields)!r}")
    # the tasks of an array that have not started are listed with the reasons of those that have, too
    reason = reason.partition(",")[0].strip()
    token = token_in(comment)
    started = time_of(start)
    ended = None
    if state in ENDED:
        # one number is a wait status
        first, second = int(code[1]), code[2]
        ended = end_of(
            Ended(
                array_id,
                state,
                exit_status=first >> 8 if second is None else first,
                signal=first & 127 if second is None else int(second),
                started_at=started,
                finished_at=time_of(end),
                nodes=nodes,
                reason=reason,
                token=token or "",
            )
        )
    note = note_of(state, reason)
    return Row(
        native_id=array_id,
        token=token,
        numbers=parse_tasks(numbers),
        saw=saw_of(state, reason),
        engine_state=note,
        # of a job that waits it is a forecast
        at=started if nodes else None,
        host=nodes or None,
        restart=int(restart),
        end=ended,
        reason=f"{NEVER[reason]} ({reason})" if note == IN_ERROR else None,
    )


def time_of(text: str) -> float | None:
    """Read seconds since 1970; None for ``N/A``, ``NONE``, ``Unknown``, and what is no time."""
    if not re.fullmatch(r"\d{1,11}", text, re.ASCII):
        return None
    return float(text) if 86400 < int(text) < _LATEST else None
