"""What the store's queries read from: the same ones, whatever the connection is."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol


class Source(Protocol):
    """A database, as ``Reader`` and ``ReadNow`` are, or one state of it."""

    async def fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows."""
        ...

    def snapshot(self) -> AbstractAsyncContextManager[Source]:
        """Have several reads see the same state of the file, whatever other processes do meanwhile."""
        ...
