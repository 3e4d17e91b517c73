"""jman report: every option."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import on_terminal
from tests.cli.tools import Jman, wait_until


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jman]:
    """1 wrote both logs, 2 is an array whose task 3 failed, 3 wrote errors and succeeded; only read here."""
    jman = Jman(tmp_path_factory.mktemp("report") / "work")
    jman.folder.mkdir()
    jman.submit("-n", "one", "-l", "logs", "sh", "-c", "echo out of one")
    jman.submit("-t", "1-7:2", "-l", "logs", "sh", "-c", "echo out $SGE_TASK_ID; [ $SGE_TASK_ID != 3 ]")
    jman.submit("-n", "warns", "-l", "logs", "sh", "-c", "echo a warning >&2")
    jman("execute", "-p", "2", code=1)
    jman.submit("-n", "late", "-l", "logs", "true")
    yield jman
    jman.close()


@pytest.mark.parametrize("name", ["report", "rep", "r"])
def test_names_of_the_command(ran: Jman, name: str) -> None:
    text = ran(name).out
    for word in ("out of one", "out 1", "out 3", "a warning", "exit status 1", "logs/one.o1", "logs/sh.o2.7"):
        assert word in text, word
    assert "late" not in text


@pytest.mark.parametrize("words", [["1"], ["-j", "1"], ["--job-ids", "1"]])
def test_job_ids(ran: Jman, words: list[str]) -> None:
    text = ran("report", *words).out
    assert "out of one" in text
    assert "out 1" not in text


@pytest.mark.parametrize("words", [["-a", "3,7"], ["--array-ids", "3", "7"], ["-a", "3", "-a", "7"]])
def test_array_ids(ran: Jman, words: list[str]) -> None:
    text = ran("report", "-j", "2", *words).out
    assert [f"out {one}" in text for one in (1, 3, 5, 7)] == [False, True, False, True]


@pytest.mark.parametrize("option", ["-n", "--name"])
def test_name(ran: Jman, option: str) -> None:
    text = ran("report", option, "warns").out
    assert "a warning" in text
    assert "out of one" not in text


@pytest.mark.parametrize("option", ["-s", "--status"])
def test_status(ran: Jman, option: str) -> None:
    text = ran("report", option, "failure").out
    assert "out 3" in text
    assert "out of one" not in text


@pytest.mark.parametrize("option", ["-e", "--errors-only"])
def test_errors_only(ran: Jman, option: str) -> None:
    text = ran("report", option).out
    assert "a warning" in text
    assert "2.3 failure" in text
    assert "exit status 1" in text
    for word in ("2.1", "2.5", "2.7", "out of one", "out 3", ".o2"):
        assert word not in text, word


@pytest.mark.parametrize("option", ["-o", "--output-only"])
def test_output_only(ran: Jman, option: str) -> None:
    text = ran("report", option).out
    assert "out of one" in text
    assert "a warning\n" not in text


def test_json(ran: Jman) -> None:
    shown = ran("report", "--json").json()
    by_task = {(one["id"], one["task"]): one for one in shown}
    assert list(by_task) == [(1, None), (2, 1), (2, 3), (2, 5), (2, 7), (3, None)]
    assert by_task[1, None]["output"] == "out of one\n"
    assert by_task[3, None]["errors"] == "a warning\n"
    assert by_task[2, 3]["exit_status"] == 1
    assert Path(by_task[2, 3]["stdout"]).read_text() == "out 3\n"


def test_json_of_nothing_is_an_empty_array(ran: Jman) -> None:
    assert ran("report", "--json", "-n", "nobody").json() == []


def test_follow(jman: Jman) -> None:
    jman.submit("-l", "logs", "sh", "-c", "echo before; until [ -e go ]; do sleep 0.02; done; printf after")
    runner = jman.start("execute")
    follower = jman.start("report", "-f", "1")
    wait_until(lambda: "1| before\n" in jman.output_of(follower), what="the first line")
    assert follower.poll() is None
    (jman.folder / "go").touch()
    assert follower.wait(20) == 0
    assert runner.wait(20) == 0
    assert jman.output_of(follower) == "1| before\n1| after\n"


def test_logs_of_stopped_jobs_are_shown(jman: Jman) -> None:
    jman.submit("-l", "logs", "sh", "-c", "echo was here; sleep 1000")
    runner = jman.start("execute")
    wait_until(lambda: (jman.folder / "logs/sh.o1").exists() and (jman.folder / "logs/sh.o1").read_text())
    jman("stop", "1")
    runner.wait(20)
    assert "was here" in jman("report").out


def test_a_job_without_logs_says_so(jman: Jman) -> None:
    jman.submit("false")
    jman("execute", code=1)
    assert "No log files" in jman("report").out


def test_a_log_that_is_gone(jman: Jman) -> None:
    jman.submit("-l", "logs", "true")
    jman("execute")
    (jman.folder / "logs/true.o1").unlink()
    assert "not there" in jman("report").out


def test_a_progress_bar_is_on_a_terminal_what_it_ended_as(jman: Jman) -> None:
    says = r"printf 'a,1\r\n\r10 %%\r 20 %%\n\tx\fy'; printf 'epoch 1\repoch 2' >&2"
    jman.submit("-l", "logs", "sh", "-c", says)
    jman("execute")
    lines = on_terminal(jman, "report").finish()[1].splitlines()
    assert lines[4:7] == ["a,1", " 20 %", r"        x\x0cy"]
    assert lines[8:] == ["epoch 2"]
    followed = on_terminal(jman, "report", "--follow").finish()[1].splitlines()
    assert followed == ["1| a,1", "1|  20 %", r"1|         x\x0cy", "1| epoch 2"]
    assert "\r10 %\r 20 %\n" in jman("report").out


def test_characters_that_two_pieces_of_a_log_have_parts_of(jman: Jman) -> None:
    jman.submit("-l", "logs", "true")
    jman("execute")
    (jman.folder / "logs/true.o1").write_text("x" + "é" * 100_000)
    assert "x" + "é" * 100_000 in on_terminal(jman, "report").finish()[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["2.3", "--attempt", "4"], "job 2.3 has no attempt 4: its only attempt is 1"),
        (["1", "--attempt", "2", "--json"], "job 1 has no attempt 2: its only attempt is 1"),
        (["2", "--attempt", "4", "-e"], "none of these 4 tasks has an attempt 4: the highest is 1"),
    ],
)
def test_an_attempt_that_is_not_there(ran: Jman, words: list[str], said: str) -> None:
    result = ran("report", *words, code=2)
    assert (result.out, result.err.strip()) == ("", f"jman: {said}")


def test_an_attempt_that_only_some_have(jman: Jman) -> None:
    jman.submit("-l", "logs", "-t", "1-2", "sh", "-c", "[ $SGE_TASK_ID = 1 ] || [ -e go ]")
    jman("execute", code=1)
    jman("resubmit", "1.2")
    jman("execute", code=1)
    assert "1.2" in jman("report", "1", "--attempt", "2").out
    assert jman("report", "1.2", "--attempt", "3", code=2).err == (
        "jman: job 1.2 has no attempt 3: its attempts are 1-2\n"
    )
