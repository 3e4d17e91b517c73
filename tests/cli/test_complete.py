"""What the shell offers after the Tab key."""

from __future__ import annotations

import shutil

import pytest

from tests.cli.tools import Jman


def completed(jman: Jman, line: str) -> list[str]:
    """Return what bash offers for the last word of a line."""
    words = {"_JMAN_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    return jman.fresh(env=words).out.split()


@pytest.fixture
def two(jman: Jman) -> Jman:
    jman.submit("-n", "my job", "true")
    jman.submit("-t", "5,90-92", "true")
    return jman


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("jman list ", "2 1"),
        ("jman why 2.", "2.5 2.90 2.91 2.92"),
        ("jman --local resubmit 2.5,91-9", "2.5,91-90 2.5,91-91 2.5,91-92"),
        ("jman ls 2.5", "2.5"),
        ("jman stop -j 2,", "2,2 2,1"),
        ("jman submit --after-ok 1", "1"),
        ("jman re", "report resubmit"),
        ("jman why 1.", ""),
        ("jman why 7.", ""),
    ],
)
def test_what_is_offered(two: Jman, line: str, offered: str) -> None:
    assert completed(two, line) == offered.split()


def test_ids_are_those_of_the_database_that_is_named(two: Jman) -> None:
    two.submit("true")
    shutil.copy(two.database, two.folder / "other one.sql3")
    two("delete", "3")
    words = {"_JMAN_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "jman -d 'other one.sql3' explain "}
    assert '"3":"submitted true"' in two.fresh(env=words).out
