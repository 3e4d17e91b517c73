"""Groups of options that commands share: a parameter that is a ``Group`` is an option per attribute."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints


class Group:
    """Options that belong together: each annotated attribute is one, its value the default."""

    def __init__(self, **values: Any) -> None:
        vars(self).update(values)


def with_groups(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command as the option parser takes it: all its options side by side."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, tuple[type[Any], list[str]]] = {}
    parameters: list[Parameter] = []
    for name, parameter in signature(command).parameters.items():
        hint = hints[name]
        if isinstance(hint, type) and issubclass(hint, Group):
            options = _options_of(hint)
            groups[name] = hint, [one.name for one in options]
            parameters += options
        else:
            parameters.append(_option(name, parameter.default, hint))

    def call(**values: Any) -> Any:
        made = {
            name: group(**{option: values.pop(option) for option in options})
            for name, (group, options) in groups.items()
        }
        return command(**values, **made)

    # the option parser looks at these
    call.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # PEP 362: functions may have it
    call.__annotations__ = {one.name: one.annotation for one in parameters}
    return call


def _options_of(group: type[Group]) -> list[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [_option(name, getattr(group, name), hint) for name, hint in hints.items()]


def _option(name: str, default: Any, hint: Any) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=hint)
