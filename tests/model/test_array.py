"""Array specifications."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncjman.errors import BadArray
from asyncjman.model.array import MAX_TASK_ID, ArraySpec


def _item(first: int, count: int, step: int) -> range:
    return range(first, first + (count - 1) * step + 1, step)


ITEMS = st.builds(_item, st.integers(1, 40), st.integers(1, 12), st.integers(1, 7))


def _write(one: range, style: int) -> str:
    if len(one) == 1 and style == 0:
        return str(one[0])
    if one.step == 1 and style < 2:
        return f"{one[0]}-{one[-1]}"
    # the end as a user writes it may lie past the last task
    return f"{one[0]}-{one[-1] + (one.step - 1 if style == 2 else 0)}:{one.step}"


@st.composite
def texts(draw: Callable[..., object], items: int = 4) -> tuple[str, list[range]]:
    """A text of two items or more, and the ranges it means (overlapping or not)."""
    ranges = draw(st.lists(ITEMS, min_size=2, max_size=items))
    assert isinstance(ranges, list)
    parts = [_write(one, draw(st.integers(0, 3))) for one in ranges]  # type: ignore[arg-type]
    return ",".join(parts), ranges


def _overlap(ranges: list[range]) -> bool:
    return any(set(a) & set(b) for a, b in combinations(ranges, 2))


@st.composite
def specs(draw: Callable[..., object]) -> ArraySpec:
    """A spec that was parsed."""
    found = draw(texts(6))
    assert isinstance(found, tuple)
    kept: list[range] = []
    for one in found[1]:
        if not _overlap([*kept, one]):
            kept.append(one)
    throttle = draw(st.none() | st.integers(1, 9))
    text = ",".join(_write(one, 3) for one in kept) + (f"%{throttle}" if throttle else "")
    return ArraySpec.parse(text)


SPECS = specs()


@pytest.mark.parametrize(
    ("text", "tasks", "throttle"),
    [
        ("3", [1, 2, 3], None),
        ("1", [1], None),
        ("2-4", [2, 3, 4], None),
        ("1-10:4", [1, 5, 9], None),
        ("5-5", [5], None),
        ("5-5:3", [5], None),
        ("1,3,7-9", [1, 3, 7, 8, 9], None),
        ("7-9,1", [7, 8, 9, 1], None),
        (" 1 , 3 ", [1, 3], None),
        ("4%2", [1, 2, 3, 4], 2),
        ("1-4:3,2%12", [1, 4, 2], 12),
    ],
)
def test_what_a_text_means(text: str, tasks: list[int], throttle: int | None) -> None:
    spec = ArraySpec.parse(text)
    assert list(spec) == tasks
    assert spec.throttle == throttle
    assert (spec.first, spec.last) == (min(tasks), max(tasks))


BAD = (
    "| |,|0|0-3|-1|1-|-|a|1-2-3|4-2|1-4:0|1:2|1-4:|1,,2|1,|1-3,3|1-9:2,7|1-4%0|1-4%|1-4%a|1-4%2%3|1-4%-1|1.5"
    "|1e3|٣|1_0|+3|2147483648|1-99999999999|1\n2|1-2 3|0x10|1-10:99999999999"
)


@pytest.mark.parametrize("text", BAD.split("|"))
def test_bad_texts_are_refused(text: str) -> None:
    with pytest.raises(BadArray, match="bad array"):
        ArraySpec.parse(text)


@given(st.text(alphabet="0123456789-:,% a\n\x00٣", max_size=12) | st.text(max_size=8))
def test_any_text_is_an_array_or_bad(text: str) -> None:
    try:
        spec = ArraySpec.parse(text)
    except BadArray:
        return
    assert 1 <= spec.first <= spec.last <= MAX_TASK_ID
    assert len(spec) >= 1


def test_an_array_of_two_thousand_million_tasks_is_cheap() -> None:
    spec = ArraySpec.parse(f"1-{MAX_TASK_ID}")
    assert len(spec) == MAX_TASK_ID
    assert MAX_TASK_ID in spec
    assert MAX_TASK_ID + 1 not in spec
    assert spec.slice(MAX_TASK_ID - 2, 10) == [MAX_TASK_ID - 1, MAX_TASK_ID]


@given(texts())
def test_a_task_named_twice_is_found(found: tuple[str, list[range]]) -> None:
    text, ranges = found
    if _overlap(ranges):
        with pytest.raises(BadArray, match="is named twice") as caught:
            ArraySpec.parse(text)
        twice = int(str(caught.value).partition("task ")[2].split()[0])
        assert sum(twice in one for one in ranges) >= 2
    else:
        assert list(ArraySpec.parse(text)) == [task for one in ranges for task in one]


@given(SPECS)
def test_len_is_the_number_of_tasks(spec: ArraySpec) -> None:
    assert len(spec) == len(list(spec))


@given(SPECS)
def test_no_task_comes_twice(spec: ArraySpec) -> None:
    assert len(set(spec)) == len(spec)


@given(SPECS)
def test_written_and_read_it_is_the_same(spec: ArraySpec) -> None:
    again = ArraySpec.parse(str(spec))
    assert again == spec
    assert str(again) == str(spec)
    assert list(again) == list(spec)


@given(SPECS, st.integers(0, 80), st.integers(0, 80))
def test_slice_is_that_of_the_list(spec: ArraySpec, start: int, count: int) -> None:
    assert spec.slice(start, count) == list(spec)[start : start + count]


@given(SPECS, st.integers(-3, 120))
def test_in_is_that_of_the_list(spec: ArraySpec, task: int) -> None:
    assert (task in spec) == (task in list(spec))


@given(SPECS)
def test_sorted(spec: ArraySpec) -> None:
    assert list(spec.sorted()) == sorted(list(spec))


@given(SPECS)
def test_first_last_and_step(spec: ArraySpec) -> None:
    assert (spec.first, spec.last) == (min(spec), max(spec))
    if len(spec.ranges) > 1:
        assert spec.step == 1


@given(SPECS, st.sets(st.integers(0, 60)), st.booleans())
def test_without(spec: ArraySpec, drop: set[int], everything: bool) -> None:
    drop = set(spec) if everything else drop
    left = spec.without(drop)
    assert list(left) == [task for task in spec if task not in drop]
    assert left.throttle == spec.throttle
    assert len(left) == len(list(left))
    if len(left):
        assert list(ArraySpec.parse(str(left))) == list(left)
        assert ArraySpec.parse(str(left)) == left


def test_it_is_a_value() -> None:
    assert ArraySpec.parse("1-7:2") == ArraySpec.parse("1-8:2")
    assert hash(ArraySpec.parse("1-7:2")) == hash(ArraySpec.parse("1-8:2"))
    assert ArraySpec.parse("1-7:2") != ArraySpec.parse("1-7:2%3")


@given(st.lists(ITEMS, min_size=1, max_size=3), ITEMS)
def test_what_is_covered_is_in_the_array(ranges: list[range], numbers: range) -> None:
    array = ArraySpec(tuple(ranges))
    assert all(map(array.covers, ranges))
    if array.covers(numbers):
        assert {*numbers} <= {*array}
