"""A history of the model that is told line by line: for tests of the oracle."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.faults.model.commands import Command
from tests.faults.model.driver import History
from tests.faults.model.journal import CommandLine, TaskLine
from tests.faults.model.plan import Job, List, Operation, Submit
from tests.faults.model.run import judge


@dataclass
class Story:
    """A history that is told line by line."""

    history: History = field(default_factory=lambda: History(seed=0))
    pids: int = 100
    moment: float = 0

    def call(self, operation: Operation, *jobs: int) -> int:
        number = len(self.history.commands)
        if isinstance(operation, Submit):
            jobs = (operation.job.number,)
            self.history.jobs[operation.job.number] = operation.job
        words = [type(operation).__name__.lower()]
        self.history.commands.append(Command(number, 1, operation, words, frozenset(jobs) or None))
        self._note("call", number)
        return number

    def returns(self, number: int, code: int = 0, out: str = "") -> None:
        command = self.history.commands[number]
        command.code, command.out = code, out
        self._note("return", number, code)

    def do(self, operation: Operation, *jobs: int, code: int = 0) -> int:
        number = self.call(operation, *jobs)
        out = json.dumps({"id": operation.job.number}) if isinstance(operation, Submit) else ""
        self.returns(number, code, out)
        return number

    def submit(self, number: int, **more: Any) -> None:
        self.do(Submit(Job(number, **more)))

    def signal(self, number: int, signal: int) -> None:
        self.history.commands[number].signals.append(signal)
        self._note("signal", number, signal)

    def begin(self, job: int, execute: int, task: int = 0, attempt: int = 1) -> int:
        self.pids += 1
        self._write("begin", job, task, attempt, execute, self.pids)
        return self.pids

    def end(
        self, job: int, execute: int, code: int = 0, task: int = 0, attempt: int = 1, pid: int = 0
    ) -> None:
        self._write("end", job, task, attempt, execute, pid or self.pids, code)

    def runs(self, job: int, execute: int, code: int = 0, task: int = 0, attempt: int = 1) -> None:
        self.begin(job, execute, task, attempt)
        self.end(job, execute, code, task, attempt)

    def lists(self, *, final: bool = False, **jobs: str) -> None:
        """``j1="success"``, or with an array ``j1="success failure"``."""
        number = self.call(List())
        shown = []
        for name, text in jobs.items():
            plan = self.history.jobs[int(name[1:])]
            tasks = [
                {
                    "id": task or None,
                    "status": status,
                    "attempt": 1,
                    "exit_status": 0 if status == "success" else None,
                    "reason": None,
                }
                for task, status in zip(plan.tasks, text.split(), strict=True)
            ]
            shown.append(
                {
                    "id": plan.number,
                    "name": name,
                    "status": text.split()[0],
                    "finished_at": None,
                    "tasks": tasks,
                }
            )
        self.returns(number, 0, json.dumps(shown))
        if final:
            self.history.final.append(number)

    def _note(self, what: str, number: int, value: int = 0) -> None:
        self.history.lines.append(CommandLine(self._at(), what, number, self.moment, value))

    def _write(
        self, what: str, job: int, task: int, attempt: int, execute: int, pid: int, code: int = 0
    ) -> None:
        self.history.lines.append(
            TaskLine(self._at(), what, job, task, attempt, execute, pid, self.moment, code)
        )

    def _at(self) -> int:
        self.moment += 0.01
        return len(self.history.lines)

    def found(self) -> str:
        return "\n".join(map(str, judge(self.history)))
