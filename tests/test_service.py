"""examples/service.py: requests are jobs, events are streamed, a client that leaves stops its work."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from asyncjman import Status

pytest.importorskip("fastapi", reason="examples/service.py needs FastAPI: pip install 'asyncjman[examples]'")


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    path = Path(__file__).parents[1] / "examples" / "service.py"
    spec = importlib.util.spec_from_file_location("service", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, "service", module)
    monkeypatch.syspath_prepend(path.parent)  # functions of a module are found by its name
    spec.loader.exec_module(module)
    return module.app


async def ask(app: Any, method: str, url: str, body: object = None, *, leave: Any = None) -> tuple[int, str]:
    """Send a request as a server does; ``leave``: an event, after which the client is gone."""
    parts, sent = urlsplit(url), False
    answer: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        nonlocal sent
        if not sent:
            sent = True
            data = b"" if body is None else json.dumps(body).encode()
            return {"type": "http.request", "body": data, "more_body": False}
        await (leave.wait() if leave is not None else asyncio.Event().wait())
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        answer.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [(b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
    text = b"".join(one.get("body", b"") for one in answer if one["type"] == "http.response.body").decode()
    return answer[0]["status"], text


async def test_the_service(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with asyncio.timeout(100), app.router.lifespan_context(app):
        assert await ask(app, "POST", "/jobs", ["a", "bb"]) == (200, '{"ids":[1,2]}')
        _, events = await ask(app, "GET", "/jobs/2/events")
        told = [line.removeprefix("event: ") for line in events.splitlines() if line.startswith("event")]
        assert told == ["JobSubmitted", "TaskStarted", "TaskFinished", "JobFinished"]
        assert await ask(app, "GET", "/jobs/2/values") == (200, '{"status":"success","value":2}')
        assert await ask(app, "GET", "/score?path=abc") == (200, "3")
        assert (await ask(app, "GET", "/jobs/99/values"))[0] == 404
        monkeypatch.setenv("EVALUATE_SECONDS", "1000")
        gone = asyncio.Event()
        request = asyncio.create_task(ask(app, "GET", "/score?path=abcd", leave=gone))
        jobs: list[Any] = []
        while not jobs or jobs[-1].status != Status.EXECUTING:
            await asyncio.wait([request], timeout=0.05)
            jobs = await app.state.jm.jobs(name="evaluate")
        gone.set()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert (await app.state.jm.get(jobs[-1].id)).status == Status.STOPPED
