"""Cluster commands: time limits, cancellation, retries. The commands are small shell scripts."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from asyncjman.engines.budget import Budget
from asyncjman.engines.cluster import process
from asyncjman.engines.cluster.dialect import Call, Fault, Programs
from asyncjman.engines.cluster.process import CommandFailed, Commands, failure, run, run_with_retry
from asyncjman.engines.sge.faults import fault_of
from asyncjman.system.tool import Completed
from tests.cli.tools import wait_until

DOWN = (
    'error: commlib error: got select error (Connection refused)\nUnable to run job: unable to send '
    'message to qmaster using port 7777 on host "localhost": got send error\nExiting.\n'
)  # fmt: skip
NO_ANSWER = (
    "error: failed receiving gdi request response for mid=1 (got syncron message receive timeout error)."
)
REFUSED = (
    'error: commlib error: access denied (client IP resolved to host name "localhost". '
    'This is not identical to clients host name "vm")\n'
)


def tool(folder: Path, body: str, name: str = "qsub") -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def alive(pid_file: Path) -> bool:
    try:
        os.kill(int(pid_file.read_text()), 0)
    except ProcessLookupError:
        return False
    return True


async def test_what_it_said(tmp_path: Path) -> None:
    done = await run(
        [tool(tmp_path, 'cat; echo "$A"; printf "\\377" >&2')], stdin=b"in\n", env={"A": "b", **os.environ}
    )
    assert done == Completed(0, "in\nb\n", "\udcff")


async def test_a_failure_comes_in_the_tools_own_words(tmp_path: Path) -> None:
    path = tool(tmp_path, "echo 'Unable to run job: unknown queue' >&2; echo Exiting. >&2; exit 1")
    with pytest.raises(
        CommandFailed, match=r"^qsub \(exit status 1\): Unable to run job: unknown queue$"
    ) as caught:
        await run([path])
    assert (caught.value.exit_code, caught.value.returncode, caught.value.transient) == (3, 1, False)
    assert (await run([path], check=False)).exit_status == 1


async def test_what_is_not_there() -> None:
    with pytest.raises(CommandFailed, match="qsub: can't be started: No such file"):
        await run(["/no/such/qsub"])


async def test_a_hanging_command_is_killed_with_its_children(tmp_path: Path) -> None:
    path = tool(tmp_path, f"sleep 100 & echo $! > {tmp_path}/child; echo $$ > {tmp_path}/self; wait")
    begin = time.monotonic()
    with pytest.raises(CommandFailed, match=r"no answer within 0\.5 s") as caught:
        await run([path], timeout=0.5)
    assert time.monotonic() - begin < 5
    assert caught.value.transient
    assert caught.value.ambiguous
    assert not alive(tmp_path / "self")


async def test_a_cancelled_command_is_killed_and_reaped(tmp_path: Path) -> None:
    path = tool(tmp_path, f"echo $$ > {tmp_path}/.self; mv {tmp_path}/.self {tmp_path}/self; exec sleep 100")
    task = asyncio.create_task(run([path]))
    await asyncio.to_thread(wait_until, (tmp_path / "self").exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not alive(tmp_path / "self")


@pytest.mark.parametrize("seconds", [0, 0.001, 0.005])
def test_a_loop_that_is_shut_down_meanwhile_is_not_held(tmp_path: Path, seconds: float) -> None:
    path = tool(tmp_path, "exec sleep 100")

    async def leave() -> asyncio.Task[Completed]:
        task = asyncio.create_task(run([path]))
        await asyncio.sleep(seconds)
        return task

    begin = time.monotonic()
    assert asyncio.run(leave()).cancelled()
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    ("words", "transient", "ambiguous"),
    [
        (DOWN, True, False),
        (REFUSED, False, False),
        (NO_ANSWER, True, True),
        ('Unable to run job: unknown resource "nosuch"\nExiting.', False, False),
        ("", False, False),
    ],
)  # fmt: skip
def test_faults_that_pass(words: str, transient: bool, ambiguous: bool) -> None:
    failed = failure(["qsub"], Completed(1, "", words), fault_of)
    assert (failed.transient, failed.ambiguous) == (transient, ambiguous)
    assert fault_of(Completed(0, "", words)) is Fault.LASTING
    assert failure(["qsub"], Completed(-9, "", words), fault_of).ambiguous


def test_a_limit_of_the_site() -> None:
    words = "Unable to run job: job rejected: only 20 jobs are allowed per user"
    for done in (Completed(25, "", words), Completed(25, "", ""), Completed(1, "", words)):
        assert Fault.LIMIT in fault_of(done)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "FIRST_PAUSE_SECONDS", 0.05)


@pytest.mark.usefixtures("quick")
async def test_passing_faults_are_retried(tmp_path: Path) -> None:
    (tmp_path / "down").write_text(DOWN)
    twice = f"[ $(wc -l < {tmp_path}/calls) -gt 2 ]"
    path = tool(
        tmp_path, f"echo x >> {tmp_path}/calls; {twice} || {{ cat {tmp_path}/down >&2; exit 1; }}; echo 7"
    )
    assert (await run_with_retry([path], classify=fault_of)).stdout == "7\n"
    assert len((tmp_path / "calls").read_text()) == 6


@pytest.mark.usefixtures("quick")
async def test_patience_ends(tmp_path: Path) -> None:
    (tmp_path / "down").write_text(DOWN)
    path = tool(tmp_path, f"cat {tmp_path}/down >&2; exit 1")
    begin = time.monotonic()
    with pytest.raises(CommandFailed, match="got select error") as caught:
        await run_with_retry([path], retry_for=0.5, check=False, classify=fault_of)
    assert caught.value.transient
    assert time.monotonic() - begin < 5


@pytest.mark.usefixtures("quick")
async def test_lasting_faults_and_unclear_ones_come_at_once(tmp_path: Path) -> None:
    count = f"echo x >> {tmp_path}/calls"
    with pytest.raises(CommandFailed, match="unknown queue"):
        await run_with_retry([tool(tmp_path, f"{count}; echo unknown queue >&2; exit 1")])
    with pytest.raises(CommandFailed, match="no answer") as caught:
        await run_with_retry([tool(tmp_path, f"{count}; exec sleep 100")], timeout=0.3, repeatable=False)
    assert caught.value.ambiguous
    assert len((tmp_path / "calls").read_text()) == 4


@pytest.mark.usefixtures("quick")
async def test_what_must_not_be_broken_off_has_all_its_time(tmp_path: Path) -> None:
    """A submission that is killed may be carried out all the same."""
    path = tool(tmp_path, "sleep 0.5; echo 7")
    commands = Commands(Programs((path,), ""), lambda _: Fault.LASTING, Budget(0.2))
    call: Call[str] = Call((path,), lambda done: done.stdout, whole=True)
    assert await commands.ask(call) == "7\n"
    cut = Commands(Programs((path,), ""), lambda _: Fault.LASTING, Budget(0.2))
    with pytest.raises(CommandFailed, match="no answer"):
        await cut.ask(replace(call, whole=False))


async def test_the_variables_of_a_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tool(tmp_path, 'echo "$X_CONF $X_OPTION $OWN"')
    monkeypatch.setenv("X_CONF", "kept")
    monkeypatch.setenv("X_OPTION", "dropped")
    programs = Programs((path,), "", dropped=("X_*",), kept=("X_CONF",))
    commands = Commands(programs, lambda _: Fault.LASTING, Budget())
    call: Call[str] = Call((path,), lambda done: done.stdout, environment={"OWN": "set"})
    assert await commands.ask(call) == "kept  set\n"
