"""The options of ``jman submit`` that no other command has, in groups."""

# not `from __future__ import annotations`: typer would compile each of them
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asyncjman.cli.complete_ids import complete_ids
from asyncjman.cli.groups import Group
from asyncjman.errors import UsageError
from asyncjman.model.graph import Kind

if TYPE_CHECKING:
    from asyncjman.model.ids import Word
    from asyncjman.model.retry import Retry
    from asyncjman.model.sweep import Sweep

_IDS_HELP = {
    "any": "Wait for the end of these jobs, however they end: 1,5-7, @ (the latest), name:prep; repeatable.",
    "ok": "Wait for their success; skipped where one doesn't succeed.",
    "notok": "Wait for their failure; skipped where one succeeds.",
    "corr": "Task i waits for the success of task i of these arrays.",
}
_List = list[str] | None


class Waits(Group):
    """What the job waits for."""

    dependencies: Annotated[
        _List,
        typer.Option(
            "--dependencies",
            "-x",
            "--after-any",
            metavar="IDS",
            help=_IDS_HELP["any"],
            autocompletion=complete_ids,
        ),
    ] = None
    after_ok: Annotated[
        _List, typer.Option(metavar="IDS", help=_IDS_HELP["ok"], autocompletion=complete_ids)
    ] = None
    after_notok: Annotated[
        _List, typer.Option(metavar="IDS", help=_IDS_HELP["notok"], autocompletion=complete_ids)
    ] = None
    after_corr: Annotated[
        _List, typer.Option(metavar="IDS", help=_IDS_HELP["corr"], autocompletion=complete_ids)
    ] = None

    def words(self) -> Mapping[Kind, "Sequence[Word]"]:
        """Return the words that name jobs. Raises BadSelection for what can't be read."""
        given = {
            Kind.ANY: self.dependencies,
            Kind.OK: self.after_ok,
            Kind.NOTOK: self.after_notok,
            Kind.CORR: self.after_corr,
        }
        if not any(given.values()):
            return {}
        from asyncjman.model.ids import parse_dependencies

        return {kind: parse_dependencies(words) for kind, words in given.items() if words}


class Parts(Group):
    """How many tasks it has, and what differs between them."""

    array: Annotated[
        str | None,
        typer.Option(
            "--array",
            "-t",
            "--parametric",
            metavar="SPEC",
            help="Make it an array: 10, 1-10, 1-10:2, 1,3,7-9; %4 after it: at most 4 at a time.",
        ),
    ] = None
    repeat: Annotated[
        int,
        typer.Option(
            "--repeat", "-r", min=1, metavar="N", help="Submit it N times, each after the one before."
        ),
    ] = 1
    sweep: Annotated[
        _List,
        typer.Option(
            "--sweep",
            metavar="NAME=VALUES",
            help="A task for each value: lr=0.1,0.01 or seed=1-3; {lr} in the command; several multiply.",
        ),
    ] = None
    paired: Annotated[bool, typer.Option("--zip", help="Pair the sweeps' values, don't multiply.")] = False
    sweep_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The sweep from a .csv, .json or .toml file.")
    ] = None
    from_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="A task for each line, run by sh; - is standard input.")
    ] = None

    def read_sweep(self, words: Sequence[str]) -> "Sweep | None":
        """Return the sweep that is asked for; ``words`` are those of the command."""
        options = {"--sweep": self.sweep, "--sweep-file": self.sweep_file, "--from-file": self.from_file}
        given = [name for name, value in options.items() if value]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} don't go together")
        if self.from_file and words:
            raise UsageError(f"--from-file takes the commands from {self.from_file}: leave out {words[0]!r}")
        if self.from_file:
            from asyncjman.api.sweepfile import read_commands

            return read_commands(self.from_file)
        if self.sweep_file:
            from asyncjman.api.sweepfile import read_sweep

            return read_sweep(self.sweep_file, paired=self.paired)
        if not self.sweep:
            return None
        from asyncjman.model.sweep import Sweep

        return Sweep.parse(self.sweep, paired=self.paired)


def retry_policy(count: int, causes: Sequence[str] | None, delay: str) -> "Retry":
    """Return when a task is tried again. Raises UsageError for what makes no sense."""
    from asyncjman.model.duration import parse_duration
    from asyncjman.model.failure import Cause
    from asyncjman.model.retry import Retry, parse_causes

    return Retry(count, parse_causes(causes) if causes else frozenset(Cause), parse_duration(delay))


class Attempts(Group):
    """When a task is tried again, and when it is given up."""

    retry: Annotated[int, typer.Option(min=0, metavar="N", help="Try a task that fails N times more.")] = 0
    retry_on: Annotated[
        _List,
        typer.Option(
            metavar="CAUSES",
            help="Only after these: exit, signal, timeout, memory, node (or launch, vanished alone).",
        ),
    ] = None
    retry_delay: Annotated[str, typer.Option(metavar="TIME", help="Wait so long before: 10s, 5m.")] = "0"
    timeout: Annotated[
        str | None, typer.Option(metavar="TIME", help="End a task that takes longer: 90s, 30m, 2h.")
    ] = None

    def policy(self) -> "Retry | None":
        """Return when a task is tried again; None: never."""
        return retry_policy(self.retry, self.retry_on, self.retry_delay) if self.retry else None

    def time_limit(self) -> float | None:
        """Return the seconds that an attempt may take."""
        from asyncjman.model.duration import parse_duration

        return None if self.timeout is None else parse_duration(self.timeout)


class Shown(Group):
    """What is printed."""

    dry_run: Annotated[bool, typer.Option("--dry-run", "-z", help="Store nothing, print what would be.")] = (
        False
    )
    print_id: Annotated[bool, typer.Option("--print-id", "-o", help="Print only the job's id.")] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print the job as JSON.")] = False
