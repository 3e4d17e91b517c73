"""Why jobs wait, in words: what squeue gives as the reason, and when it is to start."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from asyncjman.engines.base import Evidence, Watched
from asyncjman.engines.cluster.dialect import Call, Plan
from asyncjman.engines.slurm import commands
from asyncjman.engines.slurm.nodes import Nodes, parse_nodes, words_of_nodes
from asyncjman.engines.slurm.squeue import Waiting, parse_waiting, time_of
from asyncjman.engines.slurm.states import NEVER
from asyncjman.errors import EnvironmentProblem, UsageError
from asyncjman.model.job import JobSpec
from asyncjman.system.tool import Completed

_REASONS = {
    "None": "the scheduler has not considered it yet",
    "Priority": "jobs of higher priority come first",
    "Resources": "waits for free CPUs, memory or nodes",
    "Dependency": "waits there for another job",
    "BeginTime": "is not to start yet",
    "JobHeldUser": "is held: scontrol release {} lets it go",
    "JobArrayTaskLimit": "as many tasks of the array run as may at a time",
    "ReqNodeNotAvail": "the nodes of the site that it needs are not available now",
    "PartitionDown": "its partition is down",
    "PartitionInactive": "its partition takes no jobs to start now",
    "Licenses": "waits for a license",
    "Reservation": "waits for its reservation to begin",
    "Cleaning": "an earlier run of it is still tidied up",
    "NodeDown": "a node that it needs is down",
}
_NODES = "Nodes required for job are DOWN"
_TURN = ("Priority", "Resources")
"""Reasons of what only has to wait for its turn."""
_MOST = 3
_LIMITS = ("Assoc", "QOS", "MaxCpuPerAccount", "MaxJobsPer")


def explain(
    watched: Sequence[Watched], user: str, now: float, options: Callable[[JobSpec], Sequence[str]]
) -> Plan[Sequence[Evidence]]:
    """Ask the queue; and how the nodes are, where it says that some are not available.

    Of the first jobs that it has not planned yet it is asked when one that asks for the same (``options`` of
    sbatch) would start.
    """
    argv = tuple(commands.squeue(user, commands.WAIT_FIELDS))
    waiting: Sequence[Waiting] = yield Call(argv, parse_waiting, environment=commands.PLAIN)
    nodes: Sequence[Nodes] = ()
    tokens = {one.token for one in watched}
    if any(one.token in tokens and _wants_nodes(one.reason) for one in waiting):
        with suppress(EnvironmentProblem):
            nodes = yield Call(tuple(commands.nodes()), parse_nodes, environment=commands.PLAIN)
    found = evidence(watched, waiting, now, nodes)
    unplanned = {one.token for one in waiting if one.start is None and one.reason in _TURN}
    asked = {one.job_id: one.spec for one in watched if one.token in unplanned and one.spec is not None}
    for job_id, spec in list(asked.items())[:_MOST]:
        with suppress(EnvironmentProblem, UsageError):
            argv = tuple(commands.test_only(options(spec)))
            start = yield Call(argv, start_of, environment=commands.PLAIN)
            if start is not None and start > now:
                found.append(Evidence(job_id, f"sent now, it would start at {_moment(start)}"))
    return found


def start_of(done: Completed) -> float | None:
    """Return when a job would start, in seconds since 1970, from what ``sbatch --test-only`` says."""
    match = re.search(r"^sbatch: Job \d+ to start at (\d+) ", done.stderr, re.MULTILINE | re.ASCII)
    return None if match is None else time_of(match[1])


def evidence(
    watched: Sequence[Watched], waiting: Sequence[Waiting], now: float, nodes: Sequence[Nodes] = ()
) -> list[Evidence]:
    """Return what is to be shown of each job, a line each."""
    by_token: Mapping[str | None, list[Waiting]] = defaultdict(list)
    for one in waiting:
        by_token[one.token].append(one)
    found: dict[int, dict[str, None]] = defaultdict(dict)
    for launch in watched:
        lines = [line for one in by_token[launch.token] for line in _lines(launch, one, now, nodes)]
        if not by_token[launch.token]:
            lines = [f"the cluster does not list {launch.native_id} any more; its end is not known yet"]
        found[launch.job_id].update(dict.fromkeys(lines))
    return [Evidence(job_id, line) for job_id, lines in found.items() for line in lines]


def _lines(launch: Watched, one: Waiting, now: float, nodes: Sequence[Nodes]) -> list[str]:
    if one.state == "SUSPENDED":
        return ["suspended on the cluster"]
    if one.state != "PENDING":
        return []
    reason = "DOWN, DRAINED or reserved" if one.reason.startswith(_NODES) else one.reason
    lines = [f"{words_of(one.reason, one.native_id)} ({reason}, partition {one.partition})"]
    if _wants_nodes(one.reason):
        lines += words_of_nodes(nodes, one.partition)
    if one.reason.partition(",")[0] in NEVER:
        lines.append(
            f"to ask for something else: jman stop {launch.job_id}, then jman resubmit {launch.job_id} "
            "with -q, -m, -p or --time"
        )
    elif one.start is not None and one.start > now:
        lines.append(f"the cluster plans to start it at {_moment(one.start)}")
    return lines


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _wants_nodes(reason: str) -> bool:
    return reason.startswith((_NODES, "ReqNodeNotAvail", "NodeDown"))


def words_of(reason: str, native_id: str) -> str:
    """Say what a reason of squeue means."""
    key = reason.partition(",")[0].strip()
    if key in NEVER:
        return f"can never start as it is: {NEVER[key]}"
    if reason.startswith(_NODES):
        return _REASONS["ReqNodeNotAvail"]
    if key in _REASONS:
        return _REASONS[key].format(native_id)
    if key.startswith(_LIMITS):
        return "a limit of its account or its QOS is reached"
    return "waits on the cluster"
