"""Parameters of the tasks of an array: products, zips, and tables of values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from asyncjman.errors import UsageError
from asyncjman.model.array import MAX_TASK_ID

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_RANGE = r"(-?\d{1,18})-(-?\d{1,18})(?::(\d{1,18}))?"
_FIELD = r"\{([A-Za-z_][A-Za-z0-9_]*)\}"
MAX_RANGE = 10_000_000


class BadSweep(UsageError):
    """The sweep can't be read."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """The values of each task: columns are multiplied, or paired where ``paired`` says so.

    A product of a million combinations is kept as its few columns.

    >>> sweep = Sweep.parse(["lr=0.1,0.01", "seed=1-3"])
    >>> len(sweep), sweep.at(0), sweep.at(5)
    (6, {'lr': '0.1', 'seed': '1'}, {'lr': '0.01', 'seed': '3'})
    """

    columns: tuple[tuple[str, tuple[str, ...]], ...]
    paired: bool = False

    @classmethod
    def parse(cls, items: Iterable[str], *, paired: bool = False) -> Sweep:
        """Read ``NAME=V1,V2`` and ``NAME=1-5:2`` items. Raises BadSweep."""
        return cls.of(dict(_parse_item(item) for item in _distinct(items)), paired=paired)

    @classmethod
    def of(cls, columns: Mapping[str, Sequence[object]], *, paired: bool = False) -> Sweep:
        """Make one of columns of values. Raises BadSweep for bad names, no values, unequal columns."""
        try:
            done = tuple((name, tuple(map(str, values))) for name, values in columns.items())
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, lists in lists
            raise BadSweep(f"a value of the sweep can't be written: {error}") from error
        for name, values in done:
            if not re.fullmatch(_NAME, name, re.ASCII):
                raise BadSweep(f"bad name of a parameter {name!r}: letters, digits and _, no digit first")
            if not values:
                raise BadSweep(f"the parameter {name} has no value")
        if not done:
            raise BadSweep("the sweep has no parameter")
        if paired and len({len(values) for _, values in done}) > 1:
            lengths = ", ".join(f"{name} has {len(values)}" for name, values in done)
            raise BadSweep(f"values can be paired only where there are equally many: {lengths}")
        if not paired and prod(len(values) for _, values in done) > MAX_TASK_ID:
            raise BadSweep(f"the sweep has too many tasks: there may be {MAX_TASK_ID}")
        return cls(done, paired)

    @classmethod
    def of_rows(cls, rows: Sequence[Mapping[str, object]]) -> Sweep:
        """Make one of a table, a task a row. Raises BadSweep where the rows' names differ."""
        if not rows:
            raise BadSweep("the sweep has no row")
        names = list(rows[0])
        for number, row in enumerate(rows, 1):
            if set(row) != set(names):
                raise BadSweep(f"row {number} of the sweep has other names than the first one")
        return cls.of({name: [row[name] for row in rows] for name in names}, paired=True)

    @classmethod
    def loads(cls, text: str) -> Sweep:
        """Read what ``dumps`` wrote."""
        kept = json.loads(text)
        return cls(tuple((name, tuple(values)) for name, values in kept["columns"]), kept["paired"])

    def dumps(self) -> str:
        """Write it as ASCII JSON."""
        return json.dumps({"columns": self.columns, "paired": self.paired})

    def __len__(self) -> int:
        if self.paired:
            return len(self.columns[0][1])
        return prod(len(values) for _, values in self.columns)

    def at(self, index: int) -> dict[str, str]:
        """Return the values of the task with this index (from 0); the last parameter changes fastest."""
        if self.paired:
            return {name: values[index] for name, values in self.columns}
        found: dict[str, str] = {}
        for name, values in reversed(self.columns):
            index, at = divmod(index, len(values))
            found[name] = values[at]
        return {name: found[name] for name, _ in self.columns}

    def indexes(self, where: Mapping[str, str]) -> list[int]:
        """Return the indexes of the tasks that have all these values. Raises BadSweep for other names."""
        names = [name for name, _ in self.columns]
        if unknown := where.keys() - set(names):
            raise BadSweep(f"no parameter {', '.join(sorted(unknown))}: there are {', '.join(names)}")
        return [index for index in range(len(self)) if where.items() <= self.at(index).items()]


def fill(words: Iterable[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """Put values in the place of ``{name}``; braces around other words stay as they are.

    >>> fill(["--lr={lr}", "{other}"], {"lr": "0.1"})
    ('--lr=0.1', '{other}')
    """

    def value(field: re.Match[str]) -> str:
        return values.get(field[1], field[0])

    return tuple(re.sub(_FIELD, value, word, flags=re.ASCII) for word in words)


def mistyped(words: Iterable[str], names: Iterable[str]) -> tuple[str, str] | None:
    """Return a ``{word}`` that is one edit away from a parameter's name, and that name; None: there is none.

    ``${word}`` is the shell's own, and names of one letter are near to everything.

    >>> mistyped(["--lr={lrr}", "awk '{print}'", "${LR}"], ["lr", "seed"])
    ('lrr', 'lr')
    """
    known = set(names)
    for word in words:
        for field in re.finditer(rf"(?<!\$){_FIELD}", word, re.ASCII):
            near = [name for name in known if min(len(name), len(field[1])) > 1 and _is_near(field[1], name)]
            if field[1] not in known and near:
                return field[1], near[0]
    return None


def _is_near(one: str, other: str) -> bool:
    """Tell whether a letter was left out, added, or replaced."""
    short, long = sorted((one, other), key=len)
    if len(long) - len(short) > 1:
        return False
    same = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return short[same + (len(short) == len(long)) :] == long[same + 1 :]


def _distinct(items: Iterable[str]) -> list[str]:
    found = list(items)
    names = [item.partition("=")[0] for item in found]
    for name in names:
        if names.count(name) > 1:
            raise BadSweep(f"the parameter {name} is given twice")
    return found


def _parse_item(item: str) -> tuple[str, list[str]]:
    name, equals, text = item.partition("=")
    if not equals:
        raise BadSweep(f"bad sweep {item!r}: write NAME=V1,V2 or NAME=1-5")
    values: list[str] = []
    for part in text.split(","):
        match = re.fullmatch(_RANGE, part, re.ASCII)
        if match:
            first, last, step = int(match[1]), int(match[2]), int(match[3] or 1)
            if step == 0 or last < first:
                raise BadSweep(f"bad sweep {item!r}: {part} is no range of numbers")
            if len(values) + (last - first) // step >= MAX_RANGE:
                raise BadSweep(f"bad sweep {item!r}: there may be {MAX_RANGE} values")
            values.extend(map(str, range(first, last + 1, step)))
        else:
            values.append(part)
    return name, values
