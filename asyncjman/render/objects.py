"""Jobs and tasks as JSON objects; the same names everywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from asyncjman.model.job import Job, Task

if TYPE_CHECKING:  # most commands show none
    from asyncjman.model.progress import Overview


def job_object(job: Job) -> dict[str, Any]:
    """Return a job as JSON shows it; ``tasks`` are counts by status."""
    spec = job.spec
    return {
        "id": job.id,
        "grid_id": _number(job.native_id),
        "grid_ids": [_number(one) for one in job.native_ids],
        "name": spec.name or None,
        "executor": spec.engine,
        "queue": spec.queue,
        "status": job.status,
        "exit_status": job.exit_status,
        "signal": job.signal,
        "reason": job.reason,
        "grid_state": job.engine_state,
        "command": list(spec.command),
        "interpreter": list(spec.interpreter),
        "exec_dir": spec.exec_dir,
        "log_dir": spec.log_dir,
        "environment": dict(spec.environment),
        "array": str(spec.array) if spec.array else None,
        "dependencies": [{"id": one.job_id, "kind": one.kind} for one in spec.dependencies],
        "stop_on_failure": spec.stop_on_failure,
        "retry": {"count": spec.retry.count, "on": sorted(spec.retry.causes), "delay": spec.retry.delay}
        if spec.retry
        else None,
        "timeout": spec.timeout,
        "resources": dict(spec.resources),
        "git_commit": spec.git_commit,
        "git_dirty": spec.git_dirty,
        "submitted_at": moment(job.submitted_at),
        "started_at": moment(job.started_at),
        "finished_at": moment(job.finished_at),
        "cpu_seconds": job.cpu_seconds,
        "peak_memory_bytes": job.peak_memory_bytes,
        "host": job.host,
        "attempt": job.attempt,
        "tasks": dict(job.counts),
    }


def task_object(
    task: Task, logs: tuple[str, str] | None, parameters: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return a task as JSON shows it; ``logs`` are the paths of its output and error log."""
    return {
        "id": task.task_id or None,
        "status": task.status,
        "exit_status": task.exit_status,
        "signal": task.signal,
        "reason": task.reason,
        "cause": task.cause,
        "attempt": task.attempt,
        "host": task.host,
        "started_at": moment(task.started_at),
        "finished_at": moment(task.finished_at),
        "cpu_seconds": task.cpu_seconds,
        "peak_memory_bytes": task.peak_memory_bytes,
        "stdout": logs[0] if logs else None,
        "stderr": logs[1] if logs else None,
        **({"parameters": dict(parameters)} if parameters else {}),
    }


def progress_object(progress: Overview) -> dict[str, Any]:
    """Return how far jobs are as JSON shows it; ``rate`` in tasks a second, ``seconds_left`` as estimated."""
    return {
        "time": moment(progress.time),
        "tasks": {status: count for status, count in progress.counts.items() if count},
        "total": progress.total,
        "done": progress.done,
        "rate": progress.rate,
        "seconds_left": progress.left.seconds if progress.left else None,
    }


def moment(seconds: float | None) -> str | None:
    """Write seconds since 1970 as ISO 8601, UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def dumps(value: Any) -> str:
    """Return one line of JSON, ASCII: bytes that are not UTF-8 come as lone surrogates (PEP 383)."""
    return json.dumps(value)


def _number(native_id: str | None) -> int | str | None:
    """Return a cluster's number of a job as a number, where it is one."""
    return (
        int(native_id) if native_id is not None and native_id.isascii() and native_id.isdigit() else native_id
    )
