"""``jman``: finds the command, runs it, and turns errors into one line and an exit code."""

from __future__ import annotations

import gc
import os
import sys

from asyncjman.cli.argv import command_in, normalize, options_in
from asyncjman.cli.complete import completing
from asyncjman.cli.quick import answer
from asyncjman.cli.streams import NobodyReads, mind_streams
from asyncjman.errors import (
    EXIT_DONE,
    EXIT_ENVIRONMENT,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    JmanError,
    first_of,
)

TYPE_CHECKING = False  # the typing module takes as long as all of ours that is loaded here
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_MANY_OBJECTS = 20_000
"""So many new ones make it worth to look for garbage: the usual 700 come with every few modules that a
command loads, and stay."""
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
        code = answer(name, words, completes=typed is not None)
        if code is not None:
            _collect_from_here_on()  # or the interpreter looks for it at its end
            return code
        from asyncjman.cli.parser import parser_of

        parser = parser_of(name, completion=typed is not None or name is None)
        if name is not None:
            words = normalize(words, options_in(parser.commands[name].params))
        _collect_from_here_on()
        code = parser(words or ["--help"], prog_name="jman", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except BaseException as error:
        return _exit_code(first_of(error), name)


def _collect_from_here_on() -> None:
    """Look for garbage, where nobody did while all was loaded, but not among that: it stays."""
    if not gc.isenabled():
        gc.freeze()
        gc.set_threshold(_MANY_OBJECTS)
        gc.enable()


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
        context = getattr(error, "ctx", None)
        of = name if context is None or context.parent is not None else None
        help_ = " ".join(filter(None, ["jman", of, "--help"]))
        option = _misplaced(error)
        what = f"put {option} before {name}" if option else f"{error.format_message()} (see {help_})"
        return _complain(error, EXIT_USAGE, what)
    from asyncio import CancelledError

    if isinstance(error, CancelledError):  # an interrupt as asyncio begins: it does not count that one
        return EXIT_INTERRUPTED
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
