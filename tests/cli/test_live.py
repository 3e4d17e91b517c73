"""Live progress on a terminal: screens that were looked at, and kept."""

from __future__ import annotations

import signal

import pytest

from tests.cli.screens import Screen, assert_golden
from tests.cli.terminal import Terminal, on_terminal
from tests.cli.tools import Jman, wait_until

# a task's program: says that it is there, and goes on once there is a file of its name, to fail or not
TASK = """
echo "hello from $SGE_TASK_ID"
: > at.$JOB_ID.$SGE_TASK_ID
until [ -e go.$SGE_TASK_ID ]; do sleep 0.02; done
[ $SGE_TASK_ID != 2 ] || { echo "ValueError: no such data" >&2; exit 3; }
"""


def submit_pipeline(jman: Jman, *, seeds: int) -> Jman:
    """Submit a job that ends at once, a sweep whose tasks wait to be told, and a job that waits for it."""
    jman.submit("-n", "prepare", "-l", "logs", "true")
    (jman.folder / "task.sh").write_text(TASK)
    words = ["--after-ok", "1", "--sweep", "lr=0.1,0.01", "--sweep", f"seed=1-{seeds}"]
    jman("--local", "submit", "-n", "train", *words, "--", "sh", "task.sh", "{lr}", "{seed}")
    jman.submit("-n", "merge", "-l", "logs", "--after-any", "2", "true")
    return jman


@pytest.fixture
def pipeline(jman: Jman) -> Jman:
    return submit_pipeline(jman, seeds=4)


def go(jman: Jman, *tasks: int) -> None:
    for task in tasks:
        (jman.folder / f"go.{task}").touch()


def runs(jman: Jman, *tasks: int) -> None:
    """Wait until these tasks run."""
    paths = [jman.folder / f"at.2.{task}" for task in tasks]
    wait_until(lambda: all(path.exists() for path in paths), what=f"tasks {tasks}")


def at_work(jman: Jman) -> set[int]:
    """Return the tasks that have begun."""
    return {int(path.suffix[1:]) for path in jman.folder.glob("at.2.*")}


def seen(terminal: Terminal, columns: int, rows: int, *words: str) -> Screen:
    """Return the screen once all these words are on it."""

    def now() -> Screen | None:
        terminal.read_for(0.1)
        screen = Screen(columns, rows)
        screen.feed(terminal.data.replace(b"\r\n", b"\n"))
        text = "\n".join(screen.lines)
        return screen if all(word in text for word in words) else None

    found = wait_until(now, what=f"{words} on the screen")
    assert found is not None
    return found


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (40, 20)], ids=["80x24", "40x20"])
def test_a_pipeline_with_failures_and_an_interrupt(pipeline: Jman, columns: int, rows: int) -> None:
    terminal = on_terminal(pipeline, "execute", "-p", "3", columns=columns, rows=rows)
    runs(pipeline, 1, 2, 3)
    go(pipeline, 1, 2)
    runs(pipeline, 4, 5)
    screen = seen(
        terminal, columns, rows, "3/10", "1 failure", "3 executing", "lr=0.01 seed=1", "2.5 | hello"
    )
    at = next(at for at, line in enumerate(screen.lines) if "━" in line)
    assert_golden(f"pipeline-{columns}x{rows}", screen.lines[at:])
    said = "".join(screen.lines[:at])
    assert "2.2 | ValueError: no such data" in said
    assert "failure  2.2 train lr=0.1 seed=2 after" in said
    assert "exit status 3: ValueError: no such" in said
    terminal.type(b"\x03")
    code, text = terminal.finish()
    assert code == 130
    screen = Screen(columns, rows)
    screen.feed(text.encode())
    shown = [*screen.scrolled, *screen.lines]
    assert not [line for line in shown if "━" in line or "─" in line], "the display is left on the screen"
    assert "stopping 3 running tasks; Ctrl-C again kills them at once" in "".join(shown)


def test_two_executes_say_the_same(jman: Jman) -> None:
    # the first one may claim seven ahead of time: there are enough for both all the same
    submit_pipeline(jman, seeds=8)
    first = on_terminal(jman, "execute", "-p", "2")
    runs(jman, 1, 2)
    second = on_terminal(jman, "execute", "-p", "2")
    wait_until(lambda: len(at_work(jman)) == 4, what="two more at work")
    go(jman, 1, 2)
    wait_until(lambda: len(at_work(jman)) == 6, what="two more in place of those that ended")
    words = ("3/18", "1 failure", "4 executing", "2 success")
    screens = [
        [line for line in seen(one, 80, 24, *words).lines if "hello" not in line] for one in (first, second)
    ]
    below = [lines[next(at for at, line in enumerate(lines) if "━" in line) :] for lines in screens]
    for lines in below:
        runs_from = next(at for at, line in enumerate(lines) if "lr=" in line)
        assert_golden("two-executes", lines[:runs_from])
        # which ones they are depends on what was claimed ahead; their order, on which of them began first
        assert sorted(int(line.split()[1].removeprefix("2.")) for line in lines[runs_from:]) == sorted(
            at_work(jman) - {1, 2}
        )
    go(jman, *range(3, 17))
    assert [one.finish()[0] for one in (first, second)] == [1, 1]


