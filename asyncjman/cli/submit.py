"""Store a job: with --local to be run by `jman execute`, else it is sent to Sun Grid Engine.

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

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asyncjman.cli.globals import Globals
from asyncjman.errors import UsageError
from asyncjman.model.graph import Kind
from asyncjman.model.job import Job, JobSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asyncjman.model.retry import Retry
    from asyncjman.model.selection import Ids
    from asyncjman.model.sweep import Sweep
    from asyncjman.settings import Settings

    Waits = Mapping[Kind, Ids]

_IDS_HELP = {
    "any": "Wait for the end of these jobs, however they end: 1,2,5-7; repeatable.",
    "ok": "Wait for their success; skipped where one doesn't succeed.",
    "notok": "Wait for their failure; skipped where one succeeds.",
    "corr": "Task i waits for the success of task i of these arrays.",
}
IdList = list[str] | None
FROM_FILE_COMMAND = ("/bin/sh", "-c", "{command}")


def submit_command(
    context: typer.Context,
    command: Annotated[
        list[str] | None, typer.Argument(metavar="COMMAND...", help="The command, with its arguments.")
    ] = None,
    name: Annotated[str, typer.Option("--name", "-n", help="A name, also of the log files.")] = "",
    dependencies: Annotated[
        IdList, typer.Option("--dependencies", "-x", "--after-any", metavar="IDS", help=_IDS_HELP["any"])
    ] = None,
    after_ok: Annotated[IdList, typer.Option(metavar="IDS", help=_IDS_HELP["ok"])] = None,
    after_notok: Annotated[IdList, typer.Option(metavar="IDS", help=_IDS_HELP["notok"])] = None,
    after_corr: Annotated[IdList, typer.Option(metavar="IDS", help=_IDS_HELP["corr"])] = None,
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
    array: Annotated[
        str | None,
        typer.Option(
            "--array",
            "-t",
            "--parametric",
            metavar="SPEC",
            help="Make it an array: 10, 1-10, 1-10:2, 1,3,7-9; %4 after it: at most 4 at a time.",
        ),
    ] = None,
    repeat: Annotated[
        int,
        typer.Option(
            "--repeat", "-r", min=1, metavar="N", help="Submit it N times, each after the one before."
        ),
    ] = 1,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            "--sweep",
            metavar="NAME=VALUES",
            help="A task for each value: lr=0.1,0.01 or seed=1-3; {lr} in the command; several multiply.",
        ),
    ] = None,
    paired: Annotated[bool, typer.Option("--zip", help="Pair the sweeps' values, don't multiply.")] = False,
    sweep_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The sweep from a .csv, .json or .toml file.")
    ] = None,
    from_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="A task for each line, run by sh; - is standard input.")
    ] = None,
    retry: Annotated[int, typer.Option(min=0, metavar="N", help="Try a task that fails N times more.")] = 0,
    retry_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CAUSES",
            help="Only after these: exit, signal, timeout, memory, node (or launch, vanished alone).",
        ),
    ] = None,
    retry_delay: Annotated[str, typer.Option(metavar="TIME", help="Wait so long before: 10s, 5m.")] = "0",
    timeout: Annotated[
        str | None, typer.Option(metavar="TIME", help="End a task that takes longer: 90s, 30m, 2h.")
    ] = None,
    queue: Annotated[
        str | None,
        typer.Option(
            "--queue", "-q", metavar="NAME", help="Grid: the queue (all.q), or any of some: q1d,q1w."
        ),
    ] = None,
    memory: Annotated[
        str | None, typer.Option("--memory", "-m", metavar="SIZE", help="Grid: memory of a slot: 4G, 500M.")
    ] = None,
    parallel: Annotated[
        int | None, typer.Option("--parallel", "-p", "--pe_mth", min=1, metavar="N", help="Grid: slots.")
    ] = None,
    io_big: Annotated[bool, typer.Option("--io-big", "-i", help="Grid: a host for much I/O.")] = False,
    time_limit: Annotated[
        str | None,
        typer.Option("--time", metavar="TIME", help="Grid: most run time (h_rt): 3600, 8:0:0."),
    ] = None,
    sge_extra_args: Annotated[
        str | None, typer.Option("--sge-extra-args", "-e", metavar="OPTIONS", help="Grid: more for qsub.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="Grid: settings of [profiles.NAME].")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-z", help="Store nothing, print what would be.")
    ] = False,
    print_id: Annotated[bool, typer.Option("--print-id", "-o", help="Print only the job's id.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the job as JSON.")] = False,
    check: Annotated[bool, typer.Option("--check/--no-check", help="Look for the command first.")] = True,
) -> None:
    import asyncio

    from asyncjman.api.specs import build_spec
    from asyncjman.model.duration import parse_duration
    from asyncjman.model.selection import parse_any_ids
    from asyncjman.settings import Settings, extra_options, load

    globals_: Globals = context.obj
    named = {Kind.ANY: dependencies, Kind.OK: after_ok, Kind.NOTOK: after_notok, Kind.CORR: after_corr}
    waits = {kind: parse_any_ids(ids) for kind, ids in named.items() if ids}
    settings = load(Path.cwd(), profile=profile) if not globals_.local else Settings()
    resources = {
        "memory": memory,
        "slots": parallel,
        "io_big": io_big or None,
        "time": time_limit,
        "extra": extra_options(settings, sge_extra_args),
    }
    words = list(command or ())
    spec = build_spec(
        [*FROM_FILE_COMMAND] if from_file else words,
        name=name,
        exec_dir=exec_dir,
        log_dir=log_dir if globals_.local else log_dir or settings.log_dir,
        executor="local" if globals_.local else settings.cluster,
        queue="local" if globals_.local else queue or settings.queue,
        resources={} if globals_.local else {key: one for key, one in resources.items() if one},
        environment=environment or (),
        array=array,
        stop_on_failure=stop_on_failure,
        sweep=_sweep(sweep, sweep_file, from_file, paired=paired, words=words),
        retry=_retry(retry, retry_on, retry_delay),
        timeout=parse_duration(timeout) if timeout is not None else None,
        check=check,
    )
    if dry_run and not globals_.local:
        asyncio.run(_preview(globals_, spec, waits, settings))
        return
    jobs = asyncio.run(_submit(globals_, spec, waits, settings, repeat, dry_run))
    _print(jobs, print_id=print_id, as_json=as_json, verb="Would submit" if dry_run else "Submitted")


def _sweep(
    items: list[str] | None, file: Path | None, lines: str | None, *, paired: bool, words: list[str]
) -> Sweep | None:
    from asyncjman.api.sweepfile import read_commands, read_sweep
    from asyncjman.model.sweep import Sweep

    given = [
        name for name, value in (("--sweep", items), ("--sweep-file", file), ("--from-file", lines)) if value
    ]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} don't go together")
    if lines and words:
        raise UsageError(f"--from-file takes the commands from {lines}: leave out {words[0]!r}")
    if lines:
        return read_commands(lines)
    if file:
        return read_sweep(file, paired=paired)
    return Sweep.parse(items, paired=paired) if items else None


def _retry(count: int, causes: list[str] | None, delay: str) -> Retry | None:
    from asyncjman.model.duration import parse_duration
    from asyncjman.model.failure import Cause
    from asyncjman.model.retry import Retry, parse_causes

    chosen = parse_causes(causes) if causes else frozenset(Cause)
    return Retry(count, chosen, parse_duration(delay)) if count else None


async def _submit(
    globals_: Globals, spec: JobSpec, waits: Waits, settings: Settings, repeat: int, dry_run: bool
) -> list[Job]:
    from asyncjman.api.operations import Operations
    from asyncjman.cli.context import say

    async with Operations(globals_.database, create=not dry_run, settings=settings, asks="once") as manager:
        manager.writer()
        spec = replace(spec, dependencies=await manager.resolve_dependencies(waits))
        return await manager.submit(
            spec, repeat=repeat, dry_run=dry_run, on_trouble=lambda line: say(f"jman: {line}")
        )


async def _preview(globals_: Globals, spec: JobSpec, waits: Waits, settings: Settings) -> None:
    """Print the qsub command line, and the job script."""
    import shlex

    from asyncjman.api.operations import Operations
    from asyncjman.render.text import printable

    async with Operations(globals_.database, create=False, settings=settings, asks="once") as manager:
        manager.writer()
        spec = replace(spec, dependencies=await manager.resolve_dependencies(waits))
        preview = await manager.preview(spec)
    print(printable(shlex.join(preview.argv)))
    for line in preview.script.decode("utf-8", "surrogateescape").rstrip("\n").split("\n"):
        print(f"  | {printable(line)}")


def _print(jobs: list[Job], *, print_id: bool, as_json: bool, verb: str) -> None:
    from asyncjman.render.text import job_line

    if as_json:
        from asyncjman.render.objects import dumps, job_object

        objects = [job_object(job) for job in jobs]
        print(dumps(objects[0] if len(objects) == 1 else objects))
        return
    for job in jobs:
        print(job.id if print_id else f"{verb} {job_line(job, time.time())}")
