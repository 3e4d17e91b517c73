"""What a job asks for, as options of qsub."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any

from asyncjman.engines.cluster.rules import rules_from
from asyncjman.errors import UsageError
from asyncjman.model.resources import Resources, memory_of, queues_in

DEFAULT_QUEUES = ("all.q", "default")
_UNKNOWN = re.compile(r'unknown (?:queue|resource) "([^"\n]{1,300})"')


class QueueOption(StrEnum):
    """How a queue is asked for."""

    REQUEST = "-l"
    """``-l q1d``, as gridtk does: each queue has a requestable attribute of its own name."""
    NAME = "-q"
    """``-q q1d``, as every Grid Engine understands."""
    AUTO = "auto"
    """``-q`` for the name of a queue that the cluster has, else ``-l``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRules:
    """How a site asks for it. The defaults are what gridtk 2.1.0 does."""

    queue_option: QueueOption = QueueOption.AUTO
    default_queues: tuple[str, ...] = DEFAULT_QUEUES
    """Queues that are not asked for: what is not asked for runs there."""
    gpu_queues: tuple[str, ...] = ("gpu", "lgpu", "sgpu", "gpum", "vsgpu")
    """Queues where ``memory`` means memory of the GPU, and the host's is not limited."""
    memory_resource: str = "mem_free"
    memory_limit: str = "h_vmem"
    """The limit that goes with a memory request outside of the default queues; empty: none."""
    gpu_resource: str = "gpumem"
    """The memory of a GPU."""
    gpu_count_resource: str = ""
    """How many GPUs; empty: that can't be asked for."""
    io_big_resource: str = "io_big"
    time_resource: str = "h_rt"
    parallel_environment: str = "pe_mth"
    prepend: tuple[str, ...] = field(default=())
    """Options of qsub that come before all others (gridtk's ``sge-extra-args-prepend``)."""


def options(
    resources: Resources, rules: ResourceRules | None = None, *, queues: Collection[str] | None = None
) -> tuple[str, ...]:
    """Return the options of qsub for ``resources``; ``queues`` are the cluster's own, where known.

    Memory for the host is asked for per job, so it is multiplied with the slots; the limit h_vmem
    is per slot (both as gridtk does). The user's own options come last, and win.

    Raises UsageError for options that would take a job out of our hands.
    """
    rules = rules or ResourceRules()
    words = [*_checked(rules.prepend)]
    asked = queues_in(resources.queue)
    own_queue = not set(asked) <= set(rules.default_queues)
    if own_queue:
        words += [_queue_option(asked, rules, queues), ",".join(asked)]
    elif set(asked) <= set(queues or ()) and rules.queue_option is QueueOption.NAME:
        words += ["-q", ",".join(asked)]
    gpu = set(asked) <= set(rules.gpu_queues)
    memory = memory_of(resources.memory) if resources.memory else None
    slots = resources.slots
    if memory and (not gpu or slots):
        number, unit = memory
        words += ["-l", f"{rules.memory_resource}={number * (slots or 1)}{unit}"]
    if memory and own_queue and not gpu and rules.memory_limit:
        words += ["-l", f"{rules.memory_limit}={memory[0]}{memory[1]}"]
    if gpu_memory := resources.gpu_memory or (_gpu_memory(memory) if gpu and memory else None):
        words += ["-l", f"{rules.gpu_resource}={gpu_memory}"]
    if resources.gpus:
        words += ["-l", f"{_gpu_count(rules)}={resources.gpus}"]
    if resources.io_big:
        words += ["-l", rules.io_big_resource]
    if resources.time:
        words += ["-l", f"{rules.time_resource}={resources.time}"]
    if resources.hostname:
        words += ["-l", f"hostname={resources.hostname}"]
    if slots:
        words += ["-pe", rules.parallel_environment, str(slots)]
    return (*words, *_checked((*resources.site_extra, *resources.extra)))


def unknown_queue(words: str) -> str | None:
    """Return the queue that qsub does not know, by what it said; None where it said something else.

    Asked for as an attribute (``-l q1d``), a queue that is not there is an unknown resource to it.
    """
    match = _UNKNOWN.search(words)
    return match[1] if match else None


def _queue_option(asked: Sequence[str], rules: ResourceRules, queues: Collection[str] | None) -> str:
    if len(asked) > 1:
        return "-q"  # as attributes, all of them would be asked for at once
    if rules.queue_option is not QueueOption.AUTO:
        return rules.queue_option.value
    return "-q" if "@" in asked[0] or "*" in asked[0] or asked[0] in (queues or ()) else "-l"


def _gpu_count(rules: ResourceRules) -> str:
    if not rules.gpu_count_resource:
        raise UsageError(
            "GPUs can't be asked for on Grid Engine here: set gpu-count-resource in [resources], "
            "or give an option of qsub"
        )
    return rules.gpu_count_resource


def _gpu_memory(memory: tuple[int, str]) -> str | None:
    """Return the number of GiB alone, as the attribute wants it; other units say nothing to it."""
    number, unit = memory
    return str(number) if unit in "gG" else None


_REFUSED = {
    "-sync": "jman wait waits",
    "-now": "jman would take a job for lost that never was queued",
    "-verify": "jman submit --dry-run shows it",
    "-help": "it submits nothing",
    "-t": "use -t of jman submit, before the command",
    "-tc": "use -t 1-10%N of jman submit",
    "-N": "jman knows its jobs by their names: use --name",
    "-o": "use --log-dir",
    "-e": "use --log-dir",
    "-j": "jman writes the logs itself",
    "-wd": "use --exec-dir",
    "-cwd": "use --exec-dir",
    "-b": "jman submits a script of its own",
    "-shell": "jman submits a script of its own",
    "-S": "jman submits a script of its own; name the interpreter in the command",
    "-i": "the input of a job is /dev/null",
    "-w": "jman submit --dry-run checks it",
    "-@": "write the options themselves",
    "-r": "a job that ran is run again by jman resubmit only",
    "-clear": "it would undo jman's own options",
    "--": "only options can be given",
}


def _checked(words: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse what would take a job out of our hands.

    ``-w e`` and ``-w w`` (validation) are fine; ``-w v`` and ``-w p`` submit nothing.
    """
    for word, following in pairwise((*words, "")):
        if word == "-w" and following in ("e", "w", "n"):
            continue
        if word in _REFUSED:
            raise UsageError(f"{word} can't be among the extra options of qsub: {_REFUSED[word]}")
    return words


def make_rules(values: Mapping[str, Any]) -> ResourceRules:
    """Build a site's rules from its settings. Raises UsageError for one that makes no sense."""
    return rules_from(ResourceRules, values, "[resources]")
