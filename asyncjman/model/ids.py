"""How users name jobs and tasks: the one parser. Pure.

======================  ==========================================================
``3  1-4  10+2  1,4``   jobs by id (10+2: 10, 11, 12), or by the cluster's number
``job:7  grid:7``       by one kind of number only, to the end of the word
``2.27  2.1-9  2.3,5``  tasks of one job: after a dot commas go on with tasks
``@  @-1``              the latest job, the one before it
``train  tr*  name:7``  jobs of this name, or of names like it
======================  ==========================================================

Digits are ids always; ``name:`` makes a name of anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from asyncjman.errors import BadSelection

# no regular expressions: a command that completes or lists starts sooner without compiling them
_ID_CHARACTERS = "0123456789,.+-@"
_MOST_DIGITS = 18
NAME = "name:"


class Space(StrEnum):
    """Which numbers are meant."""

    EITHER = ""
    """Job ids, or the cluster's where there is no such job."""
    JOB = "job:"
    GRID = "grid:"


@dataclass(frozen=True, slots=True)
class Numbers:
    """Jobs by their numbers."""

    space: Space
    ids: range

    def __str__(self) -> str:
        return f"{self.space}{str_of(self.ids)}"


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest job; ``back``: how many jobs before it."""

    back: int = 0

    def __str__(self) -> str:
        return f"@-{self.back}" if self.back else "@"


@dataclass(frozen=True, slots=True)
class Named:
    """Jobs of a name; of names that match it as a glob, where none has just this one."""

    pattern: str

    def __str__(self) -> str:
        return f"{NAME}{self.pattern}"


@dataclass(frozen=True, slots=True)
class Word:
    """Jobs that were named, or tasks of one job."""

    target: Numbers | Latest | Named
    tasks: tuple[range, ...] = ()
    """Only these; (): the whole jobs."""

    def __str__(self) -> str:
        return f"{self.target}.{','.join(map(str_of, self.tasks))}" if self.tasks else f"{self.target}"


def parse_words(texts: Iterable[str]) -> tuple[Word, ...]:
    """Read what a user named jobs and tasks by, an argument each; one may hold several ids.

    >>> [str(word) for word in parse_words(["1-4,7", "2.3,5 9", "@-1", "my job"])]
    ['1-4', '7', '2.3,5', '9', '@-1', 'name:my job']

    Raises BadSelection for what is only made of the characters of ids, and is none.
    """
    return tuple(word for text in texts for word in _words_in(text))


def parse_dependencies(texts: Iterable[str]) -> tuple[Word, ...]:
    """Read what a job waits for: ids, ``@`` and ``name:NAME``, so that no word is a name by mistake.

    Raises BadSelection for anything else.
    """
    given = list(texts)
    for text in given:
        if text.strip() and not is_dependency(text):
            raise BadSelection(f"can't wait for {text!r}: write an id, @ (the latest job) or {NAME}{text}")
    return parse_words(given)


def is_dependency(text: str) -> bool:
    """Tell whether a word may be what a job waits for, whether or not it can be read."""
    return text.startswith(NAME) or (bool(text) and all(is_ids(part) for part in text.split()))


def is_ids(text: str) -> bool:
    """Tell whether a word can only be ids, whether or not they can be read."""
    items = [item for item in text.split(",") if item]
    if not items or text.startswith("-"):
        return bool(text) and not text.strip(",")
    return all(_is_id_like(item) for item in items)


def parse_ids(texts: Iterable[str]) -> tuple[range, ...]:
    """Read numbers that can be of one kind only, such as those of tasks.

    >>> parse_ids(["1,4-6", "10+2"])
    (range(1, 2), range(4, 7), range(10, 13))

    Raises BadSelection for anything else.
    """
    found: list[range] = []
    for text in texts:
        items = text.replace(",", " ").split()
        if not items:
            raise BadSelection("an id is missing: write 3, 1-4 or 10+2")
        found += (_range(item, item) for item in items)
    return tuple(found)


def str_of(ids: range) -> str:
    """Write a range of ids: ``3``, ``3-5``."""
    return str(ids[0]) if len(ids) == 1 else f"{ids[0]}-{ids[-1]}"


def _words_in(text: str) -> Iterator[Word]:
    parts = text.split()
    if not text.strip(", \t\r\n") or not parts:
        raise BadSelection("an id or a name is missing: write 3, 1-4, 10+2, @ (the latest job) or name:NAME")
    if text.startswith(NAME):
        if text == NAME:
            raise BadSelection("a name is missing after name:")
        yield Word(Named(text.removeprefix(NAME)))
    elif all(is_ids(part) for part in parts):
        for part in parts:
            yield from _ids_in(part)
    else:
        yield Word(Named(text))


def _is_id_like(item: str) -> bool:
    for space in (Space.JOB, Space.GRID):
        if item.startswith(space):
            return True
    # ".", "..", "-" and "+" are no ids that went wrong
    return not item.strip(_ID_CHARACTERS) and any(one.isdigit() or one == "@" for one in item)


def _ids_in(part: str) -> Iterator[Word]:
    """Yield the ids of a word without spaces."""
    space = Space.EITHER
    of_tasks: Numbers | Latest | None = None
    tasks: list[range] = []
    for item in filter(None, part.split(",")):
        if of_tasks is not None:
            tasks.append(_range(item, part))
            continue
        given = next((one for one in (Space.JOB, Space.GRID) if item.startswith(one)), None)
        space = given or space
        job, dot, task = item.removeprefix(given or "").partition(".")
        target = _latest(job, part) if job.startswith("@") else Numbers(space, _range(job, part))
        if not dot:
            yield Word(target)
            continue
        if isinstance(target, Numbers) and len(target.ids) != 1:
            raise BadSelection(
                f"bad id {part!r}: tasks are of one job: write 2.1-9 for tasks 1 to 9 of job 2"
            )
        of_tasks = target
        tasks.append(_range(task, part))
    if of_tasks is not None:
        yield Word(of_tasks, tuple(tasks))


def _latest(text: str, part: str) -> Latest:
    if text == "@":
        return Latest()
    if text.startswith("@-") and _is_number(text[2:]):
        return Latest(int(text[2:]))
    raise BadSelection(f"bad id {part!r}: write @ for the latest job, @-1 for the one before it")


def _range(text: str, part: str) -> range:
    """Read ``3``, ``1-4`` or ``10+2``; ``part`` is the word that it stands in."""
    sign = next((one for one in "-+" if one in text), "")
    first, _, second = text.partition(sign) if sign else (text, "", "")
    if not _is_number(first) or (sign and not _is_number(second)):
        raise BadSelection(
            f"bad id {part!r}: write 3, 1-4, 10+2, 2.27 (task 27 of job 2), @ (the latest job) or name:NAME"
        )
    last = int(first) if not sign else int(second) + (int(first) if sign == "+" else 0)
    if last < int(first):
        raise BadSelection(f"bad ids {part!r}: the first is greater than the last")
    return range(int(first), last + 1)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
