"""What users and files say, at random: an error of ours, or a value that makes sense; nothing else."""

from __future__ import annotations

import os
import string
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncjman.api.specs import parse_environment
from asyncjman.api.sweepfile import read_sweep
from asyncjman.cli.argv import COMMANDS, normalize
from asyncjman.errors import JmanError
from asyncjman.executors.records import RecordKind, parse_record
from asyncjman.model.array import ArraySpec
from asyncjman.model.selection import parse_any_ids
from asyncjman.model.status import Status
from asyncjman.model.sweep import Sweep
from asyncjman.settings import load
from tests.faults.tools import LONG, Figures
from tests.making import HOSTILE

EXAMPLES = 5000 if LONG else 100
SECONDS = int(os.environ.get("JMAN_FUZZ_SECONDS", "600"))
NEAR_ARRAY = st.text("0123456789-:,% +", max_size=25)
NEAR_SWEEP = st.text("abλ_=,-:0123456789 ", max_size=30)
WORDS = st.sampled_from(
    [*COMMANDS, "-x", "-s", "-j", "-a", "-o", "--", "-", "-d", "-ld", "1-3", "A=b", "true", "--json", "-t"]
)
NEAR_TOML = st.lists(
    st.sampled_from(
        [
            "poll-interval",
            "queue",
            "resources",
            "profiles",
            "=",
            "1",
            "'a'",
            "[",
            "]",
            ".",
            "\n",
            "nan",
            "{",
            "}",
        ]
    ),
    max_size=20,
).map(" ".join)


@settings(max_examples=EXAMPLES)
@given(NEAR_ARRAY | HOSTILE)
def test_array(text: str) -> None:
    with suppress(JmanError):
        spec = ArraySpec.parse(text)
        assert len(spec) > 0
        assert ArraySpec.parse(str(spec)) == spec
        assert all(one[0] >= 1 and one[-1] < 2**31 for one in spec.ranges)


@settings(max_examples=EXAMPLES)
@given(st.lists(st.text("0123456789-+, jobgrid:", max_size=15) | HOSTILE, max_size=4))
def test_ids(texts: list[str]) -> None:
    with suppress(JmanError):
        ids = parse_any_ids(texts)
        assert all(len(one) > 0 for one in (*ids.either, *ids.jobs, *ids.grid))


@settings(max_examples=EXAMPLES)
@given(st.lists(HOSTILE | st.text("A=b", max_size=5), max_size=4))
def test_key_value(items: list[str]) -> None:
    with suppress(JmanError):
        found = parse_environment(items)
        assert all(key and "=" not in key for key in found)


@settings(max_examples=EXAMPLES)
@given(st.lists(NEAR_SWEEP | HOSTILE, max_size=3), st.booleans())
def test_sweep(items: list[str], paired: bool) -> None:
    with suppress(JmanError):
        sweep = Sweep.parse(items, paired=paired)
        assert Sweep.loads(sweep.dumps()) == sweep
        assert sweep.at(len(sweep) - 1).keys() == {name for name, _ in sweep.columns}


@settings(max_examples=EXAMPLES)
@given(st.lists(WORDS | HOSTILE, max_size=10))
def test_argv(words: list[str]) -> None:
    name, result = normalize(words)
    assert name is None or name in COMMANDS
    if name == "submit" and "--" in words:
        command = words[words.index("--") + 1 :]
        assert not command or result[-len(command) :] == command, "the user's own command was changed"


def in_file(suffix: str, data: bytes, read: Callable[[Path], object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"jman{suffix}")
        path.write_bytes(data)
        with suppress(JmanError):
            read(path)


@settings(max_examples=EXAMPLES)
@given(NEAR_TOML.map(str.encode) | st.binary(max_size=60))
def test_settings(data: bytes) -> None:
    in_file(".toml", data, lambda path: load(path.parent, environment={"HOME": str(path.parent)}))


@settings(max_examples=EXAMPLES)
@given(
    st.sampled_from([".csv", ".json", ".toml"]),
    st.text('{}[]":,=\n ab1', max_size=40).map(str.encode) | st.binary(max_size=60),
)
def test_sweep_files(suffix: str, data: bytes) -> None:
    in_file(suffix, data, read_sweep)


RECORD = "jman 1\njob 1\ntask 2\nattempt 1\nexit_status 3\ntime 5\nend\n"


@settings(max_examples=EXAMPLES)
@given(st.integers(0, len(RECORD) - 1), st.text(string.printable, max_size=10))
def test_a_record_that_is_cut_is_no_success(at: int, garbage: str) -> None:
    found = parse_record(RecordKind.EXIT, RECORD[:at] + garbage)
    assert found is None or found.status is not Status.SUCCESS or "0" in garbage


@pytest.mark.skipif(not LONG, reason="coverage-guided: make torture")
@pytest.mark.parametrize(
    "what", [ArraySpec.parse, lambda text: Sweep.parse([text]), lambda text: parse_any_ids([text])]
)
def test_coverage_guided(what: Callable[[str], object], figures: Figures) -> None:
    atheris = pytest.importorskip("atheris")

    def one(data: bytes) -> None:
        with suppress(JmanError):
            what(data.decode("utf-8", "surrogateescape"))

    child = os.fork()
    if child == 0:
        atheris.instrument_all()
        atheris.Setup(["fuzz", f"-max_total_time={SECONDS}"], one)
        atheris.Fuzz()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    figures(f"coverage-guided fuzzing: {SECONDS} s, no error")
