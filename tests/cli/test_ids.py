"""Jobs and tasks as they are named on the command line, by every form, in every command."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.cli.tools import Jman

UGLY = [
    "my job",
    "a,b",
    "7",
    "1-4",
    "@",
    "it's",
    'say "hi"',
    "*",
    "a*",
    "[1]",
    "ünï",
    "job:3",
    "-n",
    "a\nb",
    "name:x",
]


@pytest.fixture
def three(jman: Jman) -> Jman:
    """Jobs ``prep``, ``train`` (an array of five) and, with a name from its command, ``sleep``."""
    jman.submit("-n", "prep", "true")
    jman.submit("-n", "train", "-t", "5", "true")
    jman.submit("sleep", "0")
    return jman


def ids(jman: Jman, *words: str) -> list[int]:
    return [int(line) for line in jman("list", "-o", *words).lines]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("3", [3]),
        ("1-2", [1, 2]),
        ("2+1", [2, 3]),
        ("1,3", [1, 3]),
        ("2-9", [2, 3]),
        ("@", [3]),
        ("@-1", [2]),
        ("@ @-2", [1, 3]),
        ("job:2", [2]),
        ("train", [2]),
        ("name:train", [2]),
        ("tr*", [2]),
        ("*", [1, 2, 3]),
        ("[a-p]*", [1]),
        ("sleep", [3]),
        ("prep 3 @-1", [1, 2, 3]),
        ("2.3", [2]),
        ("2.3 1", [1, 2]),
        ("-j @ -j prep", [1, 3]),
    ],
)
def test_each_form(three: Jman, words: str, meant: list[int]) -> None:
    assert ids(three, *words.split()) == meant


@pytest.mark.parametrize(
    "word", ["4", "4-9", "@-3", "job:4", "grid:1", "nosuch", "n*", "name:tra", "2.6", "1.1", "@.1"]
)
@pytest.mark.parametrize("command", ["list", "report", "why", "stop", "delete", "resubmit", "wait"])
def test_a_word_that_means_nothing_does_nothing(three: Jman, command: str, word: str) -> None:
    before = three.list("-a")
    refused = three(command, "1", word, code=2)
    assert refused.out == ""
    assert (
        word.split(".")[0].removeprefix("job:").removeprefix("name:") in refused.err
        or "no task" in refused.err
    )
    assert len(refused.err.splitlines()) <= 2
    assert three.list("-a") == before


@pytest.mark.parametrize("name", ["notes.txt", "logs/a", "Makefile"])
def test_what_the_shell_expanded_is_told(three: Jman, name: str) -> None:
    path = three.folder / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    refused = three("delete", "prep", name, code=2)
    assert "did the shell expand it?" in refused.err
    assert len(three.list()) == 3
    assert "shell" not in three("delete", "nosuch", code=2).err


def test_a_folder_of_files_is_told_in_two_lines(three: Jman) -> None:
    refused = three("list", *(f"file{number}.py" for number in range(500)), code=2)
    assert "and 495 more" in refused.err
    assert len(refused.err.splitlines()) == 2


@pytest.mark.parametrize("command", ["stop", "delete", "resubmit", "execute"])
def test_what_changes_jobs_takes_given_names_only(three: Jman, command: str) -> None:
    refused = three(command, "sleep", code=2)
    assert "job 3" in refused.err and "from its command" in refused.err
    three(command, "sl*", code=2)
    assert three.status() == {1: "submitted", 2: "submitted", 3: "submitted"}


def test_names_in_commands_that_change_jobs(three: Jman) -> None:
    assert "Stopped 1" in three("stop", "prep").out
    assert three.status() == {1: "stopped", 2: "submitted", 3: "submitted"}
    assert "Re-submitted job 1" in three("resubmit", "p*").out
    assert three.status()[1] == "submitted"
    three("delete", "tr*", "prep")
    assert three.status() == {3: "submitted"}


@pytest.mark.parametrize("name", UGLY)
def test_ugly_names(jman: Jman, name: str) -> None:
    jman.submit(f"--name={name}", "true")
    jman.submit("-n", "other", "true")
    jman("--local", "submit", "-x", f"name:{name}", "--", "true")
    assert [one["id"] for one in jman.list(3)[0]["dependencies"]] == [1]
    assert ids(jman, f"name:{name}") == [1]
    jman("delete", f"name:{name}")
    assert jman.status().keys() == {2, 3}


def test_a_name_that_is_no_text(jman: Jman) -> None:
    jman.submit("-n", b"a\xff", "true")
    jman.submit("-n", "b", "true")
    assert jman("list", "-o", b"a\xff").lines == ["1"]
    assert jman("list", "-o", b"?\xff").lines == ["1"]


def test_a_name_is_taken_as_it_stands_before_it_is_a_glob(jman: Jman) -> None:
    for name in ("a*", "ab", "a"):
        jman.submit("-n", name, "true")
    assert ids(jman, "a*") == [1]
    assert ids(jman, "?*") == [1, 2, 3]
    jman("delete", "a*")
    assert jman.status().keys() == {2, 3}


def test_digits_are_ids_always(jman: Jman) -> None:
    jman.submit("-n", "2", "true")
    jman.submit("-n", "x", "true")
    assert ids(jman, "2") == [2]
    assert ids(jman, "name:2") == [1]


def test_more_jobs_than_sqlite_takes_terms(jman: Jman) -> None:
    jman("--local", "submit", "-r", "2400", "-n", "a", "true")
    with closing(sqlite3.connect(jman.database)) as connection, connection:
        connection.execute("UPDATE job SET name = 'b' WHERE id % 2")
    assert len(ids(jman, "b")) == 1200
    assert len(ids(jman, *(str(number) for number in range(1, 2400, 2)))) == 1200


def test_the_latest_job_is_the_latest_that_is_there(three: Jman) -> None:
    three("delete", "3")
    assert ids(three, "@") == [2]
    three("--local", "submit", "-x", "@", "@-1", "--", "true")
    assert [one["id"] for one in three.job(4)["dependencies"]] == [1, 2]
    assert "@-9" in three("list", "@-9", code=2).err


@pytest.mark.parametrize("option", ["-x", "--after-ok", "--after-any", "--after-notok"])
def test_dependencies(three: Jman, option: str) -> None:
    three("--local", "submit", option, "1-2", "@", "name:tr*", "--", "true")
    assert [one["id"] for one in three.job(4)["dependencies"]] == [1, 2, 3]
    for word, told in [
        ("train", "name:train"),
        ("2.3", "whole jobs"),
        ("name:sleep", "from its command"),
        ("@-4", "@-4"),
    ]:
        refused = three("--local", "submit", option, word, "--", "true", code=2)
        assert told in refused.err
    assert len(three.list()) == 4


def test_tasks_of_a_job(three: Jman) -> None:
    def states() -> str:
        return "".join(task["status"][1] for task in three.tasks(2).values())

    assert "Stopped task 2,4-5 of 2" in three("stop", "2.2,4-5").out.replace("4,5", "4-5")
    assert states() == "ututt"
    three("resubmit", "train.4", code=2)
    assert "Re-submitted job 2" in three("resubmit", "2.4").out
    assert states() == "utuut"
    three("stop", "@-1.1", "2.3", "1")
    assert states() == "ttttt"[:1] + "ttut"
    assert three.status()[1] == "stopped"
    three("delete", "2.2,3", "3")
    assert list(three.tasks(2)) == [1, 4, 5]
    assert three.status().keys() == {1, 2}


def test_a_task_beside_its_whole_job_is_the_whole_job(three: Jman) -> None:
    three("stop", "2.3", "1-2")
    assert {task["status"] for task in three.tasks(2).values()} == {"stopped"}


def test_tasks_that_are_shown(three: Jman) -> None:
    three.submit("-t", "3", "-l", "logs", "sh", "-c", "echo out $SGE_TASK_ID; exit $((SGE_TASK_ID % 2))")
    three("execute", code=1)
    assert [line.split()[0] for line in three("list", "4.1,3").lines[2:]] == ["4", "4.1", "4.3"]
    shown = three("list", "--json", "4.2", "1").json()
    assert [task["id"] for task in shown[1]["tasks"]] == [2]
    assert shown[0]["tasks"] == {"success": 1}
    assert three("report", "-o", "4.2").lines[-1:] == ["out 2"]
    assert "out 1" not in three("report", "4.2-3").out
    assert "out 2" in three("report", "-f", "4.2").out and "out 1" not in three("report", "-f", "4.2").out
    why = three("why", "4.1,2").out
    assert "4.1 failure" in why and "4.2 succeeded" in why and "4.3" not in why


def test_array_ids_go_with_one_job_by_any_word(three: Jman) -> None:
    for number, word in enumerate(["2", "train", "@-1", "job:2", "tr*"], 1):
        three("stop", word, "-a", str(number))
    assert three.status()[2] == "stopped"
    for words in (["1-2"], ["*"], ["1", "2"], []):
        assert "one job" in three("stop", *words, "-a", "1", code=2).err
    assert "one way" in three("stop", "2.1", "-a", "1", code=2).err


@pytest.mark.parametrize("command", ["execute", "communicate"])
def test_what_takes_whole_jobs_says_so(three: Jman, command: str) -> None:
    assert f"jman {command} takes whole jobs: write 2, not 2.3" in three(command, "2.3", code=2).err


def test_execute_and_wait_by_name(three: Jman) -> None:
    three("execute", "prep")
    assert three.status() == {1: "success", 2: "submitted", 3: "submitted"}
    three("wait", "prep")


def test_debug_takes_one_task(three: Jman) -> None:
    for word in ("1-2", "2.1,2", "*", "nosuch", "2", "2.9"):
        assert three("debug", word, code=2).out == ""
    assert three.fresh("debug", "@-1.5").code == 0
    assert three.fresh("debug", "prep").code == 0


def test_debug_of_an_array_asks_for_a_task(jman: Jman) -> None:
    jman.submit("-t", "2-6:2", "true")
    assert "job 1 is an array: name a task of it, as in 1.6" in jman("debug", "1", code=2).err
    assert jman.fresh("debug", "1.6").code == 0
