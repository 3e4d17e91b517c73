"""Classes of values are what dataclasses would make of them."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from asyncjman import Job, Retry, Selection, values
from asyncjman.model.job import JobSpec, Task
from asyncjman.model.status import Status


def made(dataclass: Any, field: Any) -> tuple[type[Any], type[Any], type[Any]]:
    """Return the same classes, made by one or the other."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Named:
        """All by name."""

        first: int
        second: tuple[int, ...] = ()
        third: dict[str, int] = field(default_factory=dict)
        hidden: str = field(default="h", compare=False, repr=False)

        @property
        def both(self) -> tuple[int, ...]:
            return (self.first, *self.second)

    @dataclass(frozen=True, slots=True)
    class Plain:
        """By place."""

        first: int
        second: int = 3

        def __post_init__(self) -> None:
            if self.first < 0:
                raise ValueError("first")

    @dataclass(slots=True)
    class Open:
        """Can be changed."""

        first: list[int] = field(default_factory=list)

    return Named, Plain, Open


@pytest.fixture(params=[values, dataclasses], ids=["values", "dataclasses"])
def classes(request: pytest.FixtureRequest) -> tuple[type[Any], type[Any], type[Any]]:
    """Whatever is asserted below must be true of the standard library's, too."""
    return made(request.param.dataclass, request.param.field)


def test_values(classes: tuple[type[Any], type[Any], type[Any]]) -> None:
    named, plain, opened = classes
    one = named(first=1, second=(2,))
    assert (one.first, one.both, one.third, one.hidden) == (1, (1, 2), {}, "h")
    assert repr(one).endswith("Named(first=1, second=(2,), third={})")
    assert one == named(first=1, second=(2,), hidden="other") != named(first=2)
    assert one.third is not named(first=1).third
    assert plain(1) == plain(1, 3) != plain(1, 4)
    assert {plain(1): "x"}[plain(first=1)] == "x"
    assert plain(1) != opened() and plain(1) != (1, 3)
    changed = opened()
    changed.first = [1]
    assert changed == opened([1])
    match plain(1, 2):
        case plain(first, second):
            assert (first, second) == (1, 2)


def test_what_is_refused(classes: tuple[type[Any], type[Any], type[Any]]) -> None:
    named, plain, opened = classes
    refused: list[tuple[Callable[[], object], type[Exception], str]] = [
        (lambda: named(1), TypeError, "positional"),
        (lambda: named(), TypeError, "first"),
        (lambda: plain(1, nosuch=1), TypeError, "nosuch"),
        (lambda: plain(-1), ValueError, "first"),
        (lambda: setattr(plain(1), "first", 2), dataclasses.FrozenInstanceError, "cannot assign"),
        (lambda: delattr(plain(1), "first"), dataclasses.FrozenInstanceError, "cannot delete"),
        (lambda: setattr(opened(), "nosuch", 2), AttributeError, "nosuch"),
        (lambda: hash(opened()), TypeError, "unhashable"),
    ]
    for what, kind, words in refused:
        with pytest.raises(kind, match=words):
            what()


def test_the_standard_library_takes_them_for_dataclasses(
    classes: tuple[type[Any], type[Any], type[Any]],
) -> None:
    named, plain, _ = classes
    one = named(first=1, third={"a": 1})
    assert dataclasses.is_dataclass(named)
    assert [field.name for field in dataclasses.fields(plain)] == ["first", "second"]
    assert dataclasses.asdict(one) == {"first": 1, "second": (), "third": {"a": 1}, "hidden": "h"}
    assert dataclasses.replace(one, first=2).first == 2
    assert str(inspect.signature(plain)) == "(first: 'int', second: 'int' = 3) -> None"
    assert copy.copy(one) == copy.deepcopy(one) == one


def test_jobs_survive_pickling() -> None:
    spec = JobSpec(command=("true",), exec_dir="/")
    job = Job(id=1, spec=spec, submitted_at=1.0, counts={Status.SUCCESS: 1}, status=Status.SUCCESS)
    task = Task(job_id=1, task_id=0, status=Status.FAILURE, attempt=2)
    for one in (job, task, Retry(2, ["timeout"]), Selection(names=("x",))):
        assert pickle.loads(pickle.dumps(one)) == one
    assert values.replace(job, id=2).spec is spec
    assert "count: 'int'" in str(inspect.signature(Retry))
