"""Jobs by their names, and what to say of a word that matches no job."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from asyncjman.model.ids import Named, Numbers, Space, Word
from asyncjman.store import jobs

TYPE_CHECKING = False  # neither the typing module nor what waits is loaded for it
if TYPE_CHECKING:
    from asyncjman.store.source import Source

_MOST_SHOWN = 5


class Names:
    """The names of jobs, read when the first one is asked for."""

    def __init__(self, database: Source, *, derived: bool) -> None:
        self._database = database
        self._derived = derived
        self._names: dict[bool, dict[int, str]] = {}

    async def find(self, pattern: str) -> list[int]:
        """Return the jobs of this name; where there are none, those whose names match it as a glob."""
        return _matching(pattern, await self._read(derived=self._derived))

    async def find_derived(self, pattern: str) -> list[int]:
        """Return the jobs that have such a name from their command alone."""
        given = set(await self.find(pattern))
        return [one for one in _matching(pattern, await self._read(derived=True)) if one not in given]

    async def _read(self, *, derived: bool) -> dict[int, str]:
        if derived not in self._names:
            self._names[derived] = await jobs.names(self._database, derived=derived)
        return self._names[derived]


def _matching(pattern: str, names: dict[int, str]) -> list[int]:
    same = [job_id for job_id, name in names.items() if name == pattern]
    return same or [job_id for job_id, name in names.items() if fnmatchcase(name, pattern)]


async def what_is_missing(database: Source, path: Path, words: Sequence[Word], names: Names) -> str:
    """Say which words match no job, and what the user may have meant."""
    shown = [_shown(word) for word in words[:_MOST_SHOWN]]
    if len(words) > _MOST_SHOWN:
        shown.append(f"and {len(words) - _MOST_SHOWN} more")
    line = f"no job {', '.join(shown)} in {path} (jman list shows those that are there)"
    patterns = [word.target.pattern for word in words if isinstance(word.target, Named)]
    for pattern in patterns[:1]:
        if ids := await names.find_derived(pattern):
            return f"{line}\njob {ids[0]} has the name {pattern!r} from its command only: write its id"
    file = next(filter(_is_file_like, patterns), None)
    return line if file is None else f"{line}\n{file!r} looks like a file name: did the shell expand it?"


def _is_file_like(word: str) -> bool:
    return looks_like_file(word) or os.path.lexists(word)


def looks_like_file(word: str) -> bool:
    """Tell whether a word that is no job's name may be that of a file.

    >>> [looks_like_file(word) for word in ("train.py", "logs/a", "train", "v1.", "*")]
    [True, True, False, False, False]
    """
    suffix = PurePath(word).suffix
    return "/" in word or (len(suffix) > 1 and suffix[1:].isalnum())


def _shown(word: Word) -> str:
    match word.target:
        case Named(pattern):
            return repr(pattern)
        case Numbers(space, ids) if space is Space.JOB:
            return str(Numbers(Space.EITHER, ids))
    return str(word.target)
