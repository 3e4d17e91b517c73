"""Where ``jman`` starts: an interrupt ends it quietly from here on, also while all the rest is loaded."""

import gc
import os
import sys

TYPE_CHECKING = False  # the typing module takes as long as a third of all that is loaded here
if TYPE_CHECKING:
    from typing import NoReturn

INTERRUPTED = 130  # EXIT_INTERRUPTED, which is not loaded yet


def main() -> "NoReturn":
    """Run ``jman`` with the words of the command line, and exit."""
    sys.unraisablehook = _unraisable
    gc.disable()  # what is loaded stays: there is no garbage to look for until the command begins
    try:
        from asyncjman.cli.main import run
        from asyncjman.suspension import suspend_between_blocks

        suspend_between_blocks()
        code = run(sys.argv[1:])
        _ignore_interrupts()
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)  # nothing is open yet, or the second interrupt in a row wants the end now
    sys.exit(code)


def _unraisable(what: "sys.UnraisableHookArgs") -> None:
    """End where an interrupt came in a moment in which Python can't raise it."""
    if isinstance(what.exc_value, KeyboardInterrupt):
        os._exit(INTERRUPTED)
    sys.__unraisablehook__(what)


def _ignore_interrupts() -> None:
    """Leave the interpreter's own end alone: the work is done, and its exit code is known."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
