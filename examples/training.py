"""Prepare, train eight times, evaluate: an array job, its events, and functions as jobs."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path

from asyncjman import JobFailed, JobManager

PREP = "from pathlib import Path; Path('data.txt').write_text('1 2 3 4')"
TRAIN = """
import os
from pathlib import Path
task = os.environ["SGE_TASK_ID"]
total = sum(map(int, Path("data.txt").read_text().split()))
Path(f"model.{task}").write_text(str(total * int(task)))
print("trained", task)
"""


def evaluate(path: str, folds: int = 1) -> float:
    """Return the score of a model: this runs in a process of its own."""
    return int(Path(path).read_text()) / folds


async def main() -> None:
    async with JobManager("submitted.sql3", executor="local", parallel=4) as jm:
        prep = await jm.submit(["python", "prep.py"], name="prep", log_dir="logs")
        train = await jm.submit(
            ["python", "train.py"], array="1-8%2", name="train", after_ok=[prep], log_dir="logs"
        )
        async for event in jm.events(train):
            print(type(event).__name__, "of job", event.job_id)
        result = await train  # raises JobFailed where a task failed
        print(result.status, [task.exit_status for task in result.tasks])
        print((await train.output(8)).strip())

        score = await jm.call(evaluate, "model.1", folds=5)  # a function job: its value, or its exception
        scores = await jm.map(evaluate, [f"model.{task}" for task in range(1, 9)], log_dir="logs")
        print("score", score, "scores", scores)

        typo = await jm.submit(["python", "no_such_file.py"], name="typo", log_dir="logs", check=False)
        try:
            await typo
        except JobFailed as error:
            print("failed:", error.reason)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("prep.py").write_text(PREP)
        Path("train.py").write_text(TRAIN)
        asyncio.run(main())
