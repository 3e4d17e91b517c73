"""What is read of qstat's XML in the quick way is what the parser reads of it, whatever it is."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from asyncjman.engines.sge import qstat
from asyncjman.engines.sge.parse import ParseError, QueueEntry
from asyncjman.engines.sge.qstat_usual import usual_fields

MIXED = (Path(__file__).parent / "recorded" / "qstat_mixed.xml").read_text()
EMPTY = (Path(__file__).parent / "recorded" / "qstat_empty.xml").read_text()
PIECES = (
    "&amp;", "&#10;", "&", "<", ">", "]]>", "<a>", "</a>", "<a/>", "<!-- x -->", "<![CDATA[x]]>",
    "\r", "\0", "\x0b", "\x7f", "\t", "\n", "é", "\udcff", '"', "'",
    "<state>r</state>", "<state></state>", "<tasks>1-3:1</tasks>", "<tasks></tasks>", "<slots>2</slots>",
    '<job_list state="x">', "<job_list >", "</job_list>", "<job_list>x</job_list>", "</job_info>",
    "<job_info>", "<queue_info>", "</queue_info>", "<?xml version='1.0'?>", "<!DOCTYPE job_info>",
)  # fmt: skip


def entries(fields: Sequence[dict[str, str]]) -> list[QueueEntry] | str:
    try:
        return [qstat._entry(one) for one in fields]
    except ParseError as error:
        return str(error)


def check(xml: str) -> None:
    usual = usual_fields(xml)
    if usual is not None:
        assert entries(usual) == entries(qstat._parsed(xml))


def test_what_a_cell_printed_is_usual() -> None:
    for xml, count in ((MIXED, 7), (EMPTY, 0)):
        usual = usual_fields(xml)
        assert usual is not None and len(usual) == count
        check(xml)


@settings(max_examples=400, deadline=2000)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(MIXED)), st.integers(0, 3), st.sampled_from(PIECES) | st.text(max_size=3)
        ),
        max_size=3,
    )
)
@example([(0, 0, "<!DOCTYPE job_info>")])
@example([(len(MIXED), 0, "x")])
def test_damaged_output(changes: list[tuple[int, int, str]]) -> None:
    xml = MIXED
    for at, length, piece in changes:
        xml = xml[:at] + piece + xml[at + length :]
    check(xml)


@settings(max_examples=400, deadline=2000)
@given(st.integers(), st.integers(1, 6))
def test_lines_that_are_moved_lost_or_doubled(seed: int, count: int) -> None:
    chance, lines = random.Random(seed), MIXED.splitlines(keepends=True)
    for _ in range(count):
        at, to = chance.randrange(len(lines)), chance.randrange(len(lines))
        line = lines[at] if chance.random() < 0.5 else lines.pop(at)
        if chance.random() < 0.7:
            lines.insert(to, line)
    check("".join(lines))


@given(st.text())
def test_garbage(text: str) -> None:
    assert usual_fields(text) is None
