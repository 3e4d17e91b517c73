"""Command lines, resources and names."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncjman.engines.cluster.names import job_name, token_in
from asyncjman.engines.sge import commands
from asyncjman.engines.sge.resources import QueueOption, ResourceRules, make_rules, options
from asyncjman.errors import UsageError
from asyncjman.model.resources import Resources

BASE = commands.Submission(name="jm1_x", work_dir="/spool/1", script="/spool/1/job.sh")


def test_qsub() -> None:
    assert commands.qsub("/b/qsub", BASE) == [
        "/b/qsub",
        "-terse",
        "-b",
        "y",
        "-shell",
        "n",
        "-r",
        "n",
        "-N",
        "jm1_x",
        "-wd",
        "/spool/1",
        "-o",
        ":/dev/null",
        "-e",
        ":/dev/null",
        "/bin/sh",
        "/spool/1/job.sh",
    ]


def test_the_start_of_a_retry_is_a_whole_second_and_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Zurich")
    time.tzset()
    try:
        argv = commands.qsub("qsub", replace(BASE, options=("-a", "202601010000"), not_before=1763851240.5))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert argv[-6:] == ["-a", "202601010000", "-a", "202511222340.41", "/bin/sh", "/spool/1/job.sh"]


def test_qsub_with_all() -> None:
    submission = commands.Submission(
        name="jm1_x", work_dir="/s", script="/s/job.sh", stdout="/s/a b:c", tasks=range(1, 10, 2),
        throttle=4,
        hold=(7, 8), hold_per_task=(9,),
        options=("-P", "p"), script_args=("x",),
    )  # fmt: skip
    argv = commands.qsub("qsub", submission)
    assert argv[argv.index("-o") + 1] == ":/s/a b:c"
    assert argv[argv.index("-t") :] == (
        [
            "-t",
            "1-9:2",
            "-tc",
            "4",
            "-hold_jid",
            "7,8",
            "-hold_jid_ad",
            "9",
            "-P",
            "p",
            "/bin/sh",
            "/s/job.sh",
            "x",
        ]
    )


@pytest.mark.parametrize("path", ["/a,b", "/a\nb"])
def test_paths_that_qsub_can_not_take(path: str) -> None:
    with pytest.raises(UsageError, match="comma"):
        commands.qsub("qsub", commands.Submission(name="x", work_dir=path, script="/s"))


def test_the_others() -> None:
    assert commands.qstat("qstat", "me") == ["qstat", "-u", "me", "-xml"]
    assert commands.qstat_jobs("qstat", [1, 2]) == ["qstat", "-j", "1,2"]
    assert commands.qdel("qdel", [1, 2]) == ["qdel", "1", "2"]
    assert commands.qdel_tasks("qdel", 5, [range(1, 2), range(3, 8, 2)]) == ["qdel", "5.1", "5.3-7:2"]
    assert commands.qacct_names("qacct", "jm1_*", user="me") == ["qacct", "-o", "me", "-j", "jm1_*"]


def test_nothing_named_is_never_everything() -> None:
    calls: list[tuple[Any, Any]] = [
        (commands.qdel, []),
        (commands.qstat_jobs, []),
        (commands.qacct_names, ""),
    ]
    for build, nothing in calls:
        with pytest.raises(ValueError, match=r"no job|whole"):
            build("x", nothing)


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (Resources(), ""),
        (Resources(memory="8G"), "-l mem_free=8G"),
        (Resources(memory="8"), "-l mem_free=8G"),
        (Resources(memory="8G", slots=4), "-l mem_free=32G -pe pe_mth 4"),
        (Resources(queue="q1d", memory="500M"), "-l q1d -l mem_free=500M -l h_vmem=500M"),
        (
            Resources(queue="q1dm", memory="2G", slots=4, io_big=True),
            "-l q1dm -l mem_free=8G -l h_vmem=2G -l io_big -pe pe_mth 4",
        ),
        (Resources(queue="gpu", memory="12G"), "-l gpu -l gpumem=12"),
        (Resources(queue="gpu", memory="12"), "-l gpu -l gpumem=12"),
        (Resources(queue="gpu", memory="500M"), "-l gpu"),
        (Resources(queue="default", time="1:00:00", hostname="a|b"), "-l h_rt=1:00:00 -l hostname=a|b"),
        (Resources(extra=("-P", "x", "-l", "pytorch=true", "-w", "e")), "-P x -l pytorch=true -w e"),
    ],
)
def test_resources_are_asked_for_as_gridtk_does(resources: Resources, expected: str) -> None:
    assert list(options(resources)) == expected.split()


def test_gpus_are_asked_for_where_the_site_says_how() -> None:
    rules = make_rules({"gpu-count-resource": "gpu"})
    assert list(options(Resources(gpus=2), rules)) == ["-l", "gpu=2"]
    with pytest.raises(UsageError, match="gpu-count-resource"):
        options(Resources(gpus=2))


def test_queues_by_name() -> None:
    assert options(Resources(queue="q1d"), queues=["q1d"]) == ("-q", "q1d")
    assert options(Resources(queue="q1d"), ResourceRules(queue_option=QueueOption.NAME)) == ("-q", "q1d")
    rules = ResourceRules(queue_option=QueueOption.REQUEST, prepend=("-P", "p"))
    wanted = Resources(queue="q1d", extra=("-p", "1"))
    assert options(wanted, rules, queues=["q1d"]) == tuple(["-P", "p", "-l", "q1d", "-p", "1"])


@pytest.mark.parametrize(
    "bad",
    [
        {"memory": "lots"},
        {"memory": "0G"},
        {"slots": 0},
        {"extra": ("-sync", "y")},
        {"extra": ("-now", "y")},
        {"extra": ("-w", "v")},
        {"extra": ("-N", "x")},
        {"extra": ("-w",)},
    ],
)
def test_what_makes_no_sense_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        options(Resources(**bad))


@given(st.integers(1, 10**9), st.text())
def test_names_are_such_that_every_grid_engine_takes_them(job_id: int, name: str) -> None:
    made = job_name(job_id, "0123456789abcd", name)
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_.+-]{0,99}", made)
    assert token_in(made) == "0123456789abcd"


def test_names_of_others_are_not_ours() -> None:
    for name in ("jm", "jmx1", "train", "jm1x", "jm1_train", "jm1_0123456789abcdef", "x_jm1_0123456789abcd"):
        assert token_in(name) is None
