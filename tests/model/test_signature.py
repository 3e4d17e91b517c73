"""Failures that have one cause have one signature, whatever differs in what they wrote."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncjman.model.failure import Cause
from asyncjman.model.signature import MAX_SIGNATURE, Signature, lines_of, signature_of

PROGRAMS = {
    "1 / 0": "ZeroDivisionError: division by zero (prog.py:1)",
    "def f():\n    raise KeyError('a17')\nf()": "KeyError: '…' (prog.py:2 in f)",
    "open('/nowhere/a7.csv')": "FileNotFoundError: [Errno N] No such file or directory: '…' (prog.py:1)",
    "import json\njson.loads('{x')": (
        "json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: "
        "line N column N (char N) (prog.py:2)"
    ),
    "raise ExceptionGroup('g', [ValueError('x 3')])": "ExceptionGroup: g (N sub-exception) (prog.py:1)",
    "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise RuntimeError('run 12') from e": (
        "RuntimeError: run N (prog.py:4)"
    ),
    "import sys\nsys.exit('no answer from node17.cluster.local:8080')": "no answer from HOST:N",
    "assert False": "AssertionError (prog.py:1)",
}
LINES = {
    b"cat: /data/run_17/x.csv: No such file\n": "cat: PATH: No such file",
    b"step 17/100 loss 0.331\n": "step N/N loss N",
    b"ssh: connect to host gpu12 port 22: refused\n   ^^^^\n\n": "ssh: connect to host gpuN port N: refused",
    b"10%\r20%\r30%\n": "N%",
    b"can't load shard deadbeef01 of 10.0.0.7:80\n": "can't load shard HEX of HOST",
    b"I can't, and it doesn't\n": "I can't, and it doesn't",
    b"\xff is no text\n": "\\xff is no text",
    b"": "exit status 3",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_exception_of_python(tmp_path: Path, program: str) -> None:
    file = tmp_path / "prog.py"
    file.write_text(program)
    errors = subprocess.run([sys.executable, file], capture_output=True, check=False).stderr
    assert signature_of(Cause.EXIT, "exit status 1", errors).text == PROGRAMS[program]


@pytest.mark.parametrize("errors", LINES)
def test_the_last_line_of_others(errors: bytes) -> None:
    assert signature_of(Cause.EXIT, "exit status 3", errors).text == LINES[errors]


def test_what_was_at_work_when_something_else_ended_it_says_nothing() -> None:
    assert signature_of(Cause.TIMEOUT, "timed out after 2 s", b"epoch 3\n").text == "timed out after 2 s"
    assert signature_of(Cause.SIGNAL, "killed by SIGKILL", b"epoch 3\n").text == "killed by SIGKILL"
    assert signature_of(Cause.VANISHED, None, b"").text == "vanished"


def test_a_traceback_that_was_survived_is_not_why() -> None:
    survived = b'Traceback:\n  File "a.py", line 1\n    x\nValueError: x\n' + b"going on\n" * 20
    assert signature_of(Cause.EXIT, None, survived + b"fatal: no disk\n").text == "fatal: no disk"


NOISE = st.one_of(
    st.integers(0, 10**9).map(str),
    st.floats(0.001, 1e6, allow_nan=False).map("{:.3f}".format),
    st.integers(2**30, 2**60).map(hex),
    st.from_regex(r"/[a-z]{1,8}(/[a-z0-9_]{1,8}){1,3}\.csv", fullmatch=True),
    st.from_regex(r"'[a-z0-9 ]{1,9}'", fullmatch=True),
)


@given(st.lists(NOISE, min_size=3, max_size=3), st.lists(NOISE, min_size=3, max_size=3))
def test_noise_of_the_same_kind_makes_no_difference(some: list[str], others: list[str]) -> None:
    def found(words: list[str]) -> str:
        return signature_of(Cause.EXIT, None, f"bad value {words[0]}: at {words[1]} {words[2]}".encode()).text

    kinds = [(kind(a), kind(b)) for a, b in zip(some, others, strict=True)]
    assert (found(some) == found(others)) is all(a == b for a, b in kinds)


def kind(word: str) -> str:
    return word[0] if word[0] in "/'" else "x" if word.startswith("0x") else "n"


@given(st.binary(max_size=300), st.sampled_from(Cause))
def test_any_bytes_have_one_that_is_short_and_printable(errors: bytes, cause: Cause) -> None:
    found = signature_of(cause, "exit status 1", errors)
    assert 0 < len(found.text) <= MAX_SIGNATURE
    assert "\n" not in found.text
    assert re.fullmatch("[a-z]{5}", found.id)
    assert found.id == Signature(cause, found.text).id
    assert all(line.strip() for line in lines_of(errors))
