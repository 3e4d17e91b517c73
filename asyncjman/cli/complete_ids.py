"""What the option parser asks for where an id is to be completed."""

from __future__ import annotations

from pathlib import Path

import typer

from asyncjman.cli.complete import found


def complete_ids(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return ids that begin so, with what is known of each (``complete.found``)."""
    import asyncio

    from asyncjman.api.quick import QuickReader, at_once

    parent = context.parent.params if context.parent is not None else {}
    path = Path(parent.get("database") or "submitted.sql3").expanduser()
    try:
        reader = QuickReader.open(path)
        if reader is None:
            return asyncio.run(_found(path, incomplete))
        try:
            return at_once(found(reader, incomplete))
        finally:
            reader.close()
    except Exception:  # nothing may disturb the user's typing
        return []


async def _found(path: Path, incomplete: str) -> list[tuple[str, str]]:
    from asyncjman.api.manager import JobManager

    async with JobManager(path, run=False, create=False) as manager:
        return await found(manager, incomplete)
