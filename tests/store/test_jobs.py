"""Jobs as they come back from the file."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from asyncjman.model.array import ArraySpec
from asyncjman.model.graph import Dependency, Kind
from asyncjman.model.job import JobSpec
from asyncjman.model.selection import Selection
from asyncjman.model.status import Status
from asyncjman.store import jobs, schedule
from asyncjman.store.database import Database
from asyncjman.store.spec_rows import spec_of as spec_of_row
from asyncjman.store.spec_rows import spec_values
from tests.making import HOSTILE, add_jobs, spec_of

SPECS = st.builds(
    JobSpec,
    command=st.lists(HOSTILE, min_size=1, max_size=4).map(tuple),
    interpreter=st.lists(HOSTILE, max_size=2).map(tuple),
    name=HOSTILE,
    exec_dir=HOSTILE,
    log_dir=st.none() | HOSTILE,
    environment=st.dictionaries(HOSTILE, HOSTILE, max_size=3),
    array=st.none() | st.sampled_from(["5", "1-9:2%3", "7,1-3"]).map(ArraySpec.parse),
    stop_on_failure=st.booleans(),
    git_commit=st.none() | st.just("0" * 40),
    git_dirty=st.none() | st.booleans(),
)


@given(SPECS)
def test_a_spec_becomes_a_row_and_back(spec: JobSpec) -> None:
    assert spec_of_row(spec_values(spec)) == spec


@settings(max_examples=15)
@given(some=st.lists(SPECS, min_size=1, max_size=5))
async def test_a_job_comes_back_from_the_file_as_it_was_given(
    some: list[JobSpec], database: Database, other: Database
) -> None:
    ids = await add_jobs(database, *some)
    assert [job.spec for job in await jobs.get(other, ids)] == some
    assert list((await jobs.specs(other, ids)).values()) == some


async def test_a_new_job(database: Database) -> None:
    await add_jobs(database, spec_of("1-9:2"), spec_of(None, 1, kind=Kind.OK))
    array, plain = await jobs.get(database, [1, 2])
    assert (array.status, array.counts, array.task_count) == (Status.SUBMITTED, {Status.SUBMITTED: 5}, 5)
    assert (plain.status, plain.counts) == (Status.WAITING, {Status.WAITING: 1})
    assert plain.spec.dependencies == (Dependency(1, Kind.OK),)
    assert (array.submitted_at, array.started_at, array.finished_at, array.cpu_seconds) == (
        1000.0,
        None,
        None,
        None,
    )


async def test_select_by_each_thing(database: Database) -> None:
    await add_jobs(
        database, spec_of(name="a"), spec_of(name="\udcff"), spec_of(None, 1, name="a"), spec_of(name="c")
    )

    async def found(selection: Selection) -> list[int]:
        return [job.id async for job in jobs.select(database, selection)]

    assert await found(Selection()) == [1, 2, 3, 4]
    assert await found(Selection(ids=(range(4, 5), range(1, 3)))) == [1, 2, 4]
    assert await found(Selection(ids=(range(3, 10**18),))) == [3, 4]
    assert await found(Selection(names=("a", "\udcff"))) == [1, 2, 3]
    assert await found(Selection(names=("a",), ids=(range(2, 5),))) == [3]
    assert await found(Selection(statuses=frozenset({Status.WAITING}))) == [3]
    assert await found(Selection(engine="slurm")) == []
    assert await found(Selection(engine="local", names=("c",))) == [4]


async def test_more_jobs_than_are_read_at_a_time(database: Database) -> None:
    await add_jobs(database, *[spec_of() for _ in range(1203)])
    assert [job.id async for job in jobs.select(database, Selection())] == list(range(1, 1204))


async def test_ids_are_never_used_again(database: Database) -> None:
    await add_jobs(database, spec_of(), spec_of())
    async with database.transaction() as tx:
        await jobs.delete(tx, 2)
    assert await add_jobs(database, spec_of()) == [3]
    assert await jobs.existing(database, [range(1, 100)]) == {1, 3}


async def test_what_is_deleted_leaves_no_row(database: Database, path: Path) -> None:
    await add_jobs(database, spec_of("3"), spec_of(None, 1), spec_of(None, 2))
    async with database.transaction() as tx:
        await jobs.delete(tx, 1)
    assert await jobs.get(database, [1]) == []
    assert (await jobs.get(database, [2]))[0].spec.dependencies == ()
    assert await jobs.dependency_edges(database) == {3: [2]}
    for table in ("task", "attempt", "status_count", "dependency"):
        assert await database.fetch(f"SELECT * FROM {table} WHERE job_id = 1") == []


async def test_others_hear_what_changed(database: Database, other: Database) -> None:
    revision = await jobs.latest_revision(other)
    await add_jobs(database, spec_of(), spec_of())
    changed, revision = await jobs.changed_since(other, revision)
    assert sorted(changed) == [1, 2]
    assert await jobs.changed_since(other, revision) == ([], revision)
    async with database.transaction() as tx:
        await jobs.delete(tx, 1)
    assert (await jobs.changed_since(other, revision))[0] == [1]


async def test_outlines(database: Database) -> None:
    await add_jobs(database, spec_of("1-4%2"), spec_of(None, 1, kind=Kind.NOTOK))
    found = await schedule.summaries(database, [1, 2, 99])
    assert list(found) == [1, 2]
    assert (found[1].array, found[1].task_count, found[1].unfinished) == ("1-4%2", 4, 4)
    assert (found[2].status, found[2].finished) == (Status.WAITING, False)
    assert await schedule.dependencies(database, [1, 2]) == {2: (Dependency(1, Kind.NOTOK),)}
    assert await schedule.open_jobs(database) == [1, 2]
