"""``qstat -xml``: which jobs the cluster has, and their states."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple
from xml.parsers import expat

from asyncjman.engines.cluster.dialect import ParseError
from asyncjman.engines.sge.qstat_usual import usual_fields

_ITEM = re.compile(r"(\d{1,10})(?:-(\d{1,10})(?::(\d{1,10}))?)?", re.ASCII)
_NUMBER = re.compile(r"\d{1,10}", re.ASCII)
_ROOTS = ("job_info", "comunication_error", "communication_error")


class QueueEntry(NamedTuple):
    """One line of qstat: a job, or the tasks of one that are in the same state.

    ``tasks`` is None for a job with no array. ``started_at`` is in seconds since 1970; Grid Engine writes
    it in local time.
    """

    native_id: int
    name: str
    state_codes: str
    tasks: tuple[range, ...] | None = None
    queue: str | None = None
    host: str | None = None
    started_at: float | None = None


def parse_qstat(xml: bytes | str) -> list[QueueEntry]:
    """Read the output of ``qstat -u USER -xml``.

    Raises ParseError for all that is not a whole such document, and for one that has a document
    type (entities could make it as big as they like). Read by tag names: their order and number
    differ between versions.
    """
    text = xml if isinstance(xml, str) else xml.decode("utf-8", "surrogateescape")
    usual = usual_fields(text)
    return [_entry(fields) for fields in (_parsed(text) if usual is None else usual)]


def _parsed(xml: str) -> list[dict[str, str]]:
    reader = _Reader()
    data = xml.encode("utf-8", "surrogateescape")
    try:
        reader.parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise ParseError(f"qstat's XML can't be read: {error}") from error
    return reader.found


def parse_tasks(text: str) -> tuple[range, ...]:
    """Read ``1,3-5:1``: numbers and ranges with a step; raises ParseError for anything else."""
    found: list[range] = []
    for item in text.split(","):
        match = _ITEM.fullmatch(item.strip())
        if not match:
            raise ParseError(f"qstat names tasks that can't be read: {text[:80]!r}")
        first, last, step = match.groups()
        one = range(int(first), int(last or first) + 1, max(1, int(step or 1)))
        if not one:
            raise ParseError(f"qstat names tasks that can't be read: {text[:80]!r}")
        found.append(one)
    return tuple(found)


class _Reader:
    """Collects the fields of each ``job_list``, without building a tree.

    It is called for each tag and text, of which there are very many.
    """

    def __init__(self) -> None:
        self.found: list[dict[str, str]] = []
        self._fields: dict[str, str] | None = None
        self._field: str | None = None
        self.parser = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._root
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _doctype(self, *_: object) -> None:
        raise ParseError("qstat's XML has a document type: refused")

    def _root(self, tag: str, _: object) -> None:
        tag = _local(tag)
        if tag not in _ROOTS:
            raise ParseError(f"qstat's XML is about something else: {tag[:40]}")
        if tag != "job_info":
            raise ParseError("qstat could not reach the qmaster")
        self.parser.StartElementHandler = self._start

    def _start(self, tag: str, _: object) -> None:
        if ":" in tag:
            tag = _local(tag)
        if tag == "job_list":
            self._fields, self._field = {}, None
        elif self._fields is not None:
            self._field = tag

    def _end(self, tag: str) -> None:
        self._field = None
        if self._fields is not None and tag.endswith("job_list") and _local(tag) == "job_list":
            self.found.append(self._fields)
            self._fields = None

    def _text(self, text: str) -> None:
        if self._field is not None and self._fields is not None:
            self._fields[self._field] = self._fields.get(self._field, "") + text


def _local(tag: str) -> str:
    return tag.rpartition(":")[2]


def _entry(fields: dict[str, str]) -> QueueEntry:
    native_id = fields.get("JB_job_number", "").strip()
    state_codes = fields.get("state", "").strip()
    if not _NUMBER.fullmatch(native_id) or not state_codes:
        raise ParseError("qstat's XML names a job without its number or its state")
    queue, _, host = fields.get("queue_name", "").strip().partition("@")
    tasks = fields.get("tasks", "").strip()
    return QueueEntry(
        native_id=int(native_id),
        # an error of Grid Engine's up to 2026: it writes < so
        name=fields.get("JB_name", "").strip().replace("%lt;", "<"),
        state_codes=state_codes,
        tasks=parse_tasks(tasks) if tasks else None,
        queue=queue or None,
        host=host or None,
        started_at=_time(start) if (start := fields.get("JAT_start_time")) else None,
    )


def _time(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
