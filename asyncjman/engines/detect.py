"""Which batch system a machine has, by the commands on its PATH. Pure, but for the look at PATH itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping

from asyncjman.errors import UsageError

AUTO = "auto"
SIGNS: Mapping[str, tuple[str, ...]] = {"sge": ("qsub", "qconf"), "slurm": ("sbatch", "scontrol")}
"""The commands that have to be there, all of them: Slurm's wrappers for Torque users have a qsub, too."""


def cluster_of(asked: str, find: Callable[[str], str | None] = shutil.which) -> str | None:
    """Return the batch system that is meant by a setting; None where it is ``auto``, and there is none.

    Raises UsageError where it is ``auto`` and there are several.
    """
    if asked != AUTO:
        return asked
    found = [name for name, commands in SIGNS.items() if all(map(find, commands))]
    if len(found) > 1:
        names = " and ".join(found)
        raise UsageError(
            f"this machine has {names}: say which one, with --cluster, JMAN_CLUSTER or the setting cluster"
        )
    return found[0] if found else None
