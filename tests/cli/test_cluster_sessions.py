"""The sessions on clusters that the README and docs show are what the commands print there."""

from __future__ import annotations

import pytest

from tests.cells.sge import sge_cell
from tests.cells.slurm import slurm, slurm_cell
from tests.cli.sessions import TRAIN, follow, session
from tests.cli.sge.conftest import sge
from tests.cli.tools import Jman, wait_until

__all__ = ["sge", "sge_cell", "slurm", "slurm_cell"]

PREPARE = "#!/bin/sh\necho ready\n"
PART = "#!/bin/sh\n[ $SGE_TASK_ID != 3 ] || { echo 'out of data' >&2; exit 4; }\n"


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=getattr(pytest.mark, one)) for one in ("sge", "slurm")]
)
def test_the_session_of_the_readme(request: pytest.FixtureRequest, name: str) -> None:
    jman: Jman = request.getfixturevalue(name)
    (jman.folder / "train.py").write_text(TRAIN)

    def before(words: list[str]) -> None:
        if words[0] == "list":
            jman("wait", "1,2", "--timeout", "90", code=1)

    follow(jman, session(name), before)


@pytest.mark.slurm
def test_dependencies_and_why(slurm: Jman) -> None:
    for name, text in (("prepare.sh", PREPARE), ("train.sh", PART)):
        (slurm.folder / name).write_text(text)
        (slurm.folder / name).chmod(0o755)

    def before(words: list[str]) -> None:
        if words[0] == "why":
            # which of its reasons squeue tells first varies
            wait_until(lambda: "PartitionTimeLimit" in slurm("why", 4).out)

    follow(slurm, [*session("dependencies"), *session("why")], before)
