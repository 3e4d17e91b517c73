"""``qstat -j``: why a job doesn't run, and what it asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from asyncjman.engines.cluster.dialect import ParseError

_RULE = re.compile(r"={20,}")
_FIELD = re.compile(r"(\S[^:]*?)(?: +(\d{1,10}))?: *(.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDetail:
    """What qstat -j says of one job.

    ``error_reasons`` are by task id (a plain job's is 1, Grid Engine's own number for it),
    ``resources`` as requested with ``-l``, ``hold`` the native ids of the jobs it still waits for.
    """

    native_id: int
    name: str = ""
    owner: str = ""
    account: str = ""
    context: Mapping[str, str]
    error_reasons: Mapping[int, tuple[str, ...]]
    scheduling: tuple[str, ...] = ()
    not_before: str | None = None
    """The time that it must wait for (``-a``), as qstat writes it."""
    hold: tuple[int, ...] = ()
    resources: Mapping[str, str]
    queues: tuple[str, ...] = ()
    environment: tuple[str, str] | None = None
    """The parallel environment and the range of slots."""


def parse_qstat_j(text: str) -> list[JobDetail]:
    """Read the text of ``qstat -j ID,ID``; jobs that the cluster doesn't know are not mentioned.

    The text form, for its XML is not always well-formed. Raises ParseError where no job is in it.
    """
    found = [_detail(block) for block in _blocks(text)]
    if not found:
        raise ParseError("qstat -j names no job")
    return found


def are_unknown(words: str) -> bool:
    """Tell whether qstat -j says that the cluster has none of the jobs: it says nothing of a part of them."""
    return "do not exist" in words


def _blocks(text: str) -> Iterator[list[str]]:
    """Yield the lines of each job."""
    block: list[str] | None = None
    for line in text.split("\n"):
        if _RULE.fullmatch(line.rstrip()):
            if block and block[0].startswith("job_number:"):
                yield block
            block = []
        elif block is not None:
            block.append(line)
    if block and block[0].startswith("job_number:"):
        yield block


def _detail(lines: list[str]) -> JobDetail:
    values: dict[str, str] = {}
    errors: dict[int, tuple[str, ...]] = {}
    scheduling: list[str] = []
    field = ""
    for line in lines:
        match = _FIELD.fullmatch(line) if not line.startswith(" ") else None
        if match is None:
            if field == "scheduling info" and line.strip():
                scheduling.append(line.strip())
            continue
        field, number, value = match[1], match[2], match[3].strip()
        if field == "error reason":
            task = int(number or 1)
            errors[task] = (*errors.get(task, ()), value)
        elif field == "scheduling info":
            scheduling.append(value)
        elif field.startswith("parallel environment"):
            values.setdefault("pe", value)
        else:
            values.setdefault(field, value)
    number_text = values.get("job_number", "")
    if not re.fullmatch(r"\d{1,10}", number_text, re.ASCII):
        raise ParseError("qstat -j names a job without its number")
    pe, _, slots = values.get("pe", "").partition(" range:")
    return JobDetail(
        native_id=int(number_text),
        name=values.get("job_name", ""),
        owner=values.get("owner", ""),
        account=values.get("account", ""),
        context=_pairs(values.get("context", "")),
        error_reasons=errors,
        scheduling=tuple(one for one in scheduling if not one.startswith("There are no messages")),
        not_before=values.get("execution_time"),
        hold=tuple(
            int(one)
            for one in values.get("jid_predecessor_list", "").replace(" ", "").split(",")
            if re.fullmatch(r"\d{1,10}", one, re.ASCII)
        ),
        resources=_pairs(values.get("hard resource_list", "")),
        queues=tuple(filter(None, values.get("hard_queue_list", "").split(","))),
        environment=(pe.strip(), slots.strip()) if pe.strip() else None,
    )


def _pairs(text: str) -> dict[str, str]:
    pairs = (one.partition("=") for one in text.split(",") if one)
    return {key.strip(): value for key, _, value in pairs}
