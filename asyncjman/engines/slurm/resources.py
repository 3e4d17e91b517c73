"""What a job needs of the cluster, as options of sbatch."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from asyncjman.engines.cluster.rules import rules_from
from asyncjman.errors import UsageError

_MEMORY = re.compile(r"(\d{1,15})([kKmMgGtT]?)[bB]?", re.ASCII)
_CLOCK = re.compile(r"(?:(\d{0,9}):)?(\d{0,9}):(\d{0,9})", re.ASCII)


class MemoryOption(StrEnum):
    """How memory is asked for: by CPU, as jobs ask for it, or by node, as much for all slots."""

    PER_CPU = "--mem-per-cpu"
    PER_NODE = "--mem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a site asks for it: the settings ``[resources.slurm]``."""

    memory_option: MemoryOption = MemoryOption.PER_CPU
    default_queues: tuple[str, ...] = ("all.q", "default", "local")
    """Names of queues that stand for the site's default partition: nothing is asked for then."""
    gpu_option: str = "--gres=gpu:{}"
    """``{}`` stands for the number of GPUs."""
    gpu_memory_option: str = ""
    """``{}`` stands for the memory of a GPU; empty: it can't be asked for."""
    io_big_option: str = ""
    """What is asked for with ``--io-big``; empty: nothing can be."""
    prepend: tuple[str, ...] = ()
    """Options of sbatch that come before all others."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What one task needs, in bytes and seconds; None for what was not asked for."""

    memory: int | None
    """Per slot."""
    slots: int
    seconds: float | None


def asked_of(resources: Mapping[str, Any]) -> Asked:
    """Read what a job asks for. Raises UsageError for what is no amount, and for slots below 1."""
    slots = resources.get("slots")
    if slots is not None and slots < 1:
        raise UsageError(f"a job has 1 slot at least, not {slots}")
    memory, time = resources.get("memory"), resources.get("time")
    return Asked(_bytes(str(memory)) if memory else None, slots or 1, _seconds(str(time)) if time else None)


def options(
    queue: str, resources: Mapping[str, Any], limit: float | None = None, rules: Rules | None = None
) -> tuple[str, ...]:
    """Return the options of sbatch; ``limit``: seconds that an attempt may take, which jman sees to.

    Of the two limits of time the cluster is asked for the smaller one, in whole minutes: it knows no others.
    The user's own options come last, and win.

    Raises UsageError for what makes no sense, and for what this site can't be asked for.
    """
    rules = rules or Rules()
    asked = asked_of(resources)
    words = [*_checked(rules.prepend)]
    if named := [one.strip() for one in queue.split(",") if one.strip() not in ("", *rules.default_queues)]:
        words.append(f"--partition={','.join(named)}")
    if resources.get("slots") or resources.get("gpus"):
        words += ["--nodes=1", "--ntasks=1"]  # what is asked for by task goes only with their number
    if resources.get("slots"):
        words.append(f"--cpus-per-task={asked.slots}")
    if asked.memory:
        per_node = rules.memory_option is MemoryOption.PER_NODE
        words.append(f"{rules.memory_option}={_size(asked.memory * (asked.slots if per_node else 1))}")
    words += _of_gpus(resources, rules)
    limits = [one for one in (asked.seconds, limit) if one is not None]
    if limits:
        words.append(f"--time={_clock(min(limits))}")
    if host := resources.get("hostname"):
        words.append(f"--nodelist={host}")
    if resources.get("io_big"):
        words.append(_needed(rules.io_big_option, "--io-big", "io-big-option"))
    return (*words, *_checked(tuple(resources.get("extra") or ())))


def _of_gpus(resources: Mapping[str, Any], rules: Rules) -> list[str]:
    words = []
    if gpus := resources.get("gpus"):
        words.append(rules.gpu_option.replace("{}", str(gpus)))
    if memory := resources.get("gpu_memory"):
        option = _needed(rules.gpu_memory_option, "memory of a GPU", "gpu-memory-option")
        words.append(option.replace("{}", str(memory)))
    return words


