"""Jobs that say whether they run, and executes that are killed."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
from contextlib import closing

import psutil

from tests.cli.tools import Jman, wait_until
from tests.faults.namespaces import jman_words

EXECUTE = jman_words("--local", "execute", "-p", "4", "--no-progress")
# holds a lock of its own while it runs, and writes down that it began and ended
JOURNAL = """
exec 9> lock.$SGE_TASK_ID
flock -n 9 || { echo "$SGE_TASK_ID runs twice at once" >> twice; exit 9; }
echo begin >> ran.$SGE_TASK_ID
sleep 0.3
echo end >> ran.$SGE_TASK_ID
"""
# runs until there is a file `go`
GATED = 'echo "begin $JMAN_ATTEMPT" >> ran; echo $$ > pid.part; mv pid.part pid.$JMAN_ATTEMPT; '
GATED += "while [ ! -e go ]; do sleep 0.02; done; echo end >> ran"


def kill_execute(jman: Jman, process: subprocess.Popen[bytes]) -> None:
    """Kill an execute that has recorded the start of a task."""
    wait_until(lambda: jman.job()["status"] == "executing")
    process.kill()
    process.wait()


def suspend(jman: Jman, process: subprocess.Popen[bytes]) -> None:
    """Suspend a process, but not while it holds the write lock: then nobody can do anything."""

    def is_free() -> bool:
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
        with closing(sqlite3.connect(jman.database, timeout=0, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                process.send_signal(signal.SIGCONT)
                return False
        return True

    wait_until(is_free)
