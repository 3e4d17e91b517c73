"""What kind of failure a cluster command ended with: by what it printed."""

from __future__ import annotations

from dataclasses import dataclass

from asyncjman.engines.cluster.dialect import Fault
from asyncjman.system.tool import Completed


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultWords:
    """What commands of a batch system print, in lower case; one of the words is enough."""

    passing: tuple[str, ...]
    """It is worth to try again."""
    lasting: tuple[str, ...] = ()
    """It is not, whatever else is printed."""
    ambiguous: tuple[str, ...]
    """The request went out and no answer came: it may have been carried out."""
    limit: tuple[str, ...]
    """The site takes no more jobs now."""
    limit_status: int | None = None
    """An exit status that says the same."""


def fault_by(words: FaultWords, done: Completed) -> Fault:
    """Return the kind of a failure; LASTING for a command that did not fail, too."""
    if done.exit_status == 0:
        return Fault.LASTING
    printed = (done.stderr.strip() or done.stdout).lower()

    def has(any_of: tuple[str, ...]) -> bool:
        return any(one in printed for one in any_of)

    fault = Fault.LASTING
    if has(words.ambiguous):
        fault |= Fault.AMBIGUOUS
    if has(words.limit) or done.exit_status == words.limit_status:
        fault |= Fault.PASSING | Fault.LIMIT
    if has(words.passing) and not has(words.lasting):
        fault |= Fault.PASSING
    return fault