def test_a_narrower_terminal_is_drawn_anew(pipeline: Jman) -> None:
    terminal = on_terminal(pipeline, "execute", "-p", "2", columns=80, rows=24)
    runs(pipeline, 1, 2)
    seen(terminal, 80, 24, "2 executing")
    before = len(terminal.data)
    terminal.resize(40, 20)

    def is_drawn() -> bool:
        terminal.read_for(0.1)
        return b"\x1b[J" in terminal.data[before:]

    wait_until(is_drawn, what="a new drawing")
    terminal.read_for(0.3)
    screen = Screen(40, 20)
    screen.feed(terminal.data[terminal.data.rindex(b"\x1b7\x1b[K") :].replace(b"\r\n", b"\n"))
    assert "1/10" in screen.lines[0], screen.lines
    assert max(map(len, screen.lines)) <= 40
    go(pipeline, *range(1, 9))
    assert terminal.finish()[0] == 1


def test_output_has_its_place_and_a_label(jman: Jman) -> None:
    waits = "until [ -e go.$SGE_TASK_ID ]; do sleep 0.02; done; "
    says = "echo out $SGE_TASK_ID; echo err $SGE_TASK_ID >&2"
    jman.submit("-n", "talker", "-t", "12", "sh", "-c", waits + says)
    terminal = on_terminal(jman, "execute", "-p", "3", "--no-progress", env={"NO_COLOR": "1"})
    for task in (1, 2, 3):
        terminal.read_until(b"started  1.%d talker\r\n" % task)
    go(jman, 2)  # while the others run: a line of one that is alone has no label
    terminal.read_until(b"err 2\r\n")
    go(jman, *range(1, 13))
    text = terminal.finish()[1]
    lines = text.splitlines()
    for task in range(1, 13):
        start, end = lines.index(f"started  1.{task} talker"), text.index(f"success  1.{task} talker")
        found = [at for at, line in enumerate(lines) if line.removeprefix(f"1.{task} | ") == f"out {task}"]
        assert len(found) == 1
        assert start < found[0] < text[:end].count("\n")
    assert "1.2 | out 2" in lines
    jman("resubmit", "1", "-s")
    text = on_terminal(jman, "execute", "-p", "3", "--no-progress", "--no-label").finish()[1]
    assert " | " not in text
    jman("resubmit", "1", "-s")
    assert " | " not in jman("execute", "-p", "3").out, "redirected output has no labels"


def test_a_suspended_one_leaves_the_screen_to_the_shell(pipeline: Jman) -> None:
    terminal = on_terminal(pipeline, "execute", "-p", "2")
    runs(pipeline, 1, 2)
    before = seen(terminal, 80, 24, "2 executing").lines
    assert any("━" in line for line in before)
    at = len(terminal.data)
    # nobody here takes it on again, so that the system does not suspend it
    terminal.process.send_signal(signal.SIGTSTP)

    def is_answered() -> bool:
        terminal.read_for(0.1)
        return b"\x1b8" in terminal.data[at:]

    wait_until(is_answered, what="an answer")
    cleared = terminal.data[at:].split(b"\r\x1b7")[1]
    assert b"\x1b[J" in cleared and not cleared.decode().strip("\x1b[KBJ8"), cleared
    seen(terminal, 80, 24, "2 executing")
    go(pipeline, *range(1, 9))
    assert terminal.finish()[0] == 1


def test_lines_with_carriage_returns_are_shown_and_labelled(jman: Jman) -> None:
    says = r"printf 'a,1\r\nb,2\r\n\r10 %%\r 20 %%\n'"
    until = "until [ -e go.{} ]; do sleep 0.02; done"
    jman.submit("-t", "2", "sh", "-c", f"{until.format(1)}; {says}; {until.format(2)}")
    terminal = on_terminal(jman, "execute", "-p", "2")
    seen(terminal, 80, 24, "2 executing")
    go(jman, 1)
    seen(terminal, 80, 24, "1.1 |  20 %", "1.2 |  20 %")
    go(jman, 2)
    code, text = terminal.finish()
    assert code == 0
    screen = Screen(80, 24)
    screen.feed(text.encode())
    shown = [*screen.scrolled, *screen.lines]
    for task in (1, 2):
        label = f"1.{task} | "
        said = [line.removeprefix(label) for line in shown if line.startswith(label)]
        assert said == ["a,1", "b,2", " 20 %"], shown


def test_no_color_and_a_terminal_that_can_not_redraw(jman: Jman) -> None:
    jman.submit("-n", "one", "false")
    text = on_terminal(jman, "execute", env={"NO_COLOR": "1"}).finish()[1]
    assert "\x1b[31m" not in text
    jman("resubmit", "1")
    text = on_terminal(jman, "execute", env={"TERM": "dumb"}).finish()[1]
    assert "\x1b" not in text


def test_wait_shows_what_an_execute_does(pipeline: Jman) -> None:
    process = pipeline.start("execute", "-p", "3")
    runs(pipeline, 1, 2, 3)
    terminal = on_terminal(pipeline, "wait")
    seen(terminal, 80, 24, "1/10", "3 executing")
    go(pipeline, 2)
    seen(terminal, 80, 24, "failure  2.2 train lr=0.1 seed=2: exit status 3: ValueError: no such data")
    go(pipeline, *range(1, 9))
    assert terminal.finish()[0] == 1
    assert process.wait(60) == 1
