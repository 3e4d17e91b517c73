"""``qacct -j``: what accounting says of jobs that ended."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from asyncjman.engines.cluster.dialect import ParseError
from asyncjman.engines.sge.failed import Failed, kind_of
from asyncjman.model.job import PLAIN_TASK

_RULE = re.compile(r"={20,}")
_FIRST_INTEGER = re.compile(r"\s*(-?\d{1,12})", re.ASCII)
_QUANTITY = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,12})?)\s*([kKMGTP]?)i?[Bb]?s?")
_FACTOR = {"": 1, "k": 1024, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4, "P": 1024**5}
_KIB = 1024
_LATEST = 32503680000.0
"""The year 3000: a time after it is no time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountingRecord:
    """One accounting record; a task that was restarted has several, of which the last one counts.

    Times in seconds since 1970, None for what never was. ``failed`` is Grid Engine's own code
    (0 for none); it may be other than 0 with exit status 0, so success is both being 0.
    """

    native_id: int
    task_id: int
    name: str
    owner: str
    account: str
    failed: int
    failed_text: str
    exit_status: int
    queue: str | None = None
    host: str | None = None
    slots: int = 1
    submitted_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    peak_virtual_memory_bytes: int | None = None

    @property
    def succeeded(self) -> bool:
        return self.failed == 0 and self.exit_status == 0

    @property
    def kind(self) -> Failed:
        """Return whose fault it was."""
        return kind_of(self.failed)

    @property
    def failure(self) -> str:
        """Return Grid Engine's code and its text."""
        return f"{self.failed} {self.failed_text}".strip()

    @property
    def signal(self) -> int | None:
        """Return the signal that ended it; an exit status of 137 alone may be the program's own."""
        by_signal = self.kind in (Failed.LIMIT, Failed.SIGNAL) and 128 < self.exit_status < 193
        return self.exit_status - 128 if by_signal else None

    @property
    def own_exit_status(self) -> int | None:
        """Return the exit status of the program itself; None where it had none, or none is known.

        0 counts only where nothing failed: Grid Engine writes it also where it knows of none.
        """
        if self.signal is not None or self.kind in (Failed.REFUSED, Failed.LOST):
            return None
        return self.exit_status if self.exit_status or self.failed == 0 else None


_NOTHING_YET = "no jobs running since startup"
"""What qacct prints, with exit status 1, of a cell in which no job has ended so far."""


def parse_qacct(text: str) -> list[AccountingRecord]:
    """Read the records that qacct prints, in their order; none where it found none.

    Numbers with and without units, with a signal's name after them, times in the formats of
    Sun's, Son of, Univa's and Open Cluster's Grid Engine. A record that is cut off is left out:
    half an exit status is none.

    Raises ParseError where the text is not qacct's.
    """
    if text.strip() == _NOTHING_YET:
        return []
    lines = text.split("\n")[:-1]
    if not any(map(_RULE.match, lines)) and text.strip():
        raise ParseError("qacct's output can't be read")
    records: list[AccountingRecord] = []
    fields: dict[str, str] | None = None
    for line in [*lines, "=" * 20]:
        if _RULE.match(line):
            if fields is not None and (record := _record(fields)):
                records.append(record)
            fields = {}
        elif fields is not None:
            key, _, value = line.strip().partition(" ")
            fields.setdefault(key, value.strip())
    return records


def latest(records: list[AccountingRecord]) -> dict[tuple[int, int], AccountingRecord]:
    """Return the last record of each (native id, task id)."""
    return {(one.native_id, one.task_id): one for one in records}


def _record(fields: dict[str, str]) -> AccountingRecord | None:
    native_id = _integer(fields.get("jobnumber"))
    failed = _integer(fields.get("failed"))
    exit_status = _integer(fields.get("exit_status"))
    if native_id is None or failed is None or exit_status is None:
        return None
    peak = _quantity(fields.get("maxrss"))
    if peak is None and (kib := _quantity(fields.get("ru_maxrss"))) is not None:
        # getrusage's KiB; 8.1.9 takes them for bytes when it adds the unit: a process of 200 MB
        # was seen as "198.434KB"
        peak = kib * _KIB
    virtual = _quantity(fields.get("maxvmem"))
    return AccountingRecord(
        native_id=native_id,
        task_id=_integer(fields.get("taskid")) or PLAIN_TASK,
        name=fields.get("jobname", ""),
        owner=fields.get("owner", ""),
        account=fields.get("account", ""),
        failed=failed,
        failed_text=fields["failed"].partition(":")[2].strip(),
        exit_status=exit_status,
        queue=_known(fields.get("qname")),
        host=_known(fields.get("hostname")),
        slots=_integer(fields.get("slots")) or 1,
        submitted_at=read_time(fields.get("qsub_time")),
        started_at=read_time(fields.get("start_time")),
        finished_at=read_time(fields.get("end_time")),
        cpu_seconds=_quantity(fields.get("cpu")),
        peak_memory_bytes=round(peak) if peak else None,
        peak_virtual_memory_bytes=round(virtual) if virtual else None,
    )


def _known(text: str | None) -> str | None:
    return None if text in (None, "", "UNKNOWN", "NONE") else text


def _integer(text: str | None) -> int | None:
    match = _FIRST_INTEGER.match(text or "")
    return int(match[1]) if match else None


def _quantity(text: str | None) -> float | None:
    """Read ``0.011s``, ``4.4KB``, ``10.617MB``, ``4.2M``, ``1000``: seconds or bytes."""
    match = _QUANTITY.fullmatch((text or "").strip())
    return float(match[1]) * _FACTOR[match[2]] if match else None


_FORMATS = ("%a %b %d %H:%M:%S %Y", "%m/%d/%Y %H:%M:%S.%f", "%m/%d/%Y %H:%M:%S")


def read_time(text: str | None) -> float | None:
    """Read a local time, or seconds, milli- or microseconds since 1970; ``-/-`` and 1970 mean never."""
    text = (text or "").strip()
    moment: float | None = None
    if re.fullmatch(r"\d{1,18}(\.\d{1,9})?", text, re.ASCII):
        moment = float(text)
        moment /= 1e6 if moment > 1e14 else 1e3 if moment > 1e11 else 1
    else:
        for one in _FORMATS:
            with suppress(ValueError, OverflowError, OSError):
                moment = datetime.strptime(text, one).astimezone(UTC).timestamp()
                break
        else:
            with suppress(ValueError, OverflowError, OSError):
                moment = datetime.fromisoformat(text).astimezone(UTC).timestamp()
    return moment if moment is not None and 86400 * 2 < moment < _LATEST else None
