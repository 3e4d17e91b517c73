"""The engine of this machine: real processes, seen to their end."""

# ruff: noqa: ASYNC240 - a look at a local file takes no time
from __future__ import annotations

import asyncio
import ctypes
import errno
import math
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from asyncjman.engines.base import Launched, LaunchFailed, LaunchRequest, Observation, Ref, Saw, Target, Why
from asyncjman.engines.local import LocalEngine, clib, ending, spawner
from asyncjman.engines.local.console import LinePipe
from asyncjman.engines.local.processes import living
from asyncjman.engines.local.spawn import prepared
from asyncjman.model.failure import Cause
from asyncjman.model.job import PLAIN_TASK, JobSpec
from asyncjman.system.logs import log_start

LIMIT = 20.0


class NotStarted(Exception):
    """The engine did not start it."""


class Runner:
    """An engine, and what it printed."""

    def __init__(self) -> None:
        self.printed: list[tuple[int, bytes]] = []
        self.line = asyncio.Event()
        self.engine = LocalEngine(token="the token", output=self._print)
        self._wake = asyncio.Event()
        self._seen: deque[Observation] = deque()

    async def open(self) -> None:
        await self.engine.open(self._wake.set)

    def _print(self, ref: Ref, stream: int, lines: bytes) -> None:
        self.printed.append((stream, lines))
        self.line.set()

    def text(self, stream: int) -> bytes:
        return b"".join(lines for one, lines in self.printed if one == stream)

    async def next(self) -> Observation:
        async with asyncio.timeout(LIMIT):
            while not self._seen:
                await self._wake.wait()
                self._wake.clear()
                self._seen.extend((await self.engine.poll()).seen)
        return self._seen.popleft()

    async def launch(self, *argv: str, **more: Any) -> str:
        """Start a program; return its native id. Raises NotStarted."""
        (answer,) = await self.engine.launch([request(*argv, **more)])
        if not isinstance(answer, Launched):
            assert (answer.why, answer.exit_status) == (Why.REFUSED, 127)
            raise NotStarted(answer.words)
        return answer.native_id

    async def run(self, *argv: str, **more: Any) -> Observation:
        native_id = await self.launch(*argv, **more)
        seen = await self.next()
        assert (seen.native_id, seen.saw) == (native_id, Saw.ENDED)
        return seen

    async def cancel(self, native_id: str | None, *, force: bool = False) -> None:
        assert native_id is not None
        assert await self.engine.cancel([Target("", native_id)], force=force) == ()

    async def printed_pids(self, count: int) -> list[int]:
        """Wait until a task has printed so many pids."""
        async with asyncio.timeout(LIMIT):
            while len(self.text(1).split()) < count:
                self.line.clear()
                await self.line.wait()
        return [int(word) for word in self.text(1).split()]


