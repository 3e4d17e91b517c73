"""A site's rules from its settings, the same for every batch system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import pytest

from asyncjman.engines.cluster.rules import rules_from
from asyncjman.errors import UsageError


class How(StrEnum):
    ONE = "-q"
    OTHER = "-l"
    EITHER = "auto"


@dataclass(frozen=True, kw_only=True)
class Rules:
    how_asked: How = How.ONE
    memory: str = "mem"
    prepend: tuple[str, ...] = ()


def test_what_is_set_is_taken_and_the_rest_is_as_by_default() -> None:
    assert rules_from(Rules, {}, "[x]") == Rules()
    values = {"how-asked": "auto", "prepend": ["-P", "a"]}
    assert rules_from(Rules, values, "[x]") == Rules(how_asked=How.EITHER, prepend=("-P", "a"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"memmory": "a"}, "no setting [x] memmory: there are how_asked, memory, prepend"),
        ({"memory": 3}, "[x] memory must be a text"),
        ({"memory": ["a"]}, "[x] memory must be a text"),
        ({"prepend": "a"}, "[x] prepend must be a list of texts"),
        ({"prepend": ["a", 1]}, "[x] prepend must be a list of texts"),
        ({"how-asked": "-x"}, "[x] how-asked is -q, -l or auto"),
        ({"how_asked": []}, "[x] how-asked must be a text"),
    ],
)
def test_what_makes_no_sense_is_named(values: Mapping[str, object], words: str) -> None:
    with pytest.raises(UsageError) as raised:
        rules_from(Rules, values, "[x]")
    assert str(raised.value) == words


def test_a_table_is_needed() -> None:
    with pytest.raises(UsageError, match=r"^\[x\] must be a table$"):
        rules_from(Rules, 3, "[x]")  # type: ignore[arg-type]
