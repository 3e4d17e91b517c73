"""What a program asks for, read and checked: each value that makes no sense is a UsageError that names it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from asyncjman.errors import BadSelection, UsageError
from asyncjman.model.graph import Dependency, Kind
from asyncjman.model.status import Status

if TYPE_CHECKING:  # loaded for what is given: jman list starts sooner
    from asyncjman.api.asked import Resources
    from asyncjman.api.earlier import Earlier, HasId
    from asyncjman.model.duration import Duration
    from asyncjman.model.retry import Retry
    from asyncjman.model.sweep import Sweep


T = TypeVar("T")


def words_of(command: Sequence[str | os.PathLike[str]]) -> list[str]:
    """Return a command as the words of its list."""
    if isinstance(command, str | bytes | os.PathLike) or not isinstance(command, Iterable):
        raise UsageError(
            f"the command is a list of words, not {command!r}: "
            "write ['python', 'train.py'], or ['sh', '-c', '...'] for a line of the shell"
        )
    return [_path(word, f"word {number} of the command") for number, word in enumerate(command, 1)]


def path_of(value: str | os.PathLike[str] | None, what: str) -> str | None:
    return None if value is None else _path(value, what)


def text_of(value: T, what: str) -> T:
    """Return a text, or None."""
    if value is None or isinstance(value, str):
        return value
    raise UsageError(f"the {what} is a text, not {value!r}")


def flag_of(value: bool, what: str) -> bool:
    if isinstance(value, bool):
        return value
    raise UsageError(f"{what} is True or False, not {value!r}")


def number_of(value: int, what: str) -> int:
    """Return a whole number from 1 on."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**31:
        return value
    raise UsageError(f"{what} is a whole number from 1 on, not {value!r}")


def variables_of(environment: Mapping[str, str] | None) -> dict[str, str]:
    """Return variables as texts."""
    if environment is None:
        return {}
    if not isinstance(environment, Mapping):
        raise UsageError(f"the environment maps names to values, and is not {environment!r}")
    for key, value in environment.items():
        if not isinstance(key, str) or not key or "=" in key:
            raise UsageError(f"bad name of an environment variable: {key!r}")
        if not isinstance(value, str | int | float | os.PathLike):
            raise UsageError(f"the environment variable {key} is a text, not {value!r}")
    return {key: _variable(value) for key, value in environment.items()}


def resources_of(resources: Resources | Mapping[str, object] | None) -> Mapping[str, object]:
    """Return what a cluster is asked for, by the names of the model's ``Resources``."""
    if resources is None:
        return {}
    from asyncjman.api.asked import Resources

    if isinstance(resources, Resources):
        resources = resources.as_mapping()
    if not isinstance(resources, Mapping):
        raise UsageError(
            f"resources map names to values, as in {{'memory': '4G'}}, and are not {resources!r}"
        )
    from asyncjman.model.resources import NAMES

    if "cpus" in resources:
        if "slots" in resources:
            raise UsageError("resources: cpus and slots are two words for one thing, give one of them")
        resources = {"slots" if name == "cpus" else name: value for name, value in resources.items()}
    for name in resources:
        if name not in NAMES:
            raise UsageError(f"no resource {name!r}: there are {', '.join(NAMES)}")
    return {name: _resource(name, value) for name, value in resources.items() if value is not None}


def _resource(name: str, value: object) -> object:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in ("slots", "gpus") and isinstance(value, int) and number:
        return value
    if name == "io_big" and isinstance(value, bool):
        return value
    if name == "extra" and isinstance(value, list | tuple):
        return [text_of(word, "extra option") for word in value]
    if name not in ("slots", "gpus", "io_big", "extra") and (number or isinstance(value, str)):
        return str(value)
    raise UsageError(f"bad value of the resource {name}: {value!r}")


def dependencies_of(given: Mapping[Kind, Earlier]) -> tuple[Dependency, ...]:
    return tuple(
        Dependency(id_of(one), kind)
        for kind, some in given.items()
        for one in (some if isinstance(some, Iterable) and not isinstance(some, str) else [some])
    )


def id_of(job: HasId | int) -> int:
    """Return the id of a job that is given by its handle or its id."""
    found = job if isinstance(job, int) else getattr(job, "id", None)
    if not isinstance(found, int) or isinstance(found, bool):
        raise UsageError(f"a job is given by its handle or its id, not as {job!r}")
    if not 0 < found < 2**63:
        raise BadSelection(f"no job {found}")
    return found


def statuses_of(given: Status | str | Iterable[Status | str]) -> frozenset[Status]:
    """Return statuses that are given as one, or as several."""
    words = [given] if isinstance(given, str) else given
    if not isinstance(words, Iterable):
        raise UsageError(f"a status is a text such as 'failure', not {given!r}")
    found = list(words)
    if unknown := [one for one in found if one not in set(Status)]:
        raise UsageError(f"no status {unknown[0]!r}: there are {', '.join(Status)}")
    return frozenset(Status(one) for one in found)


def task_ids_of(task_ids: Sequence[int]) -> Sequence[int]:
    if isinstance(task_ids, str) or not isinstance(task_ids, Iterable):
        raise UsageError(f"tasks are given as a list of their ids, not as {task_ids!r}")
    found = list(task_ids)
    if bad := [one for one in found if not isinstance(one, int) or isinstance(one, bool)]:
        raise UsageError(f"the id of a task is a whole number, not {bad[0]!r}")
    return found


def sweep_of(sweep: Sweep | Mapping[str, Sequence[object]] | None) -> Sweep | None:
    if sweep is None:
        return None
    from asyncjman.model.sweep import Sweep

    if isinstance(sweep, Sweep):
        return sweep
    if not isinstance(sweep, Mapping):
        raise UsageError(f"a sweep maps parameters to their values, and is not {sweep!r}")
    for name, values in sweep.items():
        if isinstance(values, str | bytes) or not isinstance(values, Iterable):
            raise UsageError(f"the parameter {name} of the sweep has a list of values, not {values!r}")
    return Sweep.of(sweep)


def retry_of(retry: Retry | int | None) -> Retry | None:
    if retry is None:
        return None
    from asyncjman.model.retry import Retry

    if isinstance(retry, Retry):
        return retry
    return Retry(retry)


def timeout_of(timeout: Duration | None) -> float | None:
    """Return the seconds that somebody waits."""
    if timeout is None:
        return None
    from asyncjman.model.duration import seconds_of

    return seconds_of(timeout, "timeout")


def _path(value: str | os.PathLike[str], what: str) -> str:
    if not isinstance(value, str | bytes | os.PathLike):
        raise UsageError(f"{what} is a text or a path, not {value!r}")
    path = os.fsdecode(value)
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise UsageError(f"{what} has half a character in it: {path!r}") from None
    return path


def _variable(value: object) -> str:
    return os.fsdecode(value) if isinstance(value, os.PathLike) else str(value)
