"""The environment of a process as the C library gets it, and as Python does: the same."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncjman.engines.local import clib
from asyncjman.engines.local.variables import Environment, encoded

NAMES = st.sampled_from(["A", "B", "PATH", "JMAN_TASK", "SGE_TASK_ID", "ä ö"])
VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)
VARIABLES = st.dictionaries(NAMES, VALUES)


def values(words: clib.Words) -> dict[bytes, bytes]:
    found = [one for one in words.array if one is not None]
    assert words.array[len(words.array) - 1] is None and len(found) == len(words.array) - 1
    return dict(one.split(b"=", 1) for one in found)


@pytest.mark.skipif(not clib.IS_THERE, reason="no such C library")
@given(common=VARIABLES, own=st.lists(VARIABLES, max_size=4))
def test_each_process_has_its_own_beside_the_common_ones(
    common: dict[str, str], own: list[dict[str, str]]
) -> None:
    environment = Environment(encoded(common))
    # all of them are there at once: none may change what another one has
    words = [environment.words(one) for one in own]
    for one, mine in zip(own, words, strict=True):
        expected = {os.fsencode(name): os.fsencode(value) for name, value in {**common, **one}.items()}
        assert values(mine) == expected == environment.plus(one)


@pytest.mark.parametrize("variables", [{"": "x"}, {"A=B": "x"}, {"A": "x\0y"}])
def test_what_no_process_can_have(variables: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        encoded(variables)
    with pytest.raises(ValueError):
        Environment({}).words(variables)
