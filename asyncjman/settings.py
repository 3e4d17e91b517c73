"""Settings of a site, a user and a project, from TOML files and the environment.

Read in this order, later ones win: ``~/.config/asyncjman/config.toml``, ``jman.toml`` in the folder
or the nearest one above, ``JMAN_*`` variables. A profile, ``[profiles.NAME]`` in these files, wins over
what stands outside of profiles.
"""

from __future__ import annotations

import os
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from asyncjman.errors import UsageError

PROJECT_FILE = "jman.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set. In files the names are written with ``-``: ``poll-interval``."""

    poll_interval: float = 1.0
    """The least seconds between two looks at the cluster."""
    poll_interval_max: float = 15.0
    """The most, when nothing changes."""
    vanish_grace: float = 120.0
    """Seconds until a task that left the queue without a word counts as failed."""
    queue: str = "all.q"
    log_dir: str = "logs"
    sge_extra_args_default: str = ""
    """Options of qsub where --sge-extra-args gives none (gridtk's name)."""
    sge_extra_args_prepend: str = ""
    """Options of qsub before all others (gridtk's name)."""
    resources: Mapping[str, Any] = field(default_factory=dict)
    """How a site asks for memory, slots and so on: the fields of ``ResourceRules``."""


def load(
    folder: Path, *, profile: str | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """Read the settings that hold in a folder. Raises UsageError for what can't be understood."""
    known = os.environ if environment is None else environment
    profile = profile or known.get("JMAN_PROFILE")
    settings = Settings()
    found_profile = profile is None
    for file in (user_file(known), *project_files(folder)):
        content = _read(file)
        profiles = content.pop("profiles", {})
        if not isinstance(profiles, Mapping) or not all(
            isinstance(one, Mapping) for one in profiles.values()
        ):
            raise UsageError(f"{file}: a profile is a table, as in [profiles.NAME]")
        settings = _apply(settings, content, file)
        if profile is not None and profile in profiles:
            found_profile = True
            settings = _apply(settings, profiles[profile], file)
    if not found_profile:
        raise UsageError(f"no profile {profile!r}: write [profiles.{profile}] in {user_file(known)}")
    variables = {}
    for one in fields(Settings):
        value = known.get(f"JMAN_{one.name.upper()}")
        if value is not None and one.name != "resources":
            variables[one.name] = value
    return _apply(settings, variables, Path("the environment"))


def user_file(environment: Mapping[str, str]) -> Path:
    """Return the path of the user's own file (XDG Base Directory Specification)."""
    base = environment.get("XDG_CONFIG_HOME") or str(Path(environment.get("HOME", "~")) / ".config")
    return Path(base).expanduser() / "asyncjman" / "config.toml"


def project_files(folder: Path) -> list[Path]:
    """Return the nearest ``jman.toml`` in ``folder`` or above it, if there is one."""
    absolute = folder.absolute()
    return [one / PROJECT_FILE for one in (absolute, *absolute.parents) if (one / PROJECT_FILE).is_file()][:1]


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise UsageError(f"can't read {file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, or too deep
        raise UsageError(f"{file} can't be understood: {error}") from error


def _apply(settings: Settings, content: Mapping[str, Any], source: Path) -> Settings:
    changes: dict[str, Any] = {}
    known = {one.name for one in fields(Settings)}
    for name, value in content.items():
        key = name.replace("-", "_")
        if key not in known:
            raise UsageError(f"{source}: no setting is named {name!r}")
        changes[key] = _value(getattr(settings, key), value, name, source)
    return replace(settings, **changes)


def _value(old: Any, value: Any, name: str, source: Path) -> Any:
    if isinstance(old, float):
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise UsageError(f"{source}: {name} must be a number") from None
        if not 0 <= number < 1e9:
            raise UsageError(f"{source}: {name} must be a number of seconds, not {number:g}")
        return number
    if isinstance(old, Mapping):
        if not isinstance(value, Mapping):
            raise UsageError(f"{source}: {name} must be a table")
        return {**old, **{key.replace("-", "_"): one for key, one in value.items()}}
    if not isinstance(value, str):
        raise UsageError(f"{source}: {name} must be a text")
    return value


def extra_options(settings: Settings, given: str | None) -> list[str]:
    """Return further options of qsub, one word each. Raises UsageError for quotes that don't match."""
    words: list[str] = []
    for text in (
        settings.sge_extra_args_prepend,
        settings.sge_extra_args_default if given is None else given,
    ):
        try:
            words += shlex.split(text)
        except ValueError as error:
            raise UsageError(f"bad options of qsub {text!r}: {error}") from None
    return words
