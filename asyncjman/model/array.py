"""Array specifications such as ``1-10:2,15%4``: which tasks a job has."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

from asyncjman.errors import BadArray

MAX_TASK_ID = 2**31 - 1

_ITEM = r"(\d{1,10})(?:-(\d{1,10})(?::(\d{1,10}))?)?"
_THROTTLE = r"[1-9]\d{0,9}"


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """The task ids of an array job, and how many may run at a time.

    Kept as ranges, so that an array of a million tasks is as small as one of ten.

    >>> spec = ArraySpec.parse("1-7:2,10%2")
    >>> list(spec), len(spec), spec.throttle, str(spec)
    ([1, 3, 5, 7, 10], 5, 2, '1-7:2,10%2')
    """

    ranges: tuple[range, ...]
    throttle: int | None = None

    @classmethod
    def parse(cls, text: str) -> ArraySpec:
        """Read ``10`` (1 to 10), ``2-10``, ``1-10:2``, ``1,3,7-9``, each with ``%N``.

        Raises BadArray when the text is none of these, names a task twice, or a task below 1.
        """
        body, percent, limit = text.strip().partition("%")
        if percent and not re.fullmatch(_THROTTLE, limit, re.ASCII):
            raise BadArray(f"bad array {text!r}: after % goes the number of tasks at a time, as in 1-10%4")
        items = [item.strip() for item in body.split(",")]
        ranges = tuple(_parse_item(item, text, lone=len(items) == 1) for item in items)
        _refuse_overlap(ranges, text)
        return cls(ranges, int(limit) if percent else None)

    def without(self, task_ids: Iterable[int]) -> ArraySpec:
        """Return the array less these tasks; an empty one where none is left."""
        drop = set(task_ids)
        kept: list[range] = []
        for one in self.ranges:
            cuts = sorted(one.index(task_id) for task_id in drop if task_id in one)
            start = 0
            for cut in [*cuts, len(one)]:
                if cut > start:
                    kept.append(one[start:cut])
                start = cut + 1
        return ArraySpec(tuple(kept), self.throttle)

    def __len__(self) -> int:
        return sum(len(one) for one in self.ranges)

    def __iter__(self) -> Iterator[int]:
        for one in self.ranges:
            yield from one

    def index(self, task_id: int) -> int:
        """Return where (from 0) a task stands in the array. Raises ValueError where it isn't in it."""
        before = 0
        for one in self.ranges:
            if task_id in one:
                return before + one.index(task_id)
            before += len(one)
        raise ValueError(f"{task_id} is not in {self}")

    def sorted(self) -> Iterable[int]:
        """Return the task ids in increasing order."""
        ordered = all(a[-1] < b[0] for a, b in pairwise(self.ranges))
        return self if ordered else sorted(self)

    def __contains__(self, task_id: object) -> bool:
        return any(task_id in one for one in self.ranges)

    def covers(self, numbers: range) -> bool:
        """Tell whether one of the ranges has all of these; they may be in it even if not."""
        return any(
            numbers[0] in one and numbers[-1] in one and (len(numbers) == 1 or numbers.step % one.step == 0)
            for one in self.ranges
        )

    def slice(self, start: int, count: int) -> list[int]:
        """Return at most ``count`` task ids from index ``start`` (0-based) on."""
        ends = list(accumulate(len(one) for one in self.ranges))
        found: list[int] = []
        at = bisect_right(ends, start)
        while at < len(ends) and len(found) < count:
            offset = start + len(found) - (ends[at] - len(self.ranges[at]))
            found.extend(self.ranges[at][offset : offset + count - len(found)])
            at += 1
        return found

    @property
    def first(self) -> int:
        return min(one[0] for one in self.ranges)

    @property
    def last(self) -> int:
        return max(one[-1] for one in self.ranges)

    @property
    def step(self) -> int:
        """Return the step from task to task; 1 where there is no single one."""
        return self.ranges[0].step if len(self.ranges) == 1 else 1

    def __str__(self) -> str:
        items = []
        for one in self.ranges:
            if len(one) == 1 and len(self.ranges) > 1:
                items.append(str(one[0]))
            elif one.step == 1:
                items.append(f"{one[0]}-{one[-1]}")
            else:
                items.append(f"{one[0]}-{one[-1]}:{one.step}")
        return ",".join(items) + (f"%{self.throttle}" if self.throttle else "")


def _parse_item(item: str, text: str, *, lone: bool) -> range:
    match = re.fullmatch(_ITEM, item, re.ASCII)
    if not match:
        raise BadArray(
            f"bad array {text!r}: write 10, 1-10, 1-10:2 or 1,3,7-9, with %N for N tasks at a time"
        )
    start, end, step = match.groups()
    if end is None:
        one = range(1, int(start) + 1) if lone else range(int(start), int(start) + 1)
    else:
        if step is not None and int(step) == 0:
            raise BadArray(f"bad array {text!r}: the step after : is 1 at least")
        one = range(int(start), int(end) + 1, int(step or 1))
    if int(start) < 1:
        raise BadArray(f"bad array {text!r}: the first task is 1 at least")
    if not one:
        raise BadArray(f"bad array {text!r}: {item} has no task, the first is greater than the last")
    if one[-1] > MAX_TASK_ID:
        raise BadArray(f"bad array {text!r}: the last task is {MAX_TASK_ID} at most")
    return range(one[0], one[-1] + 1, one.step) if len(one) > 1 else range(one[0], one[0] + 1)


def _refuse_overlap(ranges: tuple[range, ...], text: str) -> None:
    active: list[range] = []
    for one in sorted(ranges, key=lambda r: r[0]):
        active = [other for other in active if other[-1] >= one[0]]
        for other in active:
            common = _first_common(one, other)
            if common is not None:
                raise BadArray(f"bad array {text!r}: task {common} is named twice")
        active.append(one)


def _first_common(a: range, b: range) -> int | None:
    """Return the smallest number in both progressions (Chinese remainder theorem), or None."""
    gcd = math.gcd(a.step, b.step)
    if (b[0] - a[0]) % gcd:
        return None
    turns = (b[0] - a[0]) // gcd * pow(a.step // gcd, -1, b.step // gcd) % (b.step // gcd)
    meet = a[0] + a.step * turns
    period = a.step * b.step // gcd
    low = max(a[0], b[0])
    if meet < low:
        meet += -(-(low - meet) // period) * period
    return meet if meet <= min(a[-1], b[-1]) else None
