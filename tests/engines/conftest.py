"""What the tests of the engine of this machine have in common."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from asyncjman.engines.local import clib
from tests.engines.local_tools import Runner


@pytest.fixture
async def runner() -> AsyncIterator[Runner]:
    one = Runner()
    await one.open()
    yield one
    await one.engine.close()


# a process is started one way with the C library, another way where that has not what is needed
@pytest.fixture(params=["here", "elsewhere", "otherwise"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path if request.param == "here" else "/")
    if request.param == "otherwise":
        monkeypatch.setattr(clib, "IS_THERE", False)
    return tmp_path
