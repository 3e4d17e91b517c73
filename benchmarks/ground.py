"""A file system to measure on that most users have: ext4 with a journal.

Without a journal, as /tmp is on many virtual machines, ext4 skips each inode that was deleted in the last
minutes when it makes a file: a create takes 0.2 to 1.2 ms then instead of 0.025, whoever makes it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.machine import file_system

GROUNDS = ("auto", "here", "journaled")
_BYTES = 64 << 30
"""Of the image: a sparse file. Nothing is deleted between rounds: it has room, and numbers, for all files."""
_BYTES_A_FILE = "4096"


class NoGround(Exception):
    """The file system that was asked for can't be had; the message says why."""


@contextmanager
def ground(scratch: Path, wanted: str) -> Iterator[Path]:
    """Yield a folder to work in: ``scratch``, or one on an image with a journal, mounted in it for so long.

    ``wanted``: ``here``; ``journaled``; ``auto``: an image where ``scratch`` has no journal, and one may be
    mounted (by root). Raises NoGround where ``journaled`` can't be had.
    """
    if wanted == "here" or (wanted == "auto" and not file_system(scratch).endswith("without a journal")):
        yield scratch
        return
    image, place = scratch / "image", scratch / "mounted"
    try:
        _mount(image, place)
    except NoGround:
        if wanted == "journaled":
            raise
        yield scratch
        return
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False)


def _mount(image: Path, place: Path) -> None:
    with image.open("wb") as file:
        file.truncate(_BYTES)
    place.mkdir()
    for words in (
        ["mkfs.ext4", "-q", "-F", "-i", _BYTES_A_FILE, str(image)],
        # noinit_itable: else the kernel writes zeros into it for minutes, beside what is measured
        ["mount", "-o", "loop,noinit_itable", str(image), str(place)],
    ):
        if shutil.which(words[0]) is None:
            raise NoGround(f"{words[0]} is not on PATH")
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoGround(f"{words[0]}: {done.stderr.strip()[:200]}")
