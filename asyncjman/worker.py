"""What runs a function job: ``python -P worker.py FOLDER``, a program that imports nothing of ours.

It reads the function and the input of its task from FOLDER, and leaves there what came of it. A fresh
interpreter has to start for that, so what is seldom needed is imported where it is.
"""

from __future__ import annotations

import os
import pickle
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, BinaryIO

COMMAND = (sys.executable, "-P", os.path.abspath(__file__))  # noqa: PTH100 - pathlib takes 10 ms to import
"""Runs a function job, with its folder as the last word. ``-P``: no file beside this one, or in the current
folder, is imported in place of a module of Python."""
_TAIL = os.path.join("asyncjman", "worker.py")  # noqa: PTH118
WARM = "warm"
"""A word behind the folder: where it can, one process takes several tasks of the job, one after the other."""
FUNCTION = "function"
"""A file: what ``header`` gives, and the function."""
INPUTS = "inputs"
"""A file: pickles, one behind the other; where each begins; how many there are; how many are inputs."""
NUMBER = 8
"""The bytes of a number in it."""
LOGS = "logs"
"""The folder of the log files of calls that ask for no other one."""
_SUCCESS, _FAILURE = b"success", b"failure"


class Returned:
    """The function's value."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Failed:
    """The function's exception, None where it can't be carried; ``message`` says what happened."""

    def __init__(self, error: BaseException | None, message: str, traceback: str = "") -> None:
        self.error = error
        self.message = message
        self.traceback = traceback


def is_function(command: Sequence[str]) -> bool:
    """Tell whether a job's command runs a function, by whatever Python."""
    words = len(command) - len(COMMAND)
    return words in (1, 2) and command[1] == "-P" and command[2].endswith(_TAIL)


def header() -> dict[str, Any]:
    """Return what a worker must know before it loads anything: which Python, and where modules are."""
    path = [os.path.abspath(one) for one in sys.path if isinstance(one, str)]  # noqa: PTH100
    return {"python": _python(), "path": path}


def _python() -> str:
    return "{}.{}".format(*sys.version_info[:2])


# -- inputs ------------------------------------------------------------------------------------------------


class Inputs:
    """The inputs of all tasks; each is loaded anew, with what is big in it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._index = -1
        """Where the index begins; -1: not read yet."""
        self._count = 0

    def load(self, number: int) -> Any:
        """Load an input."""
        with open(self._path, "rb") as file:  # noqa: PTH123
            if self._index < 0:
                end = file.seek(-2 * NUMBER, os.SEEK_END)
                self._index = end - NUMBER * _number(file)
                self._count = _number(file)
            file.seek(self._index + NUMBER * number)
            file.seek(_number(file))
            return _Loader(file, self).load()

    def load_big(self, key: int) -> Any:
        """Load something big that inputs have: that is behind all of them."""
        return self.load(self._count + key)


class _Loader(pickle.Unpickler):
    def __init__(self, file: BinaryIO, inputs: Inputs) -> None:
        super().__init__(file)
        self._inputs = inputs
        self._big: dict[int, Any] = {}

    def persistent_load(self, key: int) -> Any:
        if key not in self._big:
            self._big[key] = self._inputs.load_big(key)
        return self._big[key]


def _number(file: BinaryIO) -> int:
    return int.from_bytes(file.read(NUMBER), "little")


# -- results -----------------------------------------------------------------------------------------------


def result_name(index: int) -> str:
    """Return the name of the file with the result of input number ``index``: of its latest attempt."""
    return f"result.{index}"


def result_path(folder: str, variables: Mapping[str, str]) -> str:
    """Return the path of the result file of the task that these variables are of."""
    return os.path.join(folder, result_name(int(variables["JMAN_TASK_INDEX"])))  # noqa: PTH118


def read_result(path: str, attempt: int) -> Returned | Failed:
    """Return what came of an attempt, or of a later one, by its result file.

    Raises FileNotFoundError where there is none, and whatever unpickling a value raises.
    """
    with open(path, "rb") as file:  # noqa: PTH123
        _, number, outcome = file.readline().split()
        if int(number) < attempt:
            raise FileNotFoundError(path)
        # of our worker, in a folder that nobody else may write
        if outcome == _SUCCESS:
            return Returned(pickle.load(file))  # noqa: S301
        data, message, text = pickle.load(file)  # noqa: S301
        return Failed(pickle.loads(data) if data else None, message, text)  # noqa: S301


def is_success(path: str, attempt: int) -> bool:
    """Tell whether a result file says that an attempt gave a value; nothing of it is loaded."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.readline(64) == _first_line(attempt, _SUCCESS)
    except OSError:
        return False


