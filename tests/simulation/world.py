"""A world: one virtual clock, one source of chance, one event loop for each simulated process.

Nothing waits in real time: a turn of a process takes some virtual microseconds, and where nobody has
anything to do, the clock goes to the next timer. Which process has its turn next is left to chance. A
crash is a loop that has no turn any more: none of its ``finally`` and ``except`` is run.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

from asyncjman.runtime import Runtime

T = TypeVar("T")

TURN_SECONDS = 2e-5
EPOCH = 1e9
"""What the wall clock shows at the beginning."""


class Violation(AssertionError):
    """A promise was broken."""


class _Task(asyncio.Task[Any]):
    """A task whose place in a set doesn't depend on its address."""

    def __init__(self, coro: Coroutine[Any, Any, Any], *, loop: Process, **options: Any) -> None:
        self.number = next(loop.world.numbers)
        super().__init__(coro, loop=loop, **options)
        self._log_destroy_pending = False  # what crashes leaves its tasks behind

    def __hash__(self) -> int:
        return self.number


class _Future(asyncio.Future[Any]):
    def __init__(self, *, loop: Process) -> None:
        self.number = next(loop.world.numbers)
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self.number


class World:
    """All processes, and what they have in common."""

    def __init__(self, seed: int, *, tracing: bool = False) -> None:
        self.chance = random.Random(seed)
        self.now = 0.0
        self.numbers = itertools.count(1)
        self.turns = 0
        self.processes: list[Process] = []
        self.ended: list[Process] = []
        self.violation: str | None = None
        self.on_commit: Callable[[Process], None] = lambda process: None
        """Called after each COMMIT."""
        self.trace: list[str] = []
        self._tracing = tracing
        self._digest = hashlib.sha256()
        self._pids = itertools.count(1001)

    def note(self, *what: object) -> None:
        """Take in something that happened: two runs with one digest did the same."""
        self._digest.update(repr((round(self.now, 9), what)).encode())

    def tell(self, text: str) -> None:
        """Note something that a reader of the history wants to know."""
        self.note(text)
        if self._tracing:
            self.trace.append(f"{self.now:9.4f}  {text}")

    def violated(self, text: str) -> None:
        """Note a broken promise; the first one counts."""
        self.tell(f"VIOLATED: {text}")
        self.violation = self.violation or text

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()[:16]

    def pause(self) -> float:
        """Return how long some input or output takes."""
        return self.chance.choice((0.0, 0.0, 1e-4, 1e-3, self.chance.random() * 0.02))

    def spawn(self, name: str) -> Process:
        process = Process(self, name, next(self._pids))
        self.processes.append(process)
        return process

    def step(self) -> bool:
        """Let one process that has something to do have a turn, or move the clock; False: a deadlock."""
        now = self.now
        runnable = [one for one in self.processes if one.is_runnable(now)]
        if not runnable:
            nexts = [at for one in self.processes if (at := one.next_turn()) is not None]
            if not nexts:
                return False
            self.now = max(now, min(nexts))
            return True
        self.turns += 1
        self.now = now + TURN_SECONDS
        runnable[self.chance.randrange(len(runnable)) if len(runnable) > 1 else 0].turn()
        return True

    def close(self) -> None:
        """Take the world down, crashed processes too, so that nothing of it is left to chance."""
        for process in (*self.processes, *self.ended):
            process.dispose()


