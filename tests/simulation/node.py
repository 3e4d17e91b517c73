"""What a node does with a job script: it reads the real script, looks at records, and writes some.

The records are files, as the real engine reads them; their times are those of the virtual clock. The rules by
which a script decides are written down once more, not taken from asyncjman.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

PLAIN = 0
_RUN = re.compile(
    r'.* \[ "\$jman_number" -gt (\d+) \] .* jman_task=\$\(\((-?\d+) \+ jman_number \* (-?\d+)\)\) '
    r".* jman_attempt=(\d+);"
)
"""So a script says which tasks the numbers up to one stand for, from the one before on."""
_SKIP = re.compile(r"^jman_skip\(\) \{.*?^  exit (\d+)$", re.MULTILINE | re.DOTALL)


class Need(NamedTuple):
    """A job that is looked at before the command runs."""

    job_id: int
    folder: Path
    tasks: str
    """FIRST:LAST:STEP,…; or the task of the same number."""
    kind: str
    seconds: float
    """How long a record is waited for."""


@dataclass(frozen=True, slots=True)
class Script:
    """What stands in a job script."""

    job_id: int
    folder: Path
    attempt: int
    numbered: dict[int, tuple[int, int]]
    """(task, attempt) by the batch system's numbers; empty where these are the tasks."""
    needs: tuple[Need, ...]
    skipped: int
    """Its exit status where its command is not run."""

    def task_of(self, number: int) -> tuple[int, int]:
        return self.numbered[number] if self.numbered else (number, self.attempt)


def read_script(text: str) -> Script:
    """Read a job script, by the lines that tell one from another."""
    values: dict[str, str] = {}
    numbered: dict[int, tuple[int, int]] = {}
    needs = []
    for line in text.splitlines():
        if match := _RUN.match(line):
            last, base, step, attempt = map(int, match.groups())
            for number in range(len(numbered) + 1, last + 1):
                numbered[number] = (base + number * step, attempt)
        elif line.startswith("jman_need "):
            _, job_id, folder, tasks, kind, seconds = shlex.split(line)
            needs.append(Need(int(job_id), Path(folder), tasks, kind, float(seconds)))
        else:
            name, _, value = line.partition("=")
            if name in ("jman_job", "jman_records", "jman_attempt"):
                values.setdefault(name, shlex.split(value)[0])
    return Script(
        int(values["jman_job"]),
        Path(values["jman_records"]),
        int(values["jman_attempt"]),
        numbered,
        tuple(needs),
        int(_SKIP.findall(text)[0]),
    )


def look(need: Need, task_id: int) -> str:
    """Say how what is needed ended: ok, failed, skipped or missing."""
    wanted = need.tasks.replace("$jman_task", str(task_id))
    codes = [_code_of(need.folder, one) for one in _tasks(wanted)]
    if any(code not in (None, "0", "skipped") for code in codes):
        return "failed"
    return "skipped" if "skipped" in codes else "missing" if None in codes else "ok"


def verdict(need: Need, seen: str) -> str | None:
    """Return why the command must not run; None where it may, as far as this one says."""
    if need.kind == "any":
        return ", which was skipped" if seen == "skipped" else None
    if (need.kind, seen) in (("ok", "ok"), ("notok", "failed")):
        return None
    words = {"failed": ", which failed", "ok": ", which succeeded", "skipped": ", which was skipped"}
    if need.kind == "notok" and seen == "missing":
        return None
    return words.get(seen, ", whose result is not known")


def write_record(folder: Path, name: str, task_id: int, lines: Sequence[str], at: float) -> None:
    """Put a record where it is looked for, as ``mv`` does; nothing where the folder is gone.

    Nothing either where a later attempt of the task has written: the script looks first.
    """
    if any(_attempt_of(folder / f"{kind}.{task_id}") > _attempt_in(lines) for kind in ("start", "exit")):
        return
    text = "\n".join(["jman 1", *lines, "end", ""])
    temporary = folder / f".{name}.{task_id}"
    with suppress(FileNotFoundError):
        temporary.write_text(text)
        os.utime(temporary, (at, at))
        temporary.replace(folder / f"{name}.{task_id}")


def _attempt_of(path: Path) -> int:
    with suppress(FileNotFoundError):
        return _attempt_in(path.read_text().splitlines())
    return 0


def _attempt_in(lines: Sequence[str]) -> int:
    return next((int(line.split()[1]) for line in lines if line.startswith("attempt ")), 0)


def forget_record(folder: Path, task_id: int) -> None:
    (folder / f"exit.{task_id}").unlink(missing_ok=True)


def _tasks(text: str) -> list[int]:
    found: list[int] = []
    for item in text.split(","):
        first, last, step = map(int, item.split(":"))
        found.extend(range(first, last + 1, step))
    return found


def _code_of(folder: Path, task_id: int) -> str | None:
    """Return the exit status of a task, ``skipped`` or ``failed``; None: no record tells."""
    with suppress(FileNotFoundError):
        lines = (folder / f"exit.{task_id}").read_text().splitlines()
        if lines[-1] == "end":
            values = dict(line.partition(" ")[::2] for line in lines)
            return values.get("exit_status") or ("skipped" if "skipped" in values else "failed")
    code = None
    with suppress(FileNotFoundError):
        for line in (folder / "folded").read_text().splitlines():
            words = line.split()
            if len(words) == 3 and words[0] == str(task_id):
                code = words[1]
    return code
