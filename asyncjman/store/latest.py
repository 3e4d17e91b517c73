"""Which jobs are the latest ones: a small file, read early."""

from __future__ import annotations

TYPE_CHECKING = False  # what waits is not loaded for it
if TYPE_CHECKING:
    from asyncjman.store.source import Source


async def latest_ids(source: Source, count: int) -> list[int]:
    """Return the ids of the latest jobs, the last one first."""
    return [row[0] for row in await source.fetch("SELECT id FROM job ORDER BY id DESC LIMIT ?", (count,))]
