"""``qalter -w``: whether the cluster could run a job at all. Pure.

Measured on Son of Grid Engine 8.1.9. ``-w v`` takes all hosts for empty; what is no fixed amount of a host
(``mem_free``) it calls an unknown resource, although it is a common one, and it says nothing of it where a
parallel environment is asked for. ``-w p`` takes the hosts as they are now: slots that are in use count as
missing. Neither checks jobs that run, or are held by a person.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

MOST = 5
"""So many reasons are shown of one job: a big cluster has one for each of its queues."""
_VERDICT = re.compile(r'verification: (.*)|denied: job "\d{1,10}" does not exist.*')
_OF_JOB = re.compile(r"Job \d{1,10} ")
_OTHER_QUEUE = "not contained in its hard queue list"
_UNKNOWN = "requests unknown resource"
_ENVIRONMENT = "cannot run in PE"
_IN_USE = re.compile(r"offers only [qhg]c:")
_LIMITS = frozenset({"h_rt", "s_rt", "h_cpu", "s_cpu", "h_vmem", "s_vmem", "h_rss", "s_rss"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a job could run (None: it is not said), and if not, why not."""

    suitable: bool | None
    reasons: tuple[str, ...] = ()


def parse_verification(text: str, native_ids: Sequence[str]) -> dict[str, Verdict]:
    """Read what qalter says of jobs, in the order in which they were named; nothing if that is not so."""
    found: list[Verdict] = []
    reasons: list[str] = []
    for line in text.splitlines():
        match = _VERDICT.fullmatch(line.strip())
        if match is None:
            reasons.append(_OF_JOB.sub("", line.strip(), count=1))
            continue
        words = match[1] or ""
        suitable = True if words.startswith("found suitable") else None
        if words.startswith("no suitable"):
            suitable = False
        kept = [one for one in dict.fromkeys(reasons) if one and _OTHER_QUEUE not in one]
        found.append(Verdict(suitable, tuple(kept)))
        reasons = []
    return dict(zip(native_ids, found, strict=True)) if len(found) == len(native_ids) else {}


def is_doubtful(verdict: Verdict, requested: Collection[str]) -> bool:
    """Tell whether ``-w v`` may be wrong about a job, by the resources that it asks for."""
    if any(_UNKNOWN in one for one in verdict.reasons):
        return True
    of_environment = all(_ENVIRONMENT in one for one in verdict.reasons)
    return of_environment and not _LIMITS.issuperset(requested)


def why_never(ever: Verdict | None, now: Verdict | None, requested: Mapping[str, str]) -> list[str]:
    """Say why no host can run a job, by what ``-w v`` and ``-w p`` say; nothing where one could."""
    if ever is None or ever.suitable is not False:
        return []
    if not is_doubtful(ever, requested):
        return ["no host can ever run it as it was asked for:", *_first(ever.reasons)]
    if now is None or now.suitable is not False:
        return []
    lasting = [one for one in now.reasons if not _IN_USE.search(one) and _ENVIRONMENT not in one]
    return ["no host, as they are now, offers what it asks for:", *_first(lasting)] if lasting else []


def _first(reasons: Sequence[str]) -> list[str]:
    more = [f"and {len(reasons) - MOST} more of the kind"] if len(reasons) > MOST else []
    return [*reasons[:MOST], *more]
