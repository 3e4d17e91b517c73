"""Which batch system a machine has, by the commands on its PATH. Pure, but for reading PATH."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping

from asyncjman.errors import EnvironmentProblem, UsageError

AUTO = "auto"
SIGNS: Mapping[str, tuple[str, ...]] = {"sge": ("qsub", "qconf"), "slurm": ("sbatch", "scontrol")}
"""The commands that have to be there, all of them: Slurm's wrappers for Torque users have a qsub, too."""


def cluster_of(asked: str, find: Callable[[str], str | None] = shutil.which) -> str:
    """Return the batch system that is meant by a setting; ``auto``: the one that this machine has.

    Raises UsageError where it has several, EnvironmentProblem where it has none.
    """
    if asked != AUTO:
        return asked
    found = [name for name, commands in SIGNS.items() if all(map(find, commands))]
    if len(found) > 1:
        names = " and ".join(found)
        raise UsageError(
            f"this machine has {names}: say which one, with --cluster, JMAN_CLUSTER or the setting cluster"
        )
    if not found:
        signs = ", nor ".join(" and ".join(commands) for commands in SIGNS.values())
        raise EnvironmentProblem(
            f"no batch system is here (on PATH are neither {signs}): jman --local runs jobs on this machine"
        )
    return found[0]
