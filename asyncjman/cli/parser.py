"""The option parser: of one command, or of all as far as their names go."""

# not `from __future__ import annotations`: typer would compile each of them
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from asyncjman.cli.argv import COMMANDS, SUMMARIES
from asyncjman.cli.globals import Globals
from asyncjman.version import __version__

_HELP = """Submit jobs, run them on this machine, and know how each one ended.

All state is in one file in the current folder; there is no server.

\b
  jman --local submit --log-dir logs python train.py
  jman --local execute --parallel 4
  jman list

Jobs are named by ids (3, 1-4, 10+2), the latest one as @, the one before as @-1, tasks of one as 2.27 or
2.3,5-9; or by names and globs of names ('tr*'), which stop, delete and resubmit take only where --name gave
them. job:7 and grid:7 tell ours and the cluster's numbers apart, name:7 is a name. What matches nothing is
an error, and nothing is done.

Exit codes: 0 done; 1 a job failed (execute, wait); 2 usage; 3 environment (database, files,
machine); 124 wait --timeout; 130 interrupted.
"""
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
# everything from the first word of the user's command on belongs to that command
_COMMAND_SETTINGS = {"submit": {"allow_interspersed_args": False}}


def parser_of(name: str | None, *, completion: bool = False) -> Any:
    """Build the parser, of one command, or of all as far as their names go."""
    app = typer.Typer(
        rich_markup_mode=None,
        add_completion=completion,
        pretty_exceptions_enable=False,
        context_settings=_SETTINGS,
        no_args_is_help=True,
    )
    app.callback(help=_HELP)(_global_options)
    if name is not None:
        _add(app, name)
    parser: Any = typer.main.get_command(app)
    for command, aliases in COMMANDS.items() if name is None else ():
        also = f" (also: {', '.join(aliases)})" if aliases else ""
        # no function stands for them: typer would look at the parameters of each
        parser.add_command(TyperCommand(command, short_help=SUMMARIES[command] + also))
    return parser


def _add(app: typer.Typer, name: str) -> None:
    from asyncjman.cli.groups import with_groups
    from asyncjman.cli.panels import CommandWithPanels

    file = name.replace("-", "_")
    module = import_module(f"asyncjman.cli.{file}")
    settings = {**_SETTINGS, **_COMMAND_SETTINGS.get(name, {})}
    function = with_groups(getattr(module, f"{file}_command"))
    app.command(name, cls=CommandWithPanels, help=module.__doc__, context_settings=settings)(function)


def _version(value: bool) -> None:
    if value:
        print(f"jman {__version__}")
        raise typer.Exit


def _global_options(
    context: typer.Context,
    database: Annotated[
        Path,
        typer.Option(
            "--database",
            "--db",
            "-d",
            envvar="JMAN_DATABASE",
            metavar="FILE",
            help="The file that holds all state.",
            readable=False,  # that it can't be read is told as all else that is wrong with it
        ),
    ] = Path("submitted.sql3"),
    local: Annotated[
        bool, typer.Option("--local", "-l", help="Jobs of this machine, not of a cluster.")
    ] = False,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            metavar="NAME",
            help="The batch system: sge, slurm (default: what is here).",
        ),
    ] = None,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="Say more; -vvv shows tracebacks.")
    ] = 0,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    context.obj = Globals(database, local, verbose, cluster)
