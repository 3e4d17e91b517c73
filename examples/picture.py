"""Draw docs/live.svg: what `jman execute` shows of a real run, in a moment when most of it is done.

python examples/picture.py docs/live.svg
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from asyncjman import JobManager
from asyncjman.model.progress import Overview
from asyncjman.model.selection import Selection
from asyncjman.render.progress import failure_line, screen

WIDTH, ROWS = 90, 14
TRAIN = (
    "sleep 0.{seed}; test {lr}{seed} != 0.013 || { echo 'ValueError: loss is nan' >&2; exit 1; }; sleep 0.4"
)


async def most_done() -> tuple[Overview, float]:
    """Run a pipeline; return how far it is once most of its tasks have ended, and after how many seconds."""
    with tempfile.TemporaryDirectory() as folder:
        async with JobManager(Path(folder) / "submitted.sql3", parallel=4) as jm:
            begun = time.monotonic()
            logs = Path(folder) / "logs"
            prepare = await jm.submit(["sleep", "0.2"], name="prepare", log_dir=logs)
            train = await jm.submit(
                ["sh", "-c", TRAIN],
                name="train",
                sweep={"lr": ["0.1", "0.03", "0.01"], "seed": [str(seed) for seed in range(1, 9)]},
                after_ok=[prepare],
                log_dir=logs,
            )
            await jm.submit(["sh", "-c", "cat logs/*"], name="evaluate", after_any=[train], log_dir=logs)
            source = await jm.progress_of_all(Selection())
            while True:
                seen = await source.read()
                if seen.done >= seen.total * 2 // 3 and seen.failures:
                    return seen, time.monotonic() - begun
                await asyncio.sleep(source.pause)


def main(path: Path) -> None:
    seen, seconds = asyncio.run(most_done())
    console = Console(
        record=True, width=WIDTH, force_terminal=True, color_system="truecolor", file=io.StringIO()
    )
    names = {job.id: job for job in seen.jobs}
    for failed in reversed(seen.failures):
        console.print(Text.from_ansi(failure_line(failed, names.get(failed.job_id), color=True)))
    for line in screen(seen, seconds, WIDTH, ROWS):
        console.print(line)
    drawn = console.export_svg(title="jman execute --parallel 4")
    # the reader's own font will do: a picture is to fetch nothing
    path.write_text(re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main(Path(sys.argv[1]))
