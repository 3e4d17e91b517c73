"""Nodes that start no jobs now: what sinfo says of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from asyncjman.system.tool import Completed

NODE_FIELDS = ("PartitionName", "StateLong", "Nodes", "NodeList", "Reason")
"""The reason is the last one: it is any text."""
_AWAY = ("down", "drain", "fail", "maint", "unknown", "inval", "reboot")
"""What the states of such nodes begin with: ``drained``, ``draining``, ``down*``."""
_MOST = 3
_NAMES = 60


class Nodes(NamedTuple):
    """Nodes of a partition that are in the same state, for the same reason."""

    partition: str
    state: str
    number: int
    names: str
    """As Slurm writes them: ``n[1-3],x``."""
    reason: str

    @property
    def are_away(self) -> bool:
        return self.state.startswith(_AWAY)


def parse_nodes(done: Completed) -> list[Nodes]:
    """Read the lines; what can't be read, as the rest of a reason of several lines, is left out."""
    found = []
    for line in done.stdout.splitlines():
        fields = [field.strip() for field in line.split("|", len(NODE_FIELDS) - 1)]
        if len(fields) == len(NODE_FIELDS) and fields[2].isdecimal():
            partition, state, number, names, reason = fields
            found.append(Nodes(partition.rstrip("*"), state, int(number), names, reason))
    return found


def words_of_nodes(nodes: Sequence[Nodes], partitions: str) -> list[str]:
    """Say which nodes of a job's partitions start nothing; ``partitions`` has commas between."""
    lines = []
    for name in partitions.split(","):
        own = [one for one in nodes if one.partition == name]
        away = sorted((one for one in own if one.are_away), key=lambda one: -one.number)
        if not away:
            continue
        some = [
            f"{_cut(one.names)} {one.state.rstrip('*~#!%$@^-+')}"
            + ("" if one.reason in ("", "none") else f" ({one.reason})")
            for one in away[:_MOST]
        ]
        more = sum(one.number for one in away[_MOST:])
        some += [f"and {more} more"] if more else []
        total = sum(one.number for one in own)
        lines.append(f"{sum(one.number for one in away)} of {total} nodes of {name}: {', '.join(some)}")
    return lines


def _cut(names: str) -> str:
    return names if len(names) <= _NAMES else f"{names[:_NAMES]}…"
