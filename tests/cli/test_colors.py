"""Which output has colours: on a terminal, unless NO_COLOR is set; with FORCE_COLOR elsewhere, too."""

from __future__ import annotations

import re

import pytest

from tests.cli.terminal import on_terminal
from tests.cli.tools import Jman

COLOR = re.compile(r"\x1b\[[0-9;]*?(3[0-8]|4[0-8]|9[0-7])[0-9;]*m")
STYLE = re.compile(r"\x1b\[[0-9;]*m")
COMMANDS = [
    ["list"],
    ["list", "-a"],
    ["report"],
    ["why"],
    ["failures"],
    ["watch"],
    ["wait", "1", "2"],
    ["execute", "-p", "2"],
]


@pytest.fixture
def mixed(jman: Jman) -> Jman:
    """Jobs in several statuses, with something left to run."""
    words = ("sh", "-c", "[ $SGE_TASK_ID != 2 ] || exit 5")
    jman.submit("-n", "train", "-l", "logs", "-t", "3", *words)
    jman.submit("-n", "merge", "--after-ok", "1", "true")
    jman("execute", code=1)
    jman.submit("-n", "again", "-l", "logs", "-t", "3", *words)
    return jman


def printed(jman: Jman, words: list[str], **env: str) -> str:
    """Return what is printed for a pipe."""
    done = jman.fresh(*words, env=env, code=None)
    return done.out + done.err


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_for_a_pipe_only_where_they_are_forced(mixed: Jman, words: list[str]) -> None:
    forced = printed(mixed, words, FORCE_COLOR="1", TERM="dumb")
    assert COLOR.search(forced), forced
    mixed("resubmit", "3", code=None)
    for env in ({}, {"FORCE_COLOR": ""}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}):
        plain = printed(mixed, words, **env)
        assert "failure" in plain
        assert not STYLE.search(plain), plain
        mixed("resubmit", "3", code=None)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_on_a_terminal_unless_they_are_refused(mixed: Jman, words: list[str]) -> None:
    def seen(**env: str) -> str:
        mixed("resubmit", "3", code=None)
        terminal = on_terminal(mixed, *words, env={"TERM": "xterm-256color", **env})
        if words == ["watch"]:
            terminal.read_until(b"exit status 5")
            terminal.type(b"q")
        return terminal.finish()[1]

    assert COLOR.search(seen())
    assert COLOR.search(seen(NO_COLOR=""))
    assert not COLOR.search(seen(NO_COLOR="1"))
    assert not COLOR.search(seen(NO_COLOR="1", FORCE_COLOR="1"))


def test_help_and_errors_have_none(jman: Jman) -> None:
    for env in ({}, {"FORCE_COLOR": "1"}):
        for words, code in ((["--help"], 0), (["execute", "--help"], 0), (["execute", "--no-such"], 2)):
            done = jman.fresh(*words, env=env, code=code)
            assert not STYLE.search(done.out + done.err)


def test_programs_get_none(mixed: Jman) -> None:
    for words in (
        ["list", "--json"],
        ["list", "--ids-only"],
        ["report", "--json"],
        ["execute", "--json-lines"],
    ):
        done = mixed.fresh(*words, env={"FORCE_COLOR": "1"}, code=None)
        assert done.out
        assert not STYLE.search(done.out)
