"""All errors that asyncjman raises on purpose, and the exit code of each.

    JmanError                    3
    +-- UsageError               2   what was asked for makes no sense: nothing was changed
    |   +-- BadArray
    |   +-- BadSelection
    |   +-- BadDependency
    |   +-- CommandNotFound
    +-- EnvironmentProblem       3   the machine, the database or the cluster is in the way
    |   +-- DatabaseProblem
    |       +-- DamagedDatabase
    |           +-- UnreadableJob    a value of one job makes no sense
    |       +-- NotOwner             it belongs to somebody else, or others may have written it
    +-- NotOpen                  3   a JobManager was used outside of its block, or from another event loop
    +-- WaitedInVain           124   jobs did not end in the time that was given
    +-- JobDeleted               3   a job is no more
    +-- JobFailed                1   a job ended, and not with success
        +-- CallFailed               a function job gave back neither value nor exception
        +-- MapFailed                an input of a map failed

Exit codes of ``jman``, in one place:

    0    done
    1    a job failed (``execute``, ``wait``)
    2    usage
    3    environment (database, files, machine)
    124  a time limit of the command itself (``wait --timeout``); nothing was stopped
    130  interrupted
"""

from __future__ import annotations

TYPE_CHECKING = False  # the typing module takes as long as a third of what is loaded first
if TYPE_CHECKING:
    from typing import Any

EXIT_DONE = 0
EXIT_JOB_FAILED = 1
EXIT_USAGE = 2
EXIT_ENVIRONMENT = 3
EXIT_TIMEOUT = 124
EXIT_INTERRUPTED = 130


class JmanError(Exception):
    """asyncjman could not do what it was asked to."""

    exit_code = EXIT_ENVIRONMENT

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class UsageError(JmanError):
    """The request makes no sense as it stands."""

    exit_code = EXIT_USAGE


class BadArray(UsageError):
    """The array specification can't be read."""


class BadSelection(UsageError):
    """The jobs or tasks named can't be found."""


class BadDependency(UsageError):
    """The dependency can't be."""


class CommandNotFound(UsageError):
    """The command is neither a file nor on PATH."""


class EnvironmentProblem(JmanError):
    """Something outside of asyncjman is in the way."""


class DatabaseProblem(EnvironmentProblem):
    """The database can't be used."""


class DamagedDatabase(DatabaseProblem):
    """The database is damaged: restore it from a copy, or delete it to start anew."""


class UnreadableJob(DamagedDatabase):
    """A value of a job, or of its tasks, makes no sense: ``what`` says which; ``job_id`` is None if unknown.

    ``spec`` tells that it is of what was asked for: the job can still be deleted.
    """

    def __init__(self, what: str, job_id: int | None = None, *, spec: bool = False) -> None:
        self.what = what
        self.job_id = job_id
        self.spec = spec
        super().__init__(self.message())

    def message(self, database: str = "") -> str:
        """Say what is wrong, and what to do; with the name of the file where it is given."""
        which = f"the database {database}" if database else "the database"
        if self.job_id is None:
            return f"{which} has a value that makes no sense ({self.what}): restore it from a copy"
        advice = f"jman delete {self.job_id} removes the job" if self.spec else "restore it from a copy"
        return f"job {self.job_id} of {which} can't be read ({self.what}): {advice}"


class NotOwner(DatabaseProblem):
    """The database is somebody else's, or others may have written it: it can only be read."""


class NotOpen(JmanError):
    """A JobManager was used outside of its block, or from another event loop."""


class WaitedInVain(JmanError):
    """Jobs did not end in the time that somebody waits; nothing was stopped."""

    exit_code = EXIT_TIMEOUT


class JobDeleted(JmanError):
    """The job was deleted."""


class JobFailed(JmanError):
    """A job ended without success; ``result`` is its JobResult."""

    exit_code = EXIT_JOB_FAILED

    def __init__(self, message: str | None = None, result: Any = None) -> None:
        super().__init__(message)
        self.result = result

    @property
    def reason(self) -> str | None:
        """Return why it failed."""
        return getattr(self.result, "reason", None)

    @property
    def logs(self) -> tuple[str, ...]:
        """Return the paths of the logs of what failed."""
        return getattr(self.result, "logs", ())


class CallFailed(JobFailed):
    """A function job gave back neither a value nor an exception."""


class MapFailed(JobFailed):
    """An input of a ``map`` failed; its exception is the ``__cause__``.

    ``index`` (from 0): which input; ``results``: the values that there are, by index; ``errors``: by index,
    why others have none, those included that were stopped because of the first failure.
    """

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        *,
        index: int = 0,
        results: dict[int, Any] | None = None,
        errors: dict[int, Exception] | None = None,
    ) -> None:
        super().__init__(message, result)
        self.index = index
        self.results = results or {}
        self.errors = errors or {}


def first_of(error: BaseException) -> BaseException:
    """Return the error that a group of errors is about: the first of ours, else the first one."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = [first_of(one) for one in error.exceptions]
    return next((one for one in leaves if isinstance(one, JmanError)), leaves[0])
