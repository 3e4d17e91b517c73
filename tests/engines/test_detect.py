"""Which batch system a machine has."""

from __future__ import annotations

import pytest

from asyncjman.engines.detect import SIGNS, cluster_of
from asyncjman.engines.registry import ENGINES, LOCAL
from asyncjman.errors import EnvironmentProblem, UsageError


def seen(asked: str, *commands: str) -> str | None:
    return cluster_of(asked, lambda name: f"/usr/bin/{name}" if name in commands else None)


def test_what_is_there_is_taken() -> None:
    for others in ((), ("qsub", "qstat")):  # Slurm's wrappers alone
        with pytest.raises(EnvironmentProblem, match="no batch system is here"):
            seen("auto", *others)
    assert seen("auto", "qsub", "qconf") == "sge"
    assert seen("auto", "sbatch", "scontrol", "qsub") == "slurm"


def test_what_is_asked_for_is_taken() -> None:
    assert seen("sge", "sbatch", "scontrol") == "sge"


def test_two_of_them_have_to_be_told_apart() -> None:
    with pytest.raises(UsageError, match="sge and slurm: say which one, with --cluster"):
        seen("auto", "qsub", "qconf", "sbatch", "scontrol")


def test_every_batch_system_has_its_signs() -> None:
    assert SIGNS.keys() == ENGINES.keys() - {LOCAL}
