"""What runs a command: the file itself, a program on PATH, or an interpreter."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from asyncjman.errors import CommandNotFound

_MAX_SHEBANG_BYTES = 256


def resolve(
    command: tuple[str, ...], folder: Path, *, check: bool = True
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the interpreter (empty where none is needed) and the command as they are to be run.

    A file is looked for in ``folder``, then in the current one. A file that can be executed, and a name on
    PATH, run as they are. Other files run by the interpreter of their ``#!`` line; without one ``.py`` runs
    by this Python, ``.sh`` by /bin/sh.

    Raises CommandNotFound for what is neither a file nor on PATH, unless ``check`` is False.
    """
    name = command[0]
    if "/" not in name and shutil.which(name):
        return (), command
    file = folder / name
    if not file.is_file() and Path(name).is_file():
        file = Path(name).absolute()
        name, command = str(file), (str(file), *command[1:])
    if not file.is_file():
        if check:
            raise CommandNotFound(
                f"command not found: {name} (neither on PATH nor a file in {folder}; "
                "--no-check submits it all the same)"
            )
        return (), command
    shebang = _shebang(file)
    if os.access(file, os.X_OK) and (shebang or file.suffix not in (".py", ".sh")):
        return (), command if "/" in name else (f"./{name}", *command[1:])
    if shebang:
        return shebang, command
    if file.suffix == ".py":
        return (sys.executable,), command
    if file.suffix == ".sh":
        return ("/bin/sh",), command
    if check:
        raise CommandNotFound(
            f"{name} can't be executed: make it executable (chmod +x), or name the program that runs it"
        )
    return (), command


def _shebang(file: Path) -> tuple[str, ...]:
    """Return interpreter and its one argument from a ``#!`` line (execve(2)), empty where there is none."""
    try:
        with file.open("rb") as stream:
            line = stream.readline(_MAX_SHEBANG_BYTES)
    except OSError:
        return ()
    if not line.startswith(b"#!"):
        return ()
    return tuple(os.fsdecode(word) for word in line[2:].strip().split(None, 1))