def _first_line(attempt: int, outcome: bytes) -> bytes:
    return b"attempt %d %b\n" % (attempt, outcome)


def write_whole(path: str, *parts: bytes, durably: bool) -> None:
    """Write a file that only its owner can read, whole or not at all.

    ``durably``: it is on the disk, with its entry in the folder, when this returns. It has its name before it
    is written out: so the disk is waited for once.
    """
    part = f"{path}.part"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.writelines(parts)
        file.flush()
        os.replace(part, path)  # noqa: PTH105
        if not durably:
            return
        os.fsync(file.fileno())
    folder = os.open(os.path.dirname(path), os.O_RDONLY)  # noqa: PTH120
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# -- running -----------------------------------------------------------------------------------------------


def run(folder: str, *, durably: bool) -> int:
    """Run the function of this task; return the exit status.

    A success that is recorded must not be without its value after a power loss: ``durably``, that is on the
    disk when this returns. Else who records the success sees to it.
    """
    index, attempt = int(os.environ["JMAN_TASK_INDEX"]), int(os.environ["JMAN_ATTEMPT"])
    status, data = _outcome(folder, index)
    first = _first_line(attempt, _FAILURE if status else _SUCCESS)
    write_whole(result_path(folder, os.environ), first, data, durably=durably)
    return status


def _outcome(folder: str, index: int) -> tuple[int, bytes]:
    """Return the exit status, 0 where there is a value, and the pickle for the result file."""
    try:
        function, inputs = _loaded.get(folder) or _load(folder)
        args, kwargs = inputs.load(index)
        value = _called(function, args, kwargs)
    except OtherPython as error:
        return 1, pickle.dumps((b"", str(error), ""))
    except BaseException as error:  # also sys.exit: its words would be lost
        return _failed(error)
    try:
        return 0, _dumps(value)
    except BaseException as error:
        words = f"its value can't be carried back: {error}"
        return 1, pickle.dumps((b"", words, _print(error)))


_loaded: dict[str, tuple[Callable[..., Any], Inputs]] = {}
"""What is loaded, by its folder: a warm process needs it again."""


def _load(folder: str) -> tuple[Callable[..., Any], Inputs]:
    # what is loaded is of the program that made the call, in a folder of mode 0700
    with open(os.path.join(folder, FUNCTION), "rb") as file:  # noqa: PTH118, PTH123
        made = pickle.load(file)  # noqa: S301
        if not isinstance(made, dict):
            raise OtherPython("it was made by an earlier asyncjman: make the call once more")
        if made["python"] != _python():
            raise OtherPython(f"it was made by Python {made['python']}, but its worker is Python {_python()}")
        sys.path[:] = made["path"] + [one for one in sys.path if one not in made["path"]]
        function: Callable[..., Any] = pickle.load(file)  # noqa: S301
    _loaded[folder] = found = function, Inputs(os.path.join(folder, INPUTS))  # noqa: PTH118
    return found


class OtherPython(Exception):
    """A pickle of another Python's, or of an earlier asyncjman's: it may be read wrongly, or not at all."""


def _called(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    value = function(*args, **kwargs)
    if type(value).__name__ != "coroutine":
        return value
    import asyncio

    return asyncio.run(value)


def _failed(error: BaseException) -> tuple[int, bytes]:
    text = _print(error)
    status, words, data = 1, f"{type(error).__name__}: {error}", b""
    if isinstance(error, SystemExit):
        if isinstance(error.code, int):
            status = error.code & 0xFF or 1  # without a value it is not a success
            words = f"exit status {error.code}, by sys.exit"
        elif error.code is None:
            words = "it called sys.exit"
    if isinstance(error, Exception):  # another one would end the program that made the call
        try:
            data = _dumps(error)
            # an exception with an odd __init__ can be pickled, but not loaded; made just now, here
            pickle.loads(data)  # noqa: S301
        except BaseException:
            data = b""
    return status, pickle.dumps((data, words, text))


def _print(error: BaseException) -> str:
    """Print an exception, as Python does with one that nobody catches; return what was printed."""
    import traceback

    text = "".join(traceback.format_exception(error))
    if sys.stderr is not None:
        sys.stderr.write(text)
    return text


def _dumps(value: object) -> bytes:
    try:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception:
        import cloudpickle

        data: bytes = cloudpickle.dumps(value)
        return data


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], durably=True))
