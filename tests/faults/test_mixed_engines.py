"""Jobs of this machine that wait for jobs on a cluster, and the other way round."""

from __future__ import annotations

from tests.cli.tools import Jman, wait_until
from tests.faults.cell import Cell


def test_execute_polls_the_cluster_that_a_local_job_waits_for(jman: Jman, cell: Cell) -> None:
    """Nobody has to type jman list meanwhile."""
    jman("submit", "--", "true")
    jman("--local", "submit", "--after-ok", "1", "touch", "ran")
    process = jman.start("--local", "execute")
    asked = len(cell.calls("qstat"))
    wait_until(lambda: len(cell.calls("qstat")) > asked)
    cell.run(1)
    assert process.wait(20) == 0
    assert jman.status() == {1: "success", 2: "success"}
    assert (jman.folder / "ran").exists()


def test_execute_without_a_cluster_says_so(jman: Jman, cell: Cell) -> None:
    jman("submit", "--", "true")
    jman("--local", "submit", "--after-ok", "1", "touch", "ran")
    cell.let("qstat", "away")
    process = jman.start("--local", "execute", "--no-progress")
    asked = len(cell.calls("qstat"))
    wait_until(lambda: len(cell.calls("qstat")) > asked + 1)  # the first has ended
    cell.let("qstat")
    cell.run(1)
    assert process.wait(30) == 0
    assert "asked again" in jman.output_of(process)


def test_a_local_job_alone_never_asks_the_cluster(jman: Jman, cell: Cell) -> None:
    jman("submit", "--", "true")
    jman("--local", "submit", "sh", "-c", "sleep 1.5")
    asked = len(cell.calls("qstat"))
    assert jman.start("--local", "execute").wait(20) == 0
    assert len(cell.calls("qstat")) == asked
