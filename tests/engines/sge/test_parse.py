"""Parsers on output recorded from a cell (Son of Grid Engine 8.1.9), and on garbage."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncjman.engines.base import Saw
from asyncjman.engines.sge.parse import (
    ParseError,
    is_error,
    latest,
    note_of,
    parse_qacct,
    parse_qstat,
    parse_qstat_j,
    parse_qsub,
    parse_tasks,
    saw_of,
)

RECORDED = Path(__file__).parent / "recorded"
MIXED = (RECORDED / "qstat_mixed.xml").read_bytes()
DETAILS = (RECORDED / "qstat_j_mixed.txt").read_text()
ACCOUNT = (RECORDED / "qacct_account.txt").read_text()


@pytest.mark.parametrize(
    ("printed", "native_id"),
    [("3\n", 3), ("4.1-4:1\n", 4), ("6.3-3:1", 6), ("Welcome to our site 7\n6151645\n\n", 6151645)],
)
def test_qsub(printed: str, native_id: int) -> None:
    assert parse_qsub(printed) == native_id


@pytest.mark.parametrize("printed", ["", "Your job 8", "8.1", "99999999999"])
def test_qsub_without_a_number(printed: str) -> None:
    with pytest.raises(ParseError):
        parse_qsub(printed)


def test_qstat() -> None:
    entries = parse_qstat(MIXED)
    assert [(one.native_id, one.state_codes, one.tasks) for one in entries] == [
        (7, "r", None),
        (9, "t", (range(3, 4),)),
        (12, "t", (range(1, 2),)),
        (9, "Eqw", (range(1, 2), range(2, 3))),
        (10, "qw", None),
        (11, "hqw", (range(1, 6, 2),)),
        (12, "qw", (range(2, 101),)),
    ]
    first, last = entries[0], entries[-1]
    assert (first.name, first.queue, first.host) == ("mem", "all.q", "localhost")
    assert first.started_at == datetime(2026, 11, 23, 4, 27, 37).timestamp()
    assert (last.queue, last.host, last.started_at) == (None, None, None)


def test_qstat_with_no_job() -> None:
    assert parse_qstat((RECORDED / "qstat_empty.xml").read_bytes()) == []


def test_qstat_of_other_versions() -> None:
    entry = "<job_list x='y'><state>r</state><new>1</new><JB_job_number>5</JB_job_number>"
    entry += "<JB_name>a%lt;b</JB_name>"
    entry += "<JAT_start_time>2026-11-22T21:42:58.843834</JAT_start_time></job_list>"
    (found,) = parse_qstat(f"<a:job_info xmlns:a='z'>{entry}</a:job_info>")
    assert found.name == "a<b"
    assert found.started_at is not None


@pytest.mark.parametrize(
    "xml",
    [
        b"",
        b"error: commlib error",
        MIXED[:-20],
        MIXED.replace(b"<job_info  ", b"<!DOCTYPE job_info [<!ENTITY a 'aaaa'>]><job_info  "),
        b"<comunication_error></comunication_error>",
        b"<html><body/></html>",
        b"<job_info><job_list><state>r</state></job_list></job_info>",
        b"<job_info><job_list><a>x<job_list>text</job_list></a></job_list></job_info>",
        MIXED.replace(b"2-100:1", b"2-1"),
        MIXED.replace(b"2-100:1", b"1" * 5000),
        b"<?xml version='1.0' encoding='no-such'?><job_info><\xff/></job_info>",
    ],
)
def test_qstat_that_tells_nothing(xml: bytes) -> None:
    with pytest.raises(ParseError):
        parse_qstat(xml)


def test_tasks() -> None:
    assert parse_tasks("1,3-5:1,10-20:5") == (range(1, 2), range(3, 6), range(10, 21, 5))


@pytest.mark.parametrize(
    ("state_codes", "saw", "note"),
    [
        ("qw", Saw.PENDING, None),
        ("hqw", Saw.HELD, "held"),
        ("hRqw", Saw.HELD, "held"),
        ("Rq", Saw.PENDING, "restarted"),
        ("t", Saw.RUNNING, None),
        ("r", Saw.RUNNING, None),
        ("hr", Saw.RUNNING, None),
        ("Rr", Saw.RUNNING, "restarted"),
        ("s", Saw.RUNNING, "suspended"),
        ("ts", Saw.RUNNING, "suspended"),
        ("S", Saw.RUNNING, "suspended with its queue"),
        ("T", Saw.RUNNING, "suspended by a load threshold"),
        ("N", Saw.RUNNING, "suspended"),
        ("dr", Saw.RUNNING, "being deleted"),
        ("ds", Saw.RUNNING, "being deleted"),
        ("dqw", Saw.PENDING, "being deleted"),
        ("Eqw", Saw.PENDING, "error"),
        ("Ehqw", Saw.PENDING, "error"),
        ("z", None, None),
        ("f", None, None),
        ("", None, None),
        ("x!", None, None),
    ],
)
def test_letters(state_codes: str, saw: Saw | None, note: str | None) -> None:
    assert saw_of(state_codes) is saw
    assert note_of(state_codes) == note
    assert is_error(state_codes) == (note == "error")


def test_qstat_j() -> None:
    failed, big, held, running = parse_qstat_j(DETAILS)
    assert failed.native_id == 9
    assert sorted(failed.error_reasons) == [1, 2]
    assert "error: can't chdir to /nonexistent: No such file or directory" in failed.error_reasons[2][0]
    assert failed.scheduling[-1] == "Job is in error state"
    assert big.resources == {"mem_free": "512G"}
    assert big.scheduling[1].endswith(
        'cannot run at host "localhost" because it offers only hl:mem_free=23.157G'
    )
    assert held.hold == (10, 7)
    assert running.queues == ("all.q",)
    assert running.environment == ("pe_mth", "2")
    assert (running.name, running.account, running.resources) == ("rec_slp", "rec1", {"h_rt": "3"})
    assert parse_qstat_j(DETAILS.replace("mail_list:", "context:  jman=tok1,b=2\nx:"))[0].context == {
        "jman": "tok1",
        "b": "2",
    }


def test_qstat_j_of_nothing() -> None:
    with pytest.raises(ParseError):
        parse_qstat_j("")


def test_qacct() -> None:
    found = parse_qacct(ACCOUNT)
    assert [(one.native_id, one.task_id, one.failed, one.exit_status) for one in found] == [
        (8, 2, 0, 2),
        (8, 4, 0, 4),
        (8, 6, 0, 6),
        (9, 1, 28, 0),
        (9, 2, 28, 0),
        (9, 3, 28, 0),
        (12, 1, 37, 137),
    ]
    eqw, limit = found[3], found[-1]
    assert (eqw.started_at, eqw.failed_text, eqw.succeeded) == (
        None,
        "changing into working directory",
        False,
    )
    assert limit.failed_text == "qmaster enforced h_rt, h_cpu, or h_vmem limit"
    assert (limit.signal, limit.slots, limit.host, limit.cpu_seconds) == (9, 2, "localhost", 0.007)
    assert limit.peak_memory_bytes == round(4.449 * 1024 * 1024)
    assert limit.finished_at is not None
    assert limit.started_at is not None
    assert limit.finished_at - limit.started_at == 4


def record(**fields: str) -> str:
    lines = {"jobnumber": "5", "taskid": "undefined", "failed": "0", "exit_status": "0", **fields}
    return "=" * 62 + "\n" + "".join(f"{key:<12} {value}\n" for key, value in lines.items())


def test_qacct_of_other_versions() -> None:
    (old,) = parse_qacct(record(ru_maxrss="4400", maxvmem="4.2M", cpu="3", start_time="1970-01-01"))
    assert (old.task_id, old.peak_memory_bytes, old.peak_virtual_memory_bytes) == (0, 4400 * 1024, 4404019)
    assert (old.cpu_seconds, old.started_at) == (3.0, None)
    (univa,) = parse_qacct(
        record(start_time="11/22/2026 21:42:58.123", end_time="1763851234567", maxrss="1.5G")
    )
    assert univa.peak_memory_bytes == 1610612736
    assert univa.finished_at == 1763851234.567
    assert univa.started_at is not None
    (open_cluster,) = parse_qacct(
        record(start_time="1763851234567890", exit_status="143 (Terminated)", failed="100")
    )
    assert open_cluster.started_at == 1763851234.56789
    assert open_cluster.signal == 15


def test_the_last_record_of_a_task_counts() -> None:
    found = latest(parse_qacct(record(failed="28 : x") + record(exit_status="3") + record(taskid="2")))
    assert {key: one.exit_status for key, one in found.items()} == {(5, 0): 3, (5, 2): 0}


def test_a_record_that_is_cut_off_is_left_out() -> None:
    text = record() + record(exit_status="137")
    for length in range(len(record()) + 1, len(text)):
        assert all(one.exit_status in (0, 137) for one in parse_qacct(text[:length]))
    assert parse_qacct(text[: text.index("137") + 2])[1:] == []


def test_qacct_of_a_cell_in_which_no_job_has_ended() -> None:
    assert parse_qacct("no jobs running since startup\n") == []


def test_qacct_that_found_nothing() -> None:
    assert parse_qacct("ACCOUNT   WALLCLOCK\n" + "=" * 120 + "\n") == []
    assert parse_qacct("") == []
    with pytest.raises(ParseError):
        parse_qacct("error: job id 63 not found\n")


def test_a_tag_that_looks_like_a_field_changes_nothing() -> None:
    (found,) = parse_qacct(
        record(exit_status="3") + "ACCOUNT WALLCLOCK\n" + "=" * 120 + "\nexit_status   0\n"
    )
    assert found.exit_status == 3


def damaged(data: bytes, seed: int) -> bytes:
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randrange(len(data) + 1), chance.randrange(40)
        data = data[:at] + chance.randbytes(chance.randrange(8)) + data[at + length :]
    return data


@settings(max_examples=150, deadline=2000)
@given(st.integers(), st.binary(max_size=60))
def test_damaged_output_raises_parse_errors_only(seed: int, garbage: bytes) -> None:
    texts: list[tuple[Callable[[str], object], str]] = [
        (parse_qsub, "Welcome\n4.1-4:1\n"),
        (parse_qstat_j, DETAILS),
        (parse_qacct, ACCOUNT[:4000]),
    ]
    for data in (damaged(MIXED, seed), garbage, MIXED[: seed % len(MIXED)]):
        with suppress(ParseError):
            parse_qstat(data)
    for parse, text in texts:
        for data in (damaged(text.encode(), seed), garbage):
            with suppress(ParseError):
                parse(data.decode("utf-8", "surrogateescape"))
