"""The Python environment that a job was submitted from, and what is different where it runs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

_VARIABLES = ("VIRTUAL_ENV", "CONDA_PREFIX")
_PROGRAM = "program"


def origin_of(program: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what is recorded of the place where a job is submitted.

    ``program``: the first word of what is run; it is recorded where it is looked for on PATH.
    """
    found = {name: environment.get(name, "") for name in _VARIABLES}
    if "/" not in program and (path := shutil.which(program, path=environment.get("PATH"))):
        found[_PROGRAM] = path
    return found


def drift(origin: Mapping[str, str], program: str, environment: Mapping[str, str]) -> str:
    """Say what is different from the place where a job was submitted; "" where nothing is.

    >>> drift({"program": "/a/python"}, "sh", {"PATH": ""})
    'program none, not /a/python'
    """
    if not origin:
        return ""  # by an asyncjman that did not record it, or there is nothing to compare
    here = origin_of(program, environment)
    return ", ".join(
        f"{name} {here.get(name) or 'none'}, not {origin.get(name) or 'none'}"
        for name in (*_VARIABLES, _PROGRAM)
        if here.get(name, "") != origin.get(name, "")
    )
