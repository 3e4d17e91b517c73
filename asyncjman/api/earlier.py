"""How a job that there is is given, for those who name types: a protocol is a slow thing to make."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class HasId(Protocol):
    """A handle of a job."""

    @property
    def id(self) -> int: ...


Earlier = Iterable[HasId | int] | HasId | int
"""A job, by its handle or its id, or several."""
