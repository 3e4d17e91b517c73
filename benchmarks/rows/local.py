"""What the rows have in common that run local jobs."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.measure import NotMeasured

DATABASE = "submitted.sql3"
SLOTS = "2"


def submit(bench: Bench, folder: Path, *words: str | Path) -> None:
    bench.run(bench.jman, "--local", "submit", *words, cwd=folder)


class Prepared:
    """A folder whose jobs can be run again and again: the database is put back each time."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self._bench = bench
        self.folder = folder
        self._kept = folder / "kept"
        shutil.copyfile(folder / DATABASE, self._kept)

    def execute(self, tasks: int, *options: str, slots: str = SLOTS, seconds: float = 600) -> float:
        """Run all jobs; return the seconds it took. NotMeasured where not all tasks succeeded."""
        for path in (self.folder / "logs", *self.folder.glob(f"{DATABASE}*")):
            self._bench.put_away(path)
        shutil.copyfile(self._kept, self.folder / DATABASE)
        done = self._bench.run(
            self._bench.jman,
            "--local",
            "execute",
            "--parallel",
            slots,
            *options,
            cwd=self.folder,
            seconds=seconds,
        )
        found = re.search(r"^success\s+(\d+)$", done.stdout, re.MULTILINE)
        if found is None or int(found[1]) != tasks:
            raise NotMeasured(f"execute ended with {done.stdout[-200:]!r}")
        self.peak_memory = done.peak_memory
        self.cpu_seconds = done.cpu_seconds
        return done.seconds

    def span(self) -> float:
        """Return the seconds between the start of the first task and the end of the last one."""
        from datetime import datetime

        listed = self._bench.run(self._bench.jman, "--local", "list", "--json", cwd=self.folder)
        jobs = json.loads(listed.stdout)
        starts = [datetime.fromisoformat(job["started_at"]) for job in jobs]
        ends = [datetime.fromisoformat(job["finished_at"]) for job in jobs]
        return (max(ends) - min(starts)).total_seconds()


def array(bench: Bench, tasks: int, *options: str) -> Prepared:
    """Return a folder with one array of ``/bin/true``, log files on."""
    folder = bench.folder()
    submit(bench, folder, *(options or ("--log-dir", "logs")), "--array", str(tasks), "/bin/true")
    return Prepared(bench, folder)


def singles(bench: Bench, count: int, *log_dir: str) -> Path:
    """Return a folder with so many single jobs."""
    folder = bench.folder()
    bench.program("fill", str(count), *log_dir, cwd=folder, seconds=600)
    return folder


def seconds_in(text: str, name: str = "seconds") -> float:
    """Return the number that a program printed after a name."""
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    if found is None:
        raise NotMeasured(f"no {name} in {text[-200:]!r}")
    return float(found[1])
