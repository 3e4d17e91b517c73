"""Record files: read in one pass, tolerant, compacted without loss."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asyncjman.engines.cluster import compacted, records
from asyncjman.engines.cluster.records import RecordKind, parse_record
from asyncjman.model.status import Status

TEXT = (
    "jman 1\njob 42\ntask {task}\nattempt 2\ngrid 6151645\nhost node7\ntime 1763851240.5\n"
    "started 1763851234\nsignal USR1\nexit_status {status}\nend\n"
)


def write(folder: Path, task_id: int, status: int = 0) -> Path:
    path = folder / f"exit.{task_id}"
    path.write_text(TEXT.format(task=task_id, status=status))
    (folder / f"start.{task_id}").write_text(f"jman 1\njob 42\ntask {task_id}\nattempt 2\ntime 1\nend\n")
    return path


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ("times\n0m0.001s 0m0.002s\n1m2.500s 0m0.250s\n", 62.75),
        ("times\n0m0,00s 0m0,00s\n0m2,50s 0m0,25s\n", 2.75),
        ("times\n", None),
        ("times\n0m0.00s 0m0.00s\nnonsense\n", None),
        ("times\n0m0.00s 0m0.00s\n0mnans 0m0.00s\n", None),
    ],
)
def test_cpu_seconds(lines: str, seconds: float | None) -> None:
    text = TEXT.format(task=3, status=0).removesuffix("end\n") + lines + "end\n"
    record = parse_record(RecordKind.EXIT, text)
    assert record is not None and (record.exit_status, record.cpu_seconds) == (0, seconds)


def test_a_record_says_all() -> None:
    record = parse_record(RecordKind.EXIT, TEXT.format(task=3, status=137))
    assert record is not None
    assert (record.job_id, record.task_id, record.attempt, record.native_id) == (42, 3, 2, "6151645")
    assert (record.host, record.time, record.started_at) == ("node7", 1763851240.5, 1763851234.0)
    assert (record.exit_status, record.signal) == (137, 9)
    assert record.status is Status.FAILURE


@given(st.integers(0, len(TEXT.format(task=3, status=0)) - 1))
def test_a_record_that_is_cut_off_says_nothing(length: int) -> None:
    assert parse_record(RecordKind.EXIT, TEXT.format(task=3, status=0)[:length]) is None


@given(st.text(), st.sampled_from(RecordKind))
def test_garbage_says_nothing(text: str, kind: RecordKind) -> None:
    assert parse_record(kind, text) is None
    parse_record(kind, f"jman 1\njob 1\ntask 1\nattempt 1\n{text}\nend\n")


USUAL = (
    "jman 1\njob 42\ntask 3\nattempt 2\ngrid 6151645\nhost node7\nrestart unknown\n"
    "time 1763851240.123456789\nstarted 1763851234.5\nsignal \nexit_status 0\n"
    "times\n0m0.001s 0m0.002s\n1m2.500s 0m0.250s\nend\n"
)


@given(
    st.sampled_from(RecordKind),
    st.lists(
        st.tuples(
            st.integers(0, len(USUAL)),
            st.integers(0, 12),
            st.sampled_from(
                ("", "\n", " ", "0", "-1", "9" * 13, ",", "\r", "\x85", "\udcff", "٣", "reason x\n")
            )
            | st.sampled_from(USUAL.splitlines(keepends=True))
            | st.text(max_size=3),
        ),
        max_size=3,
    ),
)
@example(RecordKind.EXIT, [])
@example(RecordKind.START, [])
def test_a_usual_record_says_the_same_in_the_quick_way(
    kind: RecordKind, changes: list[tuple[int, int, str]]
) -> None:
    text = USUAL
    for at, length, piece in changes:
        text = text[:at] + piece + text[at + length :]
    assert parse_record(kind, text, changed_at=7.0) == records._parse_any(kind, text, 7.0, (0, 0))


def test_what_a_script_writes_at_the_end_is_usual() -> None:
    assert records._USUAL_END.fullmatch(USUAL)
    assert records._USUAL_END.fullmatch(USUAL.replace("unknown", "1").replace("signal ", "signal TERM"))


def test_scan_reads_what_is_a_record_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, 1)
    write(tmp_path, 2, 3)
    (tmp_path / "exit.2").unlink()
    write(tmp_path, 3)
    (tmp_path / "exit.3").write_bytes(b"\xff\0garbage")
    (tmp_path / "exit.4").write_text(TEXT.format(task=5, status=0))
    (tmp_path / "exit.6").mkdir()
    os.mkfifo(tmp_path / "exit.7")
    (tmp_path / "exit.8").symlink_to("/nonexistent")
    (tmp_path / ".exit.9.123").write_text(TEXT.format(task=9, status=0))
    found = {one.file_name: one for one in records.scan(tmp_path)}
    assert sorted(found) == ["exit.1", "start.2", "start.3"]
    assert list(records.scan(tmp_path / "gone")) == []


def test_compacting_deletes_what_was_read_and_keeps_what_is_newer(tmp_path: Path) -> None:
    for task_id in range(1, 6):
        write(tmp_path, task_id, task_id % 2)
    read = list(records.scan(tmp_path))
    later = tmp_path / "new"
    later.write_text(TEXT.format(task=5, status=7))
    later.replace(tmp_path / "exit.5")
    assert compacted.compact(tmp_path, read) == 4
    assert sorted(one.name for one in tmp_path.iterdir()) == ["exit.5", "folded", "start.5"]
    assert (tmp_path / "folded").read_text() == "1 1 2\n2 0 2\n3 1 2\n4 0 2\n5 1 2\n"
    compacted.clear(tmp_path, [2, 5])
    assert sorted(one.name for one in tmp_path.iterdir()) == ["folded"]
    assert (tmp_path / "folded").read_text() == "1 1 2\n3 1 2\n4 0 2\n"
    assert compacted.compact(tmp_path, []) == 0


def test_no_line_is_lost_where_several_write_at_once(tmp_path: Path) -> None:
    def work(start: int) -> None:
        for task_id in range(start, start + 40, 2):
            write(tmp_path, task_id)
            compacted.compact(tmp_path, [one for one in records.scan(tmp_path) if one.task_id == task_id])
            compacted.note(tmp_path, [(task_id + 1, False, 1), (9000, True, 1)])
            compacted.clear(tmp_path, [9000])

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, start * 100) for start in range(8)]:
            done.result()
    lines = {line.split()[0]: line for line in (tmp_path / "folded").read_text().splitlines()}
    lines.pop("9000", None)
    wanted = {
        n: f"{n} failed 1" if n % 2 else f"{n} 0 2" for s in range(8) for n in range(s * 100, s * 100 + 40)
    }
    assert lines == {str(n): line for n, line in wanted.items()}


def test_compacting_appends_and_clearing_shortens(tmp_path: Path) -> None:
    folded = tmp_path / "folded"
    compacted.note(tmp_path, [(1, False, 1), (2, True, 1)])
    before = folded.stat().st_ino
    compacted.note(tmp_path, [(1, True, 2)])
    assert (folded.read_text(), folded.stat().st_ino) == ("1 failed 1\n2 0 1\n1 0 2\n", before)
    compacted.clear(tmp_path, [3])
    assert folded.stat().st_ino == before
    compacted.clear(tmp_path, [2])
    assert folded.read_text() == "1 0 2\n"


def test_a_line_that_was_cut_off_spoils_no_other(tmp_path: Path) -> None:
    folded = tmp_path / "folded"
    folded.write_text("1 0 1\n23 0")
    compacted.note(tmp_path, [(3, True, 1)])
    assert folded.read_text() == "1 0 1\n23 0\n3 0 1\n"
    compacted.clear(tmp_path, [1])
    assert folded.read_text() == "3 0 1\n"


def test_all_of_them_are_forgotten(tmp_path: Path) -> None:
    """A job script runs nothing whose end is noted: also not where it was stopped before it started."""
    compacted.note(tmp_path, [(1, False, 1), (2, True, 1)])
    (tmp_path / "start.3").write_text("jman 1\njob 7\ntask 3\nattempt 1\nend\n")
    compacted.clear(tmp_path, None)
    assert (tmp_path / compacted.COMPACTED).read_text() == ""
    assert not (tmp_path / "start.3").exists()
