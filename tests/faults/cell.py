"""A cluster of files: qsub, qstat, qdel and qacct as programs that note what they are asked for.

Nothing runs by itself: a test says when a task starts and ends (``Cell.run``), what the commands do wrong
(``Cell.let``), and what happens to the accounting file. Run as a program it is one of the commands.
"""

from __future__ import annotations

import getpass
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

QUEUES = ("all.q", "q1d")
ATTRIBUTES = ("gpu_attribute",)
"""What can be asked for with -l, beside what has a value."""
FULL = (
    "Unable to run job: job rejected: only 20 jobs are allowed per user (current job count: 20)\nExiting.\n"
)
LOST = "error: commlib error: got select error (Connection refused)\n"


def write(path: Path, content: object) -> None:
    """Write a file that others read meanwhile."""
    temporary = path.with_name(f"new.{os.getpid()}")
    temporary.write_text(json.dumps(content))
    temporary.rename(path)


@dataclass(frozen=True)
class Cell:
    """What a test does with the cluster, and sees of it."""

    folder: Path

    def install(self) -> None:
        """Put the commands into a folder for PATH."""
        for name in ("qsub", "qstat", "qdel", "qacct", "qconf", "qalter"):
            path = self.folder / name
            path.write_text(
                f'#!/bin/sh\nexec "{sys.executable}" -S "{__file__}" {name} "{self.folder}" "$@"\n'
            )
            path.chmod(0o755)
        self.set_counter(0)

    def set_counter(self, last: int) -> None:
        """Number jobs from the one after ``last`` on."""
        (self.folder / "counter").write_text(str(last))

    def let(self, command: str, fault: str = "", seconds: float = 0) -> None:
        """From now on a command does this: hang, killed, nothing, chatty, third, slow, away, cut, full, deaf.

        A ``full`` qsub takes jobs until ``seconds`` of them are there. A ``deaf`` qdel says that it deletes,
        and what runs is never gone.
        """
        write(self.folder / f"fault.{command}", [fault, seconds])

    def calls(self, command: str) -> list[list[str]]:
        """Return the arguments of all calls so far."""
        path = self.folder / f"calls.{command}"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def accounting(self) -> Path:
        return self.folder / "accounting"

    def job(self, native_id: int) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / f"job.{native_id}").read_text())
        return found

    def add(self, name: str) -> int:
        """Put a job of the same user there that isn't jman's."""
        return submit(self.folder, ["-N", name, "true"])

    def listed(self) -> list[int]:
        return sorted(int(path.suffix[1:]) for path in self.folder.glob("job.*"))

    def start(self, native_id: int) -> None:
        """Let qstat say that it runs."""
        self.set(native_id, state="r")

    def set(self, native_id: int, **what: Any) -> None:
        """Have the cluster say something else of a job.

        ``state``; ``errors`` (of tasks, by their numbers) and ``scheduling`` are lines of qstat -j; ``ever``
        and ``now`` why qalter -w v and -w p find no suitable queue; ``resources`` what it asks for.
        """
        write(self.folder / f"job.{native_id}", {**self.job(native_id), **what})

    def run(self, native_id: int, *, tasks: Sequence[int] = (0,), record: bool = True) -> None:
        """Run the script of a job to its end, write it to accounting, and forget it."""
        job = self.job(native_id)
        for task_id in tasks:
            status = self.run_script(native_id, job, task_id) if record else 0
            self.account(native_id, job["name"], status, task_id)
        self.drop(native_id)

    def run_script(self, native_id: int, job: dict[str, Any], task_id: int = 0) -> int:
        """Run the script of a job, whatever the cluster knows of it; return its exit status."""
        environment = {
            **os.environ,
            "JOB_ID": str(native_id),
            "SGE_TASK_ID": str(task_id or "undefined"),
        }
        return subprocess.run(job["argv"], cwd=job["folder"], env=environment).returncode

    def lose(self, native_id: int, failed: str, status: int = 0, *, times: bool = False) -> None:
        """Forget a job, of which accounting says only that it failed: a code and its text."""
        self.account(native_id, self.job(native_id)["name"], status, failed=failed, times=times)
        self.drop(native_id)

    def account(
        self,
        native_id: int,
        name: str,
        status: int,
        task_id: int = 0,
        owner: str = "",
        *,
        failed: str = "0",
        times: bool = True,
    ) -> None:
        stamp = time.strftime("%a %b %d %H:%M:%S %Y")
        fields = {
            "owner": owner or getpass.getuser(),
            "jobname": name,
            "jobnumber": native_id,
            "taskid": task_id or "undefined",
            "qsub_time": stamp,
            "start_time": stamp if times else "-/-",
            "end_time": stamp if times else "-/-",
            "failed": failed,
            "exit_status": status,
        }
        with self.accounting.open("a") as stream:
            stream.write("=" * 62 + "\n" + "".join(f"{key:12} {value}\n" for key, value in fields.items()))

    def delete(self, native_id: int) -> None:
        """Do what qdel asks for."""
        job = self.job(native_id)
        if "r" in job["state"] and self.fault("qdel") == "deaf":
            self.set(native_id, state="dr")
        else:
            self.drop(native_id)

    def fault(self, command: str) -> str:
        path = self.folder / f"fault.{command}"
        return str(json.loads(path.read_text())[0]) if path.exists() else ""

    def drop(self, native_id: int) -> None:
        (self.folder / f"job.{native_id}").unlink()


