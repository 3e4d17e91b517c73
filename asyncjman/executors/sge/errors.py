"""What the parsers raise."""

from __future__ import annotations

from asyncjman.errors import EnvironmentProblem


class ParseError(EnvironmentProblem):
    """The output of a Grid Engine command can't be read, and tells nothing: not even that no job is left."""
