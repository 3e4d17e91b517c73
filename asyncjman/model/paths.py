"""Paths as they are stored: absolute, without ``..``."""

from __future__ import annotations

import os
from pathlib import Path


def absolute(path: str | os.PathLike[str]) -> Path:
    """Return ``path`` from the root on.

    Links are kept, for a cluster may know a folder by that name only; they are followed where ``..`` is in
    the path, since that needs folders which may be removed later.
    """
    path = Path(path)
    return path.resolve() if ".." in path.parts else path.absolute()


def detached_output(database: str, pid: int | str) -> str:
    """Return the path of the file for the output of a detached execute, beside the database."""
    return f"{database}.execute-{pid}.out"
