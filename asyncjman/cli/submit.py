"""Store a job: with --local to be run by `jman execute`, else it is sent to the cluster.

All options come before the command; everything from its first word on belongs to it.

\b
Examples:
  jman --local submit python train.py --epochs 10
  jman --local submit -l logs -t 1-100%8 -- sh -c 'echo task $SGE_TASK_ID'
  jman --local submit -n merge --after-ok 1-3 ./merge.sh
  jman --local submit -s LR=0.1 -s SEED=3 python train.py
  jman --local submit --sweep lr=0.1,0.01 --sweep seed=1-3 -- python train.py --lr {lr} --seed {seed}
  jman submit -q all.q -m 4G --time 8:0:0 python train.py
  jman --local submit --from-file commands.txt --retry 2 --timeout 2h
"""

# not `from __future__ import annotations`: typer would compile each of them
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asyncjman.cli.globals import Globals
from asyncjman.cli.resource_options import Resources
from asyncjman.cli.submit_options import Attempts, Parts, Shown, Waits
from asyncjman.model.job import Job, JobSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asyncjman.model.graph import Kind
    from asyncjman.model.ids import Word
    from asyncjman.settings import Settings

    Words = Mapping[Kind, Sequence[Word]]

FROM_FILE_COMMAND = ("/bin/sh", "-c", "{command}")
_SHOWN_TASKS = 3
"""Of a sweep, by a dry run."""


def submit_command(
    context: typer.Context,
    *,
    command: Annotated[
        list[str] | None, typer.Argument(metavar="COMMAND...", help="The command, with its arguments.")
    ] = None,
    name: Annotated[
        str, typer.Option("--name", "-n", metavar="NAME", help="A name, also of the log files.")
    ] = "",
    waits: Waits,
    stop_on_failure: Annotated[
        bool, typer.Option("--stop-on-failure", "-k", help="If it fails, skip all that depends on it.")
    ] = False,
    exec_dir: Annotated[
        Path | None, typer.Option("--exec-dir", "-d", metavar="DIR", help="Run it there (default: here).")
    ] = None,
    log_dir: Annotated[
        str | None,
        typer.Option("--log-dir", "-l", metavar="DIR", help="Log files go there (default: to the terminal)."),
    ] = None,
    environment: Annotated[
        list[str] | None,
        typer.Option("--environment", "-s", metavar="KEY=VALUE", help="Set a variable for it; repeatable."),
    ] = None,
    parts: Parts,
    attempts: Attempts,
    resources: Resources,
    sge_extra_args: Annotated[
        str | None,
        typer.Option(
            "--extra-args",
            "--sge-extra-args",
            "-e",
            metavar="OPTIONS",
            help="Cluster: more for qsub or sbatch.",
        ),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="Cluster: settings of [profiles.NAME].")
    ] = None,
    shown: Shown,
    check: Annotated[bool, typer.Option("--check/--no-check", help="Look for the command first.")] = True,
) -> None:
    import asyncio

    from asyncjman.api.configured import settings_here
    from asyncjman.api.request import JobRequest, cluster_of, parse_environment
    from asyncjman.model.job import LOCAL
    from asyncjman.settings import split_options

    globals_: Globals = context.obj
    words, waits_for = list(command or ()), waits.words()
    settings = settings_here(profile)
    engine = LOCAL if globals_.local else cluster_of(globals_.cluster or settings.cluster)
    asked = resources.asked()
    if sge_extra_args is not None:
        asked["extra"] = split_options(sge_extra_args)
    request = JobRequest(
        command=[*FROM_FILE_COMMAND] if parts.from_file else words,
        name=name,
        exec_dir=exec_dir,
        log_dir=log_dir,
        queue=asked.pop("queue", None),
        resources=asked or None,
        environment=parse_environment(environment or ()),
        array=parts.array,
        stop_on_failure=stop_on_failure,
        sweep=parts.read_sweep(words),
        retry=attempts.policy(),
        timeout=attempts.time_limit(),
        check=check,
    )
    spec = request.resolve(engine, settings)  # before anything is made
    asyncio.run(_submit(globals_, spec, waits_for, settings, parts.repeat, shown))


async def _submit(
    globals_: Globals, spec: JobSpec, after: "Words", settings: "Settings", repeat: int, shown: Shown
) -> None:
    from asyncjman.cli.context import opened, say

    def tell(line: str) -> None:
        say(f"jman: {line}")

    create = not shown.dry_run
    async with opened(globals_, create=create, settings=settings, asks="once") as manager:
        if shown.dry_run and not globals_.local:
            preview = await manager.preview(spec, after)
            _print_preview(preview.argv, preview.script)
            _print_tasks(spec)
            return
        jobs = await manager.submit_spec(spec, after, repeat=repeat, dry_run=shown.dry_run, on_trouble=tell)
    _print(jobs, shown)


def _print_preview(argv: Sequence[str], script: bytes) -> None:
    """Print the command line that submits, and the job script."""
    import shlex

    from asyncjman.render.text import printable

    print(printable(shlex.join(argv)))
    for line in script.decode("utf-8", "surrogateescape").rstrip("\n").split("\n"):
        print(f"  | {printable(line)}")


def _print(jobs: list[Job], shown: Shown) -> None:
    from asyncjman.render.text import job_line

    if shown.as_json:
        from asyncjman.render.objects import dumps, job_object

        objects = [job_object(job) for job in jobs]
        print(dumps(objects[0] if len(objects) == 1 else objects))
        return
    verb = "Would submit" if shown.dry_run else "Submitted"
    for job in jobs:
        size = f" [{job.task_count} tasks]" if job.spec.array else ""
        print(job.id if shown.print_id else f"{verb} {job_line(job, time.time())}{size}")
        if shown.dry_run and not shown.print_id:
            _print_tasks(job.spec)


def _print_tasks(spec: JobSpec) -> None:
    """Print what the first tasks of a sweep run."""
    from asyncjman.render.text import command_line

    if spec.sweep is None or spec.array is None:
        return
    for task_id in islice(spec.array.sorted(), _SHOWN_TASKS):
        print(f"  task {task_id}: {command_line(spec.argv(task_id))}")
    if len(spec.array) > _SHOWN_TASKS:
        print(f"  and {len(spec.array) - _SHOWN_TASKS} more")
