"""Options that commands share, in groups: which jobs are meant, and what is asked for."""

# not `from __future__ import annotations`: typer would compile each of them
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asyncjman.cli.complete_ids import complete_ids
from asyncjman.cli.globals import Globals
from asyncjman.model.status import Status

if TYPE_CHECKING:
    from asyncjman.model.selection import Selection

Statuses = Annotated[
    list[Status] | None,
    typer.Option(
        "--status",
        "-s",
        metavar="STATUS",
        help="Only jobs of this status: failure, waiting, ...; repeatable.",
    ),
]
Causes = Annotated[
    list[str] | None,
    typer.Option(
        "--cause",
        metavar="CAUSES",
        help="Only tasks that failed so: exit, signal, timeout, memory, node, launch, vanished.",
    ),
]
Failure = Annotated[
    str | None,
    typer.Option("--failure", metavar="ID", help="Only tasks that failed so: an id of jman failures."),
]
Where = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="Only tasks with this parameter.")
]
AsJson = Annotated[bool, typer.Option("--json", help="As a JSON array of objects.")]


@dataclass(frozen=True, slots=True)
class Named:
    """The jobs that are meant; all, where none is named."""

    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[JOB]...",
            help="Jobs: 3, 1-4, 10+2 (10, 11, 12), @ (the latest), 'tr*' (names). All, where none is given.",
            autocompletion=complete_ids,
        ),
    ] = None
    job_ids: Annotated[
        list[str] | None,
        typer.Option(
            "--job-ids",
            "-j",
            metavar="IDS",
            help="The same as plain words.",
            autocompletion=complete_ids,
        ),
    ] = None

    def selection(
        self,
        globals_: Globals,
        names: Iterable[str] | None = None,
        statuses: Iterable[Status] | None = None,
        *,
        derived_names: bool = False,
        having: Iterable[Status] = (),
    ) -> "Selection":
        """Return the jobs that are meant; see ``Globals.selection``."""
        return globals_.selection(
            self.ids, self.job_ids, names, statuses, derived_names=derived_names, having=having
        )

    def whole_jobs(self, globals_: Globals, command: str, *, derived_names: bool = False) -> "Selection":
        """Return the jobs that are meant. Raises BadSelection where single tasks are named."""
        from asyncjman.errors import BadSelection

        selection = self.selection(globals_, derived_names=derived_names)
        for word in selection.words:
            if word.tasks:
                raise BadSelection(f"jman {command} takes whole jobs: write {word.target}, not {word}")
        return selection


@dataclass(frozen=True, slots=True)
class Tasks:
    """The tasks of one job."""

    array_ids: Annotated[
        list[str] | None,
        typer.Option(
            "--array-ids", "-a", metavar="IDS", help="Only these tasks of the one job that is named."
        ),
    ] = None

    def ids(self) -> list[int]:
        """Return the tasks. Raises BadSelection for what is no id."""
        from asyncjman.errors import BadSelection
        from asyncjman.model.ids import parse_ids

        ranges = parse_ids(self.array_ids or ())
        if sum(len(one) for one in ranges) > 10_000_000:
            raise BadSelection("--array-ids names more than ten million tasks")
        return sorted({task_id for one in ranges for task_id in one})


@dataclass(frozen=True, slots=True)
class Resources:
    """What a job asks for; stored on every engine, asked for on a cluster."""

    queue: Annotated[
        str | None,
        typer.Option("--queue", "-q", metavar="NAME", help="Cluster: the queue, or any of some: q1d,q1w."),
    ] = None
    memory: Annotated[
        str | None,
        typer.Option("--memory", "-m", metavar="SIZE", help="Cluster: memory of a slot: 4G, 500M."),
    ] = None
    parallel: Annotated[
        int | None, typer.Option("--parallel", "-p", "--pe_mth", min=1, metavar="N", help="Cluster: slots.")
    ] = None
    gpus: Annotated[int | None, typer.Option(min=1, metavar="N", help="Cluster: GPUs of a task.")] = None
    io_big: Annotated[
        bool | None,
        typer.Option("--io-big/--no-io-big", "-i/-I", help="Cluster: a host for much I/O, or not."),
    ] = None
    time_limit: Annotated[
        str | None,
        typer.Option("--time", metavar="TIME", help="Cluster: most run time: 3600, 8:0:0."),
    ] = None

    def asked(self) -> dict[str, Any]:
        """Return what is asked for, by the names under which it is stored."""
        asked = {
            "queue": self.queue,
            "memory": self.memory,
            "slots": self.parallel,
            "gpus": self.gpus,
            "io_big": self.io_big,
            "time": self.time_limit,
        }
        return {name: value for name, value in asked.items() if value is not None}
