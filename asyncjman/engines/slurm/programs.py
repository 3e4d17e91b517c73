"""The commands of Slurm."""

from __future__ import annotations

from asyncjman.engines.cluster.dialect import Programs

PROGRAMS = Programs(
    names=("sbatch", "squeue", "scancel", "scontrol", "sacct", "sinfo"),
    missing="sbatch is not on PATH: this machine is no login node of a Slurm cluster; "
    "--local runs jobs on this machine",
    # SBATCH_ARRAY_INX=1-3 makes an array of a job; a job submitted by a task would inherit the number of
    # that task, and be taken for one of an array
    dropped=("SLURM_*", "SBATCH_*", "SQUEUE_*", "SCANCEL_*", "SACCT_*", "SINFO_*", "SCONTROL_*"),
    kept=("SLURM_CONF",),
)
