"""Writing the files that the workers of a function job read.

All of this runs in a thread. Pickles go to the files piece by piece: each write lets the event loop go on.
"""

from __future__ import annotations

import os
import pickle
import shutil
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import cloudpickle

from asyncjman.errors import EnvironmentProblem, UsageError
from asyncjman.system.durable import make_durable
from asyncjman.worker import FUNCTION, INPUTS, LOGS, NUMBER, header

Input = tuple[tuple[Any, ...], dict[str, Any]]

BIG_BYTES = 65536
"""Texts, bytes and arrays of numbers from this size on are stored once, whatever inputs have them."""


def write(folder: Path, function: Callable[..., Any], inputs: Sequence[Input], label: str) -> None:
    """Write what the worker reads; it is on the disk when this returns, or nothing of it is there.

    Raises UsageError where something can't be pickled.
    """
    spool = folder.parent
    spool.mkdir(mode=0o755, exist_ok=True)
    refuse_foreign(spool)
    folder.mkdir(mode=0o700)
    try:
        with _new(folder / FUNCTION) as file:
            pickle.dump(header(), file)
            _pickle(label, file, lambda out: cloudpickle.dump(function, out))
        with _new(folder / INPUTS) as file:
            _pickle(label, file, lambda out: _write_inputs(out, inputs))
        (folder / LOGS).mkdir(mode=0o700)
        make_durable([folder / FUNCTION, folder / INPUTS], [folder, spool, spool.parent])
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def refuse_foreign(spool: Path) -> None:
    """Refuse a spool folder that somebody else could change: what lies in it is run.

    Raises EnvironmentProblem.
    """
    found = spool.lstat()
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
    if not ours:
        raise EnvironmentProblem(
            f"{spool} may be changed by others: function jobs need a folder that only its owner can write"
        )


def _new(path: Path) -> BinaryIO:
    """Open a file that isn't there yet, and that only its owner can read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


class _Out:
    """A file; what goes wrong with it can be told from what goes wrong in an object that is pickled."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise

    def tell(self) -> int:
        return self._file.tell()


def _pickle(label: str, file: BinaryIO, how: Callable[[_Out], None]) -> None:
    out = _Out(file)
    try:
        how(out)
    except Exception as error:  # pickling runs code of the user's objects
        if out.error is not None:  # a full disk
            raise out.error from None
        raise UsageError(f"{label} can't be made a job: {error}") from error


def _write_inputs(file: _Out, inputs: Sequence[Input]) -> None:
    big: dict[int, tuple[int, object]] = {}
    starts = []
    for one in inputs:
        starts.append(file.tell())
        _Pickler(file, big).dump(one)
    for _, part in big.values():
        starts.append(file.tell())
        cloudpickle.dump(part, file)
    starts.append(len(starts))
    starts.append(len(inputs))
    file.write(b"".join(number.to_bytes(NUMBER, "little") for number in starts))


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
    """Leaves what is big to be stored behind all inputs, once, and writes its number instead."""

    def __init__(self, file: _Out, big: dict[int, tuple[int, object]]) -> None:
        super().__init__(file)
        self._big = big
        """Numbers by ids; the objects, too: an id is another one's once its object is gone."""

    def persistent_id(self, one: object) -> int | None:
        if not _is_big(one):
            return None
        return self._big.setdefault(id(one), (len(self._big), one))[0]


def _is_big(one: object) -> bool:
    """Tell whether this is a big object that nothing else can be a part of."""
    kind = type(one)
    if kind is bytes or kind is str or kind is bytearray:
        return len(one) >= BIG_BYTES  # type: ignore[arg-type]  # `kind` narrows nothing
    if kind.__name__ == "ndarray" and kind.__module__ == "numpy":
        return bool(one.nbytes >= BIG_BYTES and not one.dtype.hasobject)  # type: ignore[attr-defined]  # numpy is not imported
    return False
