"""The options before the command."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

TYPE_CHECKING = False  # the typing module is not loaded for it
if TYPE_CHECKING:
    from asyncjman.model.selection import Selection
    from asyncjman.model.status import Status


class Globals:
    """The options before the command; ``cluster`` is the batch system that was named."""

    __slots__ = ("cluster", "database", "local", "verbose")

    def __init__(self, database: Path, local: bool, verbose: int, cluster: str | None = None) -> None:
        self.database = database
        self.local = local
        self.verbose = verbose
        self.cluster = cluster

    def selection(
        self,
        ids: Iterable[str] | None = None,
        job_ids: Iterable[str] | None = None,
        names: Iterable[str] | None = None,
        statuses: Iterable[Status] | None = None,
        *,
        derived_names: bool = False,
        having: Iterable[Status] = (),
    ) -> Selection:
        """Return the jobs that are meant; with ``--local`` local ones only.

        ``having``: jobs with a task in one of these. ``derived_names``: for commands that only look, names
        are also those that come from the command.
        """
        from asyncjman.model.selection import Selection

        typed = [*(job_ids or ()), *(ids or ())]
        if typed:
            from asyncjman.model.ids import parse_words
        return Selection(
            words=parse_words(typed) if typed else (),
            derived_names=derived_names,
            names=tuple(names or ()),
            statuses=frozenset(statuses or ()),
            having=frozenset(having),
            engine="local" if self.local else None,
        )
