"""One seed: done, judged, told."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from pathlib import Path

from tests.faults.model import endings, results
from tests.faults.model.commands import Command
from tests.faults.model.driver import Driver, History
from tests.faults.model.journal import TaskLine
from tests.faults.model.oracle import Oracle
from tests.faults.model.track import Violation

MOST_ALIKE = 3
MOST_SHOWN = 40


def run(folder: Path, seed: int, seconds: float) -> tuple[History, list[Violation]]:
    """Carry out a seed's operations for so long; return what happened, and what can't be."""
    history = Driver(folder, seed).run(seconds)
    return history, judge(history)


def judge(history: History) -> list[Violation]:
    oracle = Oracle(history)
    found = oracle.judge()
    found += chain.from_iterable(endings.judge(one, oracle) for one in history.commands)
    found += results.judge(history, oracle)
    return found


def describe(history: History, violations: list[Violation], seconds: float) -> str:
    """Say what happened in a line; where a promise was broken, what, and all that was done."""
    if not violations:
        return figures(history)
    lines = [f"seed {history.seed}: {len(violations)} broken promises", ""]
    shown = some_of_each(violations)
    lines += [f"- {one}" for one in shown]
    if len(violations) > len(shown):
        lines.append(f"- and {len(violations) - len(shown)} more like these")
    lines += ["", "what was done:", *operations(history)]
    for job, task in sorted({(one.job, one.task) for one in shown if one.job}):
        own = [
            one for one in history.lines if isinstance(one, TaskLine) and (one.job, one.task) == (job, task)
        ]
        lines += ["", f"task {job}.{task} wrote:"]
        lines += [
            f"  line {one.at}: {one.what} attempt {one.attempt}, by command {one.execute}, {one.code}"
            for one in own
        ]
    lines += ["", f"again: python -m tests.faults.model {history.seed} {seconds:g}", figures(history)]
    return "\n".join(lines)


def some_of_each(violations: list[Violation]) -> list[Violation]:
    """Return the first ones of each job and kind: one cause often shows in all tasks of an array."""
    count: Counter[tuple[int, str]] = Counter()
    shown = []
    for one in violations:
        kind = (one.job, one.what[:12])
        count[kind] += 1
        if count[kind] <= MOST_ALIKE:
            shown.append(one)
    return shown[:MOST_SHOWN]


def operations(history: History) -> list[str]:
    """Return a line for each step, with the command and its end; then those of the end."""
    lines = []
    for moment, step, number in history.steps:
        command = history.commands[number] if number is not None else None
        fate = f" [{step.fate.signal.name} after {step.fate.after:.2f} s]" if step.fate else ""
        beside = " &" if step.beside else ""
        if command is None or command.step != step.number:
            what = f"{step.operation}" + (f" -> command {number}" if command else "")
        else:
            what = told(command)
        lines.append(f"  {moment:6.2f} s{beside} {what}{fate}")
    return lines + [f"      end: {told(one)}" for one in history.commands if one.step == 0]


def told(command: Command) -> str:
    signals = f" (signals {command.signals})" if command.signals else ""
    return f"{command.number}: jman {' '.join(command.words)} -> {command.code}{signals}"


def figures(history: History) -> str:
    kinds = Counter(type(one.operation).__name__.lower() for one in history.commands)
    signals = sum(len(one.signals) for one in history.commands)
    return (
        f"model, seed {history.seed}: {len(history.commands)} commands "
        f"({', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))}), {signals} signals, "
        f"{history.attempts} attempts of {sum(len(job.tasks) for job in history.jobs.values())} tasks"
    )
