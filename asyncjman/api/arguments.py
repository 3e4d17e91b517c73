"""Arguments of function jobs: a handle of another one stands for its value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from asyncjman.api import values
from asyncjman.api.call_handle import CallHandle
from asyncjman.api.given_values import WithValues
from asyncjman.api.handle import JobHandle
from asyncjman.api.wrapped import Input, InTurn, replaced
from asyncjman.errors import UsageError
from asyncjman.model.graph import Dependency, Kind


def with_values(
    database: Path, function: Callable[..., Any], inputs: Sequence[Input]
) -> tuple[Callable[..., Any], Sequence[Input], tuple[Dependency, ...]]:
    """Return a function and its inputs with handles exchanged for what stands for their values.

    Also those in plain lists, tuples, sets and dicts; and for what the job has to wait. Raises UsageError.
    """
    found: set[int] = set()

    def swap(value: Any) -> Any:
        if not isinstance(value, JobHandle):
            return value
        if not isinstance(value, CallHandle):
            raise UsageError(f"job {value.id} runs a command, and has no value to be an argument: after_ok=")
        if value.database != database:
            raise UsageError(f"job {value.id} is of another database, {value.database}")
        found.add(value.id)
        return values.reference(database, value.job)

    swapped = [(replaced(args, swap), replaced(kwargs, swap)) for args, kwargs in inputs]
    if not found:
        return function, inputs, ()
    return WithValues(function), swapped, tuple(Dependency(one, Kind.OK) for one in sorted(found))


def in_chunks(
    function: Callable[..., Any], inputs: Sequence[Input], chunk: int, *, go_on: bool
) -> tuple[Callable[..., Any], Sequence[Input]]:
    """Return a function and its inputs so that each call takes ``chunk`` of them, the last what is left."""
    if chunk == 1:
        return function, inputs
    parts: Iterable[list[Input]] = (
        list(inputs[start : start + chunk]) for start in range(0, len(inputs), chunk)
    )
    return InTurn(function, go_on=go_on), [((part,), {}) for part in parts]


def name_of(function: Callable[..., Any]) -> str:
    """Return the name of a function. Raises UsageError for what can't be called."""
    if not callable(function):
        raise UsageError(f"a function is needed, not {function!r}")
    return str(getattr(function, "__name__", None) or type(function).__name__)
