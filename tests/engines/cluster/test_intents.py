"""An intent that the queue does not list may be on its way: what was broken off, may be carried out."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncjman.engines.base import Saw, Watched
from asyncjman.engines.cluster.engine import ClusterEngine
from asyncjman.engines.cluster.names import job_name
from asyncjman.model.status import Status
from tests.contract.shells import ShellDialect

TOKEN = "0123456789abcd"
QUERY = """#!/bin/sh
echo x >> "{folder}/calls"
[ $(wc -l < "{folder}/calls") -lt {first} ] || echo "7|{name}|0|PEND"
"""


class Late(ShellDialect):
    appears_within = 0.01


def watched(*, maker_is_dead: bool) -> Watched:
    return Watched(
        token=TOKEN, native_id=None, job_id=3, created_at=0.0, maker_is_dead=maker_is_dead, array=None,
        tasks=(), default=Status.SUBMITTED, rows={}, ended=frozenset(), folder="/nonexistent",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("dialect", "first", "dead", "saw", "calls"),
    [
        (Late, 1, True, [Saw.SENT], 1),
        (Late, 2, True, [Saw.SENT], 2),
        (Late, 3, True, [Saw.NOT_SENT], 2),
        (Late, 3, False, [], 1),
        (ShellDialect, 2, True, [Saw.NOT_SENT], 1),
    ],
)
async def test_an_intent_is_looked_for_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    dialect: type[ShellDialect], first: int, dead: bool, saw: list[Saw], calls: int,
) -> None:  # fmt: skip
    text = QUERY.format(folder=tmp_path, first=first, name=job_name(3, TOKEN, "x"))
    for name in ("fsub", "fstat"):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    engine = ClusterEngine(dialect(), grace=60.0)
    poll = await engine.poll([watched(maker_is_dead=dead)])
    assert poll.answered
    assert [one.saw for one in poll.seen] == saw
    assert len((tmp_path / "calls").read_text().split()) == calls
