"""Sweeps and command lists from files."""

from __future__ import annotations

import csv
import json
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asyncjman.errors import EnvironmentProblem
from asyncjman.model.sweep import BadSweep, Sweep

LINE = "command"
"""The parameter that holds a task's line of a command file."""


def read_sweep(file: Path, *, paired: bool = False) -> Sweep:
    """Read a sweep: ``.csv`` (a task a row), ``.json`` or ``.toml`` (columns, or in JSON a list of rows).

    Raises BadSweep for what makes no sweep, EnvironmentProblem where the file can't be read.
    """
    try:
        content = _parse(file)
    except OSError as error:
        raise EnvironmentProblem(f"can't read {file}: {error.strerror}") from error
    except (ValueError, csv.Error, RecursionError) as error:  # not UTF-8, not JSON, not TOML; too deep
        raise BadSweep(f"{file} can't be understood: {error}") from error
    if isinstance(content, list):
        if not all(isinstance(row, Mapping) for row in content):
            raise BadSweep(f"{file}: each row must be an object with the parameters' values")
        return Sweep.of_rows(content)
    if not isinstance(content, Mapping):
        raise BadSweep(f"{file}: a sweep is a table of columns, or a list of rows")
    columns = {name: value if isinstance(value, list) else [value] for name, value in content.items()}
    return Sweep.of(columns, paired=paired)


def read_commands(name: str) -> Sweep:
    """Read a file of shell lines (``-`` is standard input), a task a line; empty ones are left out.

    Raises BadSweep where there is no line, EnvironmentProblem where the file can't be read.
    """
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise EnvironmentProblem(f"can't read {name}: {error.strerror}") from error
    lines = [line for line in data.decode("utf-8", "surrogateescape").split("\n") if line.strip()]
    if not lines:
        raise BadSweep(f"no command in {'standard input' if name == '-' else name}")
    return Sweep.of({LINE: lines})


def _parse(file: Path) -> Any:
    match file.suffix:
        case ".json":
            return json.loads(file.read_bytes())
        case ".toml":
            return tomllib.loads(file.read_text("utf-8"))
        case ".csv":
            with file.open(newline="", encoding="utf-8-sig") as stream:
                rows = list(csv.DictReader(stream))
            if any(None in row or None in row.values() for row in rows):
                raise BadSweep(f"{file}: a row has another number of values than the first line has names")
            return rows
    raise BadSweep(f"{file}: a sweep file is .csv, .json or .toml")
