"""The options of a command in groups, by what they are about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer.core

_PANELS = {
    "What to run": "name environment exec-dir check overwrite-command",
    "When": "dependencies after-ok after-notok after-corr stop-on-failure keep-running resume max-fails",
    "Tasks": "array repeat sweep zip sweep-file from-file array-limit",
    "Retries and limits": "retry retry-on retry-delay timeout",
    "Cluster": "queue memory gpus io-big time extra-args profile to",
    "Which jobs and tasks": (
        "job-ids array-ids names status cause where failure also-success running-jobs failed-only "
        "no-dependents"
    ),
    "Output": (
        "log-dir no-log-files clean keep-logs keep-log-dir dry-run print-id json json-lines progress label "
        "print-array-jobs long print-times print-dependencies ids-only errors-only output-only follow "
        "attempt tail raw detach on-finish on-failure"
    ),
}
"""The options of all commands, by their first long names, in the order in which help shows the panels."""
_OF_ONE = {
    ("submit", "parallel"): "Cluster",
    ("resubmit", "parallel"): "Cluster",
    ("report", "name"): "Which jobs and tasks",
    ("wait", "timeout"): "Options",
}
"""Options that mean something else in a command."""
_OTHERS = "Options"


def panel_of(command: str, option: str) -> str:
    """Return the title below which help shows an option.

    >>> panel_of("submit", "--memory"), panel_of("execute", "--parallel")
    ('Cluster', 'Options')
    """
    name = option.lstrip("-")
    own = _OF_ONE.get((command, name))
    return own or next((title for title, names in _PANELS.items() if name in names.split()), _OTHERS)


class CommandWithPanels(typer.core.TyperCommand):
    """A command whose help shows its options below the titles of their panels."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then the options of each panel."""
        arguments: list[tuple[str, str]] = []
        panels: dict[str, list[tuple[str, str]]] = {title: [] for title in (*_PANELS, _OTHERS)}
        for one in self.get_params(ctx):
            record = one.get_help_record(ctx)
            if record is None:
                continue
            if one.param_type_name == "argument":
                arguments.append(record)
            else:
                long = next(name for name in one.opts if name.startswith("--"))
                panels[panel_of(self.name or "", long)].append(record)
        self._section(formatter, "Arguments", arguments)
        for title, records in panels.items():
            self._section(formatter, title, records)

    @staticmethod
    def _section(formatter: Any, title: str, records: Sequence[tuple[str, str]]) -> None:
        if not records:
            return
        # on a narrow terminal the names may not take all of it
        most = min(30, max(formatter.width // 2 - 4, 8))
        with formatter.section(title):
            formatter.write_dl(records, col_max=most)
