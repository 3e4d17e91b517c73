"""Each test has a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder; the database is in it, unless a test says otherwise."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
