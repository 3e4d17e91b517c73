"""Sweeps: products, pairs, rows, ranges, and what is put in the place of {name}."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncjman.model.sweep import BadSweep, Sweep, fill

NAMES = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,5}\Z")
VALUES = st.text(st.characters(exclude_categories=()), max_size=5)
COLUMNS = st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=4), min_size=1, max_size=3)
TABLES = st.integers(1, 5).flatmap(
    lambda length: st.dictionaries(
        NAMES, st.lists(VALUES, min_size=length, max_size=length), min_size=1, max_size=3
    )
)


def everything(sweep: Sweep) -> list[dict[str, str]]:
    return [sweep.at(index) for index in range(len(sweep))]


@given(COLUMNS)
def test_a_product_has_each_combination_once_the_last_changes_fastest(columns: dict[str, list[str]]) -> None:
    expected = [dict(zip(columns, one, strict=True)) for one in itertools.product(*columns.values())]
    assert everything(Sweep.of(columns)) == expected


@given(TABLES)
def test_pairs_and_rows(columns: dict[str, list[str]]) -> None:
    expected = [dict(zip(columns, one, strict=True)) for one in zip(*columns.values(), strict=True)]
    assert everything(Sweep.of(columns, paired=True)) == expected
    assert everything(Sweep.of_rows(expected)) == expected


@given(COLUMNS, TABLES)
def test_written_and_read_again(columns: dict[str, list[str]], table: dict[str, list[str]]) -> None:
    for sweep in (Sweep.of(columns), Sweep.of(table, paired=True)):
        text = sweep.dumps()
        assert text.isascii()
        json.loads(text)
        assert Sweep.loads(text) == sweep


@given(COLUMNS, st.data())
def test_indexes_are_those_that_have_the_values(columns: dict[str, list[str]], data: st.DataObject) -> None:
    sweep = Sweep.of(columns)
    name = data.draw(st.sampled_from(sorted(columns)))
    value = data.draw(st.sampled_from(columns[name]) | VALUES)
    found = sweep.indexes({name: value})
    assert found == [index for index, one in enumerate(everything(sweep)) if one[name] == value]
    assert sweep.indexes({}) == list(range(len(sweep)))


@given(NAMES, st.integers(-50, 50), st.integers(0, 60), st.integers(1, 7))
def test_ranges(name: str, first: int, more: int, step: int) -> None:
    sweep = Sweep.parse([f"{name}={first}-{first + more}:{step}"])
    assert [one[name] for one in everything(sweep)] == [
        str(number) for number in range(first, first + more + 1, step)
    ]


@given(NAMES, st.lists(st.from_regex(r"\A[a-z.][^,\ud800-\udfff]{0,4}\Z"), min_size=1, max_size=4))
def test_values_are_kept_as_they_are(name: str, values: list[str]) -> None:
    sweep = Sweep.parse([f"{name}={','.join(values)}"])
    assert [one[name] for one in everything(sweep)] == values


def test_values_with_other_signs() -> None:
    sweep = Sweep.parse(["a=x=1,,1e-3,2-,-", "b=1-2"])
    assert sweep.columns == (("a", ("x=1", "", "1e-3", "2-", "-")), ("b", ("1", "2")))


@pytest.mark.parametrize(
    "items",
    [
        [],
        ["a"],
        ["=1"],
        ["1a=1"],
        ["a b=1"],
        ["ä=1"],
        ["a=3-1"],
        ["a=1-5:0"],
        ["a=1-99999999"],
        ["a=1", "a=2"],
    ],
)
def test_bad_sweeps(items: list[str]) -> None:
    with pytest.raises(BadSweep):
        Sweep.parse(items)


def test_bad_columns_and_rows() -> None:
    bad_columns: list[dict[str, list[int]]] = [{}, {"a": []}, {"a-b": [1]}]
    for columns in bad_columns:
        with pytest.raises(BadSweep):
            Sweep.of(columns)
    with pytest.raises(BadSweep, match="a has 1, b has 2"):
        Sweep.of({"a": [1], "b": [1, 2]}, paired=True)
    bad_rows: list[list[dict[str, int]]] = [[], [{}], [{"a": 1}, {"b": 1}], [{"a": 1}, {"a": 1, "b": 2}]]
    for rows in bad_rows:
        with pytest.raises(BadSweep):
            Sweep.of_rows(rows)
    with pytest.raises(BadSweep, match="no parameter c"):
        Sweep.of({"a": [1]}).indexes({"c": "1"})


def test_a_product_of_a_million_is_small() -> None:
    sweep = Sweep.of({name: range(100) for name in "abc"})
    assert len(sweep) == 1_000_000
    assert sweep.at(999_999) == {"a": "99", "b": "99", "c": "99"}
    assert len(sweep.dumps()) < 5_000


@given(st.lists(VALUES), st.dictionaries(NAMES, VALUES, max_size=3))
def test_filling_leaves_what_has_no_parameter(words: list[str], values: dict[str, str]) -> None:
    plain = [word.replace("{", "") for word in words]
    assert fill(plain, values) == tuple(plain)


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=3))
def test_filling_once_only(values: dict[str, str]) -> None:
    """A value with braces is no parameter in turn."""
    template = "|".join(f"{{{name}}}" for name in values)
    assert fill([template], values) == ("|".join(values.values()),)
    assert fill(["{{a}} ${a} {} {a.b} {0}"], {"a": "1"}) == ("{1} $1 {} {a.b} {0}",)
