"""The sessions that the README shows are what the commands print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.tools import Jman

README = Path(__file__).parents[2] / "README.md"
TRAIN = """#!/usr/bin/env python3
import os, sys
task = int(os.environ["SGE_TASK_ID"])
if task == 3 and not os.path.exists("mended"):
    sys.exit(f"task {task}: no such data set")
print(f"task {task} done")
"""


def session(heading: str) -> list[tuple[str, list[str]]]:
    """Return the commands that a part of the README shows, each with what is printed below it."""
    text = README.read_text("utf-8")
    part = re.split(r"\n##+ ", text[text.index(f"{heading}\n") :])[0]
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```\n(.*?)^```$", part, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found:
                found[-1][1].append(line)
    return found


def words_of(lines: list[str]) -> list[str]:
    """Return lines without what no two runs have in common; what runs side by side ends in any order."""
    plain = [re.sub(r"\b\d+(\.\d+)?s\b", "TIME", line).rstrip() for line in lines]
    plain = [re.sub(r"\(\d+ seconds? ago\)", "(AGO)", line) for line in plain]
    plain = [re.sub(r"\(/.*/", "(", line) for line in plain]
    return sorted(" ".join(line.split()) for line in plain if line.strip("= "))


@pytest.mark.parametrize("heading", ["## A session", "### Many tasks at once"])
def test_a_session_of_the_readme(jman: Jman, heading: str) -> None:
    (jman.folder / "train.py").write_text(TRAIN)
    mended = jman.folder / "mended"
    for command, shown in session(heading):
        if "day.py" in " ".join(shown):
            continue  # another day's: test_failures has it
        words = shlex.split(command)[1:]
        if words[0] == "resubmit":
            mended.touch()
        if words[0] == "list" and "-a" in words:
            jman("execute", code=1)
        done = jman(*words, code=None)
        assert words_of([*done.out.splitlines(), *done.err.splitlines()]) == words_of(shown), command
