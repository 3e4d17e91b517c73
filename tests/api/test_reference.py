"""docs/python.md: programs run as printed, the table names tests that are there, no parameter is missing."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import asyncjman
from asyncjman import CallHandle, JobHandle, JobManager, Resources, Status
from asyncjman.api.call_options import CallOptions
from asyncjman.api.job_options import Options
from tests.api.typed import evaluate, train

TEXT = (Path(__file__).parents[2] / "docs" / "python.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


async def test_the_first_program_runs_as_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("prep.py", "train.py"):
        (folder / name).write_text("")
    given = {"paths": ["a", "bb"], "lrs": [0.1, 0.2], "seeds": [1], "evaluate": evaluate, "train": train}
    names: dict[str, Any] = {**vars(asyncjman), "JobManager": JobManager, "Resources": Resources}
    names |= given | {"itertools": itertools}
    body = textwrap.indent(BLOCKS[0].replace('["python"', '[__import__("sys").executable'), "    ")
    exec(f"async def main():\n{body}    return locals()", names)
    async with asyncio.timeout(100):
        found = await names["main"]()
    assert found["again"].status == Status.SUCCESS
    assert found["value"] == 1.8
    assert found["scores"] == [1.0, 2.0]
    assert found["table"] == ["0.1 1", "0.2 1"]
    assert len(found["result"].tasks) == 8
    assert sorted(capsys.readouterr().out.split()) == ["1.0", "2.0"]


def test_the_one_without_async_runs_as_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "train.py").write_text("")
    code = BLOCKS[1].replace('["python"', '[__import__("sys").executable')
    exec(code, {"paths": ["a", "bb"], "evaluate": evaluate})
    assert capsys.readouterr().out.split("\n")[-2:] == ["9.0 [1.0, 2.0]", ""]


def test_each_behaviour_has_a_test() -> None:
    named = re.findall(r"^\| .+ \| [secd ]+ \| `(\w+)\.(\w+)` \|$", TEXT, re.MULTILINE)
    assert len(named) >= 40
    for module, test in named:
        assert f"def {test}(" in (Path(__file__).parent / f"{module}.py").read_text(), test


VERBS: list[Callable[..., Any]] = [
    JobManager.start,
    JobManager.call,
    JobManager.map,
    JobManager.starmap,
    JobManager.imap,
    JobManager.jobs,
    JobManager.attempts,
    JobManager.wait,
    JobHandle.wait,
    JobHandle.output,
    JobHandle.stop,
    JobHandle.resubmit,
    CallHandle.value,
]


def test_each_parameter_is_named() -> None:
    words = set(re.findall(r"\w+", TEXT))
    for verb in VERBS:
        names = set(inspect.signature(verb).parameters) - {"self", "selection"}
        assert names <= words, (verb, names - words)
    assert Options.__annotations__.keys() | CallOptions.__annotations__.keys() <= words
    public = set(inspect.signature(JobManager).parameters)
    assert public - {"settings", "asks", "within", "runtime"} <= words
    assert {one for one in vars(JobHandle) if not one.startswith("_")} - {"succeeded"} <= words
