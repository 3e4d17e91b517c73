"""A real database file, and a second connection to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from asyncjman.store.database import Database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.sql3"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(path, create=True)
    yield opened
    await opened.close()


@pytest.fixture
async def other(path: Path, database: Database) -> AsyncIterator[Database]:
    opened = await Database.open(path, create=False)
    yield opened
    await opened.close()
