"""One task at a time: jobs run in the order in which they were submitted."""

from __future__ import annotations

from pathlib import Path

from asyncjman import JobManager


async def test_jobs_that_are_submitted_while_the_first_is_taken_up(folder: Path) -> None:
    for round_ in range(3):
        async with JobManager(f"{round_}.sql3") as jm:
            jobs = [await jm.submit(["sh", "-c", f"echo {one} >> order{round_}"]) for one in range(4)]
            await jm.wait(*jobs)
        assert (folder / f"order{round_}").read_text().split() == ["0", "1", "2", "3"]
