"""Whether what is to end is still there."""

from __future__ import annotations

import os
import pwd

import pytest

from asyncjman.engines.base import Observation, Ref, Saw, Target
from asyncjman.engines.cluster.dialect import BEING_DELETED, ENDING, Row
from asyncjman.engines.cluster.listed import by_token, is_there, user

TOKEN = "0123456789abcd"
ENDED = Observation(TOKEN, None, Saw.STOPPED, 1.0)
ROW = Row("7", TOKEN, (range(1, 4),), Saw.RUNNING)
WHOLE = Target(TOKEN, "7")
SECOND = Target(TOKEN, "7", (Ref(3, 12, 0),), (11, 12, 13))


@pytest.mark.parametrize(
    ("target", "row", "there"),
    [
        (WHOLE, ROW, True),
        (SECOND, ROW, True),
        (SECOND, ROW._replace(numbers=(range(3, 4),)), False),
        (WHOLE, ROW._replace(engine_state=BEING_DELETED), False),
        (WHOLE, ROW._replace(engine_state=ENDING), False),
        (WHOLE, ROW._replace(end=ENDED), False),
        (Target(TOKEN, "7", (Ref(3, 0, 0),)), ROW._replace(numbers=()), True),
    ],
)
def test_what_is_still_there(target: Target, row: Row, there: bool) -> None:
    assert is_there(target, [row]) == there


def test_what_is_not_ours() -> None:
    assert by_token([ROW, ROW._replace(token=None)]) == {TOKEN: [ROW]}


def test_the_user_is_the_one_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """With another name in LOGNAME, as su leaves it, a poll would list the jobs of somebody else."""
    monkeypatch.setenv("LOGNAME", "somebody")
    assert user() == pwd.getpwuid(os.geteuid()).pw_name
