"""The usual ``jman list``, and ids after the Tab key: answered with no option parser and no event loop.

Only what is plain is answered here: a few options, a database that just has to be read, one page of jobs. For
all else, errors included, ``answer`` prints nothing and gives None, and the command runs the usual way.
What is loaded for it has no dataclasses where a plain class is as short: making one takes a millisecond, and
the module takes ten.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from asyncjman.cli.argv import TAKE_JOBS, find_command
from asyncjman.cli.complete import plain_word
from asyncjman.errors import EXIT_DONE
from asyncjman.suspension import unsuspended

TYPE_CHECKING = False  # the typing module is not loaded for it
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from asyncjman.cli.globals import Globals
    from asyncjman.cli.listing import Query

FLAGS = {
    "-a": "print_array_jobs",
    "--print-array-jobs": "print_array_jobs",
    "-l": "long",
    "--long": "long",
    "-t": "print_times",
    "--print-times": "print_times",
    "-x": "print_dependencies",
    "--print-dependencies": "print_dependencies",
    "--dependencies": "print_dependencies",
    "-o": "ids_only",
    "--ids-only": "ids_only",
    "--json": "as_json",
}
VALUES = {
    "-j": "job_ids",
    "--job-ids": "job_ids",
    "-n": "names",
    "--names": "names",
    "-s": "status",
    "--status": "status",
}
_LOCAL = ("-l", "--local")
_DATABASE = ("-d", "--database", "--db")
_MOST_LINES = 1000


class _Unusual(Exception):
    """Not for here."""


def answer(name: str | None, argv: Sequence[str], *, completes: bool) -> int | None:
    """Answer a usual command line, and return the exit code; None where nothing was done."""
    if not completes and name != "list":
        return None
    try:
        # while it is suspended it would keep others from the database
        with unsuspended():
            text = _completed(name, argv) if completes else _list(argv)
    except Exception:  # whatever it is: told the usual way, where it comes up once more
        return None
    if text is None:
        return None
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:  # nothing is written then
        return None
    sys.stdout.flush()
    return EXIT_DONE


def _list(argv: Sequence[str]) -> str | None:
    at = find_command(argv) or 0
    globals_ = _globals(argv[:at])
    options = _options(argv[at + 1 :])
    from asyncjman.api.quick import QuickReader, at_once
    from asyncjman.cli.listing import query_of

    reader = QuickReader.open(globals_.database)
    if reader is None:
        return None
    try:
        query = query_of(globals_, **options)
        asks = not globals_.local
        if not at_once(reader.is_as_stored(clusters=asks, usage=asks and query.details.times)):
            return None
        return at_once(_text(reader, query)) or None  # that nothing matches is told the usual way
    finally:
        reader.close()


def _completed(name: str | None, before: Sequence[str]) -> str | None:
    """Return what bash is told where a plain line goes on with a job; None: the option parser finds that."""
    at, incomplete = find_command(before), plain_word(os.environ)
    if at is None or name not in TAKE_JOBS or incomplete is None:
        return None
    if any(word.startswith("-") for word in (*before[at:], incomplete)):
        return None
    from asyncjman.api.completing import words_now

    words = words_now(_globals(before[:at]).database.expanduser(), incomplete)
    return None if words is None else "\n".join(words) + "\n"


async def _text(reader: Any, query: Query) -> str:
    from asyncjman.cli.listing import shown

    pieces: list[str] = []
    async for text in shown(reader, query):
        pieces.append(text)
        if len(pieces) > _MOST_LINES:
            raise _Unusual
    return "".join(pieces)


def _globals(words: Sequence[str]) -> Globals:
    from asyncjman.cli.globals import Globals

    database, local = os.environ.get("JMAN_DATABASE") or "submitted.sql3", False
    left = list(words)
    while left:
        word = left.pop(0)
        if word in _LOCAL:
            local = True
        elif word in _DATABASE and left and left[0]:
            database = left.pop(0)
        else:
            raise _Unusual
    return Globals(Path(database), local, 0)


def _options(words: Sequence[str]) -> dict[str, Any]:
    """Return what the words ask for, by the names of the parameters of ``query_of``."""
    found: dict[str, Any] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        if word in FLAGS:
            found[FLAGS[word]] = True
        elif word in VALUES:
            # what follows a value may be one more: which words are is for the option parser to say
            if not left or left[0].startswith("-") or (left[1:] and not left[1].startswith("-")):
                raise _Unusual
            found.setdefault(VALUES[word], []).append(left.pop(0))
        elif word.startswith("-"):
            raise _Unusual
        else:
            found.setdefault("ids", []).append(word)
    if "status" in found:
        from asyncjman.model.status import Status

        found["status"] = [Status(word) for word in found["status"]]
    return found
