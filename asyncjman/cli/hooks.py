"""What a user has done at the end: a command that gets a summary on its standard input."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any

from asyncjman.cli.context import say


def run_hooks(commands: Iterable[str | None], summary: Mapping[str, Any]) -> None:
    """Run each of the commands by the shell, once; say where one fails, which changes nothing else."""
    for command in filter(None, commands):
        try:
            done = subprocess.run(["/bin/sh", "-c", command], input=json.dumps(summary).encode(), check=False)
        except OSError as error:
            say(f"jman: could not run {command!r}: {error.strerror}")
            continue
        if done.returncode:
            how = f"exit status {done.returncode}" if done.returncode > 0 else f"signal {-done.returncode}"
            say(f"jman: {command!r} failed: {how}")