def submit(folder: Path, words: Sequence[str]) -> int:
    counter = folder / "counter"
    native_id = int(counter.read_text()) + 1
    counter.write_text(str(native_id))
    options = dict(pairwise(words))
    at = words.index("/bin/sh") if "/bin/sh" in words else len(words) - 1
    job = {
        "name": options["-N"],
        "folder": options.get("-wd", "/"),
        "argv": words[at:],
        "tasks": options.get("-t"),
        "state": "qw",
    }
    write(folder / f"job.{native_id}", job)
    return native_id


def refused(words: Sequence[str]) -> str | None:
    """Return why qsub doesn't take a job, in its own words."""
    for option, value in pairwise(words):
        for one in value.split(","):
            queue = one.partition("@")[0]
            if option == "-q" and queue not in QUEUES and "*" not in queue:
                return f'Job was rejected because job requests unknown queue "{one}"'
            if option == "-l" and "=" not in one and one not in ATTRIBUTES:
                return f'unknown resource "{one}"'
    return None


def listing(cell: Cell) -> str:
    """Return what ``qstat -xml`` prints."""
    lines = ["<?xml version='1.0'?>", "<job_info>", "<queue_info>"]
    for native_id in cell.listed():
        job = cell.job(native_id)
        if native_id == cell.listed()[0]:
            lines += ["</queue_info>", "<job_info>"]
        tasks = f"<tasks>{job['tasks']}</tasks>" if job["tasks"] else ""
        lines.append(
            f"<job_list><JB_job_number>{native_id}</JB_job_number><JB_name>{escape(job['name'])}</JB_name>"
            f"<JB_owner>{getpass.getuser()}</JB_owner><state>{job['state']}</state><slots>1</slots>"
            f"<queue_name></queue_name>{tasks}</job_list>"
        )
    lines.append("</job_info>" if cell.listed() else "</queue_info>")
    return "\n".join([*lines, "</job_info>"]) + "\n"


def details(cell: Cell, native_ids: Sequence[int]) -> tuple[int, str, str]:
    """Return what ``qstat -j`` prints."""
    lines: list[str] = []
    for native_id in native_ids:
        if native_id not in cell.listed():
            continue
        job = cell.job(native_id)
        lines += [
            "=" * 62,
            f"job_number:                 {native_id}",
            f"job_name:                   {job['name']}",
        ]
        if resources := job.get("resources"):
            lines.append(f"hard resource_list:         {resources}")
        for number, text in job.get("errors", {}).items():
            lines.append(f"error reason {number:>10}:      {text}")
        if not_before := job.get("not_before"):
            lines.append(f"execution_time:             {not_before}")
        for text in job.get("scheduling", []):
            lines.append(f"scheduling info:            {text}")
    if not lines:
        return 1, "", "Following jobs do not exist: \n" + ",".join(map(str, native_ids)) + "\n"
    return 0, "\n".join(lines) + "\n", ""


