"""Many tasks at once: jman submit --sweep, --zip, --sweep-file, --from-file; report and resubmit --where."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.test_bad_input import check
from tests.cli.tools import COMMAND, Jman

SHOW = ("sh", "-c", 'echo "$1 $2 $JMAN_PARAM_lr $JMAN_PARAM_seed"', "sh", "{lr}", "{seed}")
TWO = ("--sweep", "lr=0.1,0.01", "--sweep", "seed=1-3")


def parameters(jman: Jman, job_id: int = 1) -> list[tuple[str, ...]]:
    return [tuple(task["parameters"].values()) for task in jman.tasks(job_id).values()]


def test_a_product(jman: Jman) -> None:
    job = jman.submit(*TWO, "-l", "logs", "--", *SHOW)
    assert job["array"] == "1-6"
    assert job["command"] == list(SHOW)
    jman("execute", "-p", "2")
    expected = [(lr, seed) for lr in ("0.1", "0.01") for seed in ("1", "2", "3")]
    assert parameters(jman) == expected
    assert jman.tasks()[1]["parameters"] == {"lr": "0.1", "seed": "1"}
    for task, (lr, seed) in enumerate(expected, 1):
        assert (jman.folder / f"logs/sh.o1.{task}").read_text() == f"{lr} {seed} {lr} {seed}\n"
    row = next(line for line in jman("list", "-a").lines if line.split()[0] == "1.6")
    assert "lr=0.01" in row
    assert "seed=3" in row


def test_pairs(jman: Jman) -> None:
    jman.submit("--zip", "--sweep", "lr=a,b,c", "--sweep", "seed=1-3", *SHOW)
    assert parameters(jman) == [("a", "1"), ("b", "2"), ("c", "3")]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("rows.csv", 'lr,seed\n0.1,1\n"a,b",2\n', [("0.1", "1"), ("a,b", "2")]),
        ("rows.csv", "\ufefflr,seed\r\n0.1,1\r\n", [("0.1", "1")]),
        ("rows.json", '[{"lr": 0.1, "seed": 1}, {"lr": "x y", "seed": 2}]', [("0.1", "1"), ("x y", "2")]),
        ("columns.json", '{"lr": [0.1, 0.2], "seed": [1]}', [("0.1", "1"), ("0.2", "1")]),
        ("columns.toml", 'lr = [0.1, 0.2]\nseed = "s"', [("0.1", "s"), ("0.2", "s")]),
    ],
)
def test_files(jman: Jman, name: str, text: str, expected: list[tuple[str, ...]]) -> None:
    (jman.folder / name).write_text(text, "utf-8", newline="")
    jman.submit("--sweep-file", name, *SHOW)
    assert parameters(jman) == expected


def test_a_file_of_columns_may_be_paired(jman: Jman) -> None:
    (jman.folder / "a.toml").write_text("lr = [1, 2]\nseed = [3, 4]")
    jman.submit("--sweep-file", "a.toml", "--zip", *SHOW)
    assert parameters(jman) == [("1", "3"), ("2", "4")]


def test_a_parameter_in_the_first_word_and_inside_words(jman: Jman) -> None:
    for name in ("one", "two"):
        file = jman.folder / f"{name}.sh"
        file.write_text(f"#!/bin/sh\necho {name} $*\n")
        file.chmod(0o755)
    jman.submit("--sweep", "name=one,two", "./{name}.sh", "--n={name}x{name}", "{other}", "{}")
    lines = jman("execute").lines
    assert "one --n=onexone {other} {}" in lines
    assert "two --n=twoxtwo {other} {}" in lines


def test_values_are_not_read_by_a_shell(jman: Jman) -> None:
    jman.submit("--sweep", "lr=$HOME;ls,'\"*", sys.executable, "-c", "import sys; print(sys.argv[1])", "{lr}")
    lines = jman("execute").lines
    assert "$HOME;ls" in lines
    assert "'\"*" in lines


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--sweep", "lr", "true"], "'lr'"),
        (["--sweep", "1a=2", "true"], "'1a'"),
        (["--sweep", "lr=5-1", "true"], "5-1"),
        (["--sweep", "a=1", "--sweep", "a=2", "true"], "a is given twice"),
        (["--zip", "--sweep", "a=1", "--sweep", "b=1,2", "true"], "a has 1, b has 2"),
        (["--sweep", "a=1", "-t", "3", "true"], "--array"),
        (["--sweep", "a=1", "--sweep-file", "x.csv", "true"], "--sweep-file"),
        (["--sweep-file", "bad.json", "true"], "bad.json"),
        (["--sweep-file", "bad.toml", "true"], "bad.toml"),
        (["--sweep-file", "ragged.csv", "true"], "ragged.csv"),
        (["--sweep-file", "notes.txt", "true"], "notes.txt"),
        (["--from-file", "empty.txt"], "empty.txt"),
        (["--from-file", "notes.txt", "true"], "--from-file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_sweeps(jman: Jman, words: list[str], named: str) -> None:
    files = {
        "bad.json": "[1,",
        "bad.toml": "= 1",
        "ragged.csv": "a,b\n1\n",
        "notes.txt": "x",
        "empty.txt": "\n \n",
    }
    for name, text in files.items():
        (jman.folder / name).write_text(text)
    check(jman("-l", "submit", *words, code=2), named)
    assert not jman.database.exists()


def test_a_sweep_file_that_is_not_there(jman: Jman) -> None:
    for option in ("--sweep-file", "--from-file"):
        check(
            jman("-l", "submit", option, "no.csv", *(["true"] if "sweep" in option else []), code=3), "no.csv"
        )


def test_lines_of_a_file(jman: Jman) -> None:
    lines = ["echo one two", "", "echo $((1 + 2)) | cat; echo $SGE_TASK_ID", "exit 5", "echo 'it''s' \"{x}\""]
    (jman.folder / "commands.txt").write_text("\n".join(lines))
    job = jman.submit("--from-file", "commands.txt", "-l", "logs", "-n", "all")
    assert job["array"] == "1-4"
    jman("execute", "-p", "2", code=1)
    texts = [(jman.folder / f"logs/all.o1.{task}").read_text() for task in range(1, 5)]
    assert texts == ["one two\n", "3\n2\n", "", "its {x}\n"]
    assert [task["exit_status"] for task in jman.tasks().values()] == [0, 0, 5, 0]


def test_ten_thousand_lines_of_standard_input_are_one_submission(jman: Jman) -> None:
    text = "".join(f"echo {number}\n" for number in range(10_000)).encode()
    done = subprocess.run(
        [*COMMAND, "--local", "submit", "--print-id", "--from-file", "-"],
        cwd=jman.folder,
        env=jman.environment(),
        input=text,
        capture_output=True,
        timeout=20,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"1\n", b"")
    (job,) = jman.list("-a")
    assert job["array"] == "1-10000"
    assert len(job["tasks"]) == 10_000
    assert job["tasks"][9_999]["parameters"] == {"command": "echo 9999"}
    jman("stop")
    assert jman.job()["tasks"] == {"stopped": 10_000}


def test_report_and_resubmit_by_parameter(jman: Jman) -> None:
    jman.submit(*TWO, "-l", "logs", "sh", "-c", 'echo "$1/$2"; exit 1', "sh", "{lr}", "{seed}")
    jman("execute", "-p", "2", code=1)
    text = jman("report", "--where", "lr=0.1", "--where", "seed=2").out
    assert "0.1/2" in text
    assert "0.1/1" not in text
    jman("resubmit", "--where", "seed=3")
    again = [task["parameters"] for task in jman.tasks().values() if task["status"] == "submitted"]
    assert again == [{"lr": "0.1", "seed": "3"}, {"lr": "0.01", "seed": "3"}]
    check(jman("report", "1", "--where", "nonsense=1", code=2), "nonsense")


def test_a_thousand_tasks_are_as_quickly_there_as_ten(jman: Jman) -> None:
    for values in ("a=1-10", "a=1-1000"):
        jman.submit("--sweep", values, "true", "{a}")
    assert [job["array"] for job in jman.list()] == ["1-10", "1-1000"]
    # no row for each task
    assert jman.database.stat().st_size < 200_000
    assert jman.job(2)["tasks"] == {"submitted": 1000}
