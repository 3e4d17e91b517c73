"""The variables that each task sees, the same on every engine."""

from __future__ import annotations

from asyncjman.model.job import PLAIN_TASK, JobSpec
from asyncjman.system.logs import display_name


def task_environment(spec: JobSpec, job_id: int, task_id: int, attempt: int) -> dict[str, str]:
    """Return the variables of Grid Engine (qsub(1), "ENVIRONMENTAL VARIABLES"), ours, and the user's."""
    array = spec.array
    return {
        "JOB_ID": str(job_id),
        "JOB_NAME": display_name(spec),
        "SGE_TASK_ID": str(task_id) if task_id != PLAIN_TASK else "undefined",
        "SGE_TASK_FIRST": str(array.first) if array else "undefined",
        "SGE_TASK_LAST": str(array.last) if array else "undefined",
        "SGE_TASK_STEPSIZE": str(array.step) if array else "undefined",
        "JMAN_JOB_ID": str(job_id),
        "JMAN_ATTEMPT": str(attempt),
        "JMAN_TASK_INDEX": str(array.index(task_id) if array else 0),
        "JMAN_TASK_COUNT": str(len(array) if array else 1),
        **{f"JMAN_PARAM_{name}": value for name, value in spec.parameters(task_id).items()},
        **spec.environment,
    }
