"""What a cluster and jman have to agree on: limits of the site and of time, numbers, how many at a time."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

from tests.cli.tools import Jman
from tests.faults.cell import Cell

LIMIT = "only 20 jobs are allowed per user"


def words_of(cell: Cell, option: str) -> list[str]:
    """Return what the last qsub was given with an option."""
    words = cell.calls("qsub")[-1]
    return [words[at + 1] for at, word in enumerate(words) if word == option]


def test_a_job_waits_for_a_limit_of_the_site(jman: Jman, cell: Cell) -> None:
    """It is tried again at each poll, and why says what it waits for."""
    cell.let("qsub", "full")
    done = jman("submit", "--", "true")
    assert "job 1 waits here" in done.err
    assert LIMIT in done.err
    for _ in range(2):
        before = len(cell.calls("qsub"))
        assert LIMIT in jman("why").out
        assert len(cell.calls("qsub")) == before + 1
    assert jman.status() == {1: "submitted"}
    cell.let("qsub")
    jman("list")
    cell.run(1)
    assert jman.status() == {1: "success"}


def test_a_dependent_waits_for_a_limit_too(jman: Jman, cell: Cell) -> None:
    jman("--local", "submit", "true")
    jman("submit", "--after-ok", 1, "--", "true")
    cell.let("qsub", "full")
    jman("--local", "execute")
    jman("list")
    assert jman.status()[2] == "submitted"
    cell.let("qsub")
    jman("list")
    assert jman.status()[2] == "queued"


def test_a_limit_within_a_repetition(jman: Jman, cell: Cell) -> None:
    """What was sent and what waits is told; all of it runs in the end."""
    cell.let("qsub", "full")
    done = jman("submit", "-r", "3", "--", "true")
    assert "job 1-3 waits here" in done.err
    assert done.out.count("Submitted") == 3
    cell.let("qsub")
    for number in (1, 2, 3):
        jman("list")
        cell.run(number)
    assert set(jman.status().values()) == {"success"}


def test_a_limit_part_way_through_a_repetition(jman: Jman, cell: Cell) -> None:
    """Of 6 jobs the cluster takes 4: which were sent and which wait is told, and each runs once."""
    cell.let("qsub", "full", 4)
    done = jman("submit", "-r", "6", "--", "sh", "-c", "echo x >> ran")
    assert done.out.count("Submitted") == 6
    assert "job 1-4 was sent; job 5,6 waits here" in done.err
    assert LIMIT in done.err
    assert cell.listed() == [1, 2, 3, 4]
    cell.let("qsub")
    for number in range(1, 7):
        jman("list")
        cell.run(number)
    assert set(jman.status().values()) == {"success"}
    assert (jman.folder / "ran").read_text() == 6 * "x\n"


def test_a_resubmission_waits_for_a_limit(jman: Jman, cell: Cell) -> None:
    jman("submit", "--", "false")
    cell.run(1)
    cell.let("qsub", "full")
    assert "job 1 waits here" in jman("resubmit").err
    cell.let("qsub")
    jman("list")
    assert jman.status() == {1: "queued"}


def test_the_throttle_holds_over_submissions(jman: Jman, cell: Cell) -> None:
    """Of 4%2 the retry of a task waits until the array has room for it."""
    jman("submit", "-t", "1-4%2", "--retry", "1", "--", "sh", "-c", "[ $SGE_TASK_ID != 1 ]")
    job = cell.job(1)
    cell.run_script(1, job, 1)
    cell.set(1, tasks="2-4:1", state="r")
    jman("list")
    jman("list")
    assert cell.listed() == [1], "3 tasks, of which 2 may run, are there still"
    assert "1 task waits here: 2 may run at a time" in jman("why").out
    for task in (2, 3):
        cell.run_script(1, job, task)
    cell.set(1, tasks="4")
    jman("list")
    jman("list")
    assert cell.listed() == [1, 2]
    assert words_of(cell, "-tc") == ["1"]
    assert "here" not in jman("why").out


def test_all_numbers_of_a_job_are_shown_and_can_be_named(jman: Jman, cell: Cell) -> None:
    cell.set_counter(93)
    jman("submit", "-t", "1-3", "--retry", "1", "--", "sh", "-c", "[ $SGE_TASK_ID != 1 ]")
    cell.run_script(94, cell.job(94), 1)
    cell.set(94, tasks="2-3:1", state="hqw")
    jman("list")
    assert cell.listed() == [94, 95]
    (job,) = jman.list()
    assert (job["grid_id"], job["grid_ids"], job["grid_state"]) == (95, [94, 95], "held")
    assert "94,95" in jman("list").out
    for name in ("94", "grid:94", "95"):
        assert [one["id"] for one in jman.list(name)] == [1]


def test_the_smaller_limit_of_time_holds(jman: Jman, cell: Cell) -> None:
    for words, limit in (
        (["--timeout", "5s", "--time", "1:0:0"], "h_rt=5"),
        (["--timeout", "2h", "--time", "1:0:0"], "h_rt=1:0:0"),
        (["--timeout", "60"], "h_rt=60"),
    ):
        jman("submit", *words, "--", "true")
        assert words_of(cell, "-l") == [limit]


def test_a_timeout_moves_to_the_cluster(jman: Jman, cell: Cell) -> None:
    jman("--local", "submit", "--timeout", "60", "false")
    jman("--local", "execute", code=1)
    jman("resubmit", "--to", "sge")
    assert words_of(cell, "-l") == ["h_rt=60"]


def test_what_can_never_run_there_is_not_stored(jman: Jman, cell: Cell) -> None:
    bad = ["--sge-extra-args", "-sync y"]
    assert "-sync" in jman("submit", *bad, "-r", "2", "--", "true", code=2).err
    jman("submit", "--", "true")
    assert jman.status() == {1: "queued"}, "its number was not given away"
    assert len(cell.calls("qsub")) == 1


def test_what_can_never_run_there_is_not_moved_there(jman: Jman, cell: Cell) -> None:
    """It stays as it is, here: moved, it would fail at the next poll."""
    jman("--local", "submit", "false")
    jman("--local", "submit", "--sge-extra-args", "-sync y", "false")
    jman("--local", "execute", code=1)
    assert "-sync" in jman("resubmit", "--to", "sge", code=2).err
    assert jman.status() == {1: "failure", 2: "failure"}
    assert cell.calls("qsub") == []
    jman("resubmit", "1", "--to", "sge")
    assert jman.status() == {1: "queued", 2: "failure"}


def test_a_task_that_was_stopped_here_is_not_sent_with_its_array(jman: Jman, cell: Cell) -> None:
    jman("--local", "submit", "true")
    jman("submit", "-t", "1-3", "--after-ok", 1, "--", "sh", "-c", "echo $SGE_TASK_ID >> ran")
    jman("stop", "2.2")
    jman("--local", "execute", code=None)
    jman("list")
    words = words_of(cell, "-t")
    cell.run(1, tasks=[1, 2])
    jman("list")
    assert words == ["1-2:1"]
    assert (jman.folder / "ran").read_text() == "1\n3\n"
    assert [one["status"] for one in jman.list("2", "-a")[0]["tasks"]] == ["success", "stopped", "success"]


def test_a_task_that_waits_here_while_others_of_its_job_run_there(jman: Jman, cell: Cell) -> None:
    """It is tried again after what it depends on ran again: the others don't hold it there."""
    jman("--local", "submit", "true")
    jman("submit", "-t", "1-2", "--after-ok", 1, "--", "false")
    jman("--local", "execute", code=None)
    jman("list")
    cell.run_script(1, cell.job(1), 1)
    cell.set(1, tasks="2", state="r")
    jman("list")
    jman("resubmit", "job:1", "-s")
    jman("resubmit", "job:2")
    states = [one["status"] for one in jman.list("job:2", "-a")[0]["tasks"]]
    assert states == ["submitted", "executing"]
    jman("--local", "execute", code=None)
    jman("list")
    assert cell.listed() == [1, 2]
    assert words_of(cell, "-t") == ["1"]


