"""How a dispatcher runs."""

from __future__ import annotations

from collections.abc import Set
from typing import NamedTuple


class Options(NamedTuple):
    """How a dispatcher runs."""

    parallel: int = 1
    log_files: bool = True
    only: Set[int] | None = None
    """The jobs to run; None: all. It may grow: see ``Dispatcher.look``."""
    requested: Set[int] | None = None
    """Of those, the jobs that are to run here; what runs of others when it stops is not stopped, but
    released, for whoever is to run it. None: all."""
    is_shown: bool = False
    """Whether others may see how many tasks it runs at once, change that, and ask it to end."""
    output: str | None = None
    """The file that it writes to, where it has no terminal."""
    keep_running: bool = False
    """Whether to wait for new jobs when none is left."""