def request(
    *argv: str,
    folder: object = "/",
    log: Path | None = None,
    attempt: int = 1,
    time_limit: float | None = None,
    **environment: str,
) -> LaunchRequest:
    """Make a request whose logs are LOG.o1 and LOG.e1; without ``log`` its output is printed."""
    spec = JobSpec(
        command=argv,
        name=log.name if log else "",
        exec_dir=str(folder),
        log_dir=str(log.parent) if log else None,
        environment=environment,
    )
    return LaunchRequest(
        token="",
        job_id=1,
        spec=spec,
        tasks=(Ref(1, PLAIN_TASK, attempt),),
        time_limit=time_limit,
        folder="",
        logs=log_start(spec),
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
    await one.open()
    yield one
    await one.engine.close()


# a process is started one way with the C library, another way where that has not what is needed
@pytest.fixture(params=["here", "elsewhere", "otherwise"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path if request.param == "here" else "/")
    if request.param == "otherwise":
        monkeypatch.setattr(clib, "IS_THERE", False)
    return tmp_path


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


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have all starts but the first made in threads."""
    monkeypatch.setattr(spawner, "SLOW_SECONDS", -1.0)
    monkeypatch.setattr(spawner, "FIRST_PAUSE", 1000.0)
    monkeypatch.setattr(spawner, "LONGEST_PAUSE", 1000.0)


async def test_the_event_loop_goes_on_while_a_process_starts(
    slow: None, runner: Runner, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await runner.run("true", folder=folder)
    may_start = threading.Event()
    hold_up(monkeypatch, may_start)
    one = asyncio.ensure_future(runner.launch("true", folder=folder))
    other = asyncio.ensure_future(runner.launch("true", folder=folder))
    await asyncio.wait([one, other], timeout=0)
    assert not one.done() and not other.done()
    may_start.set()
    assert {await one, await other} == {(await runner.next()).native_id, (await runner.next()).native_id}


async def test_a_start_that_waited_too_long_is_not_made(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its task may have been stopped meanwhile, or be another process's: who asked for it looks again."""
    monkeypatch.setattr(spawner, "MOST_THREADS", 1)
    monkeypatch.setattr(spawner, "MOST_SECONDS", 0.05)
    runner.engine._spawner = spawner.Spawner()
    runner.engine._spawner._slow_until = math.inf
    may_start = threading.Event()
    started = hold_up(monkeypatch, may_start)
    slow = asyncio.ensure_future(runner.launch("true"))
    other = asyncio.ensure_future(runner.engine.launch([request("true")]))
    await asyncio.wait([slow, other], timeout=0.1)
    may_start.set()
    (answer,) = await other
    assert isinstance(answer, LaunchFailed) and answer.why is Why.LATER
    assert (await runner.next()).native_id == await slow and len(started) == 1


async def test_no_start_is_late_for_ever(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all is slow, its thread may come late each time."""
    monkeypatch.setattr(spawner, "MOST_SECONDS", 1e-9)
    runner.engine._spawner = spawner.Spawner()
    async with asyncio.timeout(LIMIT):
        while not isinstance((await runner.engine.launch([request("true")]))[0], Launched):
            pass
    await runner.next()


async def test_a_start_that_nobody_waits_for_any_more_is_undone(
    slow: None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = Runner()
    await runner.open()
    await runner.run("true", folder=folder)
    may_start = threading.Event()
    started = hold_up(monkeypatch, may_start)
    launch = asyncio.ensure_future(runner.launch("sleep", "1000", folder=folder))
    await asyncio.wait([launch], timeout=0)
    launch.cancel()
    await asyncio.wait([launch])
    closing = asyncio.ensure_future(runner.engine.close())
    await asyncio.wait([closing], timeout=0)
    assert not closing.done()
    may_start.set()
    async with asyncio.timeout(LIMIT):
        await closing
    assert len(started) == 1 and not any(_runs(pid) for pid in started)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_start_that_is_cancelled_as_it_comes(
    slow: None, runner: Runner, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    await runner.run("true")
    began: list[int] = []
    begin = LocalEngine._on_spawned

    def on_spawned(engine: LocalEngine, process: Any, pid: int) -> None:
        begin(engine, process, pid)
        began.append(pid)
        if when == "before":  # who waits is to be woken
            launch.cancel()
        else:
            asyncio.get_running_loop().call_soon(launch.cancel)

    monkeypatch.setattr(LocalEngine, "_on_spawned", on_spawned)
    launch = asyncio.ensure_future(runner.launch("sleep", "1000"))
    with pytest.raises(asyncio.CancelledError):
        await launch
    async with asyncio.timeout(LIMIT):
        await runner.engine.close()
    assert len(began) == 1 and not _runs(began[0])


async def test_a_process_whose_output_can_not_be_read_is_ended(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is started once more, when there is memory: not while the first one runs."""
    started = hold_up(monkeypatch, threading.Event(), 0.0)
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    def start(pipe: LinePipe) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(LinePipe, "start", start)
    (answer,) = await runner.engine.launch([request("sleep", "1000")])
    assert isinstance(answer, LaunchFailed) and answer.why is Why.LIMIT
    await gone(started)
    await runner.engine.close()
    assert len(started) == 1 and len(os.listdir("/proc/self/fd")) <= descriptors  # noqa: PTH208


def hold_up(monkeypatch: pytest.MonkeyPatch, may_start: threading.Event, most: float = LIMIT) -> list[int]:
    """Have no process start before the event; return a list of those that have."""
    started: list[int] = []

    def held_up(*args: Any) -> Callable[[], int]:
        start = prepared(*args)

        def late() -> int:
            may_start.wait(most)
            started.append(start())
            return started[-1]

        return late

    monkeypatch.setattr("asyncjman.engines.local.engine.prepared", held_up)
    return started


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


TREE = "sleep 100 & echo $!; (sleep 101; true) & echo $!; echo $$; wait"
DEAF = "trap '' TERM; (sh -c 'echo $$; exec sleep 100') & echo $!; echo $$; while :; do sleep 1; done"


async def test_cancel_takes_the_children_along(runner: Runner) -> None:
    native_id = await runner.launch("sh", "-c", TREE)
    pids = await runner.printed_pids(3)
    await runner.cancel(native_id)
    seen = await runner.next()
    assert (seen.cause, seen.signal) == (Cause.SIGNAL, signal.SIGTERM)
    await runner.engine.close()
    await gone(pids)


@pytest.fixture
def adopts() -> Iterator[None]:
    """Have orphans be children of this process, which does not fetch their ends: as in many containers."""
    library, set_subreaper = ctypes.CDLL(None), 36  # prctl(2)
    if sys.platform != "linux" or library.prctl(set_subreaper, 1, 0, 0, 0):
        pytest.skip("needs Linux")
    yield
    library.prctl(set_subreaper, 0, 0, 0, 0)


async def test_a_zombie_does_not_hold_the_end_up(
    runner: Runner, adopts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "GIVE_UP_SECONDS", 10 * LIMIT)
    native_id = await runner.launch("sh", "-c", "sleep 1000 & echo $!; wait")
    (pid,) = await runner.printed_pids(1)
    await runner.cancel(native_id)
    assert (await runner.next()).signal == signal.SIGTERM
    assert psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def test_what_a_search_misses_is_killed_with_its_group(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What forks in the moment of a search is not seen; without its environment it is in the group alone."""
    missed: list[Collection[int]] = []

    def search(groups: Collection[int]) -> set[int]:
        if groups and not missed:
            missed.append(groups)
            return set()
        return living(groups)

    monkeypatch.setattr(ending, "living", search)
    monkeypatch.setattr("asyncjman.engines.local.engine.TERM_SECONDS", 0.3)
    native_id = await runner.launch(
        "sh", "-c", "trap '' TERM; env -i sleep 1000 & echo $!; trap - TERM; wait"
    )
    pids = await runner.printed_pids(1)
    await runner.cancel(native_id)
    try:
        await runner.next()
        assert not _runs(pids[0])
    finally:
        with suppress(ProcessLookupError):
            os.kill(pids[0], signal.SIGKILL)


async def test_what_ignores_sigterm_is_killed(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncjman.engines.local.engine.TERM_SECONDS", 0.1)
    native_id = await runner.launch("sh", "-c", DEAF)
    pids = await runner.printed_pids(3)
    await runner.cancel(native_id)
    assert (await runner.next()).signal == signal.SIGKILL
    await gone(pids)


async def test_a_child_that_outlives_its_parent_is_killed_by_close(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncjman.engines.local.engine.TERM_SECONDS", 0.1)
    native_id = await runner.launch("sh", "-c", "(trap '' TERM; echo 1; exec sleep 100) & echo $!; wait")
    pids = [pid for pid in await runner.printed_pids(2) if pid != 1]
    await runner.cancel(native_id)
    assert (await runner.next()).signal == signal.SIGTERM
    await runner.engine.close()
    await gone(pids)


async def test_kill_does_not_ask(runner: Runner) -> None:
    native_id = await runner.launch("sh", "-c", DEAF)
    pids = await runner.printed_pids(3)
    await runner.cancel(native_id, force=True)
    assert (await runner.next()).signal == signal.SIGKILL
    await gone(pids)


async def test_a_limit_of_time(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = await runner.run("sh", "-c", TREE, time_limit=0.05)
    assert (seen.cause, seen.signal) == (Cause.TIMEOUT, signal.SIGTERM)
    assert seen.reason == "timed out after 0.05 s"
    await gone(await runner.printed_pids(3))


async def test_cancel_of_what_has_ended(runner: Runner) -> None:
    seen = await runner.run("true")
    await runner.cancel(seen.native_id)


async def test_a_child_in_the_background_does_not_hold_the_task_up(runner: Runner) -> None:
    seen = await runner.run("sh", "-c", "sleep 100 & echo $!")
    assert seen.cause is None
    os.kill((await runner.printed_pids(1))[0], signal.SIGKILL)


async def test_fifty_at_once(runner: Runner) -> None:
    ids = [await runner.launch("sh", "-c", f"exit {n}") for n in range(50)]
    seen = {(one := await runner.next()).native_id: one.exit_status for _ in ids}
    assert seen == {native_id: n for n, native_id in enumerate(ids)}
