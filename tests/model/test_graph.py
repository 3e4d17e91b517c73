"""Dependencies: what each kind asks for, cycles, and who waits for whom."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncjman.model.graph import Kind, Verdict, combine, dependents, verdict
from asyncjman.model.status import FINISHED, Status

GO, SKIP, WAIT = Verdict.GO, Verdict.SKIP, Verdict.WAIT

# kind, status of the job that is waited for: verdict, verdict if that job stops on failure
TABLE = [
    (Kind.ANY, Status.SUCCESS, GO, GO),
    (Kind.ANY, Status.FAILURE, GO, SKIP),
    (Kind.ANY, Status.STOPPED, GO, SKIP),
    (Kind.ANY, Status.SKIPPED, SKIP, SKIP),
    (Kind.OK, Status.SUCCESS, GO, GO),
    (Kind.OK, Status.FAILURE, SKIP, SKIP),
    (Kind.OK, Status.STOPPED, SKIP, SKIP),
    (Kind.OK, Status.SKIPPED, SKIP, SKIP),
    (Kind.NOTOK, Status.SUCCESS, SKIP, SKIP),
    (Kind.NOTOK, Status.FAILURE, GO, GO),
    (Kind.NOTOK, Status.STOPPED, GO, GO),
    (Kind.NOTOK, Status.SKIPPED, SKIP, SKIP),
    (Kind.CORR, Status.SUCCESS, GO, GO),
    (Kind.CORR, Status.FAILURE, SKIP, SKIP),
    (Kind.CORR, Status.STOPPED, SKIP, SKIP),
    (Kind.CORR, Status.SKIPPED, SKIP, SKIP),
]


@pytest.mark.parametrize(("kind", "status", "plain", "stopping"), TABLE)
def test_verdict(kind: Kind, status: Status, plain: Verdict, stopping: Verdict) -> None:
    assert verdict(kind, status, stop_on_failure=False) is plain
    assert verdict(kind, status, stop_on_failure=True) is stopping


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("status", sorted(set(Status) - FINISHED))
@pytest.mark.parametrize("stop_on_failure", [False, True])
def test_an_unfinished_job_is_waited_for(kind: Kind, status: Status, stop_on_failure: bool) -> None:
    assert verdict(kind, status, stop_on_failure=stop_on_failure) is WAIT


@pytest.mark.parametrize(
    ("verdicts", "together"),
    [
        ([], GO),
        ([GO], GO),
        ([GO, GO], GO),
        ([GO, WAIT], WAIT),
        ([WAIT, SKIP], SKIP),
        ([SKIP, WAIT], SKIP),
        ([GO, WAIT, SKIP, GO], SKIP),
    ],
)
def test_combine(verdicts: list[Verdict], together: Verdict) -> None:
    for order in permutations(verdicts):
        assert combine(order) is together


GRAPHS = st.dictionaries(st.integers(1, 7), st.lists(st.integers(1, 7), max_size=4), max_size=7)


def _reached(edges: dict[int, list[int]], start: int) -> set[int]:
    """Return what is reached from ``start`` in one step or more."""
    found: set[int] = set(edges.get(start, ()))
    while more := {b for a in found for b in edges.get(a, ())} - found:
        found |= more
    return found


@given(GRAPHS, st.sets(st.integers(1, 7), max_size=3))
def test_dependents(waits_for: dict[int, list[int]], start: set[int]) -> None:
    expected = {job for job in waits_for if _reached(waits_for, job) & start}
    assert dependents(waits_for, start) == sorted(expected)


def test_long_chains_need_no_deep_stack() -> None:
    chain = {job: [job - 1] for job in range(2, 20_001)}
    assert len(dependents(chain, [1])) == 19_999
