"""The limits that a job was given with ``-l``, held against what an attempt used. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import pairwise

_TIME = ("h_rt", "s_rt")
_CPU = ("h_cpu", "s_cpu")
_MEMORY = ("h_vmem", "s_vmem", "h_rss", "s_rss")
_AMOUNT = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)([kKmMgG]?)", re.ASCII)
_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "K": 1024, "M": 1024**2, "G": 1024**3}
_CLOCK = re.compile(r"(?:(\d{0,6}):)?(\d{0,6}):(\d{0,6})", re.ASCII)
_SLACK_SECONDS = 1.0
"""Accounting has whole seconds."""
_NEAR = 0.9
"""What fails for want of memory has used less than all of it."""


def limits_of(options: Sequence[str], slots: int = 1) -> dict[str, float]:
    """Return the limits among the options of qsub, in seconds or bytes; those of memory for all slots."""
    found: dict[str, float] = {}
    for word, values in pairwise(options):
        if word != "-l":
            continue
        for one in values.split(","):
            key, _, text = one.partition("=")
            amount = amount_of(text)
            if amount is not None and key in (*_TIME, *_CPU):
                found[key] = amount
            elif amount is not None and key in _MEMORY:
                found[key] = amount * slots
    return found


def judge(
    limits: Mapping[str, float], *, seconds: float | None, cpu_seconds: float | None, peak_bytes: int | None
) -> list[str]:
    """Say which limits an attempt that failed came up against, and what it used of them.

    A limit of memory that was not reached is named too: a request for more than that at once leaves no trace.
    """
    words = []
    for key, limit in limits.items():
        if key in _MEMORY:
            if peak_bytes is not None and peak_bytes >= _NEAR * limit:
                words.append(f"came to its limit {key}: {_size(limit)} allowed, {_size(peak_bytes)} used")
            else:
                words.append(f"{key} allows {_size(limit)}")
            continue
        used = seconds if key in _TIME else cpu_seconds
        if used is not None and used >= max(limit - _SLACK_SECONDS, limit / 2):
            words.append(f"came to its limit {key}: {_span(limit)} allowed, {_span(used)} used")
    return words


def amount_of(text: str) -> float | None:
    """Read seconds or bytes as Grid Engine writes them; None for what is neither."""
    if match := _AMOUNT.fullmatch(text):
        return float(match[1]) * _UNITS[match[2]]
    if match := _CLOCK.fullmatch(text):
        hours, minutes, seconds = (int(one or 0) for one in match.groups())
        return hours * 3600.0 + minutes * 60 + seconds
    return None


def _size(amount: float) -> str:
    return f"{amount / 2**20:.0f} MiB"


def _span(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 120 else str(timedelta(seconds=round(seconds)))
