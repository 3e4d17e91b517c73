"""What one job asks for differently from another, in words."""

from __future__ import annotations

import shlex

from asyncjman.model.job import JobSpec
from asyncjman.model.retry import Retry


def differences(before: JobSpec, after: JobSpec) -> list[str]:
    """Return what is different, a few words each: ``timeout 4 h``, ``memory 8G``, ``no retries``."""
    words = []
    if (before.interpreter, before.command) != (after.interpreter, after.command):
        words.append(f"command {shlex.join(after.command)}")
    if before.engine != after.engine:
        words.append(f"runs on {after.engine}")
    if before.name != after.name:
        words.append(f"name {after.name}" if after.name else "no name")
    if before.timeout != after.timeout:
        words.append("no timeout" if after.timeout is None else f"timeout {after.timeout:g} s")
    if before.retry != after.retry:
        words.append(_retries(after.retry))
    limits = [one.array.throttle if one.array is not None else None for one in (before, after)]
    if limits[0] != limits[1]:
        most = (
            "any number of tasks"
            if limits[1] is None
            else "1 task"
            if limits[1] == 1
            else f"{limits[1]} tasks"
        )
        words.append(f"{most} at a time")
    words += [
        f"{key}={value}" for key, value in after.environment.items() if before.environment.get(key) != value
    ]
    words += [
        f"{key} {value}" for key, value in after.resources.items() if before.resources.get(key) != value
    ]
    return words


def _retries(retry: Retry | None) -> str:
    return "no retries" if retry is None or not retry.count else f"{retry.count} retries"
