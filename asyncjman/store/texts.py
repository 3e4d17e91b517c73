"""Values of TEXT columns, which may be bytes that are not UTF-8: a small file, read early."""

from __future__ import annotations

import os


def text(value: str | None) -> str | bytes | None:
    """Return a value for a TEXT column: bytes that are not UTF-8 (surrogates, PEP 383) as a BLOB."""
    if value is None or value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return os.fsencode(value)
    return value


def untext(value: str | bytes | None) -> str | None:
    return os.fsdecode(value) if isinstance(value, bytes) else value
