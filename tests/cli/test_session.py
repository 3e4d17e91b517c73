"""The session of the README, typed in an empty folder."""

from __future__ import annotations

import re
import sys

from tests.cli.tools import Jman


def test_session(jman: Jman) -> None:
    (jman.folder / "myscript.py").write_text("print('hello')\n")
    command = f"-S {sys.executable} myscript.py --help"
    ago = r"\(\d+ seconds? ago\)"

    done = jman("--local", "submit", "--log-dir", "logs", "myscript.py", "--help")
    assert re.fullmatch(rf"Submitted 1 @local {ago} {re.escape(command)}\n", done.out)
    head, line, row = jman("--local", "list").lines
    assert head == "job-id  queue  status     age  arguments"
    assert re.fullmatch(r"======  =====  =========  ===  =+", line)
    assert re.fullmatch(rf"     1  local  submitted  \d+s   {re.escape(command)}", row)

    jman("--local", "execute")
    assert "hello" in jman("--local", "report").lines
    done = jman("--local", "resubmit", "--also-success", "--clean")
    assert re.fullmatch(rf"Re-submitted job 1 @local {ago} {re.escape(command)}", done.lines[0])
    assert done.lines[1:] == ["  removed `logs/myscript.py.o1'", "  removed `logs/myscript.py.e1'"]
    jman("--local", "execute")

    done = jman("--local", "delete")
    assert re.fullmatch(rf"Cleaning-up logs for job 1 @local {ago} {re.escape(command)}", done.lines[0])
    assert done.lines[1:] == [
        "  removed `logs/myscript.py.o1'",
        "  removed `logs/myscript.py.e1'",
        "  deleted job 1 from database",
    ]
    assert [path.name for path in jman.folder.iterdir()] == ["myscript.py"]


def test_array_of_which_one_task_fails(jman: Jman) -> None:
    jman("--local", "submit", "-t", "1-7:2", "--log-dir", "logs", "--", "sh", "-c",
         "echo $SGE_TASK_ID; [ $SGE_TASK_ID != 3 ]")  # fmt: skip
    jman("--local", "execute", "-p", "4", code=1)
    assert sorted(path.name for path in (jman.folder / "logs").glob("*.o1.*")) == [
        f"sh.o1.{i}" for i in (1, 3, 5, 7)
    ]
    shown = [line for line in jman("list", "-a").lines if " 1.3 " in line]
    assert len(shown) == 1
    assert "failure" in shown[0]
    assert "failure (1)" in shown[0]
    assert [line.split()[0] for line in jman("report", "-e").lines if "failure" in line] == ["1.3"]
    jman("resubmit", "--failed-only")
    assert [i for i, task in jman.tasks().items() if task["status"] == "submitted"] == [3]
