"""A site's rules for resources, from its settings: a frozen dataclass of each dialect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from typing import Any, TypeVar

from asyncjman.errors import UsageError

T = TypeVar("T")


def rules_from(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    """Build rules from a table of the settings that is called ``where``; the rest is as by default.

    A field takes what its default is: a text, a list of texts, or one of the words of an enumeration.
    Raises UsageError for a name that there is not, and for a value that makes no sense.
    """
    if not isinstance(values, Mapping):
        raise UsageError(f"{where} must be a table")
    values = {key.replace("-", "_"): value for key, value in values.items()}
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]
    if unknown := values.keys() - known:
        raise UsageError(
            f"no setting {where} {', '.join(sorted(unknown))}: there are {', '.join(sorted(known))}"
        )
    default = kind()
    return kind(
        **{
            key: _checked(value, getattr(default, key), f"{where} {key.replace('_', '-')}")
            for key, value in values.items()
        }
    )


def _checked(value: Any, default: Any, name: str) -> Any:
    if isinstance(default, tuple):
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
            raise UsageError(f"{name} must be a list of texts")
        return tuple(value)
    if not isinstance(value, str):
        raise UsageError(f"{name} must be a text")
    if isinstance(default, Enum):
        words = [str(one.value) for one in type(default)]
        if value not in words:
            raise UsageError(f"{name} is {', '.join(words[:-1])} or {words[-1]}")
        return type(default)(value)
    return value
