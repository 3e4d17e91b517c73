"""Groups of options that commands share: a parameter that is a class of values is an option per field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints


def with_groups(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command as the option parser takes it: all its options side by side."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, tuple[type[Any], list[str]]] = {}
    parameters: list[Parameter] = []
    for name, parameter in signature(command).parameters.items():
        if is_dataclass(hints[name]):
            defaults = {one.name: one.default for one in fields(hints[name])}
            groups[name] = hints[name], list(defaults)
            parameters += _options_of(hints[name], defaults)
        else:
            default = parameter.default
            parameters.append(
                Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=hints[name])
            )

    def call(**values: Any) -> Any:
        made = {
            name: group(**{field: values.pop(field) for field in fields})
            for name, (group, fields) in groups.items()
        }
        return command(**values, **made)

    # the option parser looks at these
    call.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # PEP 362: functions may have it
    call.__annotations__ = {one.name: one.annotation for one in parameters}
    return call


def _options_of(group: type[Any], defaults: dict[str, Any]) -> list[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if default is MISSING else default,
            annotation=hints[name],
        )
        for name, default in defaults.items()
    ]
