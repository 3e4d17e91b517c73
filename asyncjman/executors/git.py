"""Which commit a folder is at, so that a result can be traced to its code."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

TIMEOUT_SECONDS = 5.0


async def describe(folder: Path) -> tuple[str | None, bool | None]:
    """Return the commit of ``folder`` and whether tracked files differ from it; None where unknown."""
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return None, None
    try:
        git = await asyncio.create_subprocess_exec(
            "git",
            "status",
            "--porcelain=v2",
            "--branch",
            "--untracked-files=no",
            cwd=folder,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:  # no git here
        return None, None
    try:
        out, _ = await asyncio.wait_for(git.communicate(), TIMEOUT_SECONDS)
    except TimeoutError:
        git.kill()
        await git.wait()
        return None, None
    return parse(out) if git.returncode == 0 else (None, None)


def parse(status: bytes) -> tuple[str | None, bool | None]:
    """Read ``git status --porcelain=v2 --branch`` (git-status(1)): commit, and whether it is dirty."""
    commit, dirty = None, False
    for line in status.splitlines():
        if line.startswith(b"# branch.oid "):
            commit = line.split()[2].decode("ascii", "replace")
        elif not line.startswith(b"#"):
            dirty = True
    return (None, None) if commit in (None, "(initial)") else (commit, dirty)
