"""Which commit a folder is at, so that a result can be traced to its code.

A repository may come from anybody, and its configuration names programs: one that watches files
(``core.fsmonitor``), filters of files' contents, hooks, programs that fetch what is missing. None of them is
run: what names one is overridden, and where that can't be done, the files are not checked.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from asyncjman.system.tool import run

TIMEOUT_SECONDS = 5.0
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",  # the index is not written, and no hook hears of it
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",  # the same for a git that doesn't know the line before
    "GIT_TERMINAL_PROMPT": "0",
}
_NEUTRAL = (
    "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
    "safe.bareRepository=explicit",  # one that lies in the folder, as a file like any other
)


async def describe(folder: Path) -> tuple[str | None, bool | None]:
    """Return the commit of ``folder`` and whether tracked files differ from it; None where unknown."""
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return None, None
    commit, filters = await asyncio.gather(
        _git(folder, ["rev-parse", "--verify", "--quiet", "HEAD"]),
        _git(folder, ["config", "--null", "--name-only", "--get-regexp", r"^filter\."], fine=(0, 1)),
    )
    if not commit or filters is None:  # no git here, no answer, no commit, or a folder that git doesn't trust
        return None, None
    options = without_filters(filters.split("\0"))
    if options is None:
        return commit.strip(), None
    status = await _git(
        folder,
        ["status", "--porcelain=v2", "--untracked-files=no", "--ignore-submodules=all"],
        options=options,
    )
    return commit.strip(), None if status is None else is_dirty(status)


def without_filters(names: Iterable[str]) -> list[str] | None:
    """Return options of git that have no filter run, for the settings of filters that there are.

    None where a filter has a name that no option can be about.

    >>> without_filters(["filter.lfs.clean", "filter.lfs.required", ""])
    ['filter.lfs.clean=', 'filter.lfs.smudge=', 'filter.lfs.process=', 'filter.lfs.required=false']
    """
    filters = dict.fromkeys(name.rpartition(".")[0] for name in names if name)
    if any("=" in one for one in filters):
        return None
    settings = ("clean=", "smudge=", "process=", "required=false")
    return [f"{one}.{setting}" for one in filters for setting in settings]


def is_dirty(status: str) -> bool:
    """Read ``git status --porcelain=v2`` (git-status(1)): whether any file is listed."""
    return any(line and not line.startswith("#") for line in status.split("\n"))


async def _git(
    folder: Path, words: Sequence[str], *, options: Sequence[str] = (), fine: Sequence[int] = (0,)
) -> str | None:
    """Run git on a folder; return what it printed, None where it ended with no ``fine`` exit status."""
    settings = [word for one in (*_NEUTRAL, *options) for word in ("-c", one)]
    try:
        done = await run(
            ["git", "-C", str(folder), "--no-pager", *settings, *words],
            env={**os.environ, **_ENVIRONMENT},
            timeout=TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.exit_status in fine else None