def test_the_sites_own_options_hold_for_every_way_to_ask(jman: Jman, cell: Cell) -> None:
    """Also for a program, and for a job that is moved here; what a job asks for replaces the default."""
    (jman.folder / "jman.toml").write_text(
        'sge-extra-args-prepend = "-P project"\nsge-extra-args-default = "-l site=1"\n'
        '[resources]\nmemory-resource = "virtual_free"\n'
    )
    jman("submit", "-m", "2G", "--", "true")
    assert (words_of(cell, "-P"), words_of(cell, "-l")) == (["project"], ["virtual_free=2G", "site=1"])
    jman("submit", "-e", "-l own=1", "--", "true")
    assert (words_of(cell, "-P"), words_of(cell, "-l")) == (["project"], ["own=1"])
    jman("--local", "submit", "true")
    for _ in range(2):  # and not twice as many the second time
        jman("resubmit", "job:3", "--to", "sge")
        assert (words_of(cell, "-P"), words_of(cell, "-l")) == (["project"], ["site=1"])
        jman("stop", "job:3")
        jman("resubmit", "job:3", "--to", "local")
    program = "import asyncio\nfrom asyncjman import JobManager\n" + dedent(
        """
        async def main():
            async with JobManager("submitted.sql3", executor="sge") as jm:
                await jm.submit(["true"])
        asyncio.run(main())
        """
    )
    subprocess.run([sys.executable, "-c", program], cwd=jman.folder, env=jman.environment(), check=True)
    assert (words_of(cell, "-P"), words_of(cell, "-l")) == (["project"], ["site=1"])
