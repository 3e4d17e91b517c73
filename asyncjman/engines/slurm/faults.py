"""What kind of failure the commands of Slurm ended with: by their words, of 22.05."""

from __future__ import annotations

from asyncjman.engines.cluster.dialect import Fault
from asyncjman.system.tool import Completed

_PASSING = (
    "unable to contact slurm controller",
    "socket timed out",
    "connection refused",
    "connection timed out",
    "communication connection failure",
    "communication receive failure",
    "communication send failure",
    "message receive failure",
    "message send failure",
    "zero bytes were transmitted",
    "standby mode",
    "slurmctld is not responding",
    "munged communication error",
    'failed to access "/run/munge',
    "temporarily unable to accept job",
)
# the request went out and no answer came: it may have been carried out
_AMBIGUOUS = (
    "socket timed out",
    "receive failure",
    "zero bytes were transmitted",
    "transport endpoint is not connected",
)
# a limit of jobs: of the site (MaxJobCount), or of this user (MaxSubmitJobs of an account or a QOS)
_LIMIT = ("resource temporarily unavailable", "maxsubmitjob", "maxjobcount")


def fault_of(done: Completed) -> Fault:
    """Return the kind of a failure; LASTING for a command that did not fail, too."""
    if done.exit_status == 0:
        return Fault.LASTING
    words = (done.stderr.strip() or done.stdout).lower()
    fault = Fault.LASTING
    if any(one in words for one in _AMBIGUOUS):
        fault |= Fault.AMBIGUOUS | Fault.PASSING
    if any(one in words for one in _LIMIT):
        fault |= Fault.PASSING | Fault.LIMIT
    if any(one in words for one in _PASSING):
        fault |= Fault.PASSING
    return fault
