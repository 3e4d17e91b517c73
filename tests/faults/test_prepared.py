"""Rows that somebody prepared so that jman ends processes that are none of its own."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.cli.tools import Jman, wait_until
from tests.faults.tools import kill_left_in


@pytest.mark.parametrize("token", ["kept", "", "x", "%"])
def test_a_prepared_row_ends_no_process_of_others(jman: Jman, token: str) -> None:
    """Neither by the number in a row nor by a token that is none: only what carries it is signalled."""
    victim = subprocess.Popen(["sleep", "600"], env={**os.environ, "JMAN_RUNNER": token})
    try:
        jman("--local", "submit", "--", "sleep", "600")
        process = jman.start("--local", "execute", "--no-progress")
        wait_until(lambda: jman.status() == {1: "executing"})
        process.kill()
        process.wait()
        kill_left_in(jman.folder)
        with closing(sqlite3.connect(jman.database)) as connection, connection:
            connection.execute(
                "UPDATE task SET pid = ?, started_at = ?",
                (victim.pid, psutil.Process(victim.pid).create_time()),
            )
            if token != "kept":
                connection.execute("UPDATE runner SET token = ?", (token,))
        jman("--local", "stop", code=None)
        jman("--local", "delete", code=None)
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()


def test_a_process_that_is_older_than_the_runner_is_not_ended(jman: Jman) -> None:
    """It can't be a child of it, whatever it carries."""
    token = "0123456789abcdef" * 2
    victim = subprocess.Popen(["sleep", "600"], env={**os.environ, "JMAN_RUNNER": token})
    try:
        jman("--local", "submit", "--", "sleep", "600")
        process = jman.start("--local", "execute", "--no-progress")
        wait_until(lambda: jman.status() == {1: "executing"})
        process.kill()
        process.wait()
        kill_left_in(jman.folder)
        with closing(sqlite3.connect(jman.database)) as connection, connection:
            connection.execute("UPDATE runner SET token = ?", (token,))
        jman("--local", "stop", code=None)
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()


# in a pid namespace of its own, where the worst that can happen is the end of all that is in it
NOTHING_MEANT = """
set -e
sleep 600 & victim=$!
jman --local submit -- sleep 600 >/dev/null
jman --local execute --no-progress >/dev/null & runner=$!
until jman list | grep -q executing; do sleep 0.1; done
kill -9 $runner
python - <<'END'
import sqlite3
with sqlite3.connect("submitted.sql3") as one:
    one.executescript("CREATE TABLE copy AS SELECT * FROM runner; DROP TABLE runner;"
                      "ALTER TABLE copy RENAME TO runner; UPDATE runner SET token = NULL")
END
jman --local stop >/dev/null 2>&1 || true
kill -0 $victim
"""


def test_a_token_that_is_missing_is_not_that_of_everybody(jman: Jman, tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("only root can make a pid namespace (unshare -p)")
    (tmp_path / "bin").mkdir()
    for name, words in (("jman", "-m asyncjman"), ("python", "")):
        script = tmp_path / "bin" / name
        script.write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
        script.chmod(0o755)
    done = subprocess.run(
        ["unshare", "-p", "--fork", "--mount-proc", "sh", "-c", NOTHING_MEANT],
        cwd=jman.folder,
        env=jman.environment({"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
