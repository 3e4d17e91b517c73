"""Classes of values, as ``dataclasses`` makes them, made in a fraction of the time.

``dataclasses`` loads ``inspect``, and compiles six methods for each class at each start of ``jman``. Here all
classes share their methods, but for an ``__init__`` that is compiled when the first value is made. To type
checkers they are dataclasses, and to ``dataclasses.fields``, ``asdict``, ``replace`` and ``help``, too:
what those need is made when they ask.

All have slots. Base classes, and fields that are no argument, are for ``dataclasses``.
"""

from __future__ import annotations

from operator import attrgetter

TYPE_CHECKING = False  # the typing module takes as long as all of this
if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass, field, replace
    from typing import Any

__all__ = ["MISSING", "dataclass", "defaults_of", "field", "replace"]

MISSING: Any = object()
_set = object.__setattr__


class _Field:
    """What is said of a field besides its type."""

    __slots__ = ("compare", "default", "default_factory", "repr")

    def __init__(
        self,
        *,
        default: Any = MISSING,
        default_factory: Callable[[], Any] = MISSING,
        repr: bool = True,
        compare: bool = True,
    ) -> None:
        self.default = default
        self.default_factory = default_factory
        self.repr = repr
        self.compare = compare


def _dataclass(
    *, slots: bool, frozen: bool = False, kw_only: bool = False, eq: bool = True, init: bool = True
) -> Callable[[type], type]:
    assert slots

    def made(cls: type) -> type:
        assert not any(hasattr(one, "_fields") for one in cls.__bases__), "fields of a base are left out"
        names = tuple(cls.__annotations__)
        content = {name: value for name, value in cls.__dict__.items() if name not in names}
        content.pop("__dict__", None)
        content.pop("__weakref__", None)
        given = {name: cls.__dict__.get(name, MISSING) for name in names}
        fields = {
            name: value if type(value) is _Field else _Field(default=value) for name, value in given.items()
        }
        content["__slots__"] = names
        content["__match_args__"] = () if kw_only else names
        content["_fields"] = fields
        content["_options"] = {"frozen": frozen, "kw_only": kw_only, "eq": eq, "init": init}
        content.setdefault("__repr__", _repr)
        if eq and "__eq__" not in content:
            compared = [name for name, one in fields.items() if one.compare]
            content["_compared"] = attrgetter(*compared) if compared else _nothing
            content["__eq__"] = _eq
            content["__hash__"] = _hash if frozen else None
        if frozen:
            content["__setattr__"] = _refuse_to_set
            content["__delattr__"] = _refuse_to_delete
        content["__getstate__"], content["__setstate__"] = _getstate, _setstate
        content["__replace__"] = _replace
        for name in ("__dataclass_fields__", "__dataclass_params__", "__signature__"):
            content[name] = _Later(name)

        def __init__(self: Any, /, *values: Any, **named: Any) -> None:
            new.__init__ = _compiled_init(new)
            new.__init__(self, *values, **named)

        if init:
            content["__init__"] = __init__
        new: Any = type(cls)(cls.__name__, cls.__bases__, content)
        new.__qualname__ = cls.__qualname__
        return new  # type: ignore[no-any-return]

    return made


def defaults_of(cls: Any) -> dict[str, Any] | None:
    """Return the fields of a class of values, with their defaults or ``MISSING``; None for other classes."""
    fields: dict[str, _Field] | None = getattr(cls, "_fields", None)
    return None if fields is None else {name: one.default for name, one in fields.items()}


def _compiled_init(cls: Any) -> Any:
    """Return the function that sets each field, as one would write it."""
    known: dict[str, Any] = {"_set": _set, "_missing": MISSING}
    parameters, lines = [], []
    for name, one in cls._fields.items():
        value = name
        if one.default_factory is not MISSING:
            known[f"_make_{name}"] = one.default_factory
            parameters.append(f"{name}=_missing")
            value = f"_make_{name}() if {name} is _missing else {name}"
        elif one.default is not MISSING:
            known[f"_default_{name}"] = one.default
            parameters.append(f"{name}=_default_{name}")
        else:
            parameters.append(name)
        frozen = cls._options["frozen"]
        lines.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    star = "*, " if cls._options["kw_only"] and parameters else ""
    exec(f"def __init__(self, {star}{', '.join(parameters)}):\n " + "\n ".join(lines or ["pass"]), known)  # noqa: S102
    made = known["__init__"]
    made.__qualname__, made.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
    return made


def _eq(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self is other or bool(self.__class__._compared(self) == self.__class__._compared(other))


def _nothing(self: Any) -> tuple[()]:
    return ()


def _hash(self: Any) -> int:
    return hash(self.__class__._compared(self))


def _repr(self: Any) -> str:
    shown = (f"{name}={getattr(self, name)!r}" for name, one in self._fields.items() if one.repr)
    return f"{self.__class__.__qualname__}({', '.join(shown)})"


def _refuse_to_set(self: Any, name: str, value: object) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: Any, name: str) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, name) for name in self.__slots__]


def _setstate(self: Any, state: list[Any]) -> None:
    for name, value in zip(self.__slots__, state, strict=True):
        _set(self, name, value)


def _replace(self: Any, /, **changes: Any) -> Any:
    return self.__class__(**{name: getattr(self, name) for name in self.__slots__} | changes)


class _Later:
    """What the standard library looks at in a dataclass, made when it does."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: Any) -> Any:
        import dataclasses
        from inspect import signature

        fields = []
        for name, one in owner._fields.items():
            defaults = {"default": one.default, "default_factory": one.default_factory}
            given = {key: value for key, value in defaults.items() if value is not MISSING}
            made: Any = dataclasses.field(**given, repr=one.repr, compare=one.compare)
            fields.append((name, owner.__annotations__[name], made))
        standard: Any = dataclasses.make_dataclass(owner.__name__, fields, slots=True, **owner._options)
        owner.__dataclass_fields__ = standard.__dataclass_fields__
        owner.__dataclass_params__ = standard.__dataclass_params__
        owner.__signature__ = signature(standard) if owner._options["init"] else None
        return owner.__dict__[self._name]


if not TYPE_CHECKING:
    dataclass, field, replace = _dataclass, _Field, _replace
