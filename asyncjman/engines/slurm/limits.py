"""The limits that the cluster was given, held against what an attempt used. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from asyncjman.engines.slurm.resources import Asked
from asyncjman.model.job import Usage

_NEAR = 0.9
"""What fails for want of memory has used less than all of it."""


def judge(asked: Asked, seconds: float | None, usage: Usage | None) -> Sequence[str]:
    """Say which limits an attempt that failed came up against, and what it used of them."""
    words = []
    if asked.seconds is not None and seconds is not None and seconds >= asked.seconds:
        words.append(f"came to its limit --time: {_span(asked.seconds)} asked for, {_span(seconds)} used")
    if asked.memory is not None:
        limit, peak = asked.memory * asked.slots, usage.peak_memory_bytes if usage else 0
        if peak >= _NEAR * limit:
            words.append(f"came to its limit of memory: {_size(limit)} allowed, {_size(peak)} used")
        else:
            words.append(f"its memory is limited to {_size(limit)}")
    return words


def _size(amount: float) -> str:
    return f"{amount / 2**20:.0f} MiB"


def _span(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 120 else str(timedelta(seconds=round(seconds)))
