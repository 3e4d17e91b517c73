"""What the option parser asks for where an id is to be completed."""

from __future__ import annotations

from pathlib import Path

import typer

TYPE_CHECKING = False  # what is not needed here is not loaded
if TYPE_CHECKING:
    from asyncjman.api.reader import JobReader


def complete_ids(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return ids that begin so, with what is known of each."""
    import asyncio

    from asyncjman.api.quick import QuickReader, at_once

    parent = context.parent.params if context.parent is not None else {}
    path = Path(parent.get("database") or "submitted.sql3").expanduser()
    try:
        reader = QuickReader.open(path)
        if reader is None:
            return asyncio.run(_opened(path, incomplete))
        try:
            return at_once(_described(reader, incomplete))
        finally:
            reader.close()
    except Exception:  # nothing may disturb the user's typing
        return []


async def _opened(path: Path, incomplete: str) -> list[tuple[str, str]]:
    from asyncjman.api.manager import JobManager

    async with JobManager(path, run=False, create=False) as manager:
        return await _described(manager, incomplete)


async def _described(reader: JobReader, incomplete: str) -> list[tuple[str, str]]:
    from asyncjman.api.completing import begun
    from asyncjman.render.text import arguments

    before, job_id, ids = await begun(reader.source, incomplete)
    if not ids:
        return []
    jobs = await reader.read(ids if job_id is None else [job_id])
    if job_id is None:
        known = {job.id: f"{job.status} {arguments(job)}" for job in jobs}
    else:
        known = {one.task_id: f"{one.status}" for job in jobs async for one in reader.tasks(job, ids)}
    return [(f"{before}{one}", known[one]) for one in ids if one in known]
