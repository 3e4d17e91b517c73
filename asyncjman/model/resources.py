"""What a job asks an engine for: stored as it was asked, whatever engine it is submitted to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from asyncjman.errors import UsageError

NAMES = ("memory", "slots", "gpus", "gpu_memory", "io_big", "time", "hostname", "extra")
"""What can be asked for, besides the queue."""
_MEMORY = r"(?=.*[1-9])(\d{1,15})([kKmMgGtT]?)[bB]?"
_TIME = r"\d{1,9}|\d{0,9}:\d{0,9}(:\d{0,9})?|infinity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What one task needs; ``memory`` is per slot, such as ``4G`` (a number alone is in GiB).

    Raises UsageError for what no engine could read: a job that runs here may move to a cluster later.
    """

    queue: str = "all.q"
    """One, or several with commas between, of which any will do."""
    memory: str | None = None
    slots: int | None = None
    gpus: int | None = None
    gpu_memory: str | None = None
    io_big: bool = False
    time: str | None = None
    """The limit of run time: seconds, or ``1:00:00``."""
    hostname: str | None = None
    site_extra: tuple[str, ...] = ()
    """The site's own options of the cluster's submit command, one word each."""
    extra: tuple[str, ...] = ()
    """Further options of the cluster's submit command, one word each."""

    def __post_init__(self) -> None:
        queues_in(self.queue)
        for amount in (self.memory, self.gpu_memory):
            if amount is not None:
                memory_of(amount)
        if self.time is not None and not re.fullmatch(_TIME, str(self.time), re.ASCII | re.IGNORECASE):
            raise UsageError(f"bad limit of run time {self.time!r}: write seconds, as in 3600, or 1:0:0")
        if self.slots is not None and self.slots < 1:
            raise UsageError(f"a job has 1 slot at least, not {self.slots}")
        if self.gpus is not None and self.gpus < 1:
            raise UsageError(f"a job asks for 1 GPU at least, not {self.gpus}")


def checked(resources: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is asked for, less what is None or False. Raises UsageError as ``Resources`` does."""
    found = {name: value for name, value in resources.items() if value is not None and value is not False}
    make_resources(found)
    return found


def make_resources(values: Mapping[str, Any]) -> Resources:
    """Return what is stored; a list becomes a tuple, and names that mean nothing here are left out."""
    known = {one.name for one in fields(Resources)}
    found: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in values.items()
        if key in known
    }
    return Resources(**found)


def memory_of(text: str) -> tuple[int, str]:
    """Return an amount of memory and its unit, GiB (``G``) where none is given.

    Raises UsageError.
    """
    match = re.fullmatch(_MEMORY, str(text).strip(), re.ASCII)
    if not match:
        raise UsageError(f"bad amount of memory {text!r}: write 4G or 500M")
    return int(match[1]), match[2] or "G"


def queues_in(text: str) -> list[str]:
    """Return the queues that are named, with commas between: any of them will do.

    Raises UsageError where none is.
    """
    found = [one.strip() for one in text.split(",") if one.strip()]
    if not found:
        raise UsageError(f"no queue is named in {text!r}")
    return found
