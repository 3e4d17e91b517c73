"""What makes no sense is refused when it is asked for, in words, and nothing is stored; what does is read."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from asyncjman import Cause, JobManager, Retry, UsageError
from tests.api.tools import jman

HALF = "\ud800"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"command": "python train.py"}, r"list of words.*\['python', 'train.py'\]"),
        ({"command": ["sleep", 5]}, "word 2 of the command"),
        ({"command": ["true", HALF]}, "half a character"),
        ({"command": ["true", "a\0b"]}, "NUL"),
        ({"command": None}, "list of words"),
        ({"name": 5}, "name is a text"),
        ({"name": HALF}, "half a character"),
        ({"array": 5.0}, "array"),
        ({"exec_dir": 5}, "exec_dir"),
        ({"log_dir": 5}, "log_dir"),
        ({"log_dir": HALF}, "half a character"),
        ({"environment": {"A": HALF}}, "half a character"),
        ({"environment": {"A=B": "1"}}, "A=B"),
        ({"environment": {5: "1"}}, "bad name"),
        ({"environment": {"A": None}}, "variable A"),
        ({"environment": ["A=1"]}, "environment"),
        ({"after_ok": "1"}, "handle or its id"),
        ({"after_ok": [1.5]}, "handle or its id"),
        ({"after_ok": [None]}, "handle or its id"),
        ({"after_ok": [2**70]}, "no job 1180591620717411303424"),
        ({"after_ok": [99]}, "no such job"),
        ({"stop_on_failure": "yes"}, "stop_on_failure"),
        ({"sweep": {"a": "xyz"}}, "list of values"),
        ({"sweep": {"a": 5}}, "list of values"),
        ({"sweep": {"a": [HALF]}}, "half a character"),
        ({"sweep": 5}, "sweep"),
        ({"retry": -1}, "retries"),
        ({"retry": True}, "retries"),
        ({"retry": "2"}, "retries"),
        ({"retry": 2**70}, "retries"),
        ({"timeout": "soon"}, "bad time 'soon'"),
        ({"timeout": 0}, "timeout 0"),
        ({"timeout": -1.0}, "timeout -1.0"),
        ({"timeout": float("nan")}, "timeout nan"),
        ({"timeout": float("inf")}, "timeout inf"),
        ({"timeout": 10**400}, "timeout"),
        ({"timeout": True}, "timeout True"),
        ({"timeout": timedelta(days=-1)}, "timeout"),
        ({"resources": {"memroy": "4G"}}, "no resource 'memroy': there are memory"),
        ({"resources": {"slots": "4"}}, "slots: '4'"),
        ({"resources": "4G"}, "resources"),
    ],
)
async def test_submit(folder: Path, given: dict[str, Any], said: str) -> None:
    words: dict[str, Any] = {"command": ["true"], **given}
    async with JobManager() as jm:
        with pytest.raises(UsageError, match=said):
            await jm.submit(words.pop("command"), **words)
        assert await jm.jobs() == []
        async with asyncio.timeout(20):  # and it goes on as if nothing had been said
            assert (await (await jm.submit(["true"]))).succeeded


@pytest.mark.parametrize(
    ("count", "options", "said"),
    [
        (1, {"delay": "later"}, "bad time 'later'"),
        (1, {"delay": -1}, "delay of a retry"),
        (1, {"delay": float("inf")}, "delay of a retry"),
        (1, {"causes": ["weather"]}, "'weather'.*timeout"),
        (1, {"causes": "timeout"}, "bad causes"),
        (1.5, {}, "retries 1.5"),
    ],
)
def test_retry(count: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Retry(count, **options)


@pytest.mark.parametrize("words", [["--timeout", "0"], ["--timeout", "9" * 400], ["--retry", "99999999999"]])
async def test_the_command_line_too(folder: Path, words: list[str]) -> None:
    code, said = await jman("submit", *words, "true")
    assert (code, said.count("\n")) == (2, 1), said
    assert not (folder / "submitted.sql3").exists()


async def test_both_spellings_of_a_time(folder: Path) -> None:
    async with JobManager() as jm:
        for timeout in (7200, 7200.0, "2h", "120 m", timedelta(hours=2)):
            retry = Retry(1, ["failure"], delay="0.01s")
            job = await jm.submit(["sh", "-c", "[ $JMAN_ATTEMPT = 2 ]"], timeout=timeout, retry=retry)
            assert (job.job.spec.timeout, job.job.spec.retry) == (7200.0, Retry(1, {Cause.EXIT}, 0.01))
            assert (await job.wait(timeout="20s")).tasks[0].attempt == 2
        slow = await jm.submit(["sleep", "1000"], timeout="0.1s")
        assert (await slow.wait(timeout=timedelta(seconds=20))).reason == "timed out after 0.1 s"


@pytest.mark.parametrize(
    "options", [{"at_once": 0}, {"at_once": -1}, {"at_once": "2"}, {"name": 5}, {"log_dir": 5}]
)
async def test_map(folder: Path, options: dict[str, Any]) -> None:
    async with JobManager() as jm:
        with pytest.raises(UsageError):
            await jm.map(len, ["a"], **options)
        assert await jm.jobs() == []


@pytest.mark.parametrize(
    "options",
    [
        {"parallel": "4"},
        {"parallel": 0},
        {"parallel": 1.5},
        {"on_exit": "stopp"},
        {"executor": "k8s"},
        {"output": 5},
    ],
)
def test_the_manager(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        JobManager(**options)


async def test_what_is_asked_of_jobs(folder: Path) -> None:
    async with JobManager() as jm:
        job = await jm.submit(["true"])
        wrong: Any = "1"
        for work in (jm.get(wrong), job.stop(wrong), job.stop([wrong]), job.wait(timeout=wrong + " o'clock")):
            with pytest.raises(UsageError):
                await work
        with pytest.raises(UsageError, match="no job"):
            await jm.get(2**70)
        assert (await job).succeeded


async def test_one_job_that_is_waited_for_needs_no_list(folder: Path) -> None:
    async with JobManager() as jm:
        first = await jm.submit(["true"])
        second = await jm.submit(["true"], after_ok=first, after_any=first.id)
        assert (await second).succeeded
