"""Functions as jobs: what is written for the worker, and what comes back.

Everything pickled lies in the spool folder, readable by its owner only, and is loaded by nobody but
the worker and programs of the owner of the database. The database holds none of it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from asyncjman.api.call_options import Workers
from asyncjman.api.request import JobRequest
from asyncjman.api.result import JobResult
from asyncjman.errors import CallFailed
from asyncjman.model.array import ArraySpec
from asyncjman.runtime import SYSTEM, Runtime
from asyncjman.store.completion import to_completion
from asyncjman.system.logs import spool_folder
from asyncjman.worker import COMMAND, FUNCTION, LOGS, WARM, Returned, read_result, result_name

T = TypeVar("T")
Input = tuple[tuple[Any, ...], dict[str, Any]]


class RemoteTraceback(Exception):
    """The traceback of an exception, as the worker saw it."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class Calls:
    """Makes function jobs; their files lie beside the database."""

    def __init__(self, database: Path, runtime: Runtime = SYSTEM) -> None:
        """``database`` is one of this user's: what lies beside it is run."""
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
        capture: bool = True,
        workers: Workers = "fresh",
    ) -> tuple[JobRequest, Results]:
        """Write the function and its inputs; return the job to submit, and where its values will be.

        ``capture``: what the calls print goes to log files beside the results, where no other folder is asked
        for. ``workers``: ``"fresh"``, a process for each task; ``"warm"``: on this machine a process takes
        several tasks, one after the other.

        Raises UsageError where something can't be pickled. Nothing is left where it is cancelled. All of it
        is done in a thread: the inputs must not change until this returns.
        """
        token = self._runtime.token(8)
        label = name if name is not None else getattr(function, "__name__", "call")
        folder = Path(spool_folder(self._database, token))
        results = Results(folder, label, self._runtime)
        work = self._in_thread(_write, folder, function, inputs, label)
        await to_completion(work, lambda _: results.forget())
        request = JobRequest(
            command=(*COMMAND, str(folder), *([WARM] if workers == WARM else ())),
            name=label,
            array=str(ArraySpec((range(1, len(inputs) + 1),), throttle)) if array else None,
            check=False,
            token=token,
            log_dir=folder / LOGS if capture else None,
        )
        return request, results

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        return await self._runtime.in_thread(function, *arguments)


class Results:
    """The values that the tasks of a function job gave back."""

    def __init__(self, folder: Path, label: str, runtime: Runtime = SYSTEM) -> None:
        self._folder = folder
        self._label = label
        self._runtime = runtime

    async def forget(self) -> None:
        """Remove all that was written: the job was not stored, or is deleted."""
        await self._runtime.in_thread(_remove, self._folder)

    async def release(self) -> None:
        """Remove the function, its inputs and its values; logs in which something is stay."""
        await self._runtime.in_thread(_remove_values, self._folder)

    def value(self, result: JobResult, index: int) -> Any:
        """Return the value of input number ``index``, or raise the exception that the function raised.

        Raises CallFailed where there is neither.
        """
        task = result.tasks[index]
        try:
            _refuse_foreign(self._folder)
            answer = read_result(f"{self._folder}/{result_name(index)}", task.attempt)
        except FileNotFoundError:
            gone = not self._folder.exists() or not (self._folder / FUNCTION).exists()
            why = "its value is not kept any more" if gone else task.reason or f"it ended with {task.status}"
            raise CallFailed(f"{self._label} gave nothing back: {why}", result) from None
        except Exception as error:
            raise CallFailed(f"what {self._label} gave back can't be read: {error}", result) from error
        if isinstance(answer, Returned):
            return answer.value
        cause = RemoteTraceback(answer.traceback) if answer.traceback else None
        if not isinstance(answer.error, Exception):
            raise CallFailed(f"{self._label}: {answer.message}", result) from cause
        raise answer.error from cause


def _write(folder: Path, function: Callable[..., Any], inputs: Sequence[Input], label: str) -> None:
    from asyncjman.api.pickles import write  # cloudpickle takes a while: the loop does not wait for it

    write(folder, function, inputs, label)


def _refuse_foreign(folder: Path) -> None:
    """Raise EnvironmentProblem for a folder that others may write: what it has may be theirs."""
    from asyncjman.api.pickles import refuse_foreign

    refuse_foreign(folder.parent)
    refuse_foreign(folder)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _remove_values(folder: Path) -> None:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                os.unlink(entry.path)  # noqa: PTH108 - so often that it counts
    with suppress(OSError), os.scandir(folder / LOGS) as logs:
        for entry in logs:
            if not entry.stat(follow_symlinks=False).st_size:
                os.unlink(entry.path)  # noqa: PTH108 - as above
    for empty in (folder / LOGS, folder):
        with suppress(OSError):  # logs stay
            empty.rmdir()
