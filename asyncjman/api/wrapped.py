"""What a function job runs around a function: several inputs one after the other, values of other jobs.

Instances are pickled by the program that makes the call, and loaded by its worker.
"""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from asyncjman.worker import Failed, Returned

Input = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class ValueOf:
    """Stands in an argument for the value of another function job; ``label`` is its name.

    ``count``: of so many inputs, as a list; None: of its only one.
    """

    folder: str
    label: str
    count: int | None = None


class Rows:
    """Calls a function with the parts of its one argument, a row."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.__name__ = str(getattr(function, "__name__", "call"))

    def __call__(self, row: Sequence[Any]) -> Any:
        return awaited(self._function(*row))


class InTurn:
    """Calls a function with several inputs, one after the other; each outcome is pickled by itself.

    With ``go_on`` also after one of them failed.
    """

    def __init__(self, function: Callable[..., Any], *, go_on: bool) -> None:
        self._function = function
        self._go_on = go_on

    def __call__(self, inputs: Sequence[Input]) -> Outcomes:
        """Return what came of each. Raises SomeFailed where one failed: so the task is not a success."""
        outcomes = Outcomes()
        failed = ""
        for args, kwargs in inputs:
            outcome = self._call(args, kwargs)
            outcomes.append(dumps(outcome))
            if isinstance(outcome, Failed):
                failed = failed or outcome.message
                if not self._go_on:
                    break
        if failed:
            raise SomeFailed(failed, outcomes)
        return outcomes

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Returned | Failed:
        try:
            return Returned(awaited(self._function(*args, **kwargs)))
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            words = f"{type(error).__name__}: {error}"
            carried = error if isinstance(error, Exception) else None
            return Failed(carried, words, traceback.format_exc())


class Outcomes(list[bytes]):
    """What came of several inputs, each pickled by itself: ``Returned`` or ``Failed``."""


class SomeFailed(Exception):
    """Of several inputs one failed; ``outcomes`` are those of all that were tried."""

    def __init__(self, message: str, outcomes: Outcomes) -> None:
        super().__init__(message, outcomes)
        self.outcomes = outcomes

    def __str__(self) -> str:
        return str(self.args[0])


def dumps(outcome: Returned | Failed) -> bytes:
    """Pickle an outcome; what can't be carried is told in words."""
    import cloudpickle

    try:
        data: bytes = cloudpickle.dumps(outcome)
        # an exception with an odd __init__ can be pickled, but not loaded; made just now, here
        pickle.loads(data)  # noqa: S301
        return data
    except Exception as error:
        if isinstance(outcome, Failed):
            return pickle.dumps(Failed(None, outcome.message, outcome.traceback))
        return pickle.dumps(Failed(None, f"its value can't be carried back: {error}"))


def awaited(value: Any) -> Any:
    """Return a value, or where it is a coroutine what comes of that."""
    from types import CoroutineType

    if not isinstance(value, CoroutineType):
        return value
    import asyncio

    return asyncio.run(value)


def replaced(value: Any, swap: Callable[[Any], Any]) -> Any:
    """Return a value with what it holds exchanged by ``swap``, also in plain lists, tuples, sets and dicts.

    >>> replaced({"a": [1, (2, 3)]}, lambda one: 20 if one == 2 else one)
    {'a': [1, (20, 3)]}
    """
    kind = type(value)
    if kind in (list, tuple, set):
        new = [replaced(one, swap) for one in value]
        same = all(a is b for a, b in zip(new, value, strict=True))
        return value if same else kind(new)
    if kind is dict:
        pairs = {key: replaced(one, swap) for key, one in value.items()}
        return value if all(pairs[key] is one for key, one in value.items()) else pairs
    return swap(value)
