"""The GPUs of this machine, as nvidia-smi tells of them."""

from __future__ import annotations

import shutil
import subprocess

from asyncjman.model.progress import Gpu
from asyncjman.system import tool

SECONDS = 10.0
"""A driver that is in trouble may not answer at all."""
_FIELDS = "index,utilization.gpu,memory.used,memory.total"
_MIB = 1 << 20


def program() -> str | None:
    """Return the program to ask; None where there is none, and so no GPU that is known of."""
    return shutil.which("nvidia-smi")


async def gpus(program: str) -> tuple[Gpu, ...]:
    """Return the GPUs and how busy they are; none where the program does not tell."""
    argv = [program, f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits"]
    try:
        done = await tool.run(argv, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return parse(done.stdout) if done.exit_status == 0 else ()


def parse(text: str) -> tuple[Gpu, ...]:
    """Read a line for each GPU: index, percentage, used and whole memory in MiB; ``[N/A]`` is not known.

    >>> parse("0, 35, 1024, 40960")
    (Gpu(index=0, percent=35, memory_used=1073741824, memory=42949672960),)
    >>> parse("1, [N/A], [N/A], [N/A]")
    (Gpu(index=1, percent=None, memory_used=None, memory=None),)
    """
    found = []
    for line in text.splitlines():
        index, *rest = (_number(word) for word in line.split(","))
        if index is not None and len(rest) == 3:
            percent, used, memory = rest
            found.append(Gpu(index, percent, _bytes(used), _bytes(memory)))
    return tuple(found)


def _number(word: str) -> int | None:
    word = word.strip()
    return int(word) if word.isascii() and word.isdigit() else None


def _bytes(mebibytes: int | None) -> int | None:
    return None if mebibytes is None else mebibytes * _MIB
