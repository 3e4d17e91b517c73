"""The programs in examples/ run, and print what they should."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str, folder: Path) -> list[str]:
    """Run an example as a user does; it must leave nothing in the current folder."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert list(folder.iterdir()) == []
    return done.stdout.splitlines()


def test_training(tmp_path: Path) -> None:
    lines = run("training.py", tmp_path)
    events = [line.split()[0] for line in lines if line.endswith("of job 2")]
    assert sorted(set(events)) == ["JobFinished", "JobSubmitted", "TaskFinished", "TaskStarted"]
    assert (events.count("TaskStarted"), events.count("TaskFinished"), events[-1]) == (8, 8, "JobFinished")
    assert lines[-4:] == [
        "success [0, 0, 0, 0, 0, 0, 0, 0]",
        "trained 8",
        "score 2.0 scores [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0]",
        "failed: exit status 2",
    ]


def test_mixed(tmp_path: Path) -> None:
    assert run("mixed.py", tmp_path) == ["[1, 2, 3] slow: stopped", "exit statuses: [0, 3]"]
