"""What waits for a job that is stopped to run again, wherever that runs."""

from __future__ import annotations

import pytest

from tests.contract.conftest import Engine

AGAIN = "[ $JMAN_ATTEMPT = 2 ] || sleep 1000; while [ ! -e go ]; do sleep 0.05; done; echo 1 >> ran"


@pytest.mark.parametrize("words", [["1"], ["1", "--no-dependents"], []])
def test_what_waits_waits_on(engine: Engine, words: list[str]) -> None:
    jman = engine.jman

    def submit(*words: str) -> None:
        jman(*engine.words, "submit", *words)

    submit("--", "sh", "-c", AGAIN)
    submit("--after-any", "1", "--", "sh", "-c", "echo 2 >> ran")
    submit("--after-notok", "1", "--", "sh", "-c", "echo 3 >> ran")
    submit("--after-ok", "1", "--", "sh", "-c", "echo 4 >> ran")
    submit("--after-ok", "4", "--", "sh", "-c", "echo 5 >> ran")
    engine.start()
    jman(*engine.words, "resubmit", "--running-jobs", *words)
    engine.start()
    (jman.folder / "go").touch()
    jman("wait", "--timeout", "60", code=1)
    assert jman.status() == {1: "success", 2: "success", 3: "skipped", 4: "success", 5: "success"}
    first, *others = (jman.folder / "ran").read_text().split()
    assert (first, sorted(others)) == ("1", ["2", "4", "5"])
