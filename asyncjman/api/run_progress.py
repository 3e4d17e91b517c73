"""How far an execute is: what reads that is loaded by the first who asks, and a short run is never asked."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from asyncjman.model.job import LOCAL
from asyncjman.store import runners
from asyncjman.store.database import Reader

if TYPE_CHECKING:
    from asyncjman.api.progress_reader import ProgressReader
    from asyncjman.model.progress import Overview
    from asyncjman.store.progress import Scope


class RunProgress:
    """Reads how far an execute is, or several side by side."""

    def __init__(self, database: Reader, only: Collection[int] | None, since: float) -> None:
        """``only``: of these jobs; else of those that are open, or ended ``since`` then."""
        self._database = database
        self._only = only
        self._since = since
        self._made: ProgressReader | None = None

    @classmethod
    async def begin(cls, database: Reader, only: Collection[int] | None) -> RunProgress:
        """Return what reads how far the execute is that begins now."""
        return cls(database, only, 0.0 if only is not None else await begun(database))

    @property
    def pause(self) -> float:
        """Return after how many seconds it may be read again, by what it cost last."""
        return self._reader.pause

    async def read(self) -> Overview:
        """Return how far the jobs are now."""
        return await self._reader.read()

    @property
    def _reader(self) -> ProgressReader:
        if self._made is None:
            from asyncjman.api.progress_reader import ProgressReader

            self._made = ProgressReader(self._database, scope_of_run(self._only, self._since))
        return self._made


async def begun(database: Reader) -> float:
    """Return when the first of the executes began that run side by side; now, where none does."""
    starts = [one.since for one in await runners.select(database) if one.since is not None]
    return min([*starts, database.runtime.time()])


def scope_of_run(only: Collection[int] | None, since: float) -> Scope:
    """Return what an execute counts: the jobs it is to run, or all local ones that were open at its begin."""
    from asyncjman.store.progress import Scope

    return Scope(ids=sorted(only)) if only is not None else Scope(since=since, engine=LOCAL)
