"""What Slurm's commands print, recorded on 22.05.8; what could not be recorded, as documented."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncjman.engines.base import IN_ERROR, Observation, Saw, Watched
from asyncjman.engines.cluster.dialect import ENDING, ParseError, Row
from asyncjman.engines.slurm.check import parse_partitions
from asyncjman.engines.slurm.sacct import parse_sacct
from asyncjman.engines.slurm.sbatch import parse_sbatch
from asyncjman.engines.slurm.site import parse_config
from asyncjman.engines.slurm.squeue import parse_squeue, parse_waiting
from asyncjman.engines.slurm.states import saw_of
from asyncjman.engines.slurm.tasks import format_tasks, parse_tasks
from asyncjman.model.failure import Cause
from asyncjman.model.status import Status
from asyncjman.system.tool import Completed

RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> Completed:
    return Completed(0, (RECORDED / name).read_text(), "")


def rows() -> dict[tuple[str, int], Row]:
    return {
        (row.native_id, number): row
        for row in parse_squeue(recorded("squeue-22.05.txt"))
        for one in row.numbers or (range(1),)
        for number in one
    }


def line(state: str, code: str = "0", reason: str = "None", nodes: str = "n1", restart: str = "0") -> Row:
    text = f"7|N/A|7|{state}|{code}|{restart}|1795971457|1795971469|{nodes}|{reason}|jman:0123456789abcd\n"
    return parse_squeue(Completed(0, text, ""))[0]


def end(state: str, **changes: str) -> Observation:
    ended = line(state, **changes).end
    assert ended is not None
    return ended


def test_a_poll() -> None:
    found = rows()
    assert len(found) == 11 + 40 + 9
    assert {row.token for row in found.values()} == {
        None,
        *(f"{n:014x}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)),
    }
    assert found["14", 0].token is None, "its comment has a | and a line break"
    assert {number for native_id, number in found if native_id == "3"} == set(range(1, 22, 2))


def test_states_of_what_has_not_ended() -> None:
    found = rows()
    assert (found["1", 0].saw, found["1", 0].host, found["1", 0].at) == (Saw.RUNNING, "node1", 1795971457.0)
    assert (found["2", 0].saw, found["2", 0].engine_state) == (Saw.RUNNING, "suspended")
    assert (found["6", 0].saw, found["6", 0].engine_state) == (Saw.PENDING, IN_ERROR)
    assert (found["7", 40].saw, found["7", 40].engine_state) == (Saw.HELD, "held")
    assert (found["12", 0].saw, found["12", 0].engine_state) == (Saw.RUNNING, ENDING)
    started_anew = found["3", 1]
    assert (started_anew.saw, started_anew.restart, started_anew.end) == (Saw.HELD, 1, None)
    assert started_anew.at is None, "the start of what waits is a forecast"


def test_tasks_that_wait_are_all_there() -> None:
    found = [row for row in parse_squeue(recorded("squeue-22.05-pending.txt")) if row.saw is Saw.PENDING]
    assert found[0].numbers == (range(1, 2), *(range(n, n + 1) for n in (13, 15, 17, 19, 21)))


def test_how_tasks_ended() -> None:
    found = {key: row.end for key, row in rows().items() if row.end is not None}
    success, failure, killed, cancelled = (found[key] for key in (("3", 9), ("3", 5), ("5", 0), ("4", 0)))
    assert (success.saw, success.cause, success.exit_status) == (Saw.ENDED, None, 0)
    assert (success.started_at, success.at, success.host) == (1795971460.0, 1795971462.0, "node1")
    assert (failure.saw, failure.cause, failure.exit_status) == (Saw.ENDED, Cause.EXIT, 2)
    assert (killed.cause, killed.signal, killed.exit_status) == (Cause.SIGNAL, 9, None)
    assert (cancelled.saw, cancelled.cause, cancelled.started_at) == (Saw.STOPPED, None, 1795971457.0)


@pytest.mark.parametrize(
    ("state", "code", "cause", "status", "signal"),
    [
        ("TIMEOUT", "15", Cause.TIMEOUT, None, None),
        ("DEADLINE", "0", Cause.TIMEOUT, None, None),
        ("OUT_OF_MEMORY", "0", Cause.MEMORY, None, None),
        ("NODE_FAIL", "1", Cause.NODE, None, None),
        ("PREEMPTED", "0", Cause.NODE, None, None),
        ("BOOT_FAIL", "0", Cause.LAUNCH, None, None),
        ("FAILED", "4021", Cause.LAUNCH, None, None),
        ("FAILED", "253", Cause.MEMORY, None, None),
        ("FAILED", "35072", Cause.EXIT, 137, None),
        ("FAILED", "11", Cause.SIGNAL, None, 11),
        ("FAILED", "0", Cause.NODE, None, None),
        ("FAILED", "3:0", Cause.EXIT, 3, None),
        ("COMPLETED", "0", None, 0, None),
        ("COMPLETED", "768", Cause.EXIT, 3, None),
    ],
)
def test_causes(state: str, code: str, cause: Cause | None, status: int | None, signal: int | None) -> None:
    ended = end(state, code=code)
    assert (ended.saw, ended.cause, ended.exit_status, ended.signal) == (Saw.ENDED, cause, status, signal)
    assert (ended.reason is None) == (cause is None)


def test_what_never_started() -> None:
    assert end("FAILED", reason="BadConstraints", nodes="").cause is Cause.LAUNCH
    assert end("FAILED", reason="BadConstraints", nodes="").started_at is None
    skipped = end("CANCELLED", reason="DependencyNeverSatisfied", nodes="")
    assert (skipped.saw, skipped.started_at) == (Saw.SKIPPED, None)
    assert end("CANCELLED", nodes="").started_at is None


@pytest.mark.parametrize(
    "state", ["COMPLETING", "SOMETHING_NEW", "PENDING", "REQUEUED", "RUNNING", "STOPPED"]
)
def test_no_state_that_is_not_known_to_be_one_is_an_end(state: str) -> None:
    assert line(state).end is None
    assert (saw_of(state, "None") is None) == (state == "SOMETHING_NEW")


@pytest.mark.parametrize(
    ("reason", "saw"),
    [
        ("Dependency", Saw.HELD),
        ("BeginTime", Saw.HELD),
        ("Priority", Saw.PENDING),
        ("Resources", Saw.PENDING),
    ],
)
def test_reasons_to_wait(reason: str, saw: Saw) -> None:
    assert line("PENDING", reason=reason, nodes="").saw is saw


@pytest.mark.parametrize(
    ("out", "err"),
    [
        ("", "squeue: error: Invalid job format specification: foo\n"),
        ("slurm_load_jobs error\n", ""),
        ("480|N/A\n", ""),
        ("441|4,7,84,...|441|PENDING|0|0|N/A|N/A||None|jman:0123456789abcd\n", ""),
        ("441|N/A|441|FAILED|x|0|N/A|N/A||None|jman:0123456789abcd\n", ""),
        ("441|1-9:0|441|PENDING|0|0|N/A|N/A||None|jman:0123456789abcd\n", ""),
    ],
)
def test_what_can_not_be_read_says_nothing(out: str, err: str) -> None:
    with pytest.raises(ParseError):
        parse_squeue(Completed(0, out, err))


def test_no_job_at_all() -> None:
    assert parse_squeue(Completed(0, "", "")) == []


@given(st.text(alphabet="0123456789-:%,[]ab.", max_size=20))
def test_numbers_of_tasks_are_read_or_refused(text: str) -> None:
    try:
        found = parse_tasks(text)
    except ParseError:
        return
    assert all(len(one) >= 0 for one in found)


@pytest.mark.parametrize(
    ("text", "tasks"),
    [
        ("N/A", ()),
        ("4", (range(4, 5),)),
        ("1-5%2", (range(1, 6),)),
        ("1,5-20:5", (range(1, 2), range(5, 21, 5))),
        ("[1,3-4]", (range(1, 2), range(3, 5))),
    ],
)
def test_numbers_of_tasks(text: str, tasks: tuple[range, ...]) -> None:
    assert parse_tasks(text) == tasks


def test_numbers_are_written_as_they_are_read() -> None:
    tasks = (range(1, 2), range(5, 21, 5), range(30, 33))
    assert format_tasks(tasks) == "1,5-20:5,30-32"
    assert parse_tasks(format_tasks(tasks)) == tasks


def test_what_waits() -> None:
    found = {one.native_id: one for one in parse_waiting(recorded("waiting-22.05.txt"))}
    assert (found["6"].reason, found["6"].partition) == ("PartitionTimeLimit", "short")
    assert found["7"].numbers == (range(1, 41),)
    assert "4" not in found, "it has ended"


@pytest.mark.parametrize("text", ["12\n", "12;cluster\n", "welcome to the cluster\n12\n"])
def test_what_sbatch_prints(text: str) -> None:
    assert parse_sbatch(Completed(0, text, "")) == "12"


@pytest.mark.parametrize("text", ["", "Submitted batch job 12\n", "12.5\n"])
def test_what_sbatch_does_not_print(text: str) -> None:
    with pytest.raises(ParseError):
        parse_sbatch(Completed(0, text, ""))


def test_the_site() -> None:
    site = parse_config(recorded("config-22.05.txt"))
    assert site == (1000, 300, False, 1000)
    on = "MaxArraySize = 4001\nMinJobAge = 30 sec\nAccountingStorageType = accounting_storage/slurmdbd\n"
    assert parse_config(Completed(0, on, "")) == (4000, 30, True, 4000)
    fewer = "MaxArraySize = 4001\nSchedulerParameters = bf_interval=5,max_array_tasks=50\n"
    assert parse_config(Completed(0, fewer, "")) == (50, None, False, 4000)
    assert parse_config(Completed(0, "MaxArraySize = 0\n", "")).max_array == 1, "the cluster refuses that"
    with pytest.raises(ParseError):
        parse_config(Completed(0, "", ""))


def test_partitions() -> None:
    assert parse_partitions(Completed(0, "main*|up\nshort|up\n", "")) == ["main*", "short"]


# -- sacct: recorded, and made from its documentation where that could not be had ------------------------


def test_accounting_as_recorded() -> None:
    watched = [launch(str(native_id)) for native_id in range(10001, 10009)]
    found = parse_sacct(recorded("sacct-22.05.txt"), watched)
    assert set(found) == {
        ("10001", 1),
        ("10001", 2),
        ("10001", 3),
        ("10001", 4),
        ("10002", 0),
        ("10004", 0),
        ("10008", 0),
    }
    assert [found["10001", number].exit_status for number in (1, 2, 3, 4)] == [0, 1, 2, 3]
    assert (found["10002", 0].cause, found["10002", 0].signal) == (Cause.SIGNAL, 9)
    assert found["10004", 0].saw is Saw.STOPPED
    usage = found["10008", 0].usage
    assert usage is not None
    assert (usage.cpu_seconds, usage.peak_memory_bytes) == (23.877, 93044 * 1024)


SACCT = """\
2_1|COMPLETED|0:0|1795971450|1795971457|1795971459|n1|00:01.500|
2_1.batch|COMPLETED|0:0|1795971457|1795971457|1795971459|n1|00:01.500|1500K
2_2|FAILED|3:0|1795971450|1795971457|1795971459|n1|00:00:01|
2_[3-5]|PENDING|0:0|1795971450|Unknown|Unknown|None assigned|00:00:00|
3|CANCELLED by 0|0:0|1795971450|1795971457|1795971459|n1|1-02:03:04|
3.batch|CANCELLED|0:15|1795971457|1795971457|1795971459|n1|1-02:03:04|1.5G
3.extern|COMPLETED|0:0|1795971457|1795971457|1795971459|n1|00:00.001|1K
4|TIMEOUT|0:0|1700000000|1795971457|1795971459|n1|00:00:01|
5|RUNNING|0:0|1795971450|1795971457|Unknown|n1|00:00:00|
6|OUT_OF_MEMORY|0:125|1795971450|1795971457|1795971459|n1|00:00:00|
"""


def launch(native_id: str) -> Watched:
    return Watched(
        token=f"{int(native_id):014x}", native_id=native_id, job_id=int(native_id), created_at=1795971450.5,
        maker_is_dead=True, array=None, tasks=(), default=Status.QUEUED, rows={}, ended=frozenset(),
        folder="/x",
    )  # fmt: skip


def test_what_accounting_says() -> None:
    found = parse_sacct(Completed(0, SACCT, ""), [launch(one) for one in "23456"])
    assert set(found) == {("2", 1), ("2", 2), ("3", 0), ("6", 0)}, (
        "job 4 was made before ours: it is another one"
    )
    assert found["2", 1].usage is not None
    assert (found["2", 1].usage.cpu_seconds, found["2", 1].usage.peak_memory_bytes) == (1.5, 1500 * 1024)
    assert (found["2", 2].cause, found["2", 2].exit_status) == (Cause.EXIT, 3)
    assert found["3", 0].saw is Saw.STOPPED
    assert found["3", 0].usage is not None
    assert found["3", 0].usage.cpu_seconds == 26 * 3600 + 184
    assert found["6", 0].cause is Cause.MEMORY
    assert found["2", 1].token == launch("2").token


def test_a_site_without_accounting() -> None:
    off = Completed(1, "", "Slurm accounting storage is disabled\n")
    assert parse_sacct(off, [launch("2")]) == {}
    with pytest.raises(ParseError, match="Connection refused"):
        parse_sacct(Completed(1, "", "sacct: error: Connection refused\n"), [launch("2")])
