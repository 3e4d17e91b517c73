"""The words of the command line, before the option parser sees them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncjman.cli.argv import COMMANDS, find_command
from asyncjman.cli.parser import parser_of
from tests.cli.tools import normalize, options_of

ALIASES = [(name, alias) for name, aliases in COMMANDS.items() for alias in (name, *aliases)]

GRIDTK = {
    "submit": {"sub"},
    "execute": {"run-scheduler", "sched", "x"},
    "list": {"ls"},
    "report": {"rep", "r"},
    "resubmit": {"reset", "requeue", "re"},
    "stop": set(),
    "delete": {"del", "rm", "remove"},
    "wait": set(),
}


def test_all_commands_and_their_other_names() -> None:
    known = {name: set(aliases) for name, aliases in COMMANDS.items()}
    assert GRIDTK.items() <= known.items()


@pytest.mark.parametrize(("name", "alias"), ALIASES)
def test_other_names(name: str, alias: str) -> None:
    assert normalize(["-l", alias]) == (name, ["-l", name])


def test_the_options_before_the_command_that_take_a_value() -> None:
    """They are looked for before there is a parser: these are the ones that it knows."""
    for one in parser_of("list").params:
        for name in one.opts:
            takes = not (one.is_flag or one.count)
            assert find_command([name, "x", "list"]) == (2 if takes else 1), name


def test_several_values_are_taken_by_what_an_option_is() -> None:
    several = {
        (command, name) for command in COMMANDS for name, one in options_of(command).items() if one.more
    }
    submit = (
        "-x",
        "--dependencies",
        "--after-any",
        "--after-ok",
        "--after-notok",
        "--after-corr",
        "-s",
        "--sweep",
    )
    assert {("submit", name) for name in submit} <= several
    assert {
        ("list", "-n"),
        ("list", "-s"),
        ("delete", "-s"),
        ("stop", "-a"),
        ("resubmit", "--where"),
    } <= several
    assert {(command, "-j") for command in ("list", "execute", "resubmit", "wait", "why")} <= several
    assert not {("submit", "-n"), ("submit", "--retry-on"), ("report", "-n")} & several


@pytest.mark.parametrize(
    ("argv", "at"),
    [
        ([], None),
        (["-V"], None),
        (["list"], 0),
        (["-l", "list"], 1),
        (["-d", "list", "stop"], 2),
        (["--db", "x", "stop"], 2),
        (["--database=x", "stop"], 1),
        (["-ld", "list", "stop"], 2),
        (["-dlist", "stop"], 1),
        (["-vv", "-l", "x"], 2),
    ],
)
def test_find_command(argv: list[str], at: int | None) -> None:
    assert find_command(argv) == at


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ("submit -x 1 2 -- cmd 3", "submit -x 1 -x 2 -- cmd 3"),
        ("submit -x @ name:a @-1 -- cmd 3", "submit -x @ -x name:a -x @-1 -- cmd 3"),
        ("submit --sweep a=1 b=2 -k -- cmd c=3", "submit --sweep a=1 --sweep b=2 -k -- cmd c=3"),
        ("submit -kn a -x 1 2 -- cmd", "submit -kn a -x 1 -x 2 -- cmd"),
        ("submit -ka -x 1 2 -- cmd", "submit -ka -x 1 -x 2 -- cmd"),
        ("re train -q 1d @ -o cmd -j", "resubmit -j train -q 1d -j @ --overwrite-command -- cmd -j"),
        ("re -m 4G -I 3 -o cmd", "resubmit -m 4G -I -j 3 --overwrite-command -- cmd"),
        ("submit -x 1 2 -n a -- cmd", "submit -x 1 -x 2 -n a -- cmd"),
        ("submit -x 1 2 -n a cmd", "submit -x 1 -x 2 -n a cmd"),
        ("submit -x 1,2 5-7 10+2 -- cmd", "submit -x 1,2 -x 5-7 -x 10+2 -- cmd"),
        ("submit -x 1 2", "submit -x 1 2"),
        ("submit -x 1 2 3", "submit -x 1 2 3"),
        ("submit -s A=1 B=2 -- cmd C=3", "submit -s A=1 -s B=2 -- cmd C=3"),
        ("submit --after-ok 1 2 -- cmd", "submit --after-ok 1 --after-ok 2 -- cmd"),
        ("submit cmd -- -x 1 2 -- y", "submit cmd -- -x 1 2 -- y"),
        ("submit -- -x 1 2 -- y", "submit -- -x 1 2 -- y"),
        ("re -j 3 -o cmd -j 4 5", "resubmit -j 3 --overwrite-command -- cmd -j 4 5"),
        ("re -j 3 4", "resubmit -j 3 -j 4"),
        ("re -o -- cmd -o", "resubmit --overwrite-command -- cmd -o"),
        ("re --overwrite-command cmd a", "resubmit --overwrite-command -- cmd a"),
        ("ls -n a b -s success failure", "list -n a -n b -s success -s failure"),
        ("r -j 1 2 -a 3 4", "report -j 1 -j 2 -a 3 -a 4"),
        ("stop -j 1 2-3", "stop -j 1 -j 2-3"),
        ("rm -s success failure 3", "delete -s success -s failure 3"),
        ("x -p 4 -j 1 2", "execute -p 4 -j 1 -j 2"),
        ("no-such -j 1 2", "no-such -j 1 2"),
    ],
)
def test_forms_of_gridtk(argv: str, expected: str) -> None:
    assert normalize(argv.split())[1] == expected.split()


WORDS = st.lists(
    st.one_of(
        st.sampled_from(["-x", "-s", "-j", "-n", "-a", "-o", "--", "-", "", "1", "2-3", "10+2", "A=1", "=", "-k",  # noqa: E501
                         "--help", "--after-ok", "--json", "success", "cmd", "--environment=A=1", "submit"]),
        st.text(st.characters(exclude_categories=()), max_size=4),
    ),
    max_size=8,
)  # fmt: skip
OPTIONS = st.lists(
    st.sampled_from(
        [["-k"], ["-n", "a"], ["-x", "1"], ["-x", "1", "2"], ["-s", "A=1"], ["-s", "A=1", "B=2"], ["-t", "3"],
         ["--after-ok", "4", "5-6"], ["-l", "logs"], ["--environment", "A= -x"]]
    ),
    max_size=4,
).map(lambda some: [word for one in some for word in one])  # fmt: skip


@given(options=OPTIONS, command=WORDS)
def test_after_dashes_all_words_stay(options: list[str], command: list[str]) -> None:
    name, words = normalize(["-l", "submit", *options, "--", *command])
    assert name == "submit"
    at = words.index("--")
    assert words[at + 1 :] == command


@given(options=OPTIONS, command=WORDS)
def test_no_value_of_an_option_is_lost(options: list[str], command: list[str]) -> None:
    words = normalize(["submit", *options, "--", *command])[1]
    head = words[1 : words.index("--")]
    flags = {"-x", "-s", "--after-ok", "--environment", "-n", "-l", "-t", "-k"}
    values = [word for word in options if word not in flags]
    assert [word for word in head if word not in flags] == values


@given(before=st.sampled_from([[], ["-j", "3"], ["--clean"], ["-j", "1", "2", "-k"]]), command=WORDS)
def test_a_new_command_stays(before: list[str], command: list[str]) -> None:
    words = normalize(["resubmit", *before, "-o", *command])[1]
    at = words.index("--")
    assert words[at - 1] == "--overwrite-command"
    assert words[at + 1 :] == (command[1:] if command[:1] == ["--"] else command)


@given(WORDS)
def test_never_fails(argv: list[str]) -> None:
    for name in COMMANDS:
        normalize([name, *argv])
    normalize(argv)


@given(st.lists(st.from_regex(r"\A([1-9][0-9]{0,2}|[1-9]-9|[1-9]\+[0-9])\Z"), min_size=1, max_size=6))
def test_all_ids_arrive(ids: list[str]) -> None:
    for command in ("list", "report", "stop", "delete", "execute", "resubmit", "wait"):
        words = normalize([command, "-j", *ids])[1]
        assert words == [command, *(word for one in ids for word in ("-j", one))]


@pytest.mark.parametrize("command", [["echo", "-x", "1", "2", "-n"], ["sort", "-s", "A=1", "B=2", "-r"]])
def test_the_users_command_stays_without_dashes_too(command: list[str]) -> None:
    words = normalize(["submit", "-k", *command])[1]
    assert words == ["submit", "-k", *command]


def test_a_new_command_may_hold_dash_o() -> None:
    words = normalize(["resubmit", "-j", "1", "--overwrite-command", "sort", "-o", "out", "in"])[1]
    assert words == ["resubmit", "-j", "1", "--overwrite-command", "--", "sort", "-o", "out", "in"]


def test_a_value_that_looks_like_an_option() -> None:
    assert normalize(["submit", "-n", "-x", "--", "1", "2"])[1] == ["submit", "-n", "-x", "--", "1", "2"]
    # the name is "-s", what follows is the user's command
    assert normalize(["submit", "-n", "-s", "A=1", "B=2", "-k"])[1] == [
        "submit",
        "-n",
        "-s",
        "A=1",
        "B=2",
        "-k",
    ]
