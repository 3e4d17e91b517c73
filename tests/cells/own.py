"""A Grid Engine cell of our own: own folder, ports and daemons, beside whatever else the machine has.

It takes the programs of Debian's packages and nothing of their configuration, and any user can bring one
up; only the packages themselves are root's to install. Measured on gridengine 8.1.9+dfsg-10.

``python -m tests.cells.own`` brings one up to play with, until its input ends.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psutil

from tests.cells.daemons import NoCell, OwnDaemons, free_ports, play

PROGRAMS = Path("/usr/lib/gridengine")
SHARED = Path("/usr/share/gridengine")
MASTER = "localhost"
QUEUES = {"all.q": 4, "q1d": 2}
"""Their slots."""
_PACKAGES = ("gridengine-common", "gridengine-client", "gridengine-master", "gridengine-exec")
_GID_RANGE = 128
_PARALLEL_ENVIRONMENT = {
    "pe_name": "pe_mth",
    "slots": "999",
    "user_lists": "NONE",
    "xuser_lists": "NONE",
    "start_proc_args": "NONE",
    "stop_proc_args": "NONE",
    "allocation_rule": "$pe_slots",
    "control_slaves": "FALSE",
    "job_is_first_task": "TRUE",
    "urgency_slots": "min",
    "accounting_summary": "FALSE",
    "qsort_args": "NONE",
}


def install() -> None:
    """See to it that the programs are there, and can be used. Raises NoCell where that can't be."""
    _name_this_host()
    if os.access(PROGRAMS / "sge_qmaster", os.X_OK) and os.access(PROGRAMS / "sge_execd", os.X_OK):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NoCell(
            f"no Grid Engine here, and only root on Debian can have it: apt-get install {' '.join(_PACKAGES)}"
        )
    # "false": the packages' own cell is not configured, nor started
    answers = "".join(
        f"{package} shared/gridenginemaster string {MASTER}\n"
        f"{package} shared/gridenginecell string default\n"
        f"{package} shared/gridengineconfig boolean false\n"
        for package in _PACKAGES
    )
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for argv, text in (
        (["debconf-set-selections"], answers),
        (["apt-get", "update", "-q"], ""),
        # "bsd-mailx-" keeps a mail server out
        (["apt-get", "install", "-y", "-q", "--no-install-recommends", *_PACKAGES, "bsd-mailx-"], ""),
    ):
        done = subprocess.run(argv, input=text, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise NoCell(f"{argv[0]} failed: {(done.stderr or done.stdout).strip()[-500:]}")


def _name_this_host() -> None:
    """Grid Engine ends where the host's own name leads nowhere."""
    name = socket.gethostname()
    try:
        socket.gethostbyname(name)
    except OSError:
        line = f"127.0.0.1 {name}\n"
        try:
            with Path("/etc/hosts").open("a") as file:
                file.write(line)
        except OSError as error:
            raise NoCell(
                f"this host's own name leads nowhere: put {line.strip()!r} into /etc/hosts"
            ) from error


class OwnCell(OwnDaemons):
    """The daemons of a cell, and the folder that all of it is in; gone with the process that made it."""

    programs = PROGRAMS

    def __init__(self) -> None:
        super().__init__("jman-cell-")
        master, execution = free_ports()
        self.variables |= {
            "SGE_ROOT": str(self.folder),
            "SGE_CELL": "cell",
            "SGE_QMASTER_PORT": str(master),
            "SGE_EXECD_PORT": str(execution),
        }
        try:
            self._write_files(master)
            self.start_qmaster()
            self._configure()
            self.start_execd()
        except BaseException:
            self.close()
            raise

    # -- daemons -----------------------------------------------------------------------------------

    @property
    def qmaster(self) -> int:
        """Return the process id of the qmaster."""
        return int((self.folder / "qmaster" / "qmaster.pid").read_text())

    @property
    def execd(self) -> int:
        """Return the process id of the execution daemon."""
        return int((self.folder / "execd" / MASTER / "execd.pid").read_text())

    def start_qmaster(self) -> None:
        self.start("sge_qmaster")
        self.wait_for("the qmaster answers", lambda: self.tool("qconf", "-sh", check=False)[0] == 0)

    def stop_qmaster(self) -> None:
        """End the qmaster as an administrator does; killed, it would lose records of accounting."""
        process = psutil.Process(self.qmaster)
        process.terminate()

        def is_gone() -> bool:
            try:
                return process.status() == psutil.STATUS_ZOMBIE
            except psutil.NoSuchProcess:
                return True

        self.wait_for("the qmaster ends", is_gone)

    def start_execd(self) -> None:
        self.start("sge_execd")
        self.wait_for("the queues are ready", self._queues_are_ready)

    def _queues_are_ready(self) -> bool:
        status, text = self.tool("qstat", "-f", check=False)
        lines = [line.split() for line in text.splitlines() if f"@{MASTER}" in line]
        return status == 0 and len(lines) == len(QUEUES) and all(len(words) == 5 for words in lines)

    # -- configuration -----------------------------------------------------------------------------

    def logs(self) -> list[Path]:
        return sorted(self.folder.glob("*/messages")) + sorted(self.folder.glob("execd/*/messages"))

    def tool(self, name: str, *words: str, check: bool = True) -> tuple[int, str]:
        """Run one of the cell's commands; return its exit status, and what it said."""
        done = subprocess.run(
            [PROGRAMS / name, *words],
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            timeout=60,
        )
        if check and done.returncode != 0:
            raise NoCell(f"{name} {' '.join(words)}: {(done.stderr or done.stdout).strip()[-500:]}")
        return done.returncode, done.stdout

    def _write_files(self, master_port: int) -> None:
        folder = self.folder
        architecture = subprocess.run(
            [SHARED / "util" / "arch"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("bin", "lib", "utilbin"):
            (folder / name).mkdir()
            (folder / name / architecture).symlink_to(PROGRAMS)
        (folder / "util").symlink_to(SHARED / "util")
        common = folder / "cell" / "common"
        common.mkdir(parents=True)
        for name in ("spooldb", "qmaster", "execd"):
            (folder / name).mkdir()
        # numbers that no job id of a test is the same as
        (folder / "qmaster" / "jobseqnum").write_text("1000\n")
        (common / "act_qmaster").write_text(f"{MASTER}\n")
        # all names of this host are one, else its own commands are refused
        names = dict.fromkeys([MASTER, socket.gethostname(), socket.getfqdn()])
        if len(names) > 1:
            (common / "host_aliases").write_text(" ".join(names) + "\n")
        bootstrap = {
            # only root may take on other users
            "admin_user": "none" if os.geteuid() == 0 else getpass.getuser(),
            "spooling_params": str(folder / "spooldb"),
            "qmaster_spool_dir": str(folder / "qmaster"),
            "binary_path": str(folder / "bin"),
        }
        text = _changed((SHARED / "default-bootstrap").read_text(), bootstrap)
        (common / "bootstrap").write_text(text)
        # no other cell of this machine may have the same: its daemon would take our processes for its own
        first_group = 200_000 + master_port * _GID_RANGE
        configuration = {
            "execd_spool_dir": str(folder / "execd"),
            "min_uid": "0",
            "min_gid": "0",
            "gid_range": f"{first_group}-{first_group + _GID_RANGE - 1}",
            "reporting_params": "accounting=true reporting=false flush_time=00:00:01 joblog=false",
        }
        file = folder / "configuration"
        file.write_text(_changed((SHARED / "default-configuration").read_text(), configuration))
        self.tool("spoolinit", "berkeleydb", "libspoolb", str(folder / "spooldb"), "init")
        resources = SHARED / "util" / "resources"
        users = sorted({getpass.getuser(), "root"})
        self.tool("spooldefaults", "configuration", str(file))
        self.tool("spooldefaults", "complexes", str(resources / "centry"))
        self.tool("spooldefaults", "usersets", str(resources / "usersets"))
        self.tool("spooldefaults", "managers", *users)
        self.tool("spooldefaults", "operators", *users)

    def _configure(self) -> None:
        self.tool("qconf", "-as", MASTER)
        scheduler = {
            "schedule_interval": "0:0:1",
            "flush_submit_sec": "1",
            "flush_finish_sec": "1",
            "job_load_adjustments": "NONE",
            "schedd_job_info": "true",
        }
        self.set("-Msconf", _changed(self.tool("qconf", "-ssconf")[1], scheduler))
        self.set("-Ahgrp", f"group_name @allhosts\nhostlist {MASTER}\n")
        self.set("-Ap", "".join(f"{key} {value}\n" for key, value in _PARALLEL_ENVIRONMENT.items()))
        template = self.tool("qconf", "-sq")[1]
        for name, slots in QUEUES.items():
            # no load threshold: it would stop a busy test machine
            queue = {
                "qname": name,
                "hostlist": "@allhosts",
                "slots": str(slots),
                "load_thresholds": "NONE",
                "pe_list": "pe_mth",
            }
            self.set("-Aq", _changed(template, queue))

    def set(self, option: str, text: str) -> None:
        """Give qconf a configuration by a file."""
        file = self.folder / "given"
        file.write_text(text)
        self.tool("qconf", option, str(file))


def _changed(text: str, values: Mapping[str, str]) -> str:
    """Return a configuration (a key and its value on each line) with other values."""
    for key, value in values.items():
        # a value may go on over several lines, with a backslash before each line's end
        line = re.compile(rf"^{key}[ \t]+(?:.*\\\n)*.*$", re.MULTILINE)
        text, count = line.subn(f"{key} {value}", text)  # no value has a backslash
        assert count == 1, f"{count} times {key}"
    return text


def main() -> None:
    install()
    play(OwnCell())


if __name__ == "__main__":
    main()