def verified(cell: Cell, how: str, native_ids: Sequence[int]) -> str:
    """Return what ``qalter -w`` prints."""
    lines = []
    for native_id in native_ids:
        if native_id not in cell.listed():
            lines.append(f'denied: job "{native_id}" does not exist')
        elif reasons := cell.job(native_id).get({"v": "ever", "p": "now"}[how]):
            lines += [*(f"Job {native_id} {one}" for one in reasons), "verification: no suitable queues"]
        else:
            lines.append("verification: found suitable queue(s)")
    return "\n".join(lines) + "\n"


def accounted(file: Path, owner: str, pattern: str) -> str:
    """Return the records of jobs by the pattern of their names and their owner, and what is no record."""
    found = ""
    rule = "=" * 62 + "\n"
    for block in file.read_text("utf-8", "surrogateescape").split(rule):
        fields = dict(line.split(maxsplit=1) for line in block.splitlines() if " " in line.strip())
        name = fields.get("jobname", "").strip()
        if not name:
            found += block
        elif fnmatchcase(name, pattern) and owner in ("", fields.get("owner", "").strip()):
            found += rule + block
    return found


def answer(name: str, cell: Cell, words: list[str]) -> tuple[int, str, str]:
    """Do what a command does; return its exit status, and what it prints to output and errors."""
    match name:
        case "qsub" if ("-w", "v") in pairwise(words):
            return 0, "verification: found suitable queue(s)\n", ""
        case "qsub":
            if refusal := refused(words):
                return 1, "", f"Unable to run job: {refusal}\nExiting.\n"
            return 0, f"{submit(cell.folder, words)}\n", ""
        case "qstat" if "-j" in words:
            return details(cell, [int(one) for one in words[-1].split(",")])
        case "qstat":
            return 0, listing(cell), ""
        case "qalter":
            return 0, verified(cell, words[1], [int(one) for one in words[2:]]), ""
        case "qdel":
            said = ""
            for word in words:
                if (number := int(word.partition(".")[0])) in cell.listed():
                    cell.delete(number)
                    said += f"root has deleted job {number}\n"
                else:
                    said += f'denied: job "{number}" does not exist\n'
            return 0, said, ""
        case "qacct":
            if not cell.accounting.exists():
                return 1, "", "error: no accounting file\n"
            wanted = dict(pairwise(words))
            return 0, accounted(cell.accounting, wanted.get("-o", ""), wanted["-j"]), ""
    return 0, "".join(f"{queue}\n" for queue in QUEUES), ""


def main(name: str, folder: str, *words: str) -> int:
    """Be one of the commands."""
    cell = Cell(Path(folder))
    with (cell.folder / f"calls.{name}").open("a") as stream:
        stream.write(json.dumps(words) + "\n")
    fault, seconds = "", 0.0
    if (path := cell.folder / f"fault.{name}").exists():
        fault, seconds = json.loads(path.read_text())
    match fault:
        case "hang":
            time.sleep(600)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "nothing":
            return 0
        case "slow":
            time.sleep(seconds)
        case "chatty":
            sys.stderr.write("warning: <b>the weather</b> is bad\n")
        case "away":
            sys.stderr.write(LOST)
            return 1
        case "full" if len(cell.listed()) >= seconds:
            sys.stderr.write(FULL)
            return 25
        case "third":
            if len(cell.calls(name)) % 3 == 0:
                sys.stderr.write(LOST)
                return 1
    status, output, errors = answer(name, cell, list(words))
    if fault == "cut":
        output = output[: int(seconds * len(output))]
    sys.stdout.buffer.write(output.encode("utf-8", "surrogateescape"))
    sys.stderr.write(errors)
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
