"""Lines of the display, as wide as the terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asyncjman.model.progress import JobProgress, Overview
from asyncjman.model.status import Status
from asyncjman.render.progress import job_lines

NAMES = st.text("abc漢", min_size=1, max_size=30)
COUNTS = st.dictionaries(st.sampled_from(Status), st.integers(1, 10_000), min_size=1)


@given(st.lists(st.tuples(NAMES, COUNTS), min_size=2, max_size=5), st.integers(40, 100))
def test_names_shrink_and_counts_stay(given_jobs: list[tuple[str, dict[Status, int]]], width: int) -> None:
    jobs = [JobProgress(at, name, "local", counts) for at, (name, counts) in enumerate(given_jobs, 1)]
    counts: dict[Status, int] = {}
    for job in jobs:
        counts |= {status: counts.get(status, 0) + count for status, count in job.counts.items()}
    lines = job_lines(Overview(0, counts, jobs, len(jobs)), width, 10)
    for job, line in zip(jobs, lines, strict=True):
        assert line.cell_len <= width
        assert f" {job.done}/{job.total}" in line.plain
