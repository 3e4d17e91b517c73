"""Groups of options that commands share: a parameter that is a dataclass stands for an option per field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints


def with_groups(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command as the option parser takes it: all its options side by side."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, type[Any]] = {}
    parameters: list[Parameter] = []
    for name, parameter in signature(command).parameters.items():
        if is_dataclass(hints[name]):
            groups[name] = hints[name]
            parameters += _options_of(hints[name])
        else:
            default = parameter.default
            parameters.append(
                Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=hints[name])
            )

    def call(**values: Any) -> Any:
        made = {
            name: group(**{field.name: values.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        return command(**values, **made)

    # the option parser looks at these
    call.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # PEP 362: functions may have it
    call.__annotations__ = {one.name: one.annotation for one in parameters}
    return call


def _options_of(group: type[Any]) -> list[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]
