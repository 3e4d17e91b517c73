"""Finding the commands: Debian's wrapper is gone round, others are called as they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from asyncjman.engines.cluster.programs import Binaries
from asyncjman.engines.cluster.programs import locate as locate_programs
from asyncjman.engines.sge.programs import DEBIAN, PROGRAMS, parse_settings
from asyncjman.errors import EnvironmentProblem


def locate(
    environ: Mapping[str, str], *, folder: Path = DEBIAN.folder, settings: Path = DEBIAN.settings
) -> Binaries:
    wrapper = DEBIAN._replace(folder=folder, settings=settings)
    return locate_programs(PROGRAMS._replace(wrapper=wrapper), environ)


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def debian(tmp_path: Path) -> Path:
    wrapper = program(tmp_path / "share" / "gridengine-wrapper")
    (tmp_path / "bin").mkdir()
    for name in ("qsub", "qstat"):
        (tmp_path / "bin" / name).symlink_to(wrapper)
        program(tmp_path / "lib" / name)
    (tmp_path / "settings").write_text('# c\nSGE_ROOT=/from/file\nSGE_ARCH=`"$SGE_ROOT/util/arch"`\n')
    return tmp_path


def test_debians_wrapper_is_gone_round(debian: Path) -> None:
    environ = {"PATH": f"{debian}/bin", "SGE_ND": "1", "A": "b"}
    found = locate(environ, folder=debian / "lib", settings=debian / "settings")
    assert found.path("qsub") == f"{debian}/lib/qsub"
    assert found.environment == {
        "PATH": f"{debian}/bin",
        "A": "b",
        "SGE_ROOT": "/from/file",
        "SGE_CELL": "default",
    }
    environ |= {"SGE_ROOT": "/own", "SGE_CELL": "c2"}
    found = locate(environ, folder=debian / "lib", settings=debian / "none")
    assert (found.environment["SGE_ROOT"], found.environment["SGE_CELL"]) == ("/own", "c2")
    with pytest.raises(EnvironmentProblem, match="qacct is not on PATH"):
        found.path("qacct")


def test_others_are_called_as_they_are(debian: Path) -> None:
    own = program(debian / "own" / "qsub")
    found = locate({"PATH": f"{own.parent}"}, folder=debian / "lib", settings=debian / "settings")
    assert found.path("qsub") == str(own)
    assert "SGE_ROOT" not in found.environment
    (debian / "lib" / "qsub").unlink()
    assert locate({"PATH": f"{debian}/bin"}, folder=debian / "lib").path("qsub") == f"{debian}/bin/qsub"


def test_no_qsub(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="no submit host"):
        locate({"PATH": str(tmp_path)})


def test_settings() -> None:
    text = "export SGE_ROOT='/a b' # c\nSGE_CELL=$X\n SGE_CELL='\nSGE_CELL=two\nnot a line"
    assert parse_settings(text) == {"SGE_ROOT": "/a b", "SGE_CELL": "two"}
