"""The names by which launches are found on a cluster."""

from __future__ import annotations

import pytest

from asyncjman.engines.cluster.names import job_name, pattern_of, token_in
from asyncjman.engines.slurm import tokens


@pytest.mark.parametrize("digits", [14, 20])
def test_a_launch_is_found_by_its_token_also_an_earlier_one(digits: int) -> None:
    token = "0123456789abcdef0123"[:digits]
    for name in ("", "x", "a" * 200, "0123"):
        assert token_in(job_name(7, token, name)) == token
    assert tokens.token_in(tokens.comment_of(token)) == token
    assert pattern_of([token]) == "jm*_01234567*"


@pytest.mark.parametrize("digits", [0, 8, 13, 15, 19, 21])
def test_what_has_another_length_is_no_token(digits: int) -> None:
    token = "0123456789abcdef01234"[:digits]
    assert token_in(f"jm7_{token}_x") is None
    assert tokens.token_in(f"jman:{token}") is None
