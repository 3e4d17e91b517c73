"""All parsers of Grid Engine's output: pure functions that raise ParseError, and nothing else."""

from __future__ import annotations

import re

from asyncjman.engines.cluster.dialect import ParseError
from asyncjman.engines.sge.accounting import AccountingRecord, latest, parse_qacct
from asyncjman.engines.sge.qstat import QueueEntry, parse_qstat, parse_tasks
from asyncjman.engines.sge.qstat_job import JobDetail, are_unknown, parse_qstat_j
from asyncjman.engines.sge.states import is_error, note_of, saw_of

__all__ = [
    "AccountingRecord",
    "JobDetail",
    "ParseError",
    "QueueEntry",
    "are_unknown",
    "is_error",
    "latest",
    "note_of",
    "parse_qacct",
    "parse_qstat",
    "parse_qstat_j",
    "parse_qsub",
    "parse_tasks",
    "saw_of",
]

_TERSE = re.compile(r"(\d{1,10})(?:\.\d{1,10}-\d{1,10}:\d{1,10})?", re.ASCII)


def parse_qsub(stdout: str) -> int:
    """Return the native id from the output of ``qsub -terse``, which a site may have put lines before.

    Raises ParseError where there is none. Check qsub's exit status first.
    """
    for line in reversed(stdout.splitlines()):
        if match := _TERSE.fullmatch(line.strip()):
            return int(match[1])
    raise ParseError(f"qsub printed no job number: {stdout.strip()[:200]!r}")
