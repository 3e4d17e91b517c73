"""What users and files say, at random: an error of ours, or a value that makes sense; nothing else."""

from __future__ import annotations

import os
import random
import re
import string
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncjman.api.request import parse_environment
from asyncjman.api.sweepfile import read_sweep
from asyncjman.cli.argv import COMMANDS
from asyncjman.engines.cluster.records import RecordKind, parse_record
from asyncjman.engines.sge.resources import make_rules
from asyncjman.errors import JmanError, UsageError
from asyncjman.model.array import ArraySpec
from asyncjman.model.ids import parse_words
from asyncjman.model.status import Status
from asyncjman.model.sweep import BadSweep, Sweep
from asyncjman.settings import load
from tests.cli.tools import normalize
from tests.faults.parsers import PARSERS
from tests.faults.tools import LONG, Figures
from tests.making import HOSTILE

pytestmark = pytest.mark.beside

EXAMPLES = 5000 if LONG else 100
SECONDS = int(os.environ.get("JMAN_TORTURE_SECONDS", "600"))
ROOT = Path(__file__).parents[2]
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
@given(st.lists(st.text("0123456789-+,.@ jobgrid:name*", max_size=15) | HOSTILE, max_size=4))
def test_ids(texts: list[str]) -> None:
    with suppress(JmanError):
        words = parse_words(texts)
        assert parse_words(map(str, words)) == words


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


CUT = [name for name in PARSERS if name in ("settings", "qstat", "accounting", "record")]


@pytest.mark.parametrize("name", CUT)
@settings(max_examples=EXAMPLES)
@given(st.randoms(use_true_random=False), st.binary(max_size=12))
def test_what_is_cut_and_mixed_with_garbage(name: str, chance: random.Random, garbage: bytes) -> None:
    parser = PARSERS[name]
    data = chance.choice(list(parser.seeds))
    at = chance.randrange(len(data) + 1)
    rest = chance.choice([b"", data[chance.randrange(len(data)) :], data[at + len(garbage) :]])
    parser.check(data[:at] + garbage + rest)


@pytest.mark.parametrize("name", PARSERS)
def test_every_parser_takes_its_seeds_and_nothing(name: str) -> None:
    for data in (b"", *PARSERS[name].seeds):
        PARSERS[name].check(data)


DIGITS = "0x" + "f" * 5000
"""A number that TOML may hold, and Python doesn't write in decimals."""


@pytest.mark.parametrize(
    "text",
    [
        f"poll-interval = {DIGITS}",
        f"poll-interval = {'9' * 400}",
        f"queue = {DIGITS}",
        "profiles = 1",
        "profiles = ['p']",
        "[profiles]\np = 1",
        "[[profiles.p]]",
        "queue = " + "[" * 5000,
    ],
)
def test_settings_that_make_no_sense(tmp_path: Path, text: str) -> None:
    (tmp_path / "jman.toml").write_text(text)
    with pytest.raises(UsageError):
        load(tmp_path, environment={"HOME": str(tmp_path), "JMAN_PROFILE": "p"})


@pytest.mark.parametrize(
    "rules", [{"memory_resource": 3}, {"default_queues": "all.q"}, {"prepend": [1]}, {"gpu_queues": 5}]
)
def test_rules_that_make_no_sense(rules: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        make_rules(rules)


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.toml", f"a = [{DIGITS}]"), ("a.json", '{"a": ' + "[" * 100000), ("a.toml", "a = " + "[" * 5000)],
)
def test_sweep_files_that_make_no_sense(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadSweep):
        read_sweep(tmp_path / name)


@pytest.mark.parametrize(
    "items",
    [
        [f"{name}=1-10000" for name in "abcdefgh"],
        ["a=" + ",".join(["1-9999999"] * 2)],
    ],
)
def test_sweeps_that_are_too_big(items: list[str]) -> None:
    with pytest.raises(BadSweep):
        Sweep.parse(items)


@pytest.mark.skipif(not LONG, reason="coverage-guided: make torture")
@pytest.mark.parametrize("name", PARSERS)
def test_coverage_guided(name: str, tmp_path: Path, figures: Figures) -> None:
    pytest.importorskip("atheris")
    words = [sys.executable, "-m", "tests.faults.guided", name, str(SECONDS), str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, timeout=SECONDS + 300)
    output = done.stderr.decode("utf-8", "replace")
    assert done.returncode == 0, output[-5000:]
    seen = [int(found) for found in re.findall(r"cov: (\d+)", output)]
    runs = re.findall(r"^Done (\d+) runs in (\d+) second", output, re.MULTILINE)
    assert runs and seen[-1] > 5, output[-5000:]  # fewer: what it looks at is not instrumented
    figures(
        f"coverage-guided fuzzing of {name}: {runs[0][1]} s, {runs[0][0]} executions, "
        f"coverage {seen[0]} to {seen[-1]}, 0 findings"
    )
