"""Plans that are written down, with few words for what most of them have."""

from __future__ import annotations

from collections.abc import Mapping

from tests.simulation.plan import Action, Plan, Resubmit, Submit

FIRST, SECOND, THIRD = 0.1, 0.5, 0.9
"""Which of up to three jobs."""


def job(
    size: int = 0,
    *after: tuple[float, str],
    retries: int = 0,
    delay: float = 0.0,
    throttle: int | None = None,
    stop_on_failure: bool = False,
    on: str = "local",
    timeout: float | None = None,
) -> Submit:
    return Submit(size, throttle, retries, delay, stop_on_failure, after, on, timeout)


def again(
    which: float, what: str = "unsuccessful", *, dependents: bool = True, to: str | None = None
) -> Resubmit:
    return Resubmit(which, False, what, dependents, False, None, to)


def plan(
    *jobs: Submit,
    at: Mapping[float, Action],
    failing: float = 0.0,
    seconds: float = 0.05,
    pause: float = 0.0,
    long: float = 0.0,
) -> Plan:
    """Return a plan; the clusters of its jobs are there, and those that jobs move to."""
    later = [one for one in at.values() if isinstance(one, Submit)]
    sites = {one.engine for one in (*jobs, *later)}
    sites |= {str(one.to) for one in at.values() if isinstance(one, Resubmit)}
    return Plan(
        jobs,
        (pause,) * len(jobs),
        tuple(sorted(at.items())),
        failing,
        seconds,
        0.0,
        tuple(name for name in ("north", "south") if name in sites),
        long,
    )
