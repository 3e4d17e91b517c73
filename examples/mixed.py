"""Jobs among other work of an asyncio program: a task group, a producer, a consumer, a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile

from asyncjman import JobHandle, JobManager


async def count_words(jm: JobManager, text: str, into: dict[str, int]) -> None:
    """Let a job count words, and keep what it says."""
    job = await jm.submit(["sh", "-c", 'echo "$TEXT" | wc -w'], environment={"TEXT": text}, log_dir="logs")
    await job
    into[text] = int(await job.output())


async def give_up_after(jm: JobManager, job: JobHandle, seconds: float) -> str:
    """Wait for a job, but not for ever."""
    try:
        return (await job.wait(timeout=seconds)).status
    except TimeoutError:
        await job.stop()
        return job.status


async def main() -> None:
    found: dict[str, int] = {}
    async with JobManager("submitted.sql3", parallel=4) as jm:
        slow = await jm.submit(["sleep", "1000"])
        async with asyncio.TaskGroup() as group:
            for text in ("one", "one two", "one two three"):
                group.create_task(count_words(jm, text, found))
            ended = group.create_task(give_up_after(jm, slow, 0.2))
        print(sorted(found.values()), "slow:", ended.result())
        jobs = [await jm.submit(["sh", "-c", f"exit {status}"]) for status in (0, 3)]
        results = [(await job.wait()).exit_status async for job in jm.as_completed(*jobs)]
        print("exit statuses:", sorted(status or 0 for status in results))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        asyncio.run(main())
