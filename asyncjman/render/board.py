"""All that is known of a database on one screen: what ``jman watch`` shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from asyncjman.model.progress import FailedTask, Gpu, JobProgress, Machine, Overview, RunnerSeen
from asyncjman.model.status import Status
from asyncjman.render.progress import (
    COLORS,
    JobColumns,
    cut,
    cut_words,
    label_of,
    overall,
    running_lines,
)
from asyncjman.render.text import printable, short_path, size


@dataclass(frozen=True, slots=True)
class Shown:
    """What is drawn, and how large it may be."""

    progress: Overview
    width: int
    rows: int | None
    """None: as many as it takes."""
    machine: Machine | None = None
    ascii_only: bool = False


def board(shown: Shown, jobs: Sequence[JobProgress], selected: int | None = None) -> list[Text]:
    """Return the lines of the screen; ``selected``: the index of a job of ``jobs`` that is marked."""
    progress, width = shown.progress, shown.width
    lines = [*_head(shown), *overall(progress, None, width, ascii_only=shown.ascii_only), Text()]
    groups = grouped(progress.failures)
    if shown.rows is None:
        for_failures, for_running, for_jobs = len(groups), len(progress.running), len(jobs)
    else:
        room = max(0, shown.rows - len(lines))
        for_failures = min(len(groups), max(room // 4, 1)) if groups else 0
        room -= for_failures + bool(for_failures)
        for_running = min(progress.executing, max(room // 3, room - len(jobs) - 2))
        room -= for_running + bool(for_running)
        for_jobs = max(0, room)
    lines += job_window(shown, jobs, selected, for_jobs)
    if for_running > 0:
        lines += [Text(), *running_lines(progress, width, for_running)]
    if for_failures > 0:
        lines += [Text(), *[_group(one, width) for one in groups[:for_failures]]]
    return lines if shown.rows is None else lines[: shown.rows]


def _head(shown: Shown) -> list[Text]:
    most = 4 if shown.rows is None else max(2, shown.rows // 6)
    machine = _machine_lines(shown.machine, shown.width, most) if shown.machine is not None else []
    runners = [line for one in shown.progress.runners for line in _packed(_runner(one), ", ", shown.width)]
    lines = [*machine, *(runners[:most] or ["no jman execute runs"])]
    return [Text(cut_words(line, shown.width), "dim") for line in lines]


def _machine_lines(machine: Machine, width: int, most: int) -> list[str]:
    """Say how busy a machine is; its GPUs together where one by one they take more than so many lines."""
    used = f"memory {size(machine.memory_used)} of {size(machine.memory)}"
    lines = _packed([f"{machine.cpus} processors {machine.cpu_percent:.0f} % busy", used], ", ", width)
    gpus = _packed([_gpu_in_words(gpu) for gpu in machine.gpus], "   ", width)
    return [*lines, *(gpus if len(gpus) <= most else _packed(_gpus_together(machine.gpus), ", ", width))]


def _gpus_together(gpus: Sequence[Gpu]) -> list[str]:
    busy = [gpu.percent for gpu in gpus if gpu.percent is not None]
    memory = [(gpu.memory_used, gpu.memory) for gpu in gpus if gpu.memory_used is not None and gpu.memory]
    found = [f"{len(gpus)} GPUs" + (f" {sum(busy) / len(busy):.0f} % busy" if busy else "")]
    if memory:
        used, there = (sum(some) for some in zip(*memory, strict=True))
        found.append(f"memory {size(used)} of {size(there)}")
    return found


def _packed(words: Sequence[str], between: str, width: int) -> list[str]:
    """Return lines with as many of these in each as fit."""
    lines: list[str] = []
    for one in words:
        if lines and len(lines[-1]) + len(between) + len(one) <= width:
            lines[-1] += between + one
        else:
            lines.append(one)
    return lines


def _gpu_in_words(gpu: Gpu) -> str:
    busy = "" if gpu.percent is None else f" {gpu.percent:>3} %"
    if gpu.memory_used is None or gpu.memory is None:
        return f"GPU {gpu.index}{busy}"
    return f"GPU {gpu.index}{busy} {size(gpu.memory_used)} of {size(gpu.memory)}"


def _runner(runner: RunnerSeen) -> list[str]:
    """Say of a process that it runs jobs, where, how many at once, and where its output goes."""
    where = f"(pid {runner.pid} on {printable(runner.host)})"
    if runner.parallel is None:
        return [f"a program {where} runs jobs"]
    output = [f"output in {short_path(runner.output)}"] if runner.output else []
    return [f"jman execute {where}", f"{runner.parallel} at once", *output]


def job_window(shown: Shown, jobs: Sequence[JobProgress], selected: int | None, rows: int) -> list[Text]:
    """Return a line for each job; of more than there are rows, those around the selected one."""
    if not jobs or rows <= 0:
        return []
    begin = 0
    if len(jobs) > rows:
        begin = min(max(0, (selected or 0) - rows // 2), len(jobs) - rows)
    visible = jobs[begin : begin + rows]
    columns = JobColumns(visible, shown.width)
    lines = [columns.line(job, ascii_only=shown.ascii_only) for job in visible]
    if selected is not None and begin <= selected < begin + len(lines):
        chosen = lines[selected - begin]
        chosen.pad_right(shown.width - chosen.cell_len)
        chosen.stylize("reverse")
    return lines


@dataclass(slots=True)
class Group:
    """Tasks that failed for the same reason, the newest first."""

    what: str
    tasks: list[FailedTask]


def grouped(failures: Sequence[FailedTask]) -> list[Group]:
    """Return the newest failures by what they have in common, that of the newest first."""
    found: dict[str, Group] = {}
    for one in failures:
        found.setdefault(one.what, Group(one.what, [])).tasks.append(one)
    return list(found.values())


def _group(group: Group, width: int) -> Text:
    labels = ", ".join(label_of(one.job_id, one.task_id) for one in group.tasks[:20])
    line = Text(f"{len(group.tasks)} failure ", COLORS[Status.FAILURE])
    return cut(line.append(f"{printable(group.what)} ({labels})", "default"), width)
