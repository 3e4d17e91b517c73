"""A Slurm cluster of one host of our own: own folder, ports and daemons, beside what the machine has.

It takes the programs of Debian's packages and nothing of their configuration; munge is not needed. Measured
on slurm-wlm 22.05.8. ``python -m tests.cells.own_slurm`` brings one up to play with, until its input ends.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.cells.daemons import NoCell, OwnDaemons, free_ports, play

PACKAGES = ("slurmctld", "slurmd", "slurm-client")
_DAEMONS = Path("/usr/sbin")
_CONFIGURATION = """
ClusterName=own
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
StateSaveLocation={folder}/ctld
SlurmdSpoolDir={folder}/d
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0,sched_interval=5,bf_interval=5
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=100
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
MinJobAge={age}
FirstJobId=10001
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=4000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=short Nodes=ALL MaxTime=1:00:00 State=UP
"""
"""A scheduler that waits for nothing, and the same size on every host, whatever the hardware; numbers
that no job id of a test is the same as."""


def install() -> None:
    """See to it that the programs are there. Raises NoCell where that can't be."""
    if all(os.access(_DAEMONS / name, os.X_OK) for name in ("slurmctld", "slurmd")) and shutil.which(
        "sbatch"
    ):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NoCell(
            f"no Slurm here, and only root on Debian can have it: apt-get install {' '.join(PACKAGES)}"
        )
    policy = _DAEMONS / "policy-rc.d"
    is_ours = not policy.exists()
    if is_ours:  # the packages' own daemons are not started
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update"], ["install", "--no-install-recommends", *PACKAGES]):
            argv = ["apt-get", "-y", "-q", *words]
            done = subprocess.run(argv, env=environment, capture_output=True, text=True)
            if done.returncode != 0:
                raise NoCell(f"apt-get failed: {(done.stderr or done.stdout).strip()[-500:]}")
    finally:
        if is_ours:
            policy.unlink()


class OwnSlurm(OwnDaemons):
    """The daemons of a cluster, and the folder that all of it is in; gone with the process that made it.

    ``age``: seconds after which the controller forgets a job that has ended.
    """

    programs = _DAEMONS

    def __init__(self, age: int = 300) -> None:
        super().__init__("jman-slurm-")
        self.configuration = self.folder / "slurm.conf"
        self.variables |= {"SLURM_CONF": str(self.configuration)}
        self.host = os.uname().nodename.partition(".")[0][:63]
        try:
            self._write_files(age)
            self.start_controller()
            self.start("slurmd")
            self.wait_for("the node is ready", self._node_is_ready)
        except BaseException:
            self.close()
            raise

    @property
    def controller(self) -> int:
        """Return the process id of slurmctld."""
        return int((self.folder / "slurmctld.pid").read_text())

    def start_controller(self) -> None:
        self.start("slurmctld")
        self.wait_for("the controller answers", lambda: "is UP" in self.tool("scontrol", "ping"))

    def stop_controller(self) -> None:
        """End slurmctld as an administrator does; killed, it forgets the last seconds, and uses ids again."""
        pid = self.controller
        os.kill(pid, signal.SIGTERM)

        def is_gone() -> bool:
            with suppress(ProcessLookupError):
                os.kill(pid, 0)
                return False
            return True

        self.wait_for("the controller ends", is_gone)

    def logs(self) -> list[Path]:
        return sorted(self.folder.glob("*.log"))

    def tool(self, name: str, *words: str) -> str:
        """Run one of the commands; return what it said."""
        done = subprocess.run(
            [name, *words],
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=60,
        )
        return done.stdout + done.stderr

    def _node_is_ready(self) -> bool:
        states = set(self.tool("sinfo", "--noheader", "--Node", "--format=%t").split())
        return bool(states) and states <= {"idle", "mix", "alloc", "comp"}

    def _write_files(self, age: int) -> None:
        _give_another_address()
        for name in ("ctld", "d"):
            (self.folder / name).mkdir()
        controller, node = free_ports()
        text = _CONFIGURATION.format(
            host=self.host,
            controller=controller,
            node=node,
            user=getpass.getuser(),
            folder=self.folder,
            age=age,
        )
        self.configuration.write_text(text)
        (self.folder / "gres.conf").write_text("Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n")
        # without this slurmd looks for mounted cgroups, and ends where it finds none; they are not used
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")


def _give_another_address() -> None:
    """Where 127.0.0.1 is the only IPv4 address, Slurm resolves nothing, not even that one."""
    with suppress(OSError):
        if socket.getaddrinfo("127.0.0.1", 0, socket.AF_INET, flags=socket.AI_ADDRCONFIG):
            return
    argv = ["ip", "address", "add", "127.0.0.2/8", "dev", "lo"]
    with suppress(OSError):
        subprocess.run(argv, capture_output=True)


def main() -> None:
    install()
    play(OwnSlurm())


if __name__ == "__main__":
    main()
