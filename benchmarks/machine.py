"""On what machine it was measured."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
from importlib import metadata
from pathlib import Path


def describe(folder: Path) -> dict[str, str]:
    """Return what matters of this machine; ``folder`` is where the benchmarks run."""
    try:
        usable = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        usable = os.cpu_count() or 1
    packages = ("asyncjman", "aiosqlite", "typer", "rich", "anyio")
    return {
        "processor": f"{_cpu_model()}, {usable} of {os.cpu_count()} cores usable",
        "memory": _memory(),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}",
        "packages": ", ".join(f"{name} {_version(name)}" for name in packages),
        "file system": file_system(folder),
        "load before": " ".join(f"{one:.2f}" for one in os.getloadavg()),
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "?"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return platform.processor() or sys.platform
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return "unknown"
    return f"{size / 2**30:.1f} GiB"


def file_system(folder: Path) -> str:
    """Return the type of the file system that ``folder`` is on."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text("utf-8").splitlines()]
    except OSError:
        return "unknown"
    found = "unknown"
    longest = -1
    for device, where, kind, *_ in mounts:
        at = Path(where.encode().decode("unicode_escape"))
        if folder.resolve().is_relative_to(at) and len(at.parts) >= longest:
            found, longest = kind, len(at.parts)
            if kind == "ext4" and not any(Path("/proc/fs/jbd2").glob(f"{Path(device).resolve().name}-*")):
                found += " without a journal"
            elif kind == "ext4" and Path(device).name.startswith("loop"):
                found += " with a journal, on an image"
    return found
