"""The options of ``jman resubmit`` that change what was asked for."""

# not `from __future__ import annotations`: typer would compile each of them
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asyncjman.cli.groups import Group

if TYPE_CHECKING:
    from asyncjman.api.resubmission_request import Changes


class Changed(Group):
    """What is different from now on; what is not given stays as it was."""

    name: Annotated[str | None, typer.Option("--name", help="Another name.")] = None
    environment: Annotated[
        list[str] | None,
        typer.Option("--environment", metavar="KEY=VALUE", help="Set a variable, too; repeatable."),
    ] = None
    array_limit: Annotated[
        int | None,
        typer.Option("--array-limit", min=0, metavar="N", help="Tasks of it at a time; 0: any number."),
    ] = None
    retry: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Try a task that fails N times more.")
    ] = None
    retry_on: Annotated[
        list[str] | None, typer.Option(metavar="CAUSES", help="Only after these, see jman submit.")
    ] = None
    retry_delay: Annotated[str, typer.Option(metavar="TIME", help="Wait so long before: 10s, 5m.")] = "0"
    timeout: Annotated[
        str | None, typer.Option(metavar="TIME", help="End a task that takes longer: 90s, 30m, 2h.")
    ] = None

    def changes(self, resources: Mapping[str, Any]) -> "Changes":
        """Return what is different. Raises UsageError for what makes no sense."""
        from asyncjman.api.request import parse_environment
        from asyncjman.api.resubmission_request import Changes
        from asyncjman.cli.submit_options import retry_policy
        from asyncjman.model.duration import parse_duration

        return Changes(
            resources=resources,
            environment=parse_environment(self.environment or ()),
            name=self.name,
            timeout=None if self.timeout is None else parse_duration(self.timeout),
            retry=None if self.retry is None else retry_policy(self.retry, self.retry_on, self.retry_delay),
            at_once=self.array_limit,
        )
