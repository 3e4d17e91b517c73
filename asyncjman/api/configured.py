"""The settings that hold in the current folder, and the batch system that is named, there or to a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncjman.settings import Settings

_USUAL = "auto"
"""Of this nothing is loaded to check it: commands start sooner."""


def settings_here(profile: str | None = None) -> Settings:
    """Read the settings. Raises UsageError for what can't be understood, or names what there is not."""
    from pathlib import Path

    from asyncjman.settings import load

    settings = load(Path.cwd(), profile=profile)
    refuse_unknown(settings.cluster)
    return settings


def refuse_unknown(cluster: str | None) -> None:
    """Raise UsageError for what names no batch system, whether or not something is to be sent there."""
    if cluster and cluster != _USUAL:
        from asyncjman.engines.registry import check_cluster

        check_cluster(cluster)
