"""What accounting adds: the end of a task that left no record, and what attempts used. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from asyncjman.engines.base import Observation, Ref, Saw, TaskRow, Watched
from asyncjman.engines.cluster.numbers import task_id_of
from asyncjman.engines.cluster.script_records import SKIPPED_STATUS
from asyncjman.model.failure import Cause

SLACK_SECONDS = 1.0
"""Accounting has whole seconds."""


def end_by_accounting(accounted: Observation, ref: Ref, row: TaskRow, since: float) -> Observation:
    """Return an end as accounting tells it; the program's own record is missing."""
    ended = replace(accounted, ref=ref, started_at=row.started_at or accounted.started_at)
    if accounted.cause is Cause.NODE:
        # it may live on, and its record corrects this; it counts as an attempt also where it came no
        # further than to its node
        ended.started_at = ended.started_at or since
        ended.at, ended.missing_since, ended.usage = since, since, None
    elif not ended.at:
        ended.at = since
    if accounted.exit_status == SKIPPED_STATUS:
        ended.missing_since = since  # it may have been skipped: its record tells, if it comes
    # accounting has whole seconds: what ends in the second in which it started ends after it
    ended.at = max(ended.at, ended.started_at or 0.0)
    return ended


def usage_of(
    watched: Sequence[Watched], accounting: Mapping[tuple[str, int], Observation]
) -> list[Observation]:
    """Return what attempts used that ended before: each record of accounting is of one of them.

    In their order: one attempt may start in the second in which the one before ended.
    """
    launches = {one.native_id: one for one in watched}
    left: dict[tuple[int, int], list[tuple[Ref, float]]] = {}
    for ref, start in dict.fromkeys(pair for one in watched for pair in one.ran):
        left.setdefault((ref.job_id, ref.task_id), []).append((ref, start))
    used = []
    for (native_id, number), record in sorted(accounting.items(), key=lambda item: item[1].started_at or 0.0):
        one = launches.get(native_id)
        if one is None or one.token != record.token:
            continue  # another job that was given the same number
        attempts = left.get((one.job_id, task_id_of(one.tasks, number)), [])
        ran = next((pair for pair in attempts if _is_of(record, pair[1])), None)
        if ran is not None:
            attempts.remove(ran)
            used.append(Observation(one.token, ran[0], Saw.USAGE, record.at, usage=record.usage))
    return used


def _is_of(record: Observation, start: float) -> bool:
    """Tell whether an attempt started in the time that a record is about, both by the node's clock."""
    if record.started_at is None:
        return False
    end = record.at if record.at else float("inf")
    return record.started_at - SLACK_SECONDS <= start <= end + SLACK_SECONDS
