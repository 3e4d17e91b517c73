"""jman submit: every option, and what is kept of a job."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.tools import Jman


@pytest.mark.parametrize("name", ["submit", "sub"])
def test_names_of_the_command(jman: Jman, name: str) -> None:
    done = jman("--local", name, "true", "a b")
    assert done.out == "Submitted 1 @local (0 seconds ago) true 'a b'\n"
    assert done.err == ""


def test_ids_start_from_one_and_grow(jman: Jman) -> None:
    assert [jman.submit("true")["id"] for _ in range(2)] == [1, 2]


def test_without_local_there_must_be_a_cluster(jman: Jman, tmp_path: Path) -> None:
    jman.variables |= {"PATH": str(tmp_path), "JMAN_CLUSTER": "auto"}
    done = jman("submit", "--no-check", "true", code=3)
    assert "no batch system is here" in done.err


@pytest.mark.parametrize("option", ["-n", "--name"])
def test_name(jman: Jman, option: str) -> None:
    assert jman.submit(option, "my name", "true")["name"] == "my name"


def test_dependencies(jman: Jman) -> None:
    jman("--local", "submit", "--repeat", "12", "true")
    for words, ids in (
        (["-x", "1,2,5-7"], [1, 2, 5, 6, 7]),
        (["--dependencies", "1 2"], [1, 2]),
        (["-x", "1", "-x", "3-4"], [1, 3, 4]),
        (["-x", "10+2"], [10, 11, 12]),
        (["-x", "1", "2", "--"], [1, 2]),
        (["-x", "1", "2-3", "-n", "x", "--"], [1, 2, 3]),
        (["--dependencies=4"], [4]),
        (["-x", "1,1-2"], [1, 2]),
    ):
        job = jman.submit(*words, "echo", "3")
        assert [(one["id"], one["kind"]) for one in job["dependencies"]] == [(one, "any") for one in ids], (
            words
        )
        assert job["command"] == ["echo", "3"], words
        assert job["status"] == "waiting"


def test_kinds_of_dependencies(jman: Jman) -> None:
    jman("--local", "submit", "--repeat", "3", "true")
    for kind in ("ok", "any", "notok"):
        job = jman.submit(f"--after-{kind}", "1", "2", "--", "true")
        assert job["dependencies"] == [{"id": 1, "kind": kind}, {"id": 2, "kind": kind}]


def test_after_corr(jman: Jman) -> None:
    jman.submit("-t", "1-4", "true")
    assert jman.submit("-t", "2-3", "--after-corr", "1", "true")["dependencies"] == [
        {"id": 1, "kind": "corr"}
    ]


@pytest.mark.parametrize("option", ["-k", "--stop-on-failure"])
def test_stop_on_failure(jman: Jman, option: str) -> None:
    assert jman.submit("true")["stop_on_failure"] is False
    assert jman.submit(option, "true")["stop_on_failure"] is True


@pytest.mark.parametrize("option", ["-d", "--exec-dir"])
def test_exec_dir(jman: Jman, option: str) -> None:
    (jman.folder / "there").mkdir()
    assert jman.submit(option, "there", "pwd")["exec_dir"] == str(jman.folder / "there")
    assert str(jman.folder / "there") in jman("execute").lines


def test_exec_dir_is_the_current_folder(jman: Jman) -> None:
    assert jman.submit("pwd")["exec_dir"] == str(jman.folder)


@pytest.mark.parametrize("option", ["-l", "--log-dir"])
def test_log_dir(jman: Jman, option: str) -> None:
    assert jman.submit(option, "logs/deep", "echo", "hello")["log_dir"] == "logs/deep"
    assert not (jman.folder / "logs").exists()
    jman("execute")
    assert (jman.folder / "logs/deep/echo.o1").read_text() == "hello\n"
    assert (jman.folder / "logs/deep/echo.e1").read_text() == ""


def test_environment(jman: Jman) -> None:
    for words in (
        ["-s", "A=1", "-s", "B=2 = x"],
        ["--environment", "A=1", "--environment=B=2 = x"],
        ["-s", "A=1", "B=2 = x", "--"],
        ["-s", "A=1", "B=2 = x", "-n", "x", "--"],
    ):
        assert jman.submit(*words, "sh", "-c", 'echo "<$A> <$B>"')["environment"] == {"A": "1", "B": "2 = x"}
    assert jman("execute").lines.count("<1> <2 = x>") == 4


def test_environment_may_be_empty_and_is_not_kept_otherwise(jman: Jman) -> None:
    assert jman.submit("-s", "A=", "true")["environment"] == {"A": ""}
    assert jman.submit("true")["environment"] == {}


def test_array(jman: Jman) -> None:
    for option in ("-t", "--array", "--parametric"):
        assert jman.submit(option, "1-7:2%3", "true")["array"] == "1-7:2%3"


def test_array_specifications(jman: Jman) -> None:
    cases = {
        "3": [1, 2, 3],
        "2-4": [2, 3, 4],
        "1,3,7-9": [1, 3, 7, 8, 9],
        "5-5": [5],
        "1-10:4%1": [1, 5, 9],
        "7,2": [2, 7],
    }
    for spec in cases:
        jman.submit("-t", spec, "true")
    shown = jman.list("-a")
    assert [[task["id"] for task in job["tasks"]] for job in shown] == list(cases.values())


@pytest.mark.parametrize("option", ["-r", "--repeat"])
def test_repeat(jman: Jman, option: str) -> None:
    done = jman("--local", "submit", "--json", option, "3", "true").json()
    assert [[one["id"] for one in job["dependencies"]] for job in done] == [[], [1], [2]]


@pytest.mark.parametrize("option", ["-z", "--dry-run"])
def test_dry_run(jman: Jman, option: str) -> None:
    done = jman("--local", "submit", option, "-t", "3", "true")
    assert done.out == "Would submit 1 @local (0 seconds ago) true [3 tasks]\n"
    assert list(jman.folder.iterdir()) == []


def test_a_dry_run_shows_what_a_sweep_runs(jman: Jman) -> None:
    sweep = ("--sweep", "lr=0.1,0.2", "--sweep", "seed=1-3", "--", "echo", "{lr}", "{seed}")
    lines = jman("--local", "submit", "--dry-run", *sweep).out.splitlines()
    assert lines[0].endswith(" [6 tasks]")
    assert lines[1:] == [
        "  task 1: echo 0.1 1",
        "  task 2: echo 0.1 2",
        "  task 3: echo 0.1 3",
        "  and 3 more",
    ]


def test_dry_run_leaves_a_database_as_it_is(jman: Jman) -> None:
    jman.submit("true")
    before = jman.database.read_bytes()
    assert jman.submit("-z", "-x", "1", "true")["id"] == 2
    assert jman.database.read_bytes() == before


@pytest.mark.parametrize("option", ["-o", "--print-id"])
def test_print_id(jman: Jman, option: str) -> None:
    assert jman("--local", "submit", option, "true").out == "1\n"
    assert jman("--local", "submit", option, "-r", "2", "true").out == "2\n3\n"


def test_json_has_the_names_of_list(jman: Jman) -> None:
    job = jman.submit("-n", "x", "-t", "2", "true")
    assert job == jman.job()


@pytest.mark.parametrize("dashes", [[], ["--"]])
def test_all_from_the_first_word_on_is_the_command(jman: Jman, dashes: list[str]) -> None:
    for command in (
        ["echo", "--help"],
        ["echo", "-x", "1", "--name", "n"],
        ["echo", "--", "-o"],
        ["echo", "-s", "A=1", "B=2"],
        ["echo", "--overwrite-command", "-o", "--version", "-V", "-d", "f"],
    ):
        job = jman.submit("-n", "x", *dashes, *command)
        assert job["command"] == command
        assert job["name"] == "x"


def test_a_command_after_dashes_may_begin_with_dashes(jman: Jman) -> None:
    job = jman.submit("--no-check", "--", "--help", "me")
    assert job["command"] == ["--help", "me"]


def test_command_that_is_not_there(jman: Jman) -> None:
    done = jman("--local", "submit", "no-such-command", "x", code=2)
    assert "command not found: no-such-command" in done.err
    assert jman.submit("--no-check", "no-such-command", "x")["command"] == ["no-such-command", "x"]
    done = jman("execute", code=1)
    assert "no-such-command" in done.out
    assert jman.job()["status"] == "failure"


def test_python_file_runs_by_this_python(jman: Jman) -> None:
    (jman.folder / "my script.py").write_text("import sys; print([sys.executable, *sys.argv[1:]])")
    done = jman("--local", "submit", "my script.py", "--help")
    assert done.out == f"Submitted 1 @local (0 seconds ago) -S {sys.executable} 'my script.py' --help\n"
    job = jman.job()
    assert (job["interpreter"], job["command"]) == ([sys.executable], ["my script.py", "--help"])
    assert f"['{sys.executable}', '--help']" in jman("execute").lines


def test_shell_file_runs_by_sh(jman: Jman) -> None:
    (jman.folder / "a.sh").write_text("echo arguments: $*")
    assert jman.submit("./a.sh", "x")["interpreter"] == ["/bin/sh"]
    assert "arguments: x" in jman("execute").lines


def test_file_without_permission_runs_by_its_first_line(jman: Jman) -> None:
    (jman.folder / "words").write_text("#!/usr/bin/env cat\nhello\n")
    assert jman.submit("words")["interpreter"] == ["/usr/bin/env", "cat"]
    assert "hello" in jman("execute").lines


def test_executable_file_runs_by_itself(jman: Jman) -> None:
    file = jman.folder / "tool"
    file.write_text("#!/bin/sh\necho tool $1\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    assert jman.submit("./tool", "x")["interpreter"] == []
    jman.submit("tool", "y")
    lines = jman("execute").lines
    assert "tool x" in lines
    assert "tool y" in lines


def test_git_commit_of_the_folder(jman: Jman, tmp_path: Path) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    (jman.folder / "file").write_text("1")
    (jman.folder / ".gitignore").write_text("submitted.sql3*\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], cwd=jman.folder, env=jman.environment(), check=True)
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=jman.folder, capture_output=True, text=True, check=True
    )
    job = jman.submit("true")
    assert (job["git_commit"], job["git_dirty"]) == (head.stdout.strip(), False)
    (jman.folder / "file").write_text("2")
    assert jman.submit("true")["git_dirty"] is True


def test_what_a_task_sees(jman: Jman) -> None:
    show = (
        'echo "$JOB_ID|$JOB_NAME|$SGE_TASK_ID|$SGE_TASK_FIRST|$SGE_TASK_LAST|$SGE_TASK_STEPSIZE'
        '|$JMAN_JOB_ID|$JMAN_ATTEMPT"'
    )
    jman.submit("-n", "plain", "sh", "-c", show)
    jman.submit("-n", "array", "-t", "3-7:2", "sh", "-c", show)
    lines = jman("execute").lines
    undefined = "undefined|undefined|undefined|undefined"
    assert f"1|plain|{undefined}|1|1" in lines
    assert [line for line in lines if line.startswith("2|")] == [f"2|array|{i}|3|7|2|2|1" for i in (3, 5, 7)]


@pytest.mark.parametrize("option", ["-d", "--database", "--db"])
def test_database_option(jman: Jman, option: str) -> None:
    jman(option, "other.sql3", "-l", "submit", "true")
    assert not jman.database.exists()
    assert (jman.folder / "other.sql3").exists()
    assert jman("list", "-o", env={"JMAN_DATABASE": "other.sql3"}).out == "1\n"


def test_option_goes_before_the_variable(jman: Jman) -> None:
    jman("--db", "a.sql3", "-l", "submit", "true", env={"JMAN_DATABASE": "b.sql3"})
    assert (jman.folder / "a.sql3").exists()
    assert not (jman.folder / "b.sql3").exists()


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version(jman: Jman, option: str) -> None:
    from asyncjman.version import __version__

    assert jman(option).out == f"jman {__version__}\n"


def test_verbose(jman: Jman) -> None:
    for words in (["-v", "-l"], ["-vvl"], ["-v", "-v", "-v", "--local"], ["--verbose", "-l"]):
        jman(*words, "submit", "true")
    assert len(jman.list()) == 4


def test_the_second_dashes_belong_to_the_command(jman: Jman) -> None:
    assert jman.submit("--no-check", "--", "--", "a")["command"] == ["--", "a"]
