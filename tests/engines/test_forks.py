"""Function jobs as forks of a template: each is a process as if it had been started, and none is lost."""

# ruff: noqa: ASYNC240 - a look at a local file takes no time
from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from asyncjman import worker
from asyncjman.api import pickles
from asyncjman.engines.base import Launched, LaunchFailed, LaunchRequest, Observation, Ref, Target, Why
from asyncjman.engines.local import LocalEngine
from asyncjman.engines.local.processes import marked
from asyncjman.errors import EnvironmentProblem
from asyncjman.model.array import ArraySpec
from asyncjman.model.failure import Cause
from asyncjman.model.job import JobSpec
from asyncjman.system.logs import log_start
from tests.engines.local_tools import Runner, gone

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="forks are of Linux only")


class Functions(Runner):
    """An engine that has a template, and function jobs for it."""

    def __init__(self, folder: Path, inherited: int) -> None:
        super().__init__()
        self.token = os.urandom(16).hex()
        self.engine = LocalEngine(token=self.token, output=self._print, inherited=lambda: inherited)
        self.folder = folder
        self.jobs = 0

    @property
    def template(self) -> psutil.Process:
        process = self.engine._forks._process
        assert process is not None
        return psutil.Process(process.pid)

    def ask(
        self,
        function: Callable[..., Any],
        *args: Any,
        task: int = 1,
        exec_dir: Path | None = None,
        time_limit: float | None = None,
        logs: bool = True,
        warm: bool = False,
        **environment: str,
    ) -> LaunchRequest:
        self.jobs += 1
        folder = self.folder / "spool" / str(self.jobs)
        pickles.write(folder, function, [(args, {})] * task, "function")
        spec = JobSpec(
            command=(*worker.COMMAND, str(folder), *([worker.WARM] if warm else ())),
            exec_dir=str(exec_dir or self.folder),
            log_dir=str(folder / worker.LOGS) if logs else None,
            name="call",
            array=ArraySpec.parse(f"1-{task}"),
            environment=environment,
        )
        return LaunchRequest(
            token="",
            job_id=self.jobs,
            spec=spec,
            tasks=(Ref(self.jobs, task, 1),),
            time_limit=time_limit,
            folder="",
            logs=log_start(spec),
        )

    async def start(self, function: Callable[..., Any], *args: Any, **more: Any) -> int:
        (answer,) = await self.engine.launch([self.ask(function, *args, **more)])
        assert isinstance(answer, Launched), answer
        return int(answer.native_id)

    async def next_task(self, before: LaunchRequest, task: int) -> int:
        """Start another task of a job."""
        request = replace(before, tasks=(Ref(before.job_id, task, 1),))
        (answer,) = await self.engine.launch([request])
        assert isinstance(answer, Launched), answer
        return int(answer.native_id)

    async def end_of(self, function: Callable[..., Any], *args: Any, **more: Any) -> Observation:
        pid = await self.start(function, *args, **more)
        seen = await self.next()
        assert seen.native_id == str(pid)
        return seen

    def value(self, task: int = 1) -> Any:
        answer = worker.read_result(str(self.folder / "spool" / str(self.jobs) / f"result.{task - 1}"), 1)
        assert isinstance(answer, worker.Returned), vars(answer)
        return answer.value

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(0.005)


@pytest.fixture
async def functions(tmp_path: Path) -> AsyncIterator[Functions]:
    """With its template ready."""
    lock = os.open(tmp_path / "tasks", os.O_RDWR | os.O_CREAT)
    one = Functions(tmp_path, lock)
    await one.open()
    for _ in range(2):
        assert (await one.end_of(os.getpid)).exit_status == 0
    await one.until(lambda: one.engine._forks._is_ready)
    yield one
    await one.engine.close()
    os.close(lock)


def describe() -> dict[str, Any]:
    """What a process can tell of itself."""
    print("out")
    print("err", file=sys.stderr)
    inherited = Path("/proc/self/fd/200").readlink()
    numbers = sorted(int(path.name) for path in Path("/proc/self/fd").iterdir())
    return {
        "parent": os.getppid(),
        "leads": os.getpid() == os.getpgid(0) == os.getsid(0),
        "folder": str(Path.cwd()),
        "environment": dict(os.environ),
        "argv": sys.argv,
        "lock": str(inherited),
        "threads": threading.active_count(),
        # one more is of the folder that is listed
        "descriptors": numbers[:-2] if numbers[-1] == 200 else numbers,
    }


