"""What the shell offers after the Tab key."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

_VARIABLE = "_JMAN_COMPLETE"
_MOST = 200


def completing(environment: Mapping[str, str]) -> Sequence[str] | None:
    """Return the words typed so far when the shell asks what may follow, else None."""
    if _VARIABLE not in environment:
        return None
    line = environment.get("_TYPER_COMPLETE_ARGS") or environment.get("COMP_WORDS", "")
    return line.split()[1:]


def complete_ids(incomplete: str) -> list[tuple[str, str]]:
    """Return the ids of the latest jobs that begin so, with what they run."""
    import asyncio

    from asyncjman.api.manager import JobManager
    from asyncjman.render.text import arguments

    async def find() -> list[tuple[str, str]]:
        path = Path(os.environ.get("JMAN_DATABASE", "submitted.sql3"))
        async with JobManager(path, run=False, create=False) as manager:
            jobs = await manager.latest(_MOST)
        return [
            (str(job.id), f"{job.status} {arguments(job)}")
            for job in jobs
            if str(job.id).startswith(incomplete)
        ]

    try:
        return asyncio.run(find())
    except Exception:  # nothing may disturb the user's typing
        return []