def _needed(option: str, what: str, rule: str) -> str:
    if not option:
        raise UsageError(
            f"{what} can't be asked for on Slurm here: "
            f"set {rule} in [resources.slurm], or give an option of sbatch"
        )
    return option


def _bytes(text: str) -> int:
    match = _MEMORY.fullmatch(text.strip())
    if not match or int(match[1]) == 0:
        raise UsageError(f"bad amount of memory {text!r}: write 4G or 500M")
    power = "KMGT".index((match[2] or "G").upper()) + 1
    return int(match[1]) << (10 * power)


def _size(amount: int) -> str:
    """Write bytes in the largest unit that they are a whole number of."""
    kib = math.ceil(amount / 1024)
    unit = next((power for power in (3, 2, 1) if kib % 1024**power == 0), 0)
    return f"{kib // 1024**unit}{'KMGT'[unit]}"


def _seconds(text: str) -> float:
    """Read seconds, or a time as Grid Engine writes it."""
    if text.lower() == "infinity":
        return math.inf
    if text.isdecimal():
        return float(text)
    if match := _CLOCK.fullmatch(text):
        hours, minutes, seconds = (int(one or 0) for one in match.groups())
        return hours * 3600.0 + minutes * 60 + seconds
    raise UsageError(f"bad limit of run time {text!r}: write seconds, as in 3600, or 1:0:0")


def _clock(seconds: float) -> str:
    """Write a limit of time: whole minutes, one at least, for 0 is no limit to Slurm."""
    if seconds == math.inf:
        return "UNLIMITED"
    minutes = max(math.ceil(seconds / 60), 1)
    days, rest = divmod(minutes, 24 * 60)
    return f"{days}-{rest // 60:02}:{rest % 60:02}:00"


_OURS = {
    "array": "use -t of jman submit, before the command",
    "job-name": "jman knows its jobs by their names: use --name",
    "comment": "jman finds its jobs by it",
    "output": "use --log-dir",
    "error": "use --log-dir",
    "open-mode": "jman writes the logs itself",
    "input": "the input of a job is /dev/null",
    "chdir": "use --exec-dir",
    "wrap": "jman submits a script of its own",
    "parsable": "jman reads what sbatch prints",
    "quiet": "jman reads what sbatch prints",
    "test-only": "jman submit --dry-run shows it",
    "wait": "jman wait waits",
    "clusters": "jman would not find the job there",
    "export": "use -s KEY=VALUE of jman submit",
    "help": "it submits nothing",
    "usage": "it submits nothing",
    "version": "it submits nothing",
}
_SHORT = {
    "a": "array", "J": "job-name", "o": "output", "e": "error", "i": "input", "D": "chdir",
    "Q": "quiet", "W": "wait", "M": "clusters", "h": "help", "V": "version",
}  # fmt: skip


def _checked(words: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse what would take a job out of our hands. A long option may be cut short, as in ``--out=x``."""
    for word in words:
        name = None
        if word == "--":
            raise UsageError("-- can't be among the extra options of sbatch: only options can be given")
        if word.startswith("--"):
            given = word[2:].partition("=")[0]
            # --err may be short for --error alone, --e is taken for nothing by sbatch
            name = next((one for one in _OURS if len(given) > 2 and one.startswith(given)), None)
            if given in _NOT_CUT:
                name = None
        elif word.startswith("-") and len(word) > 1:
            name = _SHORT.get(word[1])
        if name is not None:
            raise UsageError(f"{word} can't be among the extra options of sbatch: {_OURS[name]}")
    return words


_NOT_CUT = frozenset({"export-file", "wait-all-nodes", "cluster-constraint", "exclusive"})
"""Options of sbatch of their own."""


def make_rules(values: Mapping[str, Any]) -> Rules:
    """Build a site's rules from its settings. Raises UsageError for one that makes no sense."""
    return rules_from(Rules, values, "[resources.slurm]")
