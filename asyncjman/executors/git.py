"""Which commit a folder is at, so that a result can be traced to its code."""

from __future__ import annotations

import os
from pathlib import Path

from asyncjman.executors.command import CommandFailed, run

TIMEOUT_SECONDS = 5.0


async def describe(folder: Path) -> tuple[str | None, bool | None]:
    """Return the commit of ``folder`` and whether tracked files differ from it; None where unknown."""
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return None, None
    try:
        done = await run(
            ["git", "-C", str(folder), "status", "--porcelain=v2", "--branch", "--untracked-files=no"],
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
            timeout=TIMEOUT_SECONDS,
        )
    except CommandFailed:  # no git here, no answer, or a folder that git doesn't trust
        return None, None
    return parse(done.stdout.encode("utf-8", "surrogateescape"))


def parse(status: bytes) -> tuple[str | None, bool | None]:
    """Read ``git status --porcelain=v2 --branch`` (git-status(1)): commit, and whether it is dirty."""
    commit, dirty = None, False
    for line in status.splitlines():
        if line.startswith(b"# branch.oid "):
            commit = line.split()[2].decode("ascii", "replace")
        elif not line.startswith(b"#"):
            dirty = True
    return (None, None) if commit in (None, "(initial)") else (commit, dirty)
