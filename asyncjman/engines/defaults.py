"""What an engine answers that has nothing to say to a question of the protocol."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from asyncjman.engines.base import (
    Abandoned,
    Evidence,
    Finding,
    Launched,
    LaunchFailed,
    LaunchRequest,
    Lease,
    Observation,
    Ref,
    Watched,
)
from asyncjman.model.job import JobSpec, Usage


class Defaults:
    """An engine that refuses nothing, has no capacity of its own, and keeps nothing to tell of what was."""

    async def close(self) -> None:
        """There is nothing to release."""

    def refuse(self, spec: JobSpec) -> str | None:
        return None

    def reserve(self, spec: JobSpec) -> Lease | None:
        return Lease()

    def release(self, lease: Lease) -> None:
        pass

    async def prepare(self, request: LaunchRequest) -> None:
        """An attempt leaves nothing that the next one could be taken for."""

    def make_ready(self, request: LaunchRequest) -> None:
        """A launch is the engine's own matter."""

    def launch_at_once(self, request: LaunchRequest) -> Launched | LaunchFailed | None:
        return None

    async def settle(self) -> None:
        """What attempts give back is on the disk when they are seen to end."""

    async def stored(self, ends: Sequence[Observation]) -> None:
        """Nothing is kept to tell of ends."""

    async def recover(
        self, runner: Abandoned, refs: Collection[Ref] | None = None, *, end: bool = True
    ) -> int:
        return 0

    async def end_remains(self) -> None:
        """What tasks leave running is the engine's matter, or does not exist."""

    async def explain(self, watched: Sequence[Watched]) -> Sequence[Evidence]:
        return ()

    def judge(self, spec: JobSpec, seconds: float | None, usage: Usage | None) -> Sequence[str]:
        return ()

    async def check(self) -> Sequence[Finding]:
        return ()
