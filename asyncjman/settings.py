"""Settings of a site, a user and a project, from TOML files and the environment.

Read in this order, later ones win: ``/etc/xdg/asyncjman/config.toml`` of the machine,
``~/.config/asyncjman/config.toml``, ``jman.toml`` in the folder or the nearest one above, ``JMAN_*``
variables. A profile, ``[profiles.NAME]`` in these files, wins over what stands outside of profiles.

Settings say what qsub is called with, so a file counts only if it belongs to the user or to root, and nobody
else may write it. Others are left out, and named; ``trust = [PATHS]`` in the user's own file lets them in.
"""

from __future__ import annotations

import errno
import os
import shlex
import stat
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from asyncjman.errors import UsageError
from asyncjman.ownership import ROOT, distrust, foreign_link, has_acl

PROJECT_FILE = "jman.toml"
CLUSTER_LOG_DIR = "logs"
"""Where the logs of a cluster's jobs go that name no folder: they must go somewhere."""
_RUNS_A_PROGRAM = "-jsv"
"""The option of qsub that names a program, which qsub runs on this machine as the user."""


class Settings(NamedTuple):
    """What can be set. In files the names are written with ``-``: ``poll-interval``."""

    poll_interval: float = 1.0
    """The least seconds between two looks at the cluster."""
    poll_interval_max: float = 15.0
    """The most, when nothing changes."""
    vanish_grace: float = 120.0
    """Seconds until a task that left the queue without a word counts as failed."""
    cluster_timeout: float = 10.0
    """Seconds that list, report, why and doctor may ask the cluster in all."""
    cluster: str = "auto"
    """The batch system that jobs are sent to: ``sge``, ``slurm``, or the one that is here."""
    queue: str = ""
    """The queue of jobs that ask for none; empty: the engine's own."""
    log_dir: str = ""
    """The log folder of jobs that name none; empty: none on this machine, ``CLUSTER_LOG_DIR`` elsewhere."""
    parallel: str = ""
    """How many tasks ``jman execute`` runs at once: a number, or ``auto``; empty: one."""
    sge_extra_args_default: str = ""
    """Options of qsub where --sge-extra-args gives none (gridtk's name)."""
    sge_extra_args_prepend: str = ""
    """Options of qsub before all others (gridtk's name)."""
    resources: Mapping[str, Any] = {}
    """How a site asks for memory, slots and so on: the fields of ``ResourceRules``."""


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def load(
    folder: Path,
    *,
    profile: str | None = None,
    environment: Mapping[str, str] | None = None,
    on_ignored: Callable[[str], None] = _say,
) -> Settings:
    """Read the settings that hold in a folder; ``on_ignored`` is told, in a line, of files that don't count.

    Raises UsageError for what can't be understood.
    """
    known = os.environ if environment is None else environment
    profile = profile or known.get("JMAN_PROFILE")
    settings = Settings()
    found_profile = profile is None
    own = user_file(known)
    content = _read(own, (), own, on_ignored) or {}
    trusted = _trusted(content.pop("trust", []), own)
    project = next(
        ((file, it) for file in _above(folder) if (it := _read(file, trusted, own, on_ignored)) is not None),
        None,
    )
    site = site_file()
    machine = _read(site, trusted, own, on_ignored)
    files = ((site, machine), (own, content), project or (own, None))
    for file, found in files:
        if found is None:
            continue
        if "trust" in found:
            raise UsageError(f"{file}: trust counts in {own} only")
        profiles = found.pop("profiles", {})
        if not isinstance(profiles, Mapping) or not all(
            isinstance(one, Mapping) for one in profiles.values()
        ):
            raise UsageError(f"{file}: a profile is a table, as in [profiles.NAME]")
        settings = _apply(settings, _of_a_file(found, file), file)
        if profile is not None and profile in profiles:
            found_profile = True
            settings = _apply(settings, _of_a_file(profiles[profile], file), file)
    if not found_profile:
        raise UsageError(f"no profile {profile!r}: write [profiles.{profile}] in {own}")
    variables = {}
    for name in Settings._fields:
        value = known.get(f"JMAN_{name.upper()}")
        if value is not None and name != "resources":
            variables[name] = value
    return _apply(settings, variables, Path("the environment"))


def site_file() -> Path:
    """Return the path of the file for all users of this machine."""
    if sys.platform == "linux" and not os.environ.get("XDG_CONFIG_DIRS"):
        return Path("/etc/xdg/asyncjman/config.toml")
    import platformdirs

    return platformdirs.site_config_path("asyncjman") / "config.toml"


