"""Ids as a user writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncjman.errors import BadSelection
from asyncjman.model.ids import parse_ids
from asyncjman.model.selection import Selection, format_ids
from asyncjman.model.status import Status


@pytest.mark.parametrize(
    ("texts", "ids"),
    [
        ([], []),
        (["3"], [3]),
        (["1-4"], [1, 2, 3, 4]),
        (["10+2"], [10, 11, 12]),
        (["7+0"], [7]),
        (["1,2 5-6", "9"], [1, 2, 5, 6, 9]),
        (["1,,2"], [1, 2]),
        (["4-4"], [4]),
    ],
)
def test_what_a_text_means(texts: list[str], ids: list[int]) -> None:
    assert [one for some in parse_ids(texts) for one in some] == ids


@pytest.mark.parametrize(
    "text", ["", " ", ",", "a", "1-", "-1", "4-2", "1..3", "1+", "٣", "1-2-3", "1.0", "all"]
)
def test_bad_ids_are_refused(text: str) -> None:
    with pytest.raises(BadSelection):
        parse_ids([text])


def test_one_bad_text_among_good_ones() -> None:
    with pytest.raises(BadSelection, match="'x'"):
        parse_ids(["1", "2,x"])


@given(st.lists(st.text(alphabet="0123456789-+, ax", max_size=8) | st.text(max_size=6), max_size=3))
def test_any_text_is_ids_or_bad(texts: list[str]) -> None:
    try:
        found = parse_ids(texts)
    except BadSelection:
        return
    assert all(len(one) > 0 for one in found)


@given(st.sets(st.integers(0, 10**6) | st.integers(0, 30), min_size=1))
def test_written_and_read_they_are_the_same(ids: set[int]) -> None:
    read = [one for some in parse_ids([format_ids(ids)]) for one in some]
    assert read == sorted(ids)


@given(st.sets(st.integers(0, 40)))
def test_runs_of_three_or_more_are_written_as_one(ids: set[int]) -> None:
    items = format_ids(ids).split(",") if ids else []
    starts = [one for one in ids if one - 1 not in ids]
    longer = [one for one in starts if {one + 1, one + 2} <= ids]
    assert sum("-" in item for item in items) == len(longer)


def test_ids_of_a_thousand_million_jobs_are_cheap() -> None:
    assert len(parse_ids(["1-1000000000"])[0]) == 10**9


@pytest.mark.parametrize(
    ("selection", "everything"),
    [
        (Selection(), True),
        (Selection(engine="local"), True),
        (Selection(ids=(range(1, 2),)), False),
        (Selection(names=("a",)), False),
        (Selection(statuses=frozenset({Status.FAILURE})), False),
    ],
)
def test_is_all(selection: Selection, everything: bool) -> None:
    assert selection.is_all is everything
