"""What kind of failure the commands of Grid Engine ended with: by their words, of 8.1.9."""

from __future__ import annotations

from asyncjman.engines.cluster.dialect import Fault
from asyncjman.system.tool import Completed

_PASSING = (
    "commlib error",
    "got select error",
    "got send error",
    "unable to contact qmaster",
    "unable to send message to qmaster",
    "failed receiving gdi request",
    "got syncron message receive timeout",
    "comunication_error",  # as qstat -xml spells it
)
# a refused host says "commlib error" too, but that lasts
_LASTING = ("access denied",)
# the request went out and no answer came: it may have been carried out
_AMBIGUOUS = ("failed receiving gdi request", "receive timeout", "got read error")
_LIMIT = ("jobs are allowed per",)
_LIMIT_STATUS = 25
"""Of qsub: the qmaster takes it, or another one, later."""


def fault_of(done: Completed) -> Fault:
    """Return the kind of a failure; LASTING for a command that did not fail, too."""
    if done.exit_status == 0:
        return Fault.LASTING
    words = (done.stderr.strip() or done.stdout).lower()
    fault = Fault.LASTING
    if any(one in words for one in _AMBIGUOUS):
        fault |= Fault.AMBIGUOUS
    if any(one in words for one in _LIMIT) or done.exit_status == _LIMIT_STATUS:
        fault |= Fault.PASSING | Fault.LIMIT
    if any(one in words for one in _PASSING) and not any(one in words for one in _LASTING):
        fault |= Fault.PASSING
    return fault
