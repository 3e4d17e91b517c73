"""The daemons of a cluster of our own, in one folder; gone with the process that made them."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

START_SECONDS = 60.0


class NoCell(Exception):
    """There can't be one here, and why."""


class OwnDaemons:
    """A folder, the daemons that are started in it, and a guard that ends them, however this process ends."""

    programs: Path
    """Where the daemons' programs are."""

    def __init__(self, prefix: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=prefix))
        self.folder.chmod(0o755)
        self.variables: dict[str, str] = {}
        """The environment by which commands find this cluster, and no other."""
        words = [sys.executable, "-m", "tests.cells.guard", str(self.folder)]
        root = Path(__file__).parents[2]
        self._guard = subprocess.Popen(words, cwd=root, stdin=subprocess.PIPE, start_new_session=True)

    def close(self) -> None:
        """End all of it."""
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait()

    def start(self, program: str) -> None:
        """Start a daemon; its jobs inherit its environment, which so has only what must be in it."""
        plain = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/", "LANG": "C.UTF-8"}
        done = subprocess.run(
            [self.programs / program],
            env={**plain, **self.variables},
            cwd="/",
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise NoCell(f"{program} does not start: {(done.stderr or done.stdout).strip()[-500:]}")

    def wait_for(self, what: str, condition: Callable[[], bool]) -> None:
        """Return when it holds. Raises NoCell, with the last of what the daemons wrote, where it doesn't."""
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                logs = "\n".join(one.read_text(errors="replace")[-1000:] for one in self.logs())
                raise NoCell(f"not within {START_SECONDS:g} s: {what}\n{logs}")
            time.sleep(0.1)

    def logs(self) -> list[Path]:
        """Return the files that the daemons write."""
        raise NotImplementedError


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("", 0))
        return one.getsockname()[1], other.getsockname()[1]


def play(cell: OwnDaemons) -> None:
    """Print what a shell must export to use the cell; end it when the input ends."""
    print("".join(f"export {key}={value}\n" for key, value in cell.variables.items()), end="", flush=True)
    try:
        sys.stdin.read()
    finally:
        cell.close()
