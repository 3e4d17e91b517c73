"""``jman``: finds the command, runs it, and turns errors into one line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from asyncjman.cli.argv import COMMANDS, SUMMARIES, command_in, normalize, options_in
from asyncjman.cli.complete import completing
from asyncjman.cli.globals import Globals
from asyncjman.cli.groups import with_groups
from asyncjman.cli.panels import CommandWithPanels
from asyncjman.cli.streams import NobodyReads, mind_streams
from asyncjman.errors import (
    EXIT_DONE,
    EXIT_ENVIRONMENT,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    JmanError,
    first_of,
)
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
_READERS = frozenset({"failures", "list", "report", "why"})
"""Commands that do nothing but to write: without a reader they end."""


def run(argv: list[str]) -> int:
    """Run ``jman``; return its exit code."""
    typed = completing(os.environ)
    words = argv if typed is None else list(typed)
    name = command_in(words)
    written = mind_streams(only_output=name is None or name in _READERS or typed is not None)
    code = _run(name, words, typed)
    if written is not None and written.problem is not None:
        code = code or _complain(written.problem, EXIT_ENVIRONMENT, str(written.problem))
    return code


def _run(name: str | None, words: list[str], typed: Sequence[str] | None) -> int:
    try:
        parser = parser_of(name, completion=typed is not None or name is None)
        if name is not None:
            words = normalize(words, options_in(parser.commands[name].params))
        code = parser(words or ["--help"], prog_name="jman", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except BaseException as error:
        return _exit_code(first_of(error), name)


def _exit_code(error: BaseException, name: str | None) -> int:
    """Say what went wrong; return the exit code for it."""
    if isinstance(error, NobodyReads):  # `jman list | head`
        return EXIT_DONE
    if isinstance(error, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    if isinstance(error, JmanError):
        return _complain(error, error.exit_code, str(error))
    if isinstance(error, OSError):
        what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
        return _complain(error, EXIT_ENVIRONMENT, what)
    if hasattr(error, "format_message"):  # of the parser; typer has these in a private module
        help_ = " ".join(filter(None, ["jman", name, "--help"]))
        option = _misplaced(error)
        what = f"put {option} before {name}" if option else f"{error.format_message()} (see {help_})"
        return _complain(error, EXIT_USAGE, what)
    raise error


def _misplaced(error: Any) -> str | None:
    """Return the option that a command doesn't know, where it is one that stands before the command."""
    option: str | None = getattr(error, "option_name", None)
    context = getattr(error, "ctx", None)
    if option is None or context is None or context.parent is None:
        return None
    before = {name for one in context.parent.command.params for name in (*one.opts, *one.secondary_opts)}
    return option if option in before and option not in {"-h", "--help", "--version"} else None


def _complain(error: BaseException, code: int, text: str) -> int:
    if "-vvv" in sys.argv:
        import traceback

        traceback.print_exception(error)
    from asyncjman.render.text import printable

    sys.stdout.flush()
    lines = text.split("\n")
    print("jman: " + "\n".join(printable(line) for line in lines), file=sys.stderr)
    return code


def parser_of(name: str | None, *, completion: bool = False) -> Any:
    """Build the parser, of one command, or of all as far as their names go."""
    return typer.main.get_command(_application(name, completion=completion))


def _application(name: str | None, *, completion: bool) -> typer.Typer:
    app = typer.Typer(
        rich_markup_mode=None,
        add_completion=completion,
        pretty_exceptions_enable=False,
        context_settings=_SETTINGS,
        no_args_is_help=True,
    )
    app.callback(help=_HELP)(_global_options)
    if name is not None:
        file = name.replace("-", "_")
        module = import_module(f"asyncjman.cli.{file}")
        settings = {**_SETTINGS, **_COMMAND_SETTINGS.get(name, {})}
        function = with_groups(getattr(module, f"{file}_command"))
        app.command(name, cls=CommandWithPanels, help=module.__doc__, context_settings=settings)(function)
        return app
    for command, aliases in COMMANDS.items():
        also = f" (also: {', '.join(aliases)})" if aliases else ""
        app.command(command, short_help=SUMMARIES[command] + also)(_unknown)
    return app


def _unknown() -> None:
    """Stand for a command in the list of all of them; nobody gets here."""


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
