"""Looking at a database at once, where nothing else is to be done with it: no event loop, no engine."""

from __future__ import annotations

from asyncjman.api.reader import JobReader
from asyncjman.store import errands
from asyncjman.store.immediate import at_once
from asyncjman.store.readnow import ReadNow

TYPE_CHECKING = False  # the typing module is not loaded for it
if TYPE_CHECKING:
    from pathlib import Path

    from asyncjman.store.source import Source

__all__ = ["QuickReader", "at_once"]


class QuickReader(JobReader):
    """Selects jobs and tasks, as of the moment when it was opened; what it awaits is there (``at_once``)."""

    def __init__(self, path: Path, source: ReadNow) -> None:
        self._path = path
        self._source = source

    @classmethod
    def open(cls, path: Path) -> QuickReader | None:
        """Open a database that nothing is to be done with; None where a ``JobManager`` has to be opened.

        So it is where there is none, where it is not this user's, or something of it is to be made, mended
        or removed. Errors are raised as they come: the ``JobManager`` tells them as they are to be told.
        """
        source = ReadNow.open(path)
        return None if source is None else cls(path, source)

    def close(self) -> None:
        self._source.close()

    @property
    def path(self) -> Path:
        return self._path

    @property
    def source(self) -> Source:
        return self._source

    async def is_as_stored(self, *, clusters: bool, usage: bool) -> bool:
        """Tell whether all is as it is stored: no runner runs, or was killed, and nobody else is to be asked.

        ``clusters``: how jobs there are; ``usage``: and what their tasks used.
        """
        if await errands.has_runner(self.source) or (clusters and await errands.clusters(self.source)):
            return False
        if not usage:
            return True
        from asyncjman.store.usage import unaccounted

        return not await unaccounted(self.source)