class Process(asyncio.BaseEventLoop):
    """A simulated process: an event loop that has a turn when the world gives it one."""

    if TYPE_CHECKING:  # asyncio's own, the same in all versions
        _ready: deque[asyncio.Handle]
        _scheduled: list[asyncio.TimerHandle]

        def _run_once(self) -> None: ...

    def __init__(self, world: World, name: str, pid: int) -> None:
        super().__init__()
        self.world = world
        self.name = name
        self.pid = pid
        self.born = EPOCH + world.now
        self.is_dead = False
        self.suspended_until = 0.0
        self.fuse: int | None = None
        """How many turns it has left before it crashes."""
        self.on_death: list[Callable[[], None]] = []
        self.runtime = Runtime(
            time=lambda: EPOCH + world.now,
            monotonic=lambda: world.now,
            pid=lambda: pid,
            host=lambda: "host",
            token=lambda size: world.chance.randbytes(size).hex(),
            process_start=lambda pid: ("boot", float(pid)),
            namespace=lambda: "pid:[1]",
            in_thread=self._in_thread,
        )
        self._tasks: list[asyncio.Task[Any]] = []
        self._selector = self
        self._clock_resolution = 1e-9
        self.set_task_factory(cast(Any, self._make_task))  # before Python 3.12 typeshed wants a protocol

    # -- what the world does with it ---------------------------------------------------------------

    def is_runnable(self, now: float) -> bool:
        if self.suspended_until > now:
            return False
        return bool(self._ready) or bool(self._scheduled and self._scheduled[0].when() <= now)

    def next_turn(self) -> float | None:
        """Return when it has something to do again, if nothing happens; None: never."""
        if self._ready:
            return self.suspended_until
        return max(self._scheduled[0].when(), self.suspended_until) if self._scheduled else None

    def turn(self) -> None:
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse < 0:
                self.crash()
                return
        events._set_running_loop(self)
        try:
            self._run_once()
        finally:
            events._set_running_loop(None)

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Have the process run this."""
        events._set_running_loop(self)
        try:
            return self.create_task(work)
        finally:
            events._set_running_loop(None)

    def suspend(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after so many seconds."""
        self.suspended_until = max(self.suspended_until, self.world.now + seconds)

    def crash(self) -> None:
        """kill -9: it has no turn any more."""
        if not self.is_dead:
            self.world.tell(f"{self.name} is killed")
            self.leave()

    def leave(self) -> None:
        """Be no more."""
        if self.is_dead:
            return
        self.is_dead = True
        self.world.processes.remove(self)
        self.world.ended.append(self)
        for callback in self.on_death:
            callback()

    def dispose(self) -> None:
        self.is_dead = True
        for callback in self.on_death:
            callback()
        self._ready.clear()
        self._scheduled.clear()
        for task in self._tasks:
            coroutine = task.get_coro()
            with suppress(BaseException):  # what its finally blocks await comes to nothing
                if isinstance(coroutine, Coroutine):
                    coroutine.close()
            if task.done() and not task.cancelled():
                task.exception()  # was told, or is of no interest
        self._tasks.clear()
        self._closed = True

    # -- what makes it a loop ----------------------------------------------------------------------

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Task[Any]:
        task = _Task(coro, loop=self, **options)
        self._tasks.append(task)
        if len(self._tasks) > 200:
            self._tasks = [one for one in self._tasks if not one.done()]
        return task

    def time(self) -> float:
        return self.world.now

    def select(self, timeout: float | None) -> list[Any]:
        return []  # never waits

    def _process_events(self, found: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        raise RuntimeError("a thread called in: that is not deterministic")

    def create_future(self) -> asyncio.Future[Any]:
        return _Future(loop=self)

    def _in_thread(self, function: Callable[..., T], /, *arguments: object) -> asyncio.Future[T]:
        return self.run_in_executor(None, function, *arguments)

    def run_in_executor(  # type: ignore[override]
        self, executor: object, function: Callable[..., T], *arguments: Any
    ) -> asyncio.Future[T]:
        """Call it some time later, in no thread."""
        future: asyncio.Future[T] = self.create_future()

        def call() -> None:
            if future.cancelled():
                return
            try:
                future.set_result(function(*arguments))
            except Exception as error:
                future.set_exception(error)

        self.call_later(self.world.pause(), call)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if "handle" in context:  # a callback failed; what tasks raised is their awaiters' business
            self.world.violated(f"{self.name}: {context['message']}: {context.get('exception')!r}")


def current() -> Process:
    """Return the simulated process that has its turn."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Process)
    return loop
