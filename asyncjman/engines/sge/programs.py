"""The commands of Grid Engine."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from asyncjman.engines.cluster.dialect import Programs, Wrapper

_SETTING = re.compile(r"\s*(?:export\s+)?(SGE_ROOT|SGE_CELL)=(.*)")


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


DEBIAN = Wrapper(
    name="gridengine-wrapper",
    folder=Path("/usr/lib/gridengine"),
    settings=Path("/etc/default/gridengine"),
    defaults={"SGE_ROOT": "/var/lib/gridengine", "SGE_CELL": "default"},
    parse=parse_settings,
)

PROGRAMS = Programs(
    names=("qsub", "qstat", "qdel", "qacct", "qconf", "qalter"),
    missing="qsub is not on PATH: this machine is no submit host of a Grid Engine cluster, "
    "or its settings.sh was not read; --local runs jobs on this machine",
    # they make the commands print debugging output, or answer in another layout
    dropped=("SGE_DEBUG_LEVEL", "SGE_ND", "SGE_LONG_QNAMES", "SGE_SINGLE_LINE"),
    wrapper=DEBIAN,
)
