"""The options that say what a job asks a cluster for."""

# not `from __future__ import annotations`: typer would compile each of them
from typing import Annotated, Any

import typer

from asyncjman.cli.groups import Group


class Resources(Group):
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
