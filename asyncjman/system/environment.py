"""The variables that each task sees, the same on every engine."""

from __future__ import annotations

from asyncjman.model.job import PLAIN_TASK, JobSpec
from asyncjman.system.logs import display_name


def task_environment(spec: JobSpec, job_id: int, task_id: int, attempt: int) -> dict[str, str]:
    """Return the variables of Grid Engine (qsub(1), "ENVIRONMENTAL VARIABLES"), ours, and the user's."""
    return {
        **job_environment(spec, job_id),
        **attempt_environment(spec, task_id, attempt),
    }


def job_environment(spec: JobSpec, job_id: int) -> dict[str, str]:
    """Return those that are the same for all tasks of a job, as long as it has its array; the user's last."""
    array = spec.array
    return {
        "JOB_ID": str(job_id),
        "JOB_NAME": display_name(spec),
        "SGE_TASK_FIRST": str(array.first) if array else "undefined",
        "SGE_TASK_LAST": str(array.last) if array else "undefined",
        "SGE_TASK_STEPSIZE": str(array.step) if array else "undefined",
        "JMAN_JOB_ID": str(job_id),
        "JMAN_TASK_COUNT": str(len(array) if array else 1),
        **spec.environment,
    }


def attempt_environment(spec: JobSpec, task_id: int, attempt: int) -> dict[str, str]:
    """Return those that each attempt has of its own, but for what the user sets."""
    array = spec.array
    found = {
        "SGE_TASK_ID": str(task_id) if task_id != PLAIN_TASK else "undefined",
        "JMAN_ATTEMPT": str(attempt),
        "JMAN_TASK_INDEX": str(array.index(task_id)) if array is not None else "0",
    }
    if spec.sweep is not None:
        found |= {f"JMAN_PARAM_{name}": value for name, value in spec.parameters(task_id).items()}
    for name in spec.environment:
        found.pop(name, None)
    return found
