"""The engine of this machine: real processes, seen to their end."""

# ruff: noqa: ASYNC240 - a look at a local file takes no time
from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from asyncjman.model.failure import Cause
from tests.engines.local_tools import NotStarted, Runner


async def test_success(runner: Runner, folder: Path) -> None:
    seen = await runner.run("true", folder=folder)
    assert (seen.cause, seen.exit_status, seen.signal, seen.reason) == (None, 0, None, None)
    assert seen.host


async def test_exit_status(runner: Runner, folder: Path) -> None:
    seen = await runner.run("sh", "-c", "exit 3", folder=folder)
    assert (seen.cause, seen.exit_status, seen.signal) == (Cause.EXIT, 3, None)
    assert seen.reason == "exit status 3"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_signal(runner: Runner, folder: Path, number: signal.Signals) -> None:
    seen = await runner.run("sh", "-c", f"ulimit -c 0; kill -{number.value} $$", folder=folder)
    assert (seen.cause, seen.exit_status, seen.signal) == (Cause.SIGNAL, None, number)
    assert seen.reason == f"killed by {number.name}"


@pytest.mark.parametrize("argv", ["no-such-command", "./no-such-command"])
async def test_a_command_that_is_missing(runner: Runner, folder: Path, argv: str) -> None:
    with pytest.raises(NotStarted, match="no-such-command"):
        await runner.run(argv, folder=folder)


async def test_a_folder_that_is_missing(runner: Runner, tmp_path: Path) -> None:
    with pytest.raises(NotStarted, match=r"folder missing: .*nowhere"):
        await runner.run("true", folder=tmp_path / "nowhere")


async def test_a_file_that_is_no_program(runner: Runner, folder: Path) -> None:
    (folder / "data").write_text("x")
    with pytest.raises(NotStarted, match=r"can't start \./data: "):
        await runner.run("./data", folder=folder)


async def test_a_log_that_cannot_be_written(runner: Runner, folder: Path) -> None:
    (folder / "x.o1").mkdir()
    with pytest.raises(NotStarted, match="can't write the log"):
        await runner.run("true", folder=folder, log=folder / "x")
    (folder / "file").touch()
    with pytest.raises(NotStarted, match="can't make the log folder"):
        await runner.run("true", folder=folder, log=folder / "file" / "x")


async def test_no_descriptor_is_left_behind(runner: Runner, folder: Path) -> None:
    await runner.run("true", folder=folder)
    before = psutil.Process().num_fds()
    for _ in range(3):
        with pytest.raises(NotStarted):
            await runner.run("./missing", folder=folder)
        await runner.run("true", folder=folder)
        await runner.run("true", folder=folder, log=folder / "x")
    assert psutil.Process().num_fds() == before


async def test_logs(runner: Runner, folder: Path) -> None:
    log = folder / "deep" / "er" / "x"
    await runner.run("sh", "-c", "echo out; echo err >&2", folder=folder, log=log)
    assert (Path(f"{log}.o1").read_text(), Path(f"{log}.e1").read_text()) == ("out\n", "err\n")
    await runner.run("sh", "-c", "echo again", folder=folder, log=log, attempt=2)
    assert Path(f"{log}.o1").read_text() == "again\n"
    assert Path(f"{log}.o1.attempt1").read_text() == "out\n"
    assert Path(f"{log}.e1.attempt1").read_text() == "err\n"
    assert runner.printed == []


async def test_environment_folder_and_input(runner: Runner, folder: Path) -> None:
    program = (
        "import os, sys; "
        "print(os.environ['A'], os.environ['JMAN_RUNNER'], os.getcwd(), repr(sys.stdin.read()))"
    )
    await runner.run("sh", "-c", 'printf %s "$A"', folder=folder, A="b c\udcff'")
    assert runner.text(1).endswith(b"b c\xff'\n")
    await runner.run(sys.executable, "-c", program, folder=folder, A="x")
    assert runner.text(1).endswith(f"x the token {folder} ''\n".encode())


@pytest.mark.parametrize(
    ("argv", "variables"),
    [(("printf", "a\0b"), {}), (("a\0b",), {}), (("true",), {"A": "a\0b"}), (("true",), {"A=B": "c"})],
)
async def test_what_no_process_can_be_given(
    runner: Runner, folder: Path, argv: tuple[str, ...], variables: dict[str, str]
) -> None:
    with pytest.raises(NotStarted, match=r"can't start|command not found"):
        await runner.run(*argv, folder=folder, **variables)


@pytest.mark.parametrize("argument", ["", " ", "'\"$HOME`", "a\nb", "\udcff", "--help", "*"])
async def test_arguments_arrive_as_they_are(runner: Runner, folder: Path, argument: str) -> None:
    await runner.run("printf", "[%s]", argument, folder=folder)
    assert runner.text(1) == b"[" + os.fsencode(argument) + b"]\n"


async def test_output_comes_in_whole_lines(runner: Runner) -> None:
    script = (
        "i=0; while [ $i -lt 50 ]; do printf 'a'; printf 'b\\n'; echo e >&2; i=$((i+1)); done; printf end"
    )
    await asyncio.gather(*(runner.launch("sh", "-c", script) for _ in range(4)))
    for _ in range(4):
        await runner.next()
    assert all(lines.endswith(b"\n") for _, lines in runner.printed)
    assert sorted(runner.text(1).splitlines()) == [b"ab"] * 200 + [b"end"] * 4
    assert runner.text(2) == b"e\n" * 200


async def test_usage(runner: Runner) -> None:
    program = "x = bytearray(60_000_000); import time\nwhile time.process_time() < 0.1: pass"
    seen = await runner.run(sys.executable, "-c", program)
    assert seen.usage is not None
    assert 0.1 <= seen.usage.cpu_seconds < 10
    assert 60_000_000 < seen.usage.peak_memory_bytes < 10**9


async def test_fifty_at_once(runner: Runner) -> None:
    ids = [await runner.launch("sh", "-c", f"exit {n}") for n in range(50)]
    seen = {(one := await runner.next()).native_id: one.exit_status for _ in ids}
    assert seen == {native_id: n for n, native_id in enumerate(ids)}
