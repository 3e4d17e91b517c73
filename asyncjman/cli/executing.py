"""A run of ``jman execute``: signals, what is shown meanwhile, and when it starts no more."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from asyncjman.errors import UsageError
from asyncjman.model.status import Status
from asyncjman.suspension import before_suspension

if TYPE_CHECKING:
    from asyncjman.api.manager import JobManager
    from asyncjman.api.running import Options, Runner
    from asyncjman.api.summary import Summary
    from asyncjman.model.events import Event
    from asyncjman.render.monitor import Monitor, Source
    from asyncjman.render.outlet import Outlet

INTERRUPTED_SECONDS = 1.0
"""How long output is waited for that was not read when a signal came."""


@dataclass(slots=True)
class Limit:
    """After how many failures nothing more is started."""

    words: str = ""
    count: float | None = None
    """So many tasks; None: any number may fail."""
    of_hundred: bool = False
    """Whether that is a percentage of all tasks."""

    @classmethod
    def parse(cls, text: str | None) -> Limit:
        """Read ``5`` or ``5%``. Raises UsageError for anything else."""
        if text is None:
            return cls()
        number = text.removesuffix("%")
        try:
            count = float(number) if text.endswith("%") else int(number)
        except ValueError:
            count = -1.0
        if not count > 0 or (text.endswith("%") and count > 100):
            raise UsageError(f"bad --max-fails {text!r}: write a number from 1 on, or a percentage: 5%")
        return cls(text, count, text.endswith("%"))

    def is_reached(self, failures: int, total: int) -> bool:
        """Tell whether so many failures, of so many tasks, are too many."""
        if self.count is None or not failures:
            return False
        return failures >= (self.count * total / 100 if self.of_hundred else self.count)


class Execution:
    """Runs jobs to the end, and shows how they fare."""

    def __init__(
        self,
        monitor: Monitor,
        outlet: Outlet,
        source: Source,
        summary: Summary,
        limit: Limit,
        on_start: Callable[[], None] | None = None,
    ) -> None:
        """``on_start`` is called once all is ready to run."""
        self._monitor = monitor
        self._outlet = outlet
        self._source = source
        self._summary = summary
        self._limit = limit
        self._on_start = on_start
        self._interrupted = False
        self._asked = anyio.Event()

    async def run(self, manager: JobManager, options: Options) -> bool:
        """Run to the end; return whether a signal, or a user by `jman stop --execute`, ended it."""
        monitor = self._monitor
        runner = manager.runner(
            options,
            output=monitor.output,
            on_recovery=monitor.recovered,
            on_lost=monitor.lost,
            on_trouble=monitor.trouble,
            on_asked=self._asked.set,
        )
        total = (await self._source.read()).total if self._limit.of_hundred else 0
        events = runner.subscribe()

        is_over = False

        def show(event: Event) -> None:
            nonlocal is_over
            self._summary.add(event)
            monitor.event(event)
            failures = self._summary.counts[Status.FAILURE]
            if not is_over and self._limit.is_reached(failures, total):
                is_over = True
                runner.start_no_more()
                monitor.trouble(
                    f"{failures} task{'s' if failures != 1 else ''} failed (--max-fails "
                    f"{self._limit.words}): no more is started, what runs goes on"
                )

        async def show_all() -> None:
            while (some := await events.some()) is not None:
                with self._outlet.together():
                    for event in some:
                        show(event)

        async with anyio.create_task_group() as side:
            side.start_soon(self._mind_signals, runner)
            side.start_soon(self._mind_users, runner)
            side.start_soon(monitor.refresh, self._source)
            async with anyio.create_task_group() as work:
                work.start_soon(show_all)
                if self._on_start is not None:
                    self._on_start()
                await runner.run()
            side.cancel_scope.cancel()
        return self._interrupted

    async def _mind_signals(self, runner: Runner) -> None:
        # nohup ignores it before the start, so that the work outlives its terminal
        hangup = [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else []
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, *hangup) as signals:
            async for _ in signals:
                await self._stop(runner)

    async def _mind_users(self, runner: Runner) -> None:
        await self._asked.wait()
        await self._stop(runner)

    async def _stop(self, runner: Runner) -> None:
        self._monitor.interrupted(again=self._interrupted, running=runner.running)
        await runner.stop(kill=self._interrupted, rest=True)
        self._interrupted = True


async def written(outlet: Outlet, *, patient: bool) -> bool:
    """Wait until all output is written; return whether no signal came, before (not ``patient``) or now.

    After a signal the wait is a short one: nobody may read any more.
    """
    undisturbed = patient
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        async with anyio.create_task_group() as both:

            async def end_at_signal() -> None:
                nonlocal undisturbed
                async for _ in signals:
                    undisturbed = False
                    both.cancel_scope.cancel()

            both.start_soon(end_at_signal)
            with anyio.move_on_after(None if patient else INTERRUPTED_SECONDS):
                await outlet.drain()
            both.cancel_scope.cancel()
    return undisturbed


def monitor_of(outlet: Outlet, *, progress: bool | None, json_lines: bool, label: bool) -> Monitor:
    """Return what shows a run on this standard output; ``progress``: None where nothing was asked for."""
    from asyncjman.render.monitor import JsonMonitor, PlainMonitor
    from asyncjman.render.text import is_screen

    if json_lines:
        return JsonMonitor(outlet)
    if is_screen() and progress is not False:
        from asyncjman.render.live import LiveMonitor

        monitor = LiveMonitor(outlet, labels=label)
        before_suspension(monitor.step_aside)
        return monitor
    return PlainMonitor(outlet, labels=label and sys.stdout.isatty())