def user_file(environment: Mapping[str, str]) -> Path:
    """Return the path of the user's own file (XDG Base Directory Specification)."""
    base = environment.get("XDG_CONFIG_HOME") or str(Path(environment.get("HOME", "~")) / ".config")
    return Path(base).expanduser() / "asyncjman" / "config.toml"


def _above(folder: Path) -> Iterable[Path]:
    """Return where a project's file may be: in ``folder``, or above it; the nearest one that counts holds."""
    absolute = folder.absolute()
    return (one / PROJECT_FILE for one in (absolute, *absolute.parents))


def _trusted(paths: object, own: Path) -> tuple[Path, ...]:
    """Return the files and folders that the user's own file trusts."""
    if not isinstance(paths, list) or not all(isinstance(one, str) for one in paths):
        raise UsageError(f'{own}: trust is a list of paths, as in trust = ["/project/jman.toml"]')
    found = tuple(Path(one).expanduser() for one in paths)
    if relative := next((one for one in found if not one.is_absolute()), None):
        raise UsageError(f"{own}: trust needs whole paths, not {str(relative)!r}")
    return tuple(Path(os.path.realpath(one)) for one in found)


def _read(
    file: Path, trusted: Sequence[Path], own: Path, on_ignored: Callable[[str], None]
) -> dict[str, Any] | None:
    """Return what a file holds; None where there is none, or one that doesn't count."""
    try:
        # not blocking: a pipe would never end
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.EACCES and not os.access(file.parent, os.X_OK):
            return None  # HOME is another user's: what is there is not this user's own
        if file != own and (against := _against(file, file)):
            on_ignored(f"jman: {file} is ignored: {against}, and it can't be read")
            return None
        raise UsageError(f"can't read {file}: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                if file == own:
                    raise UsageError(f"can't read {file}: it is not a file")
                return None
            real = Path(os.path.realpath(file))
            is_trusted = any(one in (real, *real.parents) for one in trusted)
            if not is_trusted and (against := _against(file, descriptor)):
                on_ignored(f"jman: {file} is ignored: {against} (trust = [...] in {own} lets it in)")
                return None
            import tomllib

            return tomllib.loads(stream.read().decode("utf-8"))
    except OSError as error:
        raise UsageError(f"can't read {file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, or too deep
        raise UsageError(f"{file} can't be understood: {error}") from error


def _against(file: Path, opened: int | Path) -> str | None:
    """Return why a file does not count, None where it does; ``opened`` is what is read of it."""
    owners = {os.geteuid(), ROOT}
    found = os.fstat(opened) if isinstance(opened, int) else opened.stat()
    return foreign_link(file, owners) or distrust(found, owners, acl=has_acl(opened))


def _of_a_file(content: Mapping[str, Any], file: Path) -> Mapping[str, Any]:
    """Return what a file holds. Raises UsageError where it names a program that qsub would run."""
    resources = content.get("resources", {})
    prepend = resources.get("prepend", ()) if isinstance(resources, Mapping) else ()
    words = [str(one) for one in prepend] if isinstance(prepend, list | tuple) else []
    for name, text in content.items():
        if name.replace("-", "_") in ("sge_extra_args_default", "sge_extra_args_prepend"):
            try:
                words += shlex.split(text) if isinstance(text, str) else []
            except ValueError:  # quotes that don't match, told where they are used
                words += text.split()
    if _RUNS_A_PROGRAM in words:
        raise UsageError(
            f"{file}: {_RUNS_A_PROGRAM} has qsub run a program: it can't come from a file, "
            "only from --sge-extra-args"
        )
    return content


def _apply(settings: Settings, content: Mapping[str, Any], source: Path) -> Settings:
    changes: dict[str, Any] = {}
    for name, value in content.items():
        key = name.replace("-", "_")
        if key not in Settings._fields:
            raise UsageError(f"{source}: no setting is named {name!r}")
        changes[key] = _value(getattr(settings, key), value, name, source)
    return settings._replace(**changes)


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
    if name == "parallel" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise UsageError(f"{source}: {name} must be a text")
    return value


def extra_options(settings: Settings, engine: str, *, given: bool) -> list[str]:
    """Return the site's own options of the command that submits to an engine, one word each.

    ``given``: whether a job has some of its own.

    Raises UsageError for quotes that don't match.
    """
    names = (f"{engine}_extra_args_prepend", "" if given else f"{engine}_extra_args_default")
    texts = [getattr(settings, name, "") for name in names]
    return [word for text in texts for word in split_options(text)]


def split_options(text: str) -> list[str]:
    """Return the words of options of qsub. Raises UsageError for quotes that don't match."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"bad options of qsub {text!r}: {error}") from None
