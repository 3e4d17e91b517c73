"""The share of each task of an array: all shares together are everything, each item once."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from asyncjman import JobManager, array_slice
from tests.api.tools import jman

FIRST, MORE, STEP = st.integers(1, 1000), st.integers(0, 60), st.integers(1, 9)


def shares(count: int, first: int, last: int, step: int) -> list[slice]:
    common = {"SGE_TASK_FIRST": str(first), "SGE_TASK_LAST": str(last), "SGE_TASK_STEPSIZE": str(step)}
    return [array_slice(count, {**common, "SGE_TASK_ID": str(task)}) for task in range(first, last + 1, step)]


def check(count: int, given: list[slice]) -> None:
    items = list(range(count))
    assert list(itertools.chain.from_iterable(items[one] for one in given)) == items
    sizes = [one.stop - one.start for one in given]
    assert max(sizes) - min(sizes) <= 1
    assert all(0 <= one.start <= one.stop <= count and one.step is None for one in given)


@given(st.integers(0, 500), FIRST, MORE, STEP)
def test_complete_disjoint_and_balanced(count: int, first: int, more: int, step: int) -> None:
    """The last task need not be one that the step reaches: SGE says the last of the range."""
    check(count, shares(count, first, first + more, step))


@given(st.integers(0, 300), st.integers(1, 40))
def test_by_index_where_the_array_has_no_single_step(count: int, tasks: int) -> None:
    given = [
        array_slice(
            count,
            {
                "JMAN_TASK_INDEX": str(index),
                "JMAN_TASK_COUNT": str(tasks),
                "SGE_TASK_ID": "1",
                "SGE_TASK_LAST": "9",
            },
        )
        for index in range(tasks)
    ]
    check(count, given)


@given(st.integers(0, 100))
def test_outside_of_an_array_it_is_all(count: int) -> None:
    for environment in ({}, {"SGE_TASK_ID": "undefined", "SGE_TASK_LAST": "undefined"}):
        assert array_slice(count, environment) == slice(0, count)


async def test_in_real_tasks(folder: Path) -> None:
    program = "import asyncjman; print(list(range(20))[asyncjman.array_slice(20)])"
    async with JobManager(parallel=2) as jm:
        for number, array in enumerate(("1-3", "3-11:4", "2,5,9-10", None), 1):
            job = await jm.submit(
                [sys.executable, "-c", program], array=array, log_dir="logs", name=f"n{number}"
            )
            tasks = [task.task_id for task in (await job).tasks]
            seen = [eval(await job.output(task)) for task in tasks]
            assert list(itertools.chain.from_iterable(seen)) == list(range(20)), array
            assert max(map(len, seen)) - min(map(len, seen)) <= 1
    assert (await jman("list", "-s", "success", "-o"))[1] == "1\n2\n3\n4\n"