def wait_for(path: str) -> None:
    print(os.getpid(), flush=True)
    while not os.path.exists(path):  # noqa: PTH110
        time.sleep(0.005)


def wait_and_fail(path: str) -> None:
    wait_for(path)
    sys.exit(4)


async def test_a_fork_is_like_a_process_that_was_started(functions: Functions, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    seen = await functions.end_of(describe, task=3, exec_dir=tmp_path / "there", COLOUR="red")
    value = functions.value(3)
    assert (seen.exit_status, seen.cause) == (0, None)
    assert seen.usage is not None
    assert seen.usage.cpu_seconds > 0
    assert 4_000_000 < seen.usage.peak_memory_bytes < 200_000_000
    assert value["parent"] == functions.template.pid
    assert value["leads"]
    assert value["folder"] == str(tmp_path / "there")
    assert value["lock"] == str(tmp_path / "tasks")
    assert value["threads"] == 1
    assert value["descriptors"][:3] == [0, 1, 2]
    assert len(value["descriptors"]) <= 4
    environment = value["environment"]
    assert environment["COLOUR"] == "red"
    assert (environment["JMAN_RUNNER"], environment["JMAN_TASK"]) == (functions.token, "3.3.1")
    assert (environment["SGE_TASK_ID"], environment["JMAN_TASK_INDEX"]) == ("3", "2")
    assert value["argv"][1].endswith("/spool/3")
    logs = tmp_path / "spool" / "3" / "logs"
    assert ((logs / "call.o3.3").read_text(), (logs / "call.e3.3").read_text()) == ("out\n", "err\n")


async def test_what_a_fork_gave_back_is_written_out_once_it_is_settled(
    functions: Functions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []
    real, faults = os.fsync, ["result.1"]

    def fsync(descriptor: int) -> None:
        written.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        if written[-1].name in faults:
            raise OSError(errno.EIO, "broken")
        real(descriptor)

    await functions.end_of(os.getpid)
    monkeypatch.setattr(os, "fsync", fsync)
    await functions.engine.settle()
    folder = tmp_path / "spool" / "3"
    assert written == [folder / "result.0", folder]
    await functions.end_of(os.getpid, task=2)
    with pytest.raises(EnvironmentProblem, match=r"returned can't be written to .*/result\.1: broken"):
        await functions.engine.settle()
    written.clear()
    faults.clear()
    await functions.engine.settle()
    assert [path.name for path in written] == ["result.1", "4"]


async def test_its_marks_are_found_and_the_template_has_none(functions: Functions, tmp_path: Path) -> None:
    pid = await functions.start(wait_for, str(tmp_path / "go"))
    assert {(one.pid, one.task) for one in marked(functions.token)} == {(pid, "3.1.1")}
    (tmp_path / "go").touch()
    assert (await functions.next()).exit_status == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_a_fork_that_dies(functions: Functions, number: int) -> None:
    seen = await functions.end_of(lambda: os.kill(os.getpid(), number))
    assert (seen.signal, seen.cause) == (number, Cause.SIGNAL)
    assert (await functions.end_of(lambda: os._exit(7))).exit_status == 7
    assert (await functions.end_of(lambda: sys.exit(9))).exit_status == 9


async def test_what_python_does_at_an_end_is_done(functions: Functions, tmp_path: Path) -> None:
    def leave(path: str) -> None:
        import atexit
        import builtins

        def late() -> None:
            time.sleep(0.05)
            Path(f"{path}.thread").touch()

        threading.Thread(target=late).start()
        atexit.register(Path(f"{path}.atexit").touch)
        kept = builtins.kept = Path(f"{path}.file").open("w")  # type: ignore[attr-defined]  # noqa: SIM115
        kept.write("not flushed")

    assert (await functions.end_of(leave, str(tmp_path / "left"))).exit_status == 0
    assert {path.name for path in tmp_path.glob("left.*")} == {"left.thread", "left.atexit", "left.file"}
    assert (tmp_path / "left.file").read_text() == "not flushed"


async def test_it_is_stopped_with_all_that_it_started(functions: Functions) -> None:
    def stubborn() -> None:
        import subprocess

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        other = subprocess.Popen(["sleep", "1000"], start_new_session=True)
        print(os.getpid(), other.pid, flush=True)
        other.wait()

    pid = await functions.start(stubborn, logs=False)
    pids = await functions.printed_pids(2)
    assert pids[0] == pid
    await functions.cancel(str(pid), force=True)
    assert (await functions.next()).signal == signal.SIGKILL
    await gone(pids)


async def test_a_limit_of_time(functions: Functions, tmp_path: Path) -> None:
    seen = await functions.end_of(wait_for, str(tmp_path / "never"), time_limit=0.1)
    assert (seen.cause, seen.signal) == (Cause.TIMEOUT, signal.SIGTERM)


async def test_what_is_read_when_python_starts_needs_a_start(functions: Functions) -> None:
    await functions.end_of(os.getppid, PYTHONHASHSEED="1")
    assert functions.value() == os.getpid()
    await functions.end_of(os.getppid)
    assert functions.value() == functions.template.pid


async def test_a_folder_that_is_missing_is_told_as_always(functions: Functions, tmp_path: Path) -> None:
    (answer,) = await functions.engine.launch([functions.ask(len, "", exec_dir=tmp_path / "none")])
    assert not isinstance(answer, Launched)
    assert answer.words == f"folder missing: {tmp_path / 'none'}"


async def test_a_template_that_dies_loses_no_task(functions: Functions, tmp_path: Path) -> None:
    pids = [await functions.start(wait_for, str(tmp_path / "go"))]
    pids += [await functions.start(wait_and_fail, str(tmp_path / "go"))]
    template = functions.template
    template.suspend()
    asked = asyncio.create_task(functions.start(os.getppid))
    await functions.until(lambda: len(functions.engine._forks._asked) == 3)
    template.kill()
    third = await asked  # started in another way, once
    assert (await functions.next()).native_id == str(third)
    assert functions.value() == os.getpid()
    (tmp_path / "go").touch()
    ends = {int(seen.native_id or 0): seen for seen in [await functions.next(), await functions.next()]}
    # its result proves the one, and nothing the other
    assert (ends[pids[0]].exit_status, ends[pids[0]].cause) == (0, None)
    assert (ends[pids[1]].exit_status, ends[pids[1]].cause) == (None, Cause.EXIT)
    assert "is not known" in str(ends[pids[1]].reason)


async def test_a_start_that_nobody_waits_for_is_ended(functions: Functions, tmp_path: Path) -> None:
    template = functions.template
    template.suspend()
    asked = asyncio.create_task(functions.start(wait_for, str(tmp_path / "go"), logs=False))
    await functions.until(lambda: functions.engine._forks._asked)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    template.resume()
    assert (await functions.next()).signal in (signal.SIGKILL, signal.SIGTERM)
    assert marked(functions.token) == []


async def test_close_ends_the_template(tmp_path: Path) -> None:
    one = Functions(tmp_path, 2)
    await one.open()
    for _ in range(2):
        await one.end_of(os.getpid)
    template = one.template
    await one.engine.close()
    assert not template.is_running()


def in_turn(numbers: list[int]) -> dict[str, Any]:
    task = os.environ["JMAN_TASK"]
    print("task", task)
    found = {
        "pid": os.getpid(),
        "folder": str(Path.cwd()),
        "left": os.environ.get("LEFT"),
        "marks": [one.task for one in marked(os.environ["JMAN_RUNNER"]) if one.pid == os.getpid()],
        "numbers": list(numbers),
    }
    numbers.append(4)
    os.chdir("/")
    os.environ["LEFT"] = "here"
    number = int(os.environ["SGE_TASK_ID"])
    if number == 3:
        raise ValueError(number)
    if number == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 6:
        signal.pause()
    if number == 8:
        sys.exit(8)
    return found


async def test_a_warm_process_takes_one_task_after_the_other(functions: Functions, tmp_path: Path) -> None:
    """What one of them does to it is not seen by the next; where it dies, the next one has another."""
    request = functions.ask(in_turn, [1], task=9, warm=True)
    pids, ends = {}, {}
    for task in range(1, 10):
        pid = pids[task] = await functions.next_task(request, task)
        if task == 6:
            await functions.engine.cancel([Target("", str(pid), (Ref(3, 5, 1),))])  # not this one
            await functions.cancel(str(pid))
        ends[task] = await functions.next()
        assert ends[task].ref == Ref(3, task, 1)
    assert [ends[task].exit_status for task in range(1, 10)] == [0, 0, 1, None, 0, None, 0, 8, 0]
    assert (ends[4].signal, ends[6].signal) == (signal.SIGKILL, signal.SIGTERM)
    assert pids[1] == pids[2] == pids[3] == pids[4]
    assert pids[5] == pids[6]
    assert pids[7] == pids[8]
    assert len({pids[4], pids[6], pids[8], pids[9]}) == 4
    spool = tmp_path / "spool" / "3"
    for task in (1, 2, 5, 7, 9):
        answer = worker.read_result(str(spool / f"result.{task - 1}"), 1)
        assert isinstance(answer, worker.Returned)
        assert answer.value == {
            "pid": pids[task],
            "folder": str(tmp_path),
            "left": None,
            "marks": [f"3.{task}.1"],
            "numbers": [1],
        }
        assert (spool / "logs" / f"call.o3.{task}").read_text() == f"task 3.{task}.1\n"
    usage = [ends[task].usage for task in (1, 2)]
    assert all(one is not None and 0 < one.cpu_seconds < 5 for one in usage)
    await functions.engine.close()
    await gone([pids[9]])


async def test_a_warm_process_that_dies_while_it_waits_holds_nobody_up(functions: Functions) -> None:
    request = functions.ask(os.getpid, task=3, warm=True)
    first = await functions.next_task(request, 1)
    await functions.next()
    os.kill(first, signal.SIGSTOP)
    second = asyncio.create_task(functions.next_task(request, 2))
    await functions.until(lambda: functions.engine._warm._workers[first].task)
    os.kill(first, signal.SIGKILL)  # it was asked, and had not begun
    assert await second != first
    assert (await functions.next()).exit_status == 0
    assert await functions.next_task(request, 3)
    assert (await functions.next()).exit_status == 0
    assert functions.value(3) != first


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "no descriptor left"), MemoryError()])
async def test_nobody_waits_for_a_start_that_can_not_be_minded(
    functions: Functions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, warm: bool, error: Exception
) -> None:
    """It is started once more then: so what has started must not run on."""
    begin, begun = functions.engine._begin, list[int]()

    def refuse(process: Any, pid: int) -> None:
        begin(process, pid)
        begun.append(pid)
        raise error

    monkeypatch.setattr(functions.engine, "_begin", refuse)
    request = functions.ask(wait_for, str(tmp_path / "go"), warm=warm)
    async with asyncio.timeout(10):
        if isinstance(error, OSError):
            (answer,) = await functions.engine.launch([request])
            assert isinstance(answer, LaunchFailed)
            assert answer.why is Why.LIMIT
        else:
            with pytest.raises(MemoryError):
                await functions.engine.launch([request])
    await gone(begun)
    monkeypatch.undo()
    (tmp_path / "go").touch()
    assert (await functions.end_of(os.getpid, warm=warm)).exit_status == 0


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "no descriptor left"), MemoryError()])
async def test_nobody_waits_for_a_later_task_that_can_not_be_minded(
    functions: Functions, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    request = functions.ask(os.getpid, task=3, warm=True)
    first = await functions.next_task(request, 1)
    assert (await functions.next()).exit_status == 0

    def refuse(process: Any, pid: int) -> None:
        functions.engine._running[pid] = process
        raise error

    monkeypatch.setattr(functions.engine, "_begin", refuse)
    async with asyncio.timeout(10):
        with suppress(MemoryError):
            (answer,) = await functions.engine.launch([replace(request, tasks=(Ref(request.job_id, 2, 1),))])
            assert isinstance(answer, LaunchFailed)
    await gone([first])
    monkeypatch.undo()
    assert await functions.next_task(request, 3) != first


@pytest.mark.parametrize("warm", [False, True])
async def test_what_the_loop_can_not_watch_is_minded_all_the_same(
    functions: Functions, monkeypatch: pytest.MonkeyPatch, warm: bool
) -> None:
    loop = asyncio.get_running_loop()

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no more of them may be watched")

    monkeypatch.setattr(loop, "add_reader", refuse)
    async with asyncio.timeout(10):
        seen = await functions.end_of(os.getpid, warm=warm)
    assert (seen.exit_status, functions.value()) == (0, int(seen.native_id or 0))
