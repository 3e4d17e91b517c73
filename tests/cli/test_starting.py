"""Ctrl-C from the first moment on: quiet, with the exit code of an interrupt."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.tools import Jman

# interrupts itself when a module is about to be imported, as a Ctrl-C in that moment does
DRIVER = """
import os, runpy, signal, sys
name = sys.argv.pop(1)

def at_import(event, args):
    global name
    if event == "import" and args[0] == name:
        name = None
        os.kill(os.getpid(), signal.SIGINT)

sys.addaudithook(at_import)
runpy.run_module("asyncjman", run_name="__main__", alter_sys=True)
"""
EARLY = [
    "asyncjman.cli.main",
    "asyncjman.cli.parser",
    "typer",
    "asyncjman.errors",
    "asyncjman.version",
    "asyncjman.cli.argv",
]
LATER = [
    "asyncjman.cli.context",
    "asyncio",
    "aiosqlite",
    "asyncjman.api.manager",
    "asyncjman.store.migrate",
]


def by_python(jman: Jman, code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program with these words in the folder of ``jman``."""
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=jman.folder,
        env=jman.environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("name", EARLY + LATER)
def test_an_interrupt_while_jman_is_loaded(jman: Jman, name: str) -> None:
    done = by_python(jman, DRIVER, name, "--local", "list")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_an_interrupt_that_python_can_only_report(jman: Jman) -> None:
    """In a callback of the interpreter's own an interrupt can't be raised: it must end jman nevertheless."""
    code = """
import sys, weakref
class Thing: pass
thing = Thing()
def callback(_):
    raise KeyboardInterrupt
watch = weakref.ref(thing, callback)
def at_import(event, args):
    global thing
    if event == "import" and args[0] == "typer":
        thing = None
sys.addaudithook(at_import)
import runpy
runpy.run_module("asyncjman", run_name="__main__", alter_sys=True)
"""
    done = by_python(jman, code, "--local", "list")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_an_interrupt_in_the_moment_in_which_asyncio_begins(jman: Jman) -> None:
    """It sets its count of interrupts to 0 after it has begun to take them: this one it only cancels by."""
    code = """
import os, runpy, signal
real = signal.signal
def begin(number, handler):
    before = real(number, handler)
    if number == signal.SIGINT and callable(handler) and handler is not signal.default_int_handler:
        os.kill(os.getpid(), signal.SIGINT)
    return before
signal.signal = begin
runpy.run_module("asyncjman", run_name="__main__", alter_sys=True)
"""
    jman.submit("--", "true")
    done = by_python(jman, code, "--local", "delete", "1")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
