"""What kind of failure the commands of Grid Engine ended with: by their words, of 8.1.9."""

from __future__ import annotations

from asyncjman.engines.cluster.dialect import Fault
from asyncjman.engines.cluster.faults import FaultWords, fault_by
from asyncjman.system.tool import Completed

_WORDS = FaultWords(
    passing=(
        "commlib error",
        "got select error",
        "got send error",
        "unable to contact qmaster",
        "unable to send message to qmaster",
        "failed receiving gdi request",
        "got syncron message receive timeout",
        "comunication_error",  # as qstat -xml spells it
    ),
    # a refused host says "commlib error" too, but that lasts
    lasting=("access denied",),
    ambiguous=("failed receiving gdi request", "receive timeout", "got read error"),
    limit=("jobs are allowed per",),
    limit_status=25,  # of qsub
)


def fault_of(done: Completed) -> Fault:
    """Return the kind of a failure; LASTING for a command that did not fail, too."""
    return fault_by(_WORDS, done)
