"""What ``jman doctor`` asks of every cluster."""

from __future__ import annotations

from collections.abc import Sequence

from asyncjman.engines.base import Finding
from asyncjman.engines.cluster.dialect import Call, Plan
from asyncjman.engines.cluster.process import CommandFailed
from asyncjman.system.tool import Completed


def check_submission(argv: Sequence[str]) -> Plan[Finding]:
    """Find out whether this host and user may submit; ``argv`` would, and submits nothing."""
    try:
        done: Completed = yield Call(tuple(argv), lambda done: done, checked=False)
        refusal = (done.stderr or done.stdout).strip() if done.exit_status else ""
    except CommandFailed as error:
        refusal = str(error)
    if refusal:
        return Finding("submission", "refused", refusal)
    return Finding("submission", "this host and user may submit")
