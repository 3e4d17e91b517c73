"""What a database file is, told from its first bytes, so that a wrong one stays as it is.

Source: https://www.sqlite.org/fileformat.html, "The Database Header".
"""

from __future__ import annotations

from enum import Enum

APPLICATION_ID = 0x6A6D616E  # "jman"
HEADER_BYTES = 100
_MAGIC = b"SQLite format 3\x00"


class Kind(Enum):
    """What a file turned out to be."""

    EMPTY = "empty"
    OURS = "ours"
    OTHER_SQLITE = "other"
    NOT_SQLITE = "not SQLite"


def kind_of(header: bytes) -> Kind:
    """Tell what a file is from its first ``HEADER_BYTES`` bytes."""
    if not header:
        return Kind.EMPTY
    if not header.startswith(_MAGIC) or len(header) < HEADER_BYTES:
        return Kind.NOT_SQLITE
    return Kind.OURS if int.from_bytes(header[68:72], "big") == APPLICATION_ID else Kind.OTHER_SQLITE


def schema_version(header: bytes) -> int:
    """Return the ``user_version`` that the header holds."""
    return int.from_bytes(header[60:64], "big")
