"""When a task that failed is tried again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncjman.errors import UsageError
from asyncjman.model.duration import parse_duration
from asyncjman.model.retry import Cause, Retry, causes_of, parse_causes

CAUSES = st.frozensets(st.sampled_from(Cause))
RETRIES = st.builds(Retry, st.integers(0, 50), CAUSES, st.floats(0, 1e6))


@given(RETRIES)
def test_written_and_read_again(retry: Retry) -> None:
    assert retry.dumps().isascii()
    assert Retry.loads(retry.dumps()) == retry


@given(RETRIES, CAUSES)
def test_so_many_times_and_no_more(retry: Retry, causes: frozenset[Cause]) -> None:
    attempt = 1
    while retry.applies(causes, attempt):
        attempt += 1
        assert attempt <= retry.count + 1
    assert attempt == (retry.count + 1 if retry.causes & causes else 1)


@pytest.mark.parametrize(
    ("signal", "timed_out", "causes"),
    [
        (None, False, {Cause.FAILURE}),
        (11, False, {Cause.SIGNAL}),
        (15, False, {Cause.SIGNAL}),
        (9, False, {Cause.SIGNAL, Cause.OOM}),
        (15, True, {Cause.TIMEOUT}),
        (9, True, {Cause.TIMEOUT}),
        (None, True, {Cause.TIMEOUT}),
    ],
)
def test_causes_of_a_failure(signal: int | None, timed_out: bool, causes: set[Cause]) -> None:
    assert causes_of(signal=signal, timed_out=timed_out) == causes


@given(st.lists(st.lists(st.sampled_from(Cause), min_size=1), min_size=1))
def test_causes_are_read(groups: list[list[Cause]]) -> None:
    assert parse_causes([", ".join(group) for group in groups]) == {one for group in groups for one in group}


@pytest.mark.parametrize("text", ["", "failure,", "fail", "OOM", "timeout signal"])
def test_bad_causes(text: str) -> None:
    with pytest.raises(UsageError, match="failure, timeout, signal, oom, node"):
        parse_causes([text])


@given(st.integers(0, 10**6), st.sampled_from([("", 1), ("s", 1), ("m", 60), ("h", 3600), ("d", 86400)]))
def test_durations(number: int, unit: tuple[str, int]) -> None:
    assert parse_duration(f"{number}{unit[0]}") == number * unit[1]
    assert parse_duration(f" {number} {unit[0]} ") == number * unit[1]


@pytest.mark.parametrize("text", ["", "-1", "1w", "h", "1h30m", "nan", "inf", "1e3", "٣s", "1.", ".5"])
def test_bad_durations(text: str) -> None:
    with pytest.raises(UsageError, match="bad time"):
        parse_duration(text)
