"""The local executor: real processes, seen to their end."""

# ruff: noqa: ASYNC240 - a look at a local file takes no time
from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from asyncjman.executors.base import Observation, Work
from asyncjman.executors.local import LocalExecutor
from asyncjman.model.status import Status

LIMIT = 20.0


class Runner:
    """An executor, and what it printed."""

    def __init__(self) -> None:
        self.printed: list[tuple[int, bytes]] = []
        self.line = asyncio.Event()
        self.executor = LocalExecutor(token="the token", output=self._print)
        self._seen = self.executor.watch()

    def _print(self, stream: int, lines: bytes) -> None:
        self.printed.append((stream, lines))
        self.line.set()

    def text(self, stream: int) -> bytes:
        return b"".join(lines for one, lines in self.printed if one == stream)

    async def next(self) -> Observation:
        async with asyncio.timeout(LIMIT):
            return await anext(self._seen)

    async def run(self, *argv: str, **more: Any) -> Observation:
        native_id = await self.executor.submit(work(*argv, **more))
        seen = await self.next()
        assert seen.native_id == native_id
        return seen

    async def printed_pids(self, count: int) -> list[int]:
        """Wait until a task has printed so many pids."""
        async with asyncio.timeout(LIMIT):
            while len(self.text(1).split()) < count:
                self.line.clear()
                await self.line.wait()
        return [int(word) for word in self.text(1).split()]


def work(*argv: str, folder: object = "/", log: object = None, attempt: int = 1, **environment: str) -> Work:
    return Work(
        job_id=1,
        task_id=0,
        attempt=attempt,
        argv=argv,
        exec_dir=str(folder),
        environment=environment,
        stdout=f"{log}.o" if log else None,
        stderr=f"{log}.e" if log else None,
    )


async def gone(pids: list[int]) -> None:
    """Wait until none of the processes runs any more."""
    async with asyncio.timeout(LIMIT):
        while any(_runs(pid) for pid in pids):  # noqa: ASYNC110 - nobody tells of grandchildren
            await asyncio.sleep(0.005)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
async def runner() -> AsyncIterator[Runner]:
    one = Runner()
    await one.executor.open()
    yield one
    await one.executor.close()


