"""What reads the words of users and files: each with what must hold for any bytes at all."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncjman.api.request import array_of_sweep, parse_environment
from asyncjman.api.sweepfile import read_sweep
from asyncjman.engines.cluster.dialect import ParseError
from asyncjman.engines.cluster.records import RecordKind, parse_record
from asyncjman.engines.sge.accounting import latest, parse_qacct
from asyncjman.engines.sge.qstat import parse_qstat
from asyncjman.engines.sge.qstat_job import parse_qstat_j
from asyncjman.engines.sge.resources import make_rules
from asyncjman.errors import JmanError
from asyncjman.model.array import ArraySpec
from asyncjman.model.ids import Numbers, parse_words
from asyncjman.model.selection import format_ids
from asyncjman.model.status import Status
from asyncjman.model.sweep import Sweep
from asyncjman.settings import extra_options, load

RECORDED = Path(__file__).parents[1] / "engines" / "sge" / "recorded"


def text_of(data: bytes) -> str:
    """Return bytes as Python shows arguments: those that are not UTF-8 as surrogates."""
    return data.decode("utf-8", "surrogateescape")


def check_array(data: bytes) -> None:
    with suppress(JmanError):
        spec = ArraySpec.parse(text_of(data))
        assert len(spec) > 0
        assert ArraySpec.parse(str(spec)) == spec
        assert all(one[0] >= 1 and one[-1] < 2**31 for one in spec.ranges)
        some = spec.slice(0, 50)
        assert some and len(set(some)) == len(some) and all(one in spec for one in some)
        assert [spec.index(one) for one in some] == list(range(len(some)))


def check_ids(data: bytes) -> None:
    with suppress(JmanError):
        words = parse_words(text_of(data).split("\n"))
        assert parse_words(map(str, words)) == words
        numbers = [word.target.ids for word in words if isinstance(word.target, Numbers)]
        tasks = [one for word in words for one in word.tasks]
        assert all(0 <= one[0] <= one[-1] < 2**63 for one in (*numbers, *tasks))
        small = {one for some in numbers for one in some[:20]}
        if small:
            again = [word.target for word in parse_words([format_ids(small)])]
            assert {one for some in again if isinstance(some, Numbers) for one in some.ids} == small


def check_variables(data: bytes) -> None:
    with suppress(JmanError):
        items = text_of(data).split("\n")
        found = parse_environment(items)
        assert all(key and "=" not in key for key in found)
        assert {f"{key}={value}" for key, value in found.items()} <= set(items)


def check_sweep(data: bytes) -> None:
    """The first byte says whether it is words of the command line or a file, and of which kind."""
    kind, rest = data[:1], data[1:]
    suffix = {b"c": ".csv", b"j": ".json", b"t": ".toml"}.get(kind)
    paired = kind == b"p"
    with suppress(JmanError):
        if suffix is None:
            sweep = Sweep.parse(text_of(rest).split("\n"), paired=paired)
        else:
            sweep = in_file(f"sweep{suffix}", rest, read_sweep)
        assert Sweep.loads(sweep.dumps()) == sweep
        assert len(array_of_sweep(sweep, None)) == len(sweep)
        assert sweep.at(len(sweep) - 1).keys() == {name for name, _ in sweep.columns}


def check_settings(data: bytes) -> None:
    with suppress(JmanError):
        found = in_file("jman.toml", data, lambda file: load(file.parent, environment=SETTINGS_HOME))
        make_rules(found.resources)
        extra_options(found, "sge", given=False)
    with suppress(JmanError):
        known = {**SETTINGS_HOME, "JMAN_PROFILE": "p"}
        in_file("jman.toml", data, lambda file: load(file.parent, environment=known))


def check_qstat(data: bytes) -> None:
    with suppress(ParseError):
        for one in parse_qstat(data):
            assert one.state_codes and one.native_id >= 0
            assert one.tasks is None or all(one.tasks)


def check_accounting(data: bytes) -> None:
    text = text_of(data)
    with suppress(ParseError):
        for one in latest(parse_qacct(text)).values():
            # a success is said in two whole lines
            assert not one.succeeded or (has_zero(text, "exit_status") and has_zero(text, "failed"))
            assert one.peak_memory_bytes is None or one.peak_memory_bytes >= 0
    with suppress(ParseError):
        assert parse_qstat_j(text)


def has_zero(text: str, field: str) -> bool:
    """Tell whether some whole line gives a field the number 0."""
    lines = (line.strip().partition(" ") for line in text.split("\n")[:-1])
    return any(key == field and value.strip().lstrip("-+")[:1] == "0" for key, _, value in lines)


def check_record(data: bytes) -> None:
    text = text_of(data)
    for kind in RecordKind:
        record = parse_record(kind, text)
        if record is None:
            continue
        assert text.startswith("jman 1\n") and text.endswith("\nend\n")
        assert record.status is not Status.EXECUTING or kind is RecordKind.START
        assert record.status is not Status.SUCCESS or "\nexit_status " in text


SETTINGS_HOME = {"HOME": "/nonexistent"}


def in_file(name: str, data: bytes, read: Callable[[Path], Any]) -> Any:
    """Let something read a file of these bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        return read(path)


NESTED = b"<job_info><job_list><a>x<job_list>text</job_list></a></job_list></job_info>"
RECORD = (
    b"jman 1\njob 1\ntask 2\nattempt 1\ngrid 7\nhost h\ntime 5.5\nstarted 4\nsignal TERM\nexit_status 0\n"
)
RECORD += b"end\n"
SETTINGS = b"""poll-interval = 0.5
queue = "all.q"
sge-extra-args-default = "-l 'a b'"
[resources]
queue-option = "-q"
default_queues = ["a"]
[profiles.p]
vanish-grace = 3
"""


@dataclass(frozen=True)
class Parser:
    """A check, and bytes to begin with."""

    check: Callable[[bytes], None]
    seeds: Iterable[bytes]


def recorded(pattern: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(RECORDED.glob(pattern))]


PARSERS = {
    "array": Parser(check_array, [b"10", b"2-10", b"1-10:2,15%4", b"1,3,7-9"]),
    "ids": Parser(check_ids, [b"3 1-4,10+2", b"job:7\ngrid:7-9", b"2.3,5 @-1\nname:a b\ntr*"]),
    "variables": Parser(check_variables, [b"A=b\nC=\n", b"A=b=c\nA=2"]),
    "sweep": Parser(
        check_sweep,
        [
            b" a=1-5:2,x\nb=1,2",
            b"pa=1,2\nb=3,4",
            b"ca,b\n1,2\n",
            b'j{"a": [1, 2]}',
            b'j[{"a": 1}]',
            b"ta = [1]",
        ],
    ),
    "settings": Parser(check_settings, [SETTINGS]),
    "qstat": Parser(check_qstat, [*recorded("qstat_*.xml"), NESTED]),
    "accounting": Parser(check_accounting, recorded("*.txt")),
    "record": Parser(check_record, [RECORD, RECORD.replace(b"exit_status 0", b"skipped 3\nreason no")]),
}
