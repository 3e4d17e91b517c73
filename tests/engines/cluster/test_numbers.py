"""Tasks by the cluster's numbers, in as few words as there are runs of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asyncjman.engines.cluster.numbers import runs_of
from asyncjman.model.array import ArraySpec

ARRAYS = [ArraySpec.parse(text) for text in ("1-12", "3-30:3", "2,4,6-10,15,20,30", "5")]


@given(
    st.sampled_from(ARRAYS), st.lists(st.booleans(), min_size=12), st.lists(st.integers(1, 2), min_size=12)
)
def test_runs_say_the_same(array: ArraySpec, chosen: list[bool], attempts: list[int]) -> None:
    task_map = [
        (task_id, attempt)
        for task_id, is_chosen, attempt in zip(array, chosen, attempts, strict=False)
        if is_chosen
    ]
    told = {
        number: (one.task_id + number * one.step, one.attempt, one.index + number)
        for one in runs_of(task_map, array)
        for number in range(one.first, one.first + one.count)
    }
    assert told == {
        number: (task_id, attempt, array.index(task_id))
        for number, (task_id, attempt) in enumerate(task_map, 1)
    }


def test_a_part_of_a_range_is_one_run() -> None:
    array = ArraySpec.parse("1-1000:3")
    assert len(runs_of([(task_id, 1) for task_id in array.slice(100, 200)], array)) == 1
