"""When a task that failed is tried again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncjman.errors import UsageError
from asyncjman.model.duration import parse_duration
from asyncjman.model.failure import Cause, is_among
from asyncjman.model.retry import Retry, parse_causes

CAUSES = st.frozensets(st.sampled_from(Cause))
RETRIES = st.builds(Retry, st.integers(0, 50), CAUSES, st.floats(0, 1e6))


@given(RETRIES)
def test_written_and_read_again(retry: Retry) -> None:
    assert retry.dumps().isascii()
    assert Retry.loads(retry.dumps()) == retry


@given(RETRIES, st.sampled_from(Cause), st.none() | st.integers(1, 64))
def test_so_many_times_and_no_more(retry: Retry, cause: Cause, signal: int | None) -> None:
    attempt = 1
    while retry.applies(cause, signal, attempt):
        attempt += 1
        assert attempt <= retry.count + 1
    assert attempt == (retry.count + 1 if is_among(retry.causes, cause, signal) else 1)


@pytest.mark.parametrize(
    ("wanted", "cause", "signal", "among"),
    [
        ("failure", "exit", None, True),
        ("exit", "signal", 11, False),
        ("signal", "signal", 15, True),
        ("oom", "signal", 9, True),
        ("memory", "signal", 15, False),
        ("memory", "memory", None, True),
        ("memory", "timeout", 9, False),
        ("node", "vanished", None, True),
        ("node", "launch", None, True),
        ("node", "node", None, True),
        ("node", "exit", None, False),
        ("vanished", "node", None, False),
    ],
)
def test_which_cause_is_meant(wanted: str, cause: str, signal: int | None, among: bool) -> None:
    assert is_among(parse_causes([wanted]), Cause(cause), signal) is among


@given(st.lists(st.lists(st.sampled_from(Cause), min_size=1), min_size=1))
def test_causes_are_read(groups: list[list[Cause]]) -> None:
    assert parse_causes([", ".join(group) for group in groups]) == {one for group in groups for one in group}


@pytest.mark.parametrize("text", ["", "failure,", "fail", "OOM", "timeout signal"])
def test_bad_causes(text: str) -> None:
    with pytest.raises(UsageError, match="exit, signal, timeout, memory, node, launch, vanished"):
        parse_causes([text])


@given(st.integers(0, 10**6), st.sampled_from([("", 1), ("s", 1), ("m", 60), ("h", 3600), ("d", 86400)]))
def test_durations(number: int, unit: tuple[str, int]) -> None:
    assert parse_duration(f"{number}{unit[0]}") == number * unit[1]
    assert parse_duration(f" {number} {unit[0]} ") == number * unit[1]


@pytest.mark.parametrize("text", ["", "-1", "1w", "h", "1h30m", "nan", "inf", "1e3", "٣s", "1.", ".5"])
def test_bad_durations(text: str) -> None:
    with pytest.raises(UsageError, match="bad time"):
        parse_duration(text)
