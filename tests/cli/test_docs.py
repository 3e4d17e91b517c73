"""The help and the README say what the commands do."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from asyncjman.cli.argv import COMMANDS
from asyncjman.cli.parser import parser_of
from tests.cli.tools import Jman, normalize

README = Path(__file__).parents[2] / "README.md"

# the table of options, gridtk's long and short names
OPTIONS = {
    "submit": "-n --name -x --dependencies -k --stop-on-failure -d --exec-dir -l --log-dir -s --environment "
    "-t --array --parametric -r --repeat -z --dry-run -o --print-id --json --after-ok --after-any "
    "--after-notok --after-corr --no-check --sweep --zip --sweep-file --from-file --retry --retry-on "
    "--retry-delay --timeout",
    "execute": "-p --parallel -j --job-ids -l --no-log-files -n --nice -x --die-when-finished "
    "--keep-running -s --sleep-time --progress --no-progress --json-lines",
    "list": "-j --job-ids -n --names -s --status -a --print-array-jobs -l --long -t --print-times "
    "-x --print-dependencies -o --ids-only --json",
    "report": "-j --job-ids -a --array-ids -n --name -s --status -e --errors-only -o --output-only "
    "-f --follow --json",
    "resubmit": "-j --job-ids --clean -k --keep-logs -s --also-success -a --running-jobs "
    "-o --overwrite-command --failed-only",
    "stop": "-j --job-ids -a --array-ids",
    "delete": "-j --job-ids -a --array-ids -s --status -r --keep-logs -R --keep-log-dir",
    "wait": "-j --job-ids --timeout",
}
GLOBAL = "-d --database --db -l --local -v --verbose -V --version"


def options_of(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", text))


def table(text: str) -> str:
    """The part of a help that lists the options, without the examples."""
    return text[max(text.find("\nArguments:"), 0) :]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(jman: Jman, command: str) -> None:
    text = jman(command, "--help").out
    assert re.search(r"^ *Examples?:", text, re.MULTILINE)
    examples = [line.strip() for line in text.splitlines() if line.strip().startswith("jman ")]
    assert any(f" {command}" in line for line in examples)
    assert jman(command, "-h").out == text


@pytest.mark.parametrize("command", OPTIONS)
def test_every_option_is_in_the_help(jman: Jman, command: str) -> None:
    known = options_of(table(jman(command, "--help", env={"COLUMNS": "200"}).out))
    assert set(OPTIONS[command].split()) - known == set()


def test_help_of_all(jman: Jman) -> None:
    text = jman("--help", env={"COLUMNS": "200"}).out
    assert set(GLOBAL.split()) - options_of(table(text)) == set()
    for command, aliases in COMMANDS.items():
        assert re.search(rf"^ +{command} .*{', '.join(aliases)}", text, re.MULTILINE), command
    assert jman().out.split() == jman("--help").out.split()


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_of_the_help_can_be_parsed(jman: Jman, command: str) -> None:
    """Each option in an example is one that the command has."""
    lines = [line.strip() for line in jman(command, "--help", env={"COLUMNS": "200"}).out.splitlines()]
    examples = [re.split(r" {2,}", line)[0] for line in lines if line.startswith("jman ")]
    assert examples
    for example in examples:
        name, words = normalize(shlex.split(example)[1:])
        assert name is not None, example
        group = parser_of(name)
        context = group.make_context("jman", words)
        one, parser, rest = group.resolve_command(context, [*context._protected_args, *context.args])
        parser.make_context(one, rest, parent=context)  # raises where it can't be parsed


@pytest.mark.parametrize("command", COMMANDS)
def test_no_option_is_given_twice(command: str) -> None:
    """A short name that two options of a command have would silently mean one of them."""
    parser = parser_of(command).commands[command]
    names = [name for one in parser.params for name in (*one.opts, *one.secondary_opts)]
    assert [name for name in names if names.count(name) > 1] == []


def test_table_of_commands_in_the_readme() -> None:
    found = {}
    for line in README.read_text("utf-8").splitlines():
        if match := re.match(r"\| `([a-z][a-z-]*)` \|([^|]*)\|", line):
            found[match[1]] = tuple(re.findall(r"`([^`]+)`", match[2]))
    for command, aliases in COMMANDS.items():
        assert found.get(command) == aliases, command
    assert set(found) <= set(COMMANDS)


def test_exit_codes_are_in_the_readme_and_the_help(jman: Jman) -> None:
    wanted = ("0 done", "1 a job failed", "2 usage", "3 environment", "130 interrupted")
    for text in (README.read_text("utf-8"), jman("--help").out):
        for one in wanted:
            assert one in " ".join(text.split())


FOLDER = README.parent
PAGES = [README, *sorted((FOLDER / "docs").glob("*.md"))]


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        other = page.parent / path if path else page
        assert other.exists(), target
        assert not anchor or anchor in anchors(other), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_are_there(page: Path) -> None:
    """Tests by their names, with folders or not; files of the package by their paths in it."""
    tests = list((FOLDER / "tests").rglob("test_*.py"))
    names = {path.stem for path in tests}
    names |= {
        name
        for path in tests
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text("utf-8"), re.M)
    }
    text = page.read_text("utf-8")
    assert set(re.findall(r"\b(test_\w+)\b", text)) - names == set()
    for path in re.findall(r"`((?:\w+/)+\w+\.(?:py|sql))`", text):
        assert any((FOLDER / start / path).exists() for start in ("", "asyncjman", "tests")), path


def test_files_of_the_scheduler_are_in_the_design() -> None:
    text = (FOLDER / "docs" / "design.md").read_text("utf-8")
    table = text[text.index("## The scheduler, file by file") : text.index("## The schema")]
    named = {
        name for row in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE) for name in re.findall(r"\w+", row)
    }
    files = {path.stem for path in (FOLDER / "asyncjman" / "scheduler").glob("[a-z]*.py")}
    assert named == files


def test_tables_are_in_the_design() -> None:
    files = (FOLDER / "asyncjman" / "store" / "sql").glob("*.sql")
    sql = "".join(file.read_text("utf-8") for file in files)
    text = (FOLDER / "docs" / "design.md").read_text("utf-8")
    table = text[text.index("## The schema") : text.index("## Arrays are sparse")]
    named = {
        name for row in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE) for name in re.findall(r"\w+", row)
    }
    assert named == set(re.findall(r"^CREATE TABLE (\w+)", sql, re.MULTILINE))
