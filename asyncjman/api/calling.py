"""Functions as jobs: started, awaited, stopped when whoever waits is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asyncjman.api import values
from asyncjman.api.arguments import in_chunks, name_of, with_values
from asyncjman.api.call_handle import CallHandle
from asyncjman.api.call_options import CallOptions, applied
from asyncjman.api.calls import Calls
from asyncjman.api.result import JobResult
from asyncjman.api.values import Outcome
from asyncjman.api.wrapped import Input
from asyncjman.errors import CallFailed, JmanError, MapFailed
from asyncjman.model.status import FINISHED, Status

if TYPE_CHECKING:
    from asyncjman.api.submitting import JobSubmitter


async def begin(
    manager: JobSubmitter,
    function: Callable[..., Any],
    inputs: Sequence[Input],
    options: CallOptions,
    *,
    array: bool = False,
    at_once: int | None = None,
    chunk: int = 1,
    go_on: bool = False,
) -> CallHandle[Any]:
    """Store a function job. Where it isn't stored, nothing of it is left; else the error has the handle."""
    name = name_of(function)
    writer = manager.session.writer()
    in_thread = writer.runtime.in_thread
    # a big list in the arguments is no reason for the loop to stand
    function, inputs, waits = await in_thread(with_values, manager.path, function, inputs)
    function, inputs = in_chunks(function, inputs, chunk, go_on=go_on)
    calls = Calls(manager.path, writer.runtime)
    request, results = await calls.prepare(
        function,
        inputs,
        name=name,
        array=array,
        throttle=at_once,
        capture=manager.captures,
        workers=options.get("workers", "fresh"),
    )
    try:
        spec = manager.resolved(applied(request._replace(dependencies=waits), options))
        return await manager.store(spec, CallHandle)
    except BaseException as error:
        if not hasattr(error, "job"):
            await results.forget()
        raise


@dataclass(slots=True)
class Work:
    """The jobs that somebody waits for."""

    handles: list[CallHandle[Any]] = field(default_factory=list)


@asynccontextmanager
async def stopped_if_cancelled(manager: JobSubmitter, options: CallOptions) -> AsyncIterator[Work]:
    """Stop the work if it is cancelled inside, or an error ends it, unless ``on_cancel`` is ``"leave"``."""
    work = Work()
    try:
        yield work
    except BaseException as error:
        late = getattr(error, "job", None)
        jobs = [*work.handles, *([late] if isinstance(late, CallHandle) else [])]
        if jobs and isinstance(error, asyncio.CancelledError):
            error.job = jobs[-1]  # type: ignore[attr-defined]  # what is ours on it
        if jobs and options.get("on_cancel", "stop") == "stop":
            await manager.apart(stop_all(manager, jobs))
        raise


async def stop_all(manager: JobSubmitter, handles: Sequence[CallHandle[Any]]) -> None:
    """Stop what has not ended of these jobs; what can't be stopped is left."""
    for handle in handles:
        with suppress(JmanError):
            if (await handle.refresh()).status not in FINISHED:
                await manager.stop(handle)


async def call(manager: JobSubmitter, function: Callable[..., Any], one: Input, options: CallOptions) -> Any:
    """Run a function as a job; return its value, or raise its exception. The value is kept no longer."""
    async with stopped_if_cancelled(manager, options) as work:
        handle = await begin(manager, function, [one], options)
        work.handles.append(handle)
        value = await handle.value()
    await release(handle)
    return value


async def release(handle: CallHandle[Any]) -> None:
    """Remove values that were given; that some can't be is no reason to give none."""
    with suppress(OSError, JmanError):
        await handle.release()


async def map_(
    manager: JobSubmitter,
    function: Callable[..., Any],
    inputs: Sequence[Input],
    options: CallOptions,
    *,
    chunk: int,
    at_once: int | None,
    return_exceptions: bool,
) -> list[Any]:
    """Run a function for each input; return the values in order, or raise MapFailed."""
    if not inputs:
        name_of(function)
        return []
    async with stopped_if_cancelled(manager, options) as work:
        handle = await begin(
            manager,
            function,
            inputs,
            options,
            array=True,
            at_once=at_once,
            chunk=chunk,
            go_on=return_exceptions,
        )
        work.handles.append(handle)
        if not return_exceptions and await manager.fails(handle.id):
            await stop_all(manager, [handle])
        result = await handle.wait()
        found = await outcomes(manager, handle, result, len(inputs), chunk)
    errors = {index: one.error for index, one in enumerate(found) if one.error is not None}
    if errors and not return_exceptions:
        raise _failed(handle, result, found, errors, chunk)
    if not errors:  # else they may be run once more
        await release(handle)
    return [one.error if one.error is not None else one.value for one in found]


async def outcomes(
    manager: JobSubmitter, handle: CallHandle[Any], result: JobResult, inputs: int, chunk: int
) -> list[Outcome]:
    """Return what came of each input, in order."""
    results = values.results_of(manager.path, handle.job)
    runtime = manager.session.database.runtime
    found = await runtime.in_thread(values.outcomes, results, result, range(len(result.tasks)))
    return [
        one
        for index, part in enumerate(found)
        for one in completed(part, min(chunk, inputs - index * chunk), result)
    ]


def completed(part: list[Outcome], inputs: int, result: JobResult) -> list[Outcome]:
    """Return an outcome for each input of a chunk, also for those that it did not come to."""
    if len(part) == 1 and inputs > 1 and part[0].error is not None and part[0].lost:
        return part * inputs
    missing = Outcome(error=CallFailed("it was not run: one before it in its chunk failed", result))
    return [*part, *[missing] * (inputs - len(part))]


def _failed(
    handle: CallHandle[Any],
    result: JobResult,
    found: Sequence[Outcome],
    errors: dict[int, Exception],
    chunk: int,
) -> MapFailed:
    """Return the error that names the first input that failed by itself."""
    own = (index for index in errors if result.tasks[index // chunk].status is Status.FAILURE)
    index = next(own, next(iter(errors)))
    error = errors[index]
    values_ = {number: one.value for number, one in enumerate(found) if one.error is None}
    told = str(error) if isinstance(error, CallFailed) else f"{type(error).__name__}: {error}"
    failed = MapFailed(
        f"input {index} of {handle.job.spec.name}: {told} "
        f"(job {handle.id}: {len(values_)} of {len(found)} inputs have a value)",
        result,
        index=index,
        results=values_,
        errors=errors,
    )
    failed.__cause__ = error
    return failed