# a process is started one way in the folder of this process, another way elsewhere
@pytest.fixture(params=["here", "elsewhere"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path if request.param == "here" else "/")
    return tmp_path


async def test_success(runner: Runner, folder: Path) -> None:
    seen = await runner.run("true", folder=folder)
    assert (seen.status, seen.exit_status, seen.signal, seen.reason) == (Status.SUCCESS, 0, None, None)
    assert seen.host


async def test_exit_status(runner: Runner, folder: Path) -> None:
    seen = await runner.run("sh", "-c", "exit 3", folder=folder)
    assert (seen.status, seen.exit_status, seen.signal) == (Status.FAILURE, 3, None)
    assert seen.reason == "exit status 3"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_signal(runner: Runner, folder: Path, number: signal.Signals) -> None:
    seen = await runner.run("sh", "-c", f"ulimit -c 0; kill -{number.value} $$", folder=folder)
    assert (seen.status, seen.exit_status, seen.signal) == (Status.FAILURE, None, number)
    assert seen.reason == f"killed by {number.name}"


@pytest.mark.parametrize("argv", ["no-such-command", "./no-such-command"])
async def test_a_command_that_is_missing(runner: Runner, folder: Path, argv: str) -> None:
    with pytest.raises(OSError, match="no-such-command"):
        await runner.run(argv, folder=folder)


async def test_a_folder_that_is_missing(runner: Runner, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"folder missing: .*nowhere"):
        await runner.run("true", folder=tmp_path / "nowhere")


async def test_a_file_that_is_no_program(runner: Runner, folder: Path) -> None:
    (folder / "data").write_text("x")
    with pytest.raises(OSError, match=r"can't start \./data: "):
        await runner.run("./data", folder=folder)


async def test_a_log_that_cannot_be_written(runner: Runner, folder: Path) -> None:
    (folder / "x.o").mkdir()
    with pytest.raises(OSError, match="can't write the log"):
        await runner.run("true", folder=folder, log=folder / "x")
    (folder / "file").touch()
    with pytest.raises(OSError, match="can't make the log folder"):
        await runner.run("true", folder=folder, log=folder / "file" / "x")


async def test_no_descriptor_is_left_behind(runner: Runner, folder: Path) -> None:
    await runner.run("true", folder=folder)
    before = psutil.Process().num_fds()
    for _ in range(3):
        with pytest.raises(OSError):
            await runner.run("./missing", folder=folder)
        await runner.run("true", folder=folder)
        await runner.run("true", folder=folder, log=folder / "x")
    assert psutil.Process().num_fds() == before


async def test_logs(runner: Runner, folder: Path) -> None:
    log = folder / "deep" / "er" / "x"
    await runner.run("sh", "-c", "echo out; echo err >&2", folder=folder, log=log)
    assert (log.with_suffix(".o").read_text(), log.with_suffix(".e").read_text()) == ("out\n", "err\n")
    await runner.run("sh", "-c", "echo again", folder=folder, log=log, attempt=2)
    assert log.with_suffix(".o").read_text() == "again\n"
    assert Path(f"{log}.o.attempt1").read_text() == "out\n"
    assert Path(f"{log}.e.attempt1").read_text() == "err\n"
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


@pytest.mark.parametrize("argument", ["", " ", "'\"$HOME`", "a\nb", "\udcff", "--help", "*"])
async def test_arguments_arrive_as_they_are(runner: Runner, folder: Path, argument: str) -> None:
    await runner.run("printf", "[%s]", argument, folder=folder)
    assert runner.text(1) == b"[" + os.fsencode(argument) + b"]\n"


async def test_output_comes_in_whole_lines(runner: Runner) -> None:
    script = (
        "i=0; while [ $i -lt 50 ]; do printf 'a'; printf 'b\\n'; echo e >&2; i=$((i+1)); done; printf end"
    )
    await asyncio.gather(*(runner.executor.submit(work("sh", "-c", script)) for _ in range(4)))
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


TREE = "sleep 100 & echo $!; (sleep 101; true) & echo $!; echo $$; wait"
DEAF = "trap '' TERM; (sh -c 'echo $$; exec sleep 100') & echo $!; echo $$; while :; do wait; done"


async def test_cancel_takes_the_children_along(runner: Runner) -> None:
    native_id = await runner.executor.submit(work("sh", "-c", TREE))
    pids = await runner.printed_pids(3)
    await runner.executor.cancel([native_id])
    seen = await runner.next()
    assert (seen.status, seen.signal) == (Status.FAILURE, signal.SIGTERM)
    await runner.executor.close()
    await gone(pids)


async def test_what_ignores_sigterm_is_killed(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncjman.executors.local.executor.TERM_SECONDS", 0.1)
    native_id = await runner.executor.submit(work("sh", "-c", DEAF))
    pids = await runner.printed_pids(3)
    await runner.executor.cancel([native_id])
    assert (await runner.next()).signal == signal.SIGKILL
    await gone(pids)


async def test_a_child_that_outlives_its_parent_is_killed_by_close(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncjman.executors.local.executor.TERM_SECONDS", 0.1)
    native_id = await runner.executor.submit(
        work("sh", "-c", "(trap '' TERM; echo 1; exec sleep 100) & echo $!; wait")
    )
    pids = [pid for pid in await runner.printed_pids(2) if pid != 1]
    await runner.executor.cancel([native_id])
    assert (await runner.next()).signal == signal.SIGTERM
    await runner.executor.close()
    await gone(pids)


async def test_kill_does_not_ask(runner: Runner) -> None:
    native_id = await runner.executor.submit(work("sh", "-c", DEAF))
    pids = await runner.printed_pids(3)
    await runner.executor.cancel([native_id], kill=True)
    assert (await runner.next()).signal == signal.SIGKILL
    await gone(pids)


async def test_cancel_of_what_has_ended(runner: Runner) -> None:
    seen = await runner.run("true")
    await runner.executor.cancel([seen.native_id])


async def test_a_child_in_the_background_does_not_hold_the_task_up(runner: Runner) -> None:
    seen = await runner.run("sh", "-c", "sleep 100 & echo $!")
    assert seen.status is Status.SUCCESS
    os.kill((await runner.printed_pids(1))[0], signal.SIGKILL)


async def test_fifty_at_once(runner: Runner) -> None:
    ids = [await runner.executor.submit(work("sh", "-c", f"exit {n}")) for n in range(50)]
    seen = {(one := await runner.next()).native_id: one.exit_status for _ in ids}
    assert seen == {native_id: n for n, native_id in enumerate(ids)}
