"""What a job asks for is stored on every engine, and is asked for where it moves to."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.cli.tools import Jman
from tests.faults.cell import Cell

ASKED = ["-m", "4G", "--time", "1:0:0", "-p", "2", "-q", "q1d", "-i", "-e", "-l 'a b=1'"]


@pytest.fixture(autouse=True)
def site(jman: Jman, cell: Cell) -> None:
    """Let the cluster have an attribute for much I/O."""
    (jman.folder / "jman.toml").write_text('[resources]\nio-big-resource = "gpu_attribute"\n')


def options(cell: Cell) -> list[str]:
    """Return what the last qsub asked for, less what stands in every one."""
    words = cell.calls("qsub")[-1]
    wanted = {"-l", "-q", "-pe"}
    pairs = [words[at : at + (3 if word == "-pe" else 2)] for at, word in enumerate(words) if word in wanted]
    return sorted(" ".join(pair) for pair in pairs)


def test_what_a_local_job_asked_for_is_asked_on_the_cluster(jman: Jman, cell: Cell) -> None:
    jman("submit", *ASKED, "--", "true")
    direct = options(cell)
    assert "-q q1d" in direct and "-l h_rt=1:0:0" in direct and "-l a b=1" in direct
    job = jman.submit(*ASKED, "true")
    assert (job["queue"], job["resources"]["memory"], job["resources"]["queue"]) == ("local", "4G", "q1d")
    jman("resubmit", "2", "--to", "sge")
    assert options(cell) == direct
    assert jman.job(2)["queue"] == "q1d"


def test_it_outlives_a_move_here_and_back(jman: Jman, cell: Cell) -> None:
    jman("submit", *ASKED, "--", "true")
    direct = options(cell)
    jman("stop", "1")
    jman("resubmit", "1", "--to", "local")
    assert jman.job(1)["queue"] == "local"
    jman("resubmit", "1", "-q", "all.q", "-m", "8G", "-I")
    assert jman.job(1)["queue"] == "local"
    jman("resubmit", "1", "--to", "sge")
    assert options(cell) == ["-l a b=1", "-l h_rt=1:0:0", "-l mem_free=16G", "-pe pe_mth 2"]
    assert jman.job(1)["queue"] == "all.q" and "-q q1d" in direct


def test_a_site_s_own_options_are_not_those_of_a_local_job(jman: Jman, cell: Cell) -> None:
    (jman.folder / "jman.toml").write_text('queue = "q1d"\nsge-extra-args-default = "-l a=1"\n')
    assert jman.submit("-m", "4G", "true")["resources"] == {"memory": "4G"}


@pytest.mark.parametrize(
    "words", [["-m", "much"], ["-m", "0G"], ["--time", "soon"], ["-p", "0"], ["-q", ","]]
)
@pytest.mark.parametrize("local", [["--local"], []])
def test_what_no_cluster_could_read_is_refused_anywhere(
    jman: Jman, cell: Cell, words: Sequence[str], local: Sequence[str]
) -> None:
    refused = jman(*local, "submit", *words, "--", "true", code=2)
    assert len(refused.err.splitlines()) == 1
    assert jman.list() == []
    jman.submit("true")
    jman("resubmit", "1", *words, code=2)
    assert jman.job(1)["resources"] == {}
