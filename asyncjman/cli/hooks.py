"""What a user has done at the end: a command that gets a summary on its standard input."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from asyncjman.cli.context import say
from asyncjman.errors import EXIT_DONE

if TYPE_CHECKING:
    from asyncjman.model.progress import Overview

OnFinish = Annotated[
    str | None,
    typer.Option("--on-finish", metavar="CMD", help="Run this at the end; it gets a summary as JSON."),
]
OnFailure = Annotated[
    str | None,
    typer.Option("--on-failure", metavar="CMD", help="The same, where not all succeeded."),
]


class Hooks(NamedTuple):
    """Commands for the shell: at the end, and at one that is not a success."""

    on_finish: str | None = None
    on_failure: str | None = None

    def __bool__(self) -> bool:
        return bool(self.on_finish or self.on_failure)

    def run(self, code: int, database: Path, progress: Overview) -> None:
        """Run each that is due, once; say where one fails, which changes nothing else."""
        due = [self.on_finish] if code == EXIT_DONE else [self.on_finish, self.on_failure]
        for command in filter(None, due):
            told = f"{json.dumps(summary(code, database, progress))}\n".encode()
            try:
                done = subprocess.run(["/bin/sh", "-c", command], input=told, check=False)
            except OSError as error:
                say(f"jman: could not run {command!r}: {error.strerror}")
                continue
            if done.returncode:
                how = (
                    f"exit status {done.returncode}" if done.returncode > 0 else f"signal {-done.returncode}"
                )
                say(f"jman: {command!r} failed: {how}")


def summary(code: int, database: Path, progress: Overview) -> dict[str, Any]:
    """Return what such a command is told."""
    from asyncjman.render.objects import progress_object

    return {
        "exit_code": code,
        "success": code == EXIT_DONE,
        "database": os.path.realpath(database),
        **progress_object(progress),
        "jobs": [
            {
                "id": job.id,
                "name": job.name,
                "status": job.status,
                "tasks": {status: count for status, count in job.counts.items() if count},
            }
            for job in progress.jobs
        ],
    }
