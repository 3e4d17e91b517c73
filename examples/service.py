"""A web service whose requests are jobs: submit, follow by server-sent events, stop when the client leaves.

pip install 'asyncjman[examples]' uvicorn
uvicorn examples.service:app

curl -X POST localhost:8000/jobs -H 'content-type: application/json' -d '["a", "bb"]'
curl -N localhost:8000/jobs/1/events
curl localhost:8000/jobs/1/values
curl 'localhost:8000/score?path=a'
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse

from asyncjman import CallHandle, JobHandle, JobManager, UsageError


def evaluate(path: str) -> int:
    """Return the score of a model: this runs in a process of its own."""
    time.sleep(float(os.environ.get("EVALUATE_SECONDS", "0")))
    return len(path)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    # jobs that still run when the service ends are released: the next one, or `jman execute`, runs them
    async with JobManager(os.environ.get("DATABASE", "service.sql3"), parallel=2, on_exit="leave") as jm:
        app.state.jm = jm
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/jobs")
async def submit(paths: list[str]) -> dict[str, object]:
    """Start a job for each path; they outlive this request."""
    handles = [await app.state.jm.start(evaluate, path) for path in paths]
    return {"ids": [handle.id for handle in handles]}


@app.get("/jobs/{job_id}/values")
async def value(job_id: int) -> dict[str, object]:
    """Return how far a job is, and its value once there is one."""
    job = await find(job_id)
    if not isinstance(job, CallHandle) or job.status != "success":
        return {"status": job.status, "progress": asdict(await job.progress())}
    return {"status": job.status, "value": await job.value()}


@app.get("/jobs/{job_id}/events")
async def events(job_id: int) -> StreamingResponse:
    """Tell what happens to a job, until it ends; a client that leaves disturbs nobody."""
    job = await find(job_id)

    async def stream() -> AsyncIterator[str]:
        async for event in app.state.jm.events(job):
            data = json.dumps({"job": event.job_id, "time": event.time})
            yield f"event: {type(event).__name__}\ndata: {data}\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream")


@app.get("/score")
async def score(path: str, request: Request) -> int:
    """Evaluate while the client waits; where it leaves, the work is stopped."""
    work = asyncio.ensure_future(app.state.jm.call(evaluate, path))
    try:
        while not work.done() and not await request.is_disconnected():
            await asyncio.wait([work], timeout=0.2)
    finally:
        if not work.done():
            work.cancel()
            await asyncio.wait([work])
    return await work


async def find(job_id: int) -> JobHandle:
    try:
        return await app.state.jm.get(job_id)
    except UsageError as error:
        raise HTTPException(404, str(error)) from None
