"""Where Grid Engine's commands are, and the environment that they need."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from asyncjman.errors import EnvironmentProblem

DEBIAN_FOLDER = Path("/usr/lib/gridengine")
DEBIAN_SETTINGS = Path("/etc/default/gridengine")
DEBIAN_DEFAULTS = {"SGE_ROOT": "/var/lib/gridengine", "SGE_CELL": "default"}
_WRAPPER = "gridengine-wrapper"

# they make the commands print debugging output, or answer in another layout
_DROPPED = ("SGE_DEBUG_LEVEL", "SGE_ND", "SGE_LONG_QNAMES", "SGE_SINGLE_LINE")
_SETTING = re.compile(r"\s*(?:export\s+)?(SGE_ROOT|SGE_CELL)=(.*)")


@dataclass(frozen=True, slots=True)
class Binaries:
    """Commands of Grid Engine as they are called: full paths, and the whole environment."""

    paths: Mapping[str, str]
    environment: Mapping[str, str] = field(repr=False)

    def path(self, name: str) -> str:
        """Return the path of ``qsub``, ``qstat``…; raises EnvironmentProblem where it is not installed."""
        try:
            return self.paths[name]
        except KeyError:
            raise EnvironmentProblem(f"{name} is not on PATH, although qsub is") from None


NAMES = ("qsub", "qstat", "qdel", "qacct", "qmod", "qconf", "qalter")


def locate(
    environ: Mapping[str, str] | None = None,
    *,
    folder: Path = DEBIAN_FOLDER,
    settings: Path = DEBIAN_SETTINGS,
) -> Binaries:
    """Find the commands on the PATH of ``environ`` (this process's, unless given).

    Debian puts a shell wrapper before each, which takes 52 ms where the command takes 5 ms
    (measured on gridengine 8.1.9+dfsg-10): the command itself is called, with the variables that
    the wrapper would set.

    Raises EnvironmentProblem where qsub is not on PATH.
    """
    environ = os.environ if environ is None else environ
    paths: dict[str, str] = {}
    wrapped = False
    for name in NAMES:
        found = shutil.which(name, path=environ.get("PATH", os.defpath))
        if found is None:
            continue
        real = folder / name
        if Path(found).resolve().name == _WRAPPER and os.access(real, os.X_OK):
            wrapped = True
            found = str(real)
        paths[name] = found
    if "qsub" not in paths:
        raise EnvironmentProblem(
            "qsub is not on PATH: this machine is no submit host of a Grid Engine cluster, "
            "or its settings.sh was not read; --local runs jobs on this machine"
        )
    environment = {key: value for key, value in environ.items() if key not in _DROPPED}
    if wrapped:
        for key, value in {**DEBIAN_DEFAULTS, **_read(settings)}.items():
            environment[key] = environ.get(key) or value
    return Binaries(paths, environment)


def _read(settings: Path) -> dict[str, str]:
    try:
        text = settings.read_text("utf-8", "replace")
    except OSError:
        return {}
    return parse_settings(text)


def parse_settings(text: str) -> dict[str, str]:
    """Read SGE_ROOT and SGE_CELL from shell assignments; what a shell would have to work out is left out."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if match := _SETTING.fullmatch(line):
            try:
                words = shlex.split(match[2], comments=True)
            except ValueError:
                continue
            if len(words) == 1 and not set("$`") & set(words[0]):
                found[match[1]] = words[0]
    return found
