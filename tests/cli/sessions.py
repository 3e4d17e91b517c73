"""The sessions that the README and docs show, and what they have in common with what commands print."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.cli.tools import Jman

ROOT = Path(__file__).parents[2]
TRAIN = """#!/usr/bin/env python3
import os, sys
task = int(os.environ["SGE_TASK_ID"])
if task == 3 and not os.path.exists("mended"):
    sys.exit(f"task {task}: no such data set")
print(f"task {task} done")
"""
"""train.py of the README."""

# what no two runs have in common, and what stands for it
_NOISE = tuple(
    (re.compile(pattern), word)
    for pattern, word in (
        (r"\b\d+(\.\d+)?s\b", "TIME"),
        (r"\(\d+ seconds? ago\)", "(AGO)"),
        (r"\bpid \d+", "pid PID"),
        (r"-\d+\.out\b", "-PID.out"),
        (r"\b\d+\.\d+G\b", "SIZE"),
        (r"\((ext4|xfs|btrfs|tmpfs|overlay)\)", "(FILE SYSTEM)"),
        (rf"\b(vm|localhost|{re.escape(os.uname().nodename)})\b", "HOST"),
        (r"\b(alice|uid \d+)\b", "SOMEBODY"),
        # who saw it first: the job script, the cluster, or jman
        (r"skipped \(.*\)", "skipped (WHY)"),
        (r"( skipped +TIME +)HOST\b", r"\1"),
        (r"(?<![\w.])/(?:[\w.+-]+/)*", ""),
    )
)
# of a cluster's own numbers only which of them are the same
_NATIVE_ID = re.compile(r"\b1\d{3,6}\b")


class Step(NamedTuple):
    """A command, and the lines that are shown below it."""

    command: str
    shown: list[str]

    @property
    def words(self) -> list[str]:
        """Return the arguments of the command."""
        return shlex.split(self.command)[1:]


SESSIONS = {
    "train": ("README.md", "## A session"),
    "sweep": ("README.md", "### Many tasks at once"),
    "day": ("README.md", "### What failed"),
    "sge": ("README.md", "### Sun Grid Engine"),
    "slurm": ("README.md", "### Slurm"),
    "sharing": ("README.md", "## Sharing a folder with other users"),
    "no cluster": ("docs/clusters.md", "## Which one"),
    "dependencies": ("docs/slurm.md", "# Slurm"),
    "why": ("docs/slurm.md", "## `why` and `doctor`"),
    "detached": ("docs/watching.md", "## Without a terminal"),
}
"""What is run by a test: a page, and a heading on it."""


def session(name: str) -> list[Step]:
    """Return what is shown below a heading, as one session."""
    page, heading = SESSIONS[name]
    return sessions_of(page)[heading]


def sessions_of(page: str) -> dict[str, list[Step]]:
    """Return the sessions of a page by their headings."""
    found: dict[str, list[Step]] = {}
    heading = ""
    language: str | None = None  # of the block that a line is in; "": none is given, as of sessions
    for line in (ROOT / page).read_text("utf-8").splitlines():
        if line.startswith("```"):
            language = line.strip("`") if language is None else None
        elif language is None:
            heading = line if line.startswith("#") else heading
        elif not language and re.match(r"[$#] ", line):
            found.setdefault(heading, []).append(Step(line[2:], []))
        elif not language and heading in found:
            found[heading][-1].shown.append(line)
    return found


class Plain:
    """Takes from lines of one session what no two runs have in common."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._native_ids: dict[str, str] = {}

    def __call__(self, lines: Sequence[str], *, in_any_order: bool = False) -> list[str]:
        found = [self._plain(line) for line in lines if line.strip("= ")]
        return sorted(found) if in_any_order else found

    def _plain(self, line: str) -> str:
        if self._folder is not None:
            line = line.replace(str(self._folder), "/data/run1")
        for pattern, word in _NOISE:
            line = pattern.sub(word, line)
        return " ".join(_NATIVE_ID.sub(self._native_id, line).split())

    def _native_id(self, match: re.Match[str]) -> str:
        return self._native_ids.setdefault(match[0], f"GRID{len(self._native_ids)}")


def follow(
    jman: Jman, steps: Sequence[Step], before: Callable[[list[str]], object] = lambda words: None
) -> None:
    """Run a session, and compare it with what is shown; ``before`` gets each command's arguments."""
    assert steps
    told, printed = Plain(), Plain(jman.folder)
    for step in steps:
        before(step.words)
        # what leaves the terminal must not be this process
        run = jman.fresh if "--detach" in step.words else jman
        done = run(*step.words, code=None)
        # what runs side by side ends in any order
        any_order = "execute" in step.words
        found = printed([*done.err.splitlines(), *done.out.splitlines()], in_any_order=any_order)
        assert found == told(step.shown, in_any_order=any_order), "\n".join([step.command, *found])
