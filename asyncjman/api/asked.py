"""How a program asks for an array, and for what its tasks need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asyncjman.errors import BadArray
from asyncjman.model.array import MAX_TASK_ID, ArraySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What one task needs; None: the cluster's default. Here on this machine nothing is set aside for it.

    ``cpus``: how many (slots of Grid Engine, CPUs of Slurm); ``gpus`` likewise. ``memory``: per CPU, such as
    ``"4G"`` or ``"500M"``; a number alone is in GiB; ``gpu_memory`` likewise. ``time``: the cluster's limit
    of run time, seconds or ``"1:00:00"``; ``timeout=`` of a job is ours, and holds on each engine.
    ``extra``: further words for the command that submits.

    >>> Resources(cpus=2, memory="4G").as_mapping()
    {'cpus': 2, 'memory': '4G'}
    """

    cpus: int | None = None
    memory: str | int | None = None
    gpus: int | None = None
    gpu_memory: str | int | None = None
    time: str | int | None = None
    hostname: str | None = None
    io_big: bool | None = None
    extra: Sequence[str] | None = None

    def as_mapping(self) -> dict[str, object]:
        """Return what is asked for, by the names of the fields."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in values.items() if value is not None}


Array = int | str | range | ArraySpec
"""Task ids: as ``jman submit --array`` takes them, 1 to a number, a range, or read already."""


def array_of(array: Array | None) -> str | ArraySpec | None:
    """Return an array as a text or as what it is read as. Raises BadArray."""
    if array is None or isinstance(array, str | ArraySpec):
        return array
    if isinstance(array, range):
        if not array or array.step < 0 or not 1 <= array[0] <= array[-1] <= MAX_TASK_ID:
            raise BadArray(f"bad array {array!r}: task ids go up from 1 on, as in range(1, 11)")
        return ArraySpec((array,))
    if isinstance(array, int) and not isinstance(array, bool) and 1 <= array <= MAX_TASK_ID:
        return ArraySpec((range(1, array + 1),))
    raise BadArray(f"bad array {array!r}: give a number of tasks, a range, or a text such as '1-10%4'")
