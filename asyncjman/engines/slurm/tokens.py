"""The comment that a job is submitted with: by the token in it a launch is found again."""

from __future__ import annotations

import re

_OURS = re.compile(r"jman:([0-9a-f]{14}|[0-9a-f]{20})", re.ASCII)


def comment_of(token: str) -> str:
    return f"jman:{token}"


def token_in(comment: str) -> str | None:
    """Return the token from a comment; None for a job that is not ours."""
    match = _OURS.fullmatch(comment.strip())
    return match[1] if match else None
