"""Commands as real processes, each with a thread that waits for it and notes its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.model.journal import Journal
from tests.faults.model.plan import Fate, Job, Operation

HANG_SECONDS = 90.0
"""No command may take so long. (None waits longer than 30 s for a lock, or 20 s for what it stops.)"""


@dataclass
class Command:
    """A command that was given: what it is about, and what came of it."""

    number: int
    step: int
    operation: Operation
    words: list[str]
    jobs: frozenset[int] | None = None
    """The jobs that it names (by their numbers in the plan); None: all."""
    names_nothing: bool = False
    """Whether it names a job whose id nobody had been told when it was called: jman must refuse it."""
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path = Path()
    process: subprocess.Popen[bytes] | None = None
    code: int | None = None
    signals: list[int] = field(default_factory=list)
    hung: bool = False
    out: str = ""
    err: str = ""
    thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        return self.thread is not None and self.thread.is_alive()

    def json(self) -> Any:
        return json.loads(self.out)

    def start(self, journal: Journal, fate: Fate | None, limit: float = HANG_SECONDS) -> None:
        """Begin; a thread sees it through."""
        self._journal = journal
        self._lock = threading.Lock()
        self._outputs = [(self.folder / f"output.{self.number}.{one}").open("w+b") for one in ("out", "err")]
        journal.append("call", self.number)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "asyncjman", *self.words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self._outputs[0],
            stderr=self._outputs[1],
            start_new_session=True,
        )
        self.thread = threading.Thread(target=self._see_through, args=(fate, limit), daemon=True)
        self.thread.start()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        assert self.process is not None
        with self._lock:  # else its number could be another one's by now
            if self.process.returncode is None:
                self._journal.append("signal", self.number, number)
                self.signals.append(number)
                os.kill(self.process.pid, number)  # Popen's own would reap it first

    def suspend(self, seconds: float) -> None:
        """Suspend it, and have it go on later."""
        self.send(signal.SIGSTOP)
        timer = threading.Timer(seconds, self.send, [signal.SIGCONT])
        timer.daemon = True
        timer.start()

    def join(self, seconds: float) -> bool:
        """Wait for its end; return whether it has come."""
        assert self.thread is not None
        self.thread.join(seconds)
        return not self.thread.is_alive()

    def _see_through(self, fate: Fate | None, limit: float) -> None:
        timers = []
        if fate is not None:
            act = self.suspend if fate.signal == signal.SIGSTOP else self.send
            value = fate.pause if fate.signal == signal.SIGSTOP else fate.signal
            timers.append(threading.Timer(fate.after, act, [value]))
        timers.append(threading.Timer(limit, self._give_up))
        for one in timers:
            one.daemon = True
            one.start()
        assert self.process is not None
        # seen without being reaped: until the lock is held nobody else has its number
        os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            code = self.process.wait()
        for one in timers:
            one.cancel()
        texts = []
        for stream in self._outputs:
            with stream:
                stream.seek(0)
                texts.append(stream.read().decode("utf-8", "replace"))
        self.out, self.err = texts
        self.code = code
        self._journal.append("return", self.number, code)

    def _give_up(self) -> None:
        self.hung = True
        self.send(signal.SIGKILL)


def submit_words(job: Job, ids: dict[int, int], script: Path) -> list[str]:
    """Return the command line that submits a job; ``ids`` are jman's of the jobs it may depend on."""
    words = ["--local", "submit", "--json", "-n", f"j{job.number}"]
    if job.tasks != (0,):
        array = ",".join(map(str, job.tasks))
        first, last = job.tasks[0], job.tasks[-1]
        if job.tasks == tuple(range(first, last + 1)):
            array = f"{first}-{last}"
        words += ["-t", array + (f"%{job.throttle}" if job.throttle else "")]
    for need in job.needs:
        words += [f"--after-{need.kind}", str(ids[need.on])]
    if job.retries:
        words += ["--retry", str(job.retries), "--retry-delay", f"{job.retry_delay:g}s"]
    if job.timeout:
        words += ["--timeout", f"{job.timeout:g}s"]
    words += ["-k"] * job.stop_on_failure + ["-l", "logs"] * job.logs
    return [*words, "--", "sh", str(script), str(job.number), f"{job.seconds:g}", job.how, str(job.throttle)]
