"""The examples in docstrings hold."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import asyncjman

PACKAGE = Path(asyncjman.__file__).parent


def _with_examples() -> list[str]:
    files = [*(PACKAGE / "model").glob("*.py"), *(PACKAGE / "render").glob("*.py")]
    files.append(PACKAGE / "system" / "logs.py")
    return sorted(
        ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)
        for file in files
        if ">>>" in file.read_text("utf-8")
    )


@pytest.mark.parametrize("name", _with_examples())
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


def test_there_are_examples() -> None:
    assert {"asyncjman.model.array", "asyncjman.model.selection", "asyncjman.system.logs"} <= set(
        _with_examples()
    )
