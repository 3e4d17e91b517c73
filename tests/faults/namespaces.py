"""Running jman where it sees other processes, another host name, another /proc: as a container has it."""

from __future__ import annotations

import functools
import os
import shlex
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.cli.tools import COMMAND, Jman

PID = ("-p", "--fork", "--kill-child", "--mount-proc")
NOBODY = 65534
AS_NOBODY = f"setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups"


@functools.cache
def _why_not() -> str:
    try:
        done = subprocess.run(["unshare", *PID, "--uts", "true"], capture_output=True, text=True)
    except OSError as error:
        return str(error)
    return done.stderr.strip() if done.returncode else ""


def need_namespaces() -> None:
    """Skip a test where namespaces can't be made: by root only, in most places."""
    if os.geteuid() != 0 or _why_not():
        pytest.skip(f"makes namespaces, which only root can, by unshare(1): {_why_not() or 'not root'}")


def jman_words(*words: str) -> str:
    return shlex.join([*COMMAND, *words])


def start_in(jman: Jman, unshared: tuple[str, ...], script: str) -> subprocess.Popen[bytes]:
    """Start a shell in namespaces of its own; `Jman.output_of` has what it writes."""
    number = len(jman.started)
    with (jman.folder.parent / f"{jman.folder.name}.out{number}").open("wb") as stream:
        process = subprocess.Popen(
            ["unshare", *unshared, "sh", "-c", script],
            cwd=jman.folder,
            env=jman.environment(),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    jman.started.append(process)
    return process


def run_in(jman: Jman, unshared: tuple[str, ...], script: str) -> subprocess.CompletedProcess[str]:
    """Run a shell in namespaces of its own, to its end."""
    return subprocess.run(
        ["unshare", *unshared, "sh", "-c", script],
        cwd=jman.folder,
        env=jman.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def descendant(process: subprocess.Popen[bytes], word: str) -> psutil.Process | None:
    """Return what a process started that has this word in its command line, as it is known out here."""
    for one in psutil.Process(process.pid).children(recursive=True):
        try:
            if word in one.cmdline():
                return one
        except psutil.Error:
            continue
    return None


def hidden_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(".jman"))
