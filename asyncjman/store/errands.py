"""What there may be to do for who opens a database, before it is looked at: a small file, read early."""

from __future__ import annotations

TYPE_CHECKING = False  # what waits is not loaded for it
if TYPE_CHECKING:
    from asyncjman.store.source import Source


async def has_runner(source: Source) -> bool:
    """Tell whether some process runs local jobs, or was killed while it did."""
    return bool(await source.fetch("SELECT 1 FROM runner LIMIT 1"))


async def clusters(source: Source) -> list[str]:
    """Return the engines whose tasks survive us that have anything to be polled for."""
    rows = await source.fetch(
        "SELECT DISTINCT engine FROM job WHERE engine <> 'local' AND (finished_at IS NULL OR id IN "
        "(SELECT job_id FROM task WHERE missing_since IS NOT NULL AND finished_at IS NOT NULL)) ORDER BY 1"
    )
    return [row[0] for row in rows]


async def removes(source: Source) -> bool:
    """Tell whether something is to be removed."""
    return bool(await source.fetch("SELECT 1 FROM removal LIMIT 1"))
