"""The results as a table, as text or Markdown, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

Value = float | int | str | Sequence[float] | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a row gave: ``holds`` is None where there is no target, or where it was not measured."""

    measured: str
    holds: bool | None = None
    figures: Mapping[str, Value] = field(default_factory=dict)
    problem: str | None = None
    """Why it could not be measured."""

    @property
    def verdict(self) -> str:
        if self.problem is not None:
            return "not measured"
        return {True: "yes", False: "NO", None: "-"}[self.holds]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table."""

    group: str
    what: str
    target: str
    seconds: float
    """How long it took to find out."""
    outcome: Outcome


HEAD = ("what", "target", "measured", "holds")


def cells(line: Line) -> tuple[str, str, str, str]:
    outcome = line.outcome
    return line.what, line.target or "-", outcome.problem or outcome.measured, outcome.verdict


def text_table(lines: Sequence[Line]) -> str:
    """Return the table for a terminal."""
    rows = [HEAD, *(cells(line) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    rule = tuple("=" * width for width in widths)
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in (HEAD, rule, *rows[1:]))


def markdown_table(lines: Sequence[Line]) -> str:
    """Return the table for a README."""
    rows = [HEAD, *(cells(line) for line in lines)]
    rows = [tuple(cell.replace("|", "\\|") for cell in row) for row in rows]  # type: ignore[misc]
    texts = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([texts[0], "|---" * len(HEAD) + "|", *texts[1:]])


def machine_text(machine: Mapping[str, str]) -> str:
    return "\n".join(f"{key}: {value}" for key, value in machine.items())


def markdown(machine: Mapping[str, str], lines: Sequence[Line]) -> str:
    """Return machine and table for a README."""
    return "\n".join(
        [*(f"- {key}: {value}" for key, value in machine.items()), "", markdown_table(lines), ""]
    )


def to_json(machine: Mapping[str, str], options: Mapping[str, object], lines: Sequence[Line]) -> str:
    rows = [{**asdict(line), "holds": line.outcome.holds} for line in lines]
    return json.dumps({"machine": machine, "options": options, "rows": rows}, indent=1, ensure_ascii=False)


def summary(lines: Sequence[Line]) -> str:
    """Return one line: how many targets hold."""
    verdicts = [line.outcome.verdict for line in lines if line.target]
    return ", ".join(
        f"{verdicts.count(verdict)} {words}"
        for verdict, words in (("yes", "targets hold"), ("NO", "don't"), ("not measured", "not measured"))
    )
