"""Jobs to try things on."""

from __future__ import annotations

import os

from hypothesis import strategies as st

from asyncjman.model.array import ArraySpec
from asyncjman.model.graph import Dependency, Kind
from asyncjman.model.job import JobSpec
from asyncjman.store import jobs, runners
from asyncjman.store.database import Database


def spec_of(array: str | None = None, *after: int, kind: Kind = Kind.ANY, name: str = "job") -> JobSpec:
    """Return a spec: an array or not, after other jobs or not."""
    return JobSpec(
        command=("true",),
        name=name,
        exec_dir="/",
        array=ArraySpec.parse(array) if array else None,
        dependencies=tuple(Dependency(one, kind) for one in after),
    )


async def add_jobs(database: Database, *specs: JobSpec) -> list[int]:
    """Store jobs; return their ids."""
    async with database.transaction() as tx:
        return [await jobs.insert(tx, one, 1000.0) for one in specs]


async def add_runner(database: Database, token: str = "token") -> int:
    async with database.transaction() as tx:
        return await runners.insert(tx, token=token, host="here", pid=1, process_started=1.0, now=2.0)


FILE_NAMES = st.binary(max_size=20).map(lambda some: os.fsdecode(some.replace(b"\0", b"")))
"""What the kernel takes for a file name or an argument, as Python shows it: surrogates and all."""
HOSTILE = FILE_NAMES | st.sampled_from(
    ["", " ", "\n", "a\nb", "'", '"', "$HOME", "\udcff", "ä", "\U0001f600", "--help"]
)
