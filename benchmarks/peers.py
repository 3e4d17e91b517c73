"""The programs to compare with: found, or installed into a cache folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cached_property
from pathlib import Path

from benchmarks.measure import NotMeasured

INSTALL_SECONDS = 600
# gridtk imports pkg_resources, and SQLAlchemy's old way of declaring tables
_GRIDTK = ("gridtk==2.1.0", "setuptools<81", "sqlalchemy<2")


def cache_folder() -> Path:
    """Return where what was installed is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "asyncjman-bench"


class Peers:
    """Each peer is looked for when a row needs it; NotMeasured says why it can't be had."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._failed: dict[str, str] = {}

    @cached_property
    def xargs(self) -> str:
        found = shutil.which("xargs")
        if found is None:
            raise NotMeasured("no xargs here")
        return found

    @cached_property
    def parallel(self) -> str:
        return self._from_debian("parallel", "parallel")

    @cached_property
    def task_spooler(self) -> str:
        return self._from_debian("tsp", "task-spooler")

    @cached_property
    def hyperqueue(self) -> str:
        """Return a Python that has HyperQueue."""
        return str(self._from_pypi("hyperqueue", ("hyperqueue",), "import hyperqueue.cluster") / "python")

    @cached_property
    def joblib(self) -> str:
        """Return a Python that has joblib."""
        return str(self._from_pypi("joblib", ("joblib",), "import joblib") / "python")

    @cached_property
    def submitit(self) -> str:
        """Return a Python that has submitit."""
        return str(self._from_pypi("submitit", ("submitit",), "import submitit") / "python")

    @cached_property
    def gridtk(self) -> str:
        """Return gridtk's ``jman``."""
        return str(self._from_pypi("gridtk", _GRIDTK, "import gridtk.script.jman") / "jman")

    @cached_property
    def qsub(self) -> str:
        """Return ``qsub`` as a user's shell finds it, of a cell that answers."""
        found = shutil.which("qsub")
        if found is None or shutil.which("qstat") is None:
            raise NotMeasured("no Grid Engine here")
        _quietly("Grid Engine", ["qstat"], seconds=30)
        return found

    @cached_property
    def sbatch(self) -> str:
        """Return ``sbatch`` as a user's shell finds it, of a cluster that answers."""
        found = shutil.which("sbatch")
        if found is None or shutil.which("squeue") is None:
            raise NotMeasured("no Slurm here")
        _quietly("Slurm", ["squeue"], seconds=90)
        return found

    def _from_debian(self, command: str, package: str) -> str:
        if found := shutil.which(command):
            return found
        if shutil.which("apt-get") is None or os.geteuid() != 0:
            raise NotMeasured(f"{package} is not installed (only root on Debian can)")
        self._once(package, ["apt-get", "update"], ["apt-get", "install", "-y", package])
        if found := shutil.which(command):
            return found
        raise NotMeasured(f"{package} has no {command}")

    def _from_pypi(self, name: str, requirements: tuple[str, ...], check: str) -> Path:
        venv = self._cache / f"{name}-{sys.version_info.major}.{sys.version_info.minor}"
        binaries = venv / "bin"
        done = venv / ".installed"
        if not done.exists():
            pip = [str(binaries / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
            self._once(
                name,
                [sys.executable, "-m", "venv", "--clear", str(venv)],
                [*pip, *requirements],
                [str(binaries / "python"), "-c", check],
            )
            done.touch()
        return binaries

    def _once(self, name: str, *commands: list[str]) -> None:
        """Run what installs a peer; what failed once is not tried again."""
        if name in self._failed:
            raise NotMeasured(self._failed[name])
        print(f"installing {name}", file=sys.stderr)
        try:
            for argv in commands:
                _quietly(name, argv, seconds=INSTALL_SECONDS)
        except NotMeasured as error:
            self._failed[name] = str(error)
            raise


def _quietly(name: str, argv: list[str], *, seconds: float) -> None:
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotMeasured(f"{name} can't be had: {error}") from error
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}").splitlines()
        raise NotMeasured(f"{name} can't be had: {words[-1][:200]}")
