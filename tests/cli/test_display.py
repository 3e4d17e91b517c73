"""What is printed on a terminal, and what where there is none."""

from __future__ import annotations

import re
import subprocess

import pytest

from asyncjman.render.table import cell_width
from tests.cli.terminal import on_terminal
from tests.cli.tools import COMMAND, Jman

ESCAPE = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\].*?(\x07|\x1b\\)|[()].|[=>78])")
LONG = "a-long-word-of-the-command " * 8


def rows(text: str) -> list[str]:
    """The lines of a terminal's output, as they are seen."""
    return [ESCAPE.sub("", line).rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]


@pytest.fixture
def shown(jman: Jman) -> Jman:
    """A job of each kind, all with long words."""
    jman.submit("-n", "a very long name of a job, longer than the terminal", "true", LONG)
    jman.submit("-t", "1-7:2", "-l", "logs", "sh", "-c", "[ $SGE_TASK_ID != 3 ] || exit 5", LONG)
    jman.submit("-n", "漢字" * 20, "-x", "1,2", "--after-ok", "2", "true", "漢字 " * 20)
    jman("execute", code=1)
    return jman


@pytest.mark.parametrize(
    "words",
    [["list"], ["list", "-a"], ["list", "-t"], ["list", "-x"], ["list", "-a", "-t", "-x"]],
    ids=" ".join,
)
def test_a_list_fits_a_narrow_terminal(shown: Jman, words: list[str]) -> None:
    code, text = on_terminal(shown, *words, columns=40).finish()
    assert code == 0
    lines = rows(text)
    assert len(lines) >= 5
    assert [line for line in lines if cell_width(line) > 40] == []


def test_a_wide_terminal_shows_more_than_a_narrow_one(shown: Jman) -> None:
    narrow, wide = (on_terminal(shown, "list", columns=width).finish()[1] for width in (40, 400))
    assert "…" in narrow
    assert "…" not in wide
    assert LONG.strip() in wide


def test_nothing_is_cut_where_there_is_no_terminal(shown: Jman) -> None:
    done = shown.fresh("list", env={"COLUMNS": "40"})
    assert LONG.strip() in done.out
    assert "a very long name of a job, longer than the terminal" in done.out
    assert "…" not in done.out
    assert "\x1b" not in done.out


def test_a_reader_that_ends_early_is_no_error(jman: Jman) -> None:
    for _ in range(3):
        jman("--local", "submit", "-r", "200", "true", "word " * 50)
    with subprocess.Popen(
        [*COMMAND, "list"],
        cwd=jman.folder,
        env=jman.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as lister:
        assert lister.stdout is not None and lister.stderr is not None
        assert lister.stdout.readline().startswith(b"job-id")
        lister.stdout.close()
        errors = lister.stderr.read()
        lister.wait(20)
    assert errors == b""


def test_execute_shows_progress_and_whole_lines_of_output(jman: Jman) -> None:
    lines = [f"line {number} of the task's output" for number in range(60)]
    jman.submit(
        "-n", "talker", "sh", "-c", f"printf '%s\\n' {' '.join(map(repr, lines))}; printf end; read x < go"
    )
    subprocess.run(["mkfifo", "go"], cwd=jman.folder, check=True)
    terminal = on_terminal(jman, "execute", columns=80)
    terminal.read_until(b"line 59 of the task's output")
    terminal.read_until(b"talker")
    (jman.folder / "go").write_text("x\n")
    code, text = terminal.finish()
    assert code == 0
    assert "\x1b[" in text, "nothing is redrawn"
    seen = [line.strip() for line in rows(text)]
    assert [line for line in seen if line in lines] == lines
    assert "end" in seen
    assert re.search(r"success +1", "\n".join(seen))


def test_execute_draws_no_line_wider_than_the_terminal(jman: Jman) -> None:
    jman.submit("-n", "a long name " * 9, "-l", "logs", "-t", "3", "sleep", "0.3")
    jman.submit("-n", "漢字" * 30, "-l", "logs", "sleep", "0.3")
    code, text = on_terminal(jman, "execute", "-p", "4", columns=40).finish()
    assert code == 0
    # what is redrawn goes up as many lines as were drawn: one that wraps would tear it
    drawn = [line for line in rows(text) if "long name" in line or "漢字" in line]
    assert drawn
    assert [line for line in drawn if cell_width(line) > 40] == []


def test_no_progress_on_a_terminal(jman: Jman) -> None:
    jman.submit("-n", "quiet", "echo", "hello")
    code, text = on_terminal(jman, "execute", "--no-progress", env={"NO_COLOR": "1"}).finish()
    assert code == 0
    assert "started  1 quiet\n" in text
    assert "\nhello\n" in text


def test_an_interrupt_from_the_keyboard(jman: Jman) -> None:
    jman.submit("sh", "-c", "echo began; exec sleep 1000")
    terminal = on_terminal(jman, "execute")
    terminal.read_until(b"began")
    terminal.type(b"\x03")
    code, _ = terminal.finish()
    assert code == 130
    assert jman.status() == {1: "stopped"}


def test_control_characters_never_reach_the_terminal(jman: Jman) -> None:
    jman.submit("-n", "x\x1b]0;title\x07", "-l", "logs", "sh", "-c", r"printf '\033]0;title\007'; exit 1")
    text = on_terminal(jman, "execute").finish()[1]
    text += on_terminal(jman, "list").finish()[1] + on_terminal(jman, "report").finish()[1]
    assert "\x1b]0" not in text
    assert "\x07" not in text
