"""What kind of failure the commands of Slurm ended with: by their words, of 22.05."""

from __future__ import annotations

from asyncjman.engines.cluster.dialect import Fault
from asyncjman.engines.cluster.faults import FaultWords, fault_by
from asyncjman.system.tool import Completed

_AMBIGUOUS = (
    "socket timed out",
    "receive failure",
    "zero bytes were transmitted",
    "transport endpoint is not connected",
)
_WORDS = FaultWords(
    passing=(
        *_AMBIGUOUS,
        "unable to contact slurm controller",
        "connection refused",
        "connection timed out",
        "communication connection failure",
        "communication send failure",
        "message send failure",
        "standby mode",
        "slurmctld is not responding",
        "munged communication error",
        'failed to access "/run/munge',
        "temporarily unable to accept job",
    ),
    ambiguous=_AMBIGUOUS,
    # of the site (MaxJobCount), or of this user (MaxSubmitJobs of an account or a QOS)
    limit=("resource temporarily unavailable", "maxsubmitjob", "maxjobcount"),
)


def fault_of(done: Completed) -> Fault:
    """Return the kind of a failure; LASTING for a command that did not fail, too."""
    return fault_by(_WORDS, done)
