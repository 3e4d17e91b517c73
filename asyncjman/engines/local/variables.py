"""The environment of a process, as it gets it: of the tasks of a job most of it is the same."""

from __future__ import annotations

import os
from collections.abc import Mapping

from asyncjman.engines.local import clib

Variables = dict[str, bytes]
"""NAME=value, by name."""


def encoded(environment: Mapping[str, str]) -> Variables:
    """Return variables as a process gets them. Raises ValueError for what none can have."""
    found = {}
    for name, value in environment.items():
        if not name or "=" in name:
            raise ValueError(f"illegal name of an environment variable: {name!r}")
        found[name] = os.fsencode(f"{name}={value}")
    clib.refuse_nul(*found.values())
    return found


class Environment:
    """Variables that many processes have in common, and what each has of its own."""

    def __init__(self, common: Variables) -> None:
        self._common = common
        self._template: tuple[clib.Words, dict[str, int]] | None = None
        """All variables of a process, and where those are that each has of its own. One value: threads start
        processes, too."""

    def search_path(self) -> str:
        """Return where commands are searched for."""
        return os.fsdecode(self._common.get("PATH", b"")).partition("=")[2] or os.defpath

    def plus(self, own: Mapping[str, str]) -> dict[bytes, bytes]:
        """Return the environment of a process: its values by name. Raises ValueError, as ``encoded`` does."""
        both = {**self._common, **encoded(own)}
        return dict(variable.split(b"=", 1) for variable in both.values())

    def words(self, own: Mapping[str, str]) -> clib.Words:
        """Return the same for the C library."""
        variables = encoded(own)
        known = self._template
        if known is None or known[1].keys() != own.keys():
            everything = {**self._common, **variables}
            places = {name: n for n, name in enumerate(everything) if name in own}
            template = clib.Words(everything.values())
            self._template = template, places
            return template
        template, places = known
        return template.changed({places[name]: one for name, one in variables.items()})
