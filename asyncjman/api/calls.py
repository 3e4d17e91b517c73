"""Functions as jobs: what is written for the worker, and what comes back.

Everything pickled lies in the spool folder, readable by its owner only, and is loaded by nobody but
the worker and the program that made the call. The database holds none of it.
"""

from __future__ import annotations

import os
import pickle
import shutil
import stat
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from asyncjman.api.request import JobRequest
from asyncjman.api.result import JobResult
from asyncjman.errors import CallFailed, EnvironmentProblem, UsageError
from asyncjman.model.array import ArraySpec
from asyncjman.runtime import SYSTEM, Runtime
from asyncjman.store.completion import to_completion
from asyncjman.system.durable import make_durable
from asyncjman.system.logs import spool_folder
from asyncjman.worker import FUNCTION, Failed, Returned, result_name, write_private

T = TypeVar("T")
Input = tuple[tuple[Any, ...], dict[str, Any]]


class RemoteTraceback(Exception):
    """The traceback of an exception, as the worker saw it."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class Calls:
    """Makes function jobs; their files lie beside the database."""

    def __init__(self, database: Path, runtime: Runtime = SYSTEM) -> None:
        self._database = database
        self._runtime = runtime

    async def prepare(
        self,
        function: Callable[..., Any],
        inputs: Sequence[Input],
        *,
        name: str | None,
        array: bool,
        throttle: int | None = None,
    ) -> tuple[JobRequest, Results]:
        """Write the function and its inputs; return the job to submit, and where its values will be.

        Raises UsageError where something can't be pickled. Nothing is left where it is cancelled.
        """
        import cloudpickle

        token = self._runtime.token(8)
        label = name if name is not None else getattr(function, "__name__", "call")
        try:
            pickled = cloudpickle.dumps(function)
            pieces = [cloudpickle.dumps(one) for one in inputs]
        except Exception as error:  # pickling runs code of the user's objects
            raise UsageError(f"{label} can't be made a job: {error}") from error
        folder = Path(spool_folder(self._database, token))
        results = Results(folder, label)
        await to_completion(self._in_thread(_write, folder, pickled, pieces), lambda _: results.forget())
        version = "{}.{}".format(*sys.version_info[:2])
        request = JobRequest(
            command=(sys.executable, "-m", "asyncjman.worker", str(folder), version),
            name=label,
            array=str(ArraySpec((range(1, len(inputs) + 1),), throttle)) if array else None,
            check=False,
            token=token,
        )
        return request, results

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        return await self._runtime.in_thread(function, *arguments)


def _write(folder: Path, function: bytes, inputs: Sequence[bytes]) -> None:
    """Write what the worker reads; it is on the disk when this returns, or nothing of it is there."""
    spool = folder.parent
    spool.mkdir(mode=0o755, exist_ok=True)
    _refuse_foreign(spool)
    folder.mkdir(mode=0o700)
    try:
        files = {FUNCTION: function} | {f"input.{number}": data for number, data in enumerate(inputs)}
        for name, data in files.items():
            write_private(folder / name, data)
        make_durable([folder / name for name in files], [folder, spool, spool.parent])
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _refuse_foreign(spool: Path) -> None:
    """Refuse a spool folder that somebody else could change: the worker runs what lies in it.

    Raises EnvironmentProblem.
    """
    found = spool.lstat()
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
    if not ours:
        raise EnvironmentProblem(
            f"{spool} may be changed by others: function jobs need a folder that only its owner can write"
        )


class Results:
    """The values that the tasks of a function job gave back."""

    def __init__(self, folder: Path, label: str) -> None:
        self._folder = folder
        self._label = label

    async def forget(self) -> None:
        """Remove what was written for a job that was not stored."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def value(self, result: JobResult, index: int) -> Any:
        """Return the value of input number ``index``, or raise the exception that the function raised.

        Raises CallFailed where there is neither.
        """
        task = result.tasks[index]
        try:
            # written by our worker into a folder that nobody else may write (_refuse_foreign)
            answer = pickle.loads((self._folder / result_name(index)).read_bytes())  # noqa: S301
        except FileNotFoundError:
            why = task.reason or f"it ended with {task.status}"
            raise CallFailed(f"{self._label} gave nothing back: {why}", result) from None
        except Exception as error:
            raise CallFailed(f"what {self._label} gave back can't be read: {error}", result) from error
        if isinstance(answer, Returned):
            return answer.value
        if not isinstance(answer, Failed):
            raise CallFailed(f"what {self._label} gave back can't be read: {type(answer).__name__}", result)
        if answer.error is None:
            raise CallFailed(f"{self._label}: {answer.message}", result)
        raise answer.error from RemoteTraceback(answer.traceback)
