"""What runs a function job: ``python -m asyncjman.worker FOLDER PYTHON-VERSION``.

Reads the function and the input of its task from FOLDER, and leaves there what came of it.
"""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FUNCTION = "function"


@dataclass(frozen=True)
class Returned:
    """The function's value."""

    value: Any


@dataclass(frozen=True)
class Failed:
    """The function's exception, None where it can't be carried; ``message`` says what happened."""

    error: BaseException | None
    message: str
    traceback: str = ""


def result_name(index: int) -> str:
    """Return the name of the file with the result of input number ``index``."""
    return f"result.{index}"


def write_private(path: Path, data: bytes, *, durably: bool = False) -> None:
    """Write a file that only its owner can read; it is there whole or not at all.

    ``durably``: return when it is on the disk, with its entry in the folder.
    """
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        if durably:
            file.flush()
            os.fsync(file.fileno())
    part.replace(path)
    if durably:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def main() -> int:
    """Run the function of this task; return the exit status."""
    folder, version = Path(sys.argv[1]), sys.argv[2]
    index = int(os.environ.get("JMAN_TASK_INDEX", "0"))
    answer = _run(folder, version, index)
    # a success that is recorded must not be without its value after a power loss
    write_private(folder / result_name(index), _dumps(answer), durably=True)
    return 0 if isinstance(answer, Returned) else 1


def _run(folder: Path, version: str, index: int) -> Returned | Failed:
    here = "{}.{}".format(*sys.version_info[:2])
    if here != version:
        return Failed(None, f"it was made by Python {version}, but its worker is Python {here}")
    try:
        # of the program that made the call, in a folder of mode 0700
        function = pickle.loads((folder / FUNCTION).read_bytes())  # noqa: S301
        args, kwargs = pickle.loads((folder / f"input.{index}").read_bytes())  # noqa: S301
        return Returned(function(*args, **kwargs))
    except Exception as error:
        traceback.print_exc()
        return Failed(error, f"{type(error).__name__}: {error}", traceback.format_exc())


def _dumps(answer: Returned | Failed) -> bytes:
    import cloudpickle

    try:
        data: bytes = cloudpickle.dumps(answer)
        # an exception with an odd __init__ can be pickled, but not loaded; made just now, here
        pickle.loads(data)  # noqa: S301
        return data
    except Exception as error:
        if isinstance(answer, Failed):
            plain = Failed(None, answer.message, answer.traceback)
        else:
            plain = Failed(None, f"its value can't be carried back: {error}")
        return pickle.dumps(plain)


if __name__ == "__main__":
    # the classes must be those that the reader imports, not those of __main__
    from asyncjman import worker

    sys.exit(worker.main())
