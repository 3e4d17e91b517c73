"""Clocks, names and threads come from the Runtime: a simulation can't control what is read from the air."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import asyncjman
from asyncjman.runtime import SYSTEM

AMBIENT = {
    "asyncio.to_thread",
    "os.getpid",
    "secrets.token_bytes",
    "secrets.token_hex",
    "socket.gethostname",
    "time.monotonic",
    "time.time",
    "uuid.uuid4",
}
ROOT = Path(asyncjman.__file__).parent
# not of a simulation: the machine's own table of locks, the threads of a user's executor, a signal to itself
REAL = {ROOT / "store" / "lockholder.py", ROOT / "api" / "executor.py", ROOT / "api" / "termination.py"}
FILES = sorted(
    {path for layer in ("api", "scheduler", "store") for path in (ROOT / layer).rglob("*.py")} - REAL
)


def ambient_reads(source: str) -> Iterator[str]:
    """Yield where a module reads what a Runtime gives: ``line: name``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names = [f"{node.value.id}.{node.attr}"]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{one.name}" for one in node.names]
        else:
            continue
        yield from (f"{node.lineno}: {name}" for name in names if name in AMBIENT)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_reads_them_from_the_air(path: Path) -> None:
    assert list(ambient_reads(path.read_text("utf-8"))) == []


def test_such_a_read_is_found() -> None:
    assert list(ambient_reads("import time\nnow = time.time()")) == ["2: time.time"]
    assert list(ambient_reads("from os import getpid")) == ["1: os.getpid"]


def test_the_real_surroundings() -> None:
    assert SYSTEM.time() > 1e9
    assert SYSTEM.monotonic() <= SYSTEM.monotonic()
    assert SYSTEM.process_start(SYSTEM.pid()) == SYSTEM.process_start(SYSTEM.pid())
    assert len(SYSTEM.token(8)) == 16
    assert SYSTEM.token(8) != SYSTEM.token(8)
