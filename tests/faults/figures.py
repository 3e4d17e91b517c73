"""A plugin of pytest that prints a line of figures for each test, and writes them to a file.

``pytest -p tests.faults.figures --figures FILE``; what is in the file already is kept.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--figures", type=Path, help="append figures of the tests to this file")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return  # of pytest-xdist: the process that gathers what all of them report tells it
    kinds = ("passed", "failed", "error", "skipped", "xfailed")
    reports = [one for kind in kinds for one in of(terminalreporter, kind)]
    lines = figures(reports)
    terminalreporter.write_sep("-", "figures")
    for line in lines:
        terminalreporter.write_line(line)
    if file := config.getoption("figures"):
        with file.open("a", encoding="utf-8") as stream:
            stream.writelines(f"{line}\n" for line in lines)


def of(terminalreporter: pytest.TerminalReporter, kind: str) -> list[pytest.TestReport]:
    return [one for one in terminalreporter.stats.get(kind, []) if isinstance(one, pytest.TestReport)]


def figures(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Return what tests told themselves; of the others how many trials, survived and not."""
    own: list[str] = []
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    seconds: Counter[str] = Counter()
    for one in reports:
        name = one.nodeid.partition("[")[0].removeprefix("tests/").replace(".py::", ": ")
        told = [str(value) for key, value in one.user_properties if key == "figures"]
        if told and one.passed:
            own += told
        else:
            counts[name]["known" if hasattr(one, "wasxfail") else one.outcome] += 1
            seconds[name] += round(one.duration)
    lines = []
    for name, count in sorted(counts.items()):
        trials = count["passed"] + count["failed"] + count["known"]
        words = f"{trials} trials, {count['passed']} survived, {count['failed']} FAILED"
        if count["known"]:
            words += f", {count['known']} not survived as is known"
        if count["skipped"]:
            words += f", {count['skipped']} skipped"
        lines.append(f"{name}: {words}; {seconds[name]} s")
    return [*sorted(own), *lines]
