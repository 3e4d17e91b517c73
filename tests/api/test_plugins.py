"""The manager under the test plugins that people use, and in a cell of a notebook."""

from __future__ import annotations

import ast
import asyncio
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from asyncjman import JobManager

TEST = """
import asyncio
import pytest
from asyncjman import JobManager, JobFailed

{setup}

@{mark}
async def test_jobs(tmp_path):
    async with JobManager(tmp_path / "submitted.sql3", parallel=2) as jm:
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task((await jm.submit(["true"])).wait())
        with pytest.raises(JobFailed):
            await (await jm.submit(["false"]))
        assert await jm.call(lambda: 5) == 5

@pytest.fixture
async def manager(tmp_path):
    async with JobManager(tmp_path / "submitted.sql3") as jm:
        yield jm

@{mark}
async def test_in_a_fixture(manager):
    assert (await (await manager.submit(["true"]))).succeeded
"""
ANYIO = "@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'"


@pytest.mark.parametrize(
    ("mark", "setup", "options"),
    [
        ("pytest.mark.anyio", ANYIO, ["-p", "no:asyncio"]),
        (
            "pytest.mark.asyncio",
            "",
            ["-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function"],
        ),
    ],
    ids=["anyio", "pytest-asyncio"],
)
def test_plugins(folder: Path, mark: str, setup: str, options: list[str]) -> None:
    (folder / "test_it.py").write_text(TEST.format(mark=mark, setup=setup))
    (folder / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-W",
            "error",
            "-p",
            "no:cacheprovider",
            *options,
            "test_it.py",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_cells_of_a_notebook(folder: Path) -> None:
    """Cells are compiled with top-level await, and run one after the other in one loop."""
    cells = [
        "from asyncjman import JobManager",
        "jm = await JobManager('submitted.sql3').__aenter__()",
        "job = await jm.submit(['sh', '-c', 'echo hello'], log_dir='logs')",
        "result = await job",
        "text = await job.output()",
        "value = await jm.call(lambda: 7)",
        "await jm.__aexit__(None, None, None)",
    ]
    names: dict[str, object] = {}
    with asyncio.Runner() as runner:
        for cell in cells:
            code = compile(cell, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            done = eval(code, names)
            if inspect.iscoroutine(done):
                runner.run(done)
    assert (names["text"], names["value"]) == ("hello\n", 7)


async def test_managers_have_no_state_in_common(folder: Path) -> None:
    """In a second thread, with a loop of its own, at the same time."""

    async def work(name: str) -> int:
        async with JobManager(f"{name}.sql3") as jm:
            return await jm.call(lambda: 1)

    in_thread = asyncio.to_thread(lambda: asyncio.run(work("a")))
    assert sum(await asyncio.gather(in_thread, work("b"))) == 2
