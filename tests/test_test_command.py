"""What `make test` does and does not: it leaves clusters alone that are not its own, and has an end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.tools import Limit

ROOT = Path(__file__).parents[1]
COMMANDS = ("qsub", "qstat", "qdel", "qacct", "qmod", "qconf", "qalter", "qhost", "sge_qmaster", "apt-get")


def run_pytest(
    *words: str, folder: Path = ROOT, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words],
        cwd=folder,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=200,
    )


def test_a_cluster_on_path_is_left_alone(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    for name in COMMANDS:
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {calls}\nexit 1\n')
        (tmp_path / name).chmod(0o755)
    done = run_pytest(
        *("tests/cli/sge", "tests/engines/sge", "-m", "sge"),
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "CELLS": "", "CI": "true"},
    )
    assert done.returncode == 0, done.stdout
    assert "make test CELLS=1" in done.stdout
    assert not calls.exists(), calls.read_text()


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
def test_a_test_with_no_end_fails(tmp_path: Path, workers: tuple[str, ...]) -> None:
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text(
        "import asyncio, time\n"
        "async def test_awaits(): await asyncio.get_running_loop().create_future()\n"
        "def test_blocks(): time.sleep(600)\n"
        "def test_ends(): pass\n"
        "def test_takes_no_notice():\n"
        "    while True:\n"
        "        try: time.sleep(600)\n"
        "        except BaseException: pass\n"
    )
    begun = time.monotonic()
    done = run_pytest(*workers, "--timeout", "1", folder=tmp_path, env={"PYTHONPATH": str(ROOT)})
    assert time.monotonic() - begun < 60
    assert done.returncode == 1, done.stdout + done.stderr
    if workers:
        assert "3 failed, 1 passed" in done.stdout, done.stdout
    assert "Timeout" in done.stdout + done.stderr


def test_while_the_machine_stands_still_no_limit_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: now)
        limit = Limit(1)
        now = 60.0
        left = [limit.left]
        now += 0.4
        left.append(limit.left)
        now += 0.4
        left.append(limit.left)
    assert left == pytest.approx([0.5, 0.1, 0])
