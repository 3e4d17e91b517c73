"""The programs in examples/ run, and print what they should."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

EXTRA = "pip install 'asyncjman[examples]'"
EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str, folder: Path, timeout: float = 60.0, words: Sequence[str] = ()) -> list[str]:
    """Run an example as a user does; it must leave nothing in the current folder."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name, *words],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=timeout,
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


def test_the_picture_of_the_display(tmp_path: Path) -> None:
    (empty := tmp_path / "empty").mkdir()
    assert run("picture.py", empty, words=[str(tmp_path / "live.svg")]) == []
    words = re.sub(r"<[^>]*>", " ", (tmp_path / "live.svg").read_text("utf-8")).replace("&#160;", " ")
    for said in (
        "jman execute",
        "failure",
        "ValueError: loss is nan",
        "executing",
        "1 prepare",
        "3 evaluate",
    ):
        assert said in words


def test_a_sweep_with_scikit_learn(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason=f"examples/sweep_sklearn.py needs scikit-learn: {EXTRA}")
    lines = run("sweep_sklearn.py", tmp_path, 240.0)
    assert len(lines) == 9
    assert all(float(line.split()[-1]) > 0.7 for line in lines)


def test_the_notebook(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient", reason=f"examples/notebook.ipynb needs nbclient: {EXTRA}")
    pytest.importorskip("ipykernel", reason=f"examples/notebook.ipynb needs ipykernel: {EXTRA}")
    program = f"""
import nbformat, nbclient
book = nbformat.read({str(EXAMPLES / "notebook.ipynb")!r}, 4)
nbclient.NotebookClient(book, timeout=60, resources={{"metadata": {{"path": {str(tmp_path)!r}}}}}).execute()
for cell in book.cells:
    for output in cell.get("outputs", ()):
        print(output["data"]["text/plain"])
"""
    assert nbclient is not None
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "[0, 1, 4, 9, 16, 25, 36, 49]",
        "<CallHandle 2 submitted>",
        "(144,",
        " 'squaring 12\\n',",
        " Progress(total=1, ended=1, succeeded=1, failed=0, running=0, rate=None, seconds_left=None))",
        "4",
    ]
