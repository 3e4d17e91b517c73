"""What random histories have found: the smallest plan that shows each, in many interleavings.

A seed shows a defect only as long as the code around it takes the same steps; a plan does so for good.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.builders import FIRST, SECOND, THIRD, again, job, plan
from tests.simulation.history import Stage, stage
from tests.simulation.plan import (
    Crash,
    Delete,
    Execute,
    Interrupt,
    List,
    Plan,
    Resubmit,
    Stop,
    Suspend,
    Trouble,
    Wait,
)


@pytest.fixture(scope="module")
def place() -> Iterator[Stage]:
    with stage() as one:
        yield one


FOUND: dict[str, Plan] = {
    "what was stopped and submitted again between two claims of its array was never run": plan(
        job(5),
        job(0, (0.0, "any")),
        job(),
        at={
            0.1: Execute(2),
            **{0.12 + 0.04 * n: Resubmit(FIRST, False, "everything", False, True, None) for n in range(6)},
        },
    ),
    "a task that was deleted came back as a skipped one, and its job never ended": plan(
        job(),
        job(4, (0.0, "notok")),
        job(4, (0.5, "corr")),
        at={0.15: Execute(2), 0.16: Execute(2), **{0.17 + 0.02 * n: Delete(THIRD, 0.9) for n in range(3)}},
    ),
    "a delete ended an execute that was reading what depends on the job": plan(
        job(),
        job(5, (0.0, "any")),
        job(0, (0.0, "ok")),
        at={
            0.0: Delete(0.0, None),
            0.15: Delete(0.0, None),
            0.1: Execute(2),
            0.2: Execute(2),
            0.25: Delete(0.0, None),
        },
        pause=0.05,
    ),
    "what was paired with a task that was deleted was never run": plan(
        job(5, throttle=1), job(5, (0.0, "corr")), at={0.1: Delete(0.0, 0.5), 0.2: Execute(2)}
    ),
    "what another process had submitted again was taken for ended, and its dependents were skipped": plan(
        job(4),
        job(0, (0.0, "notok")),
        job(3, (0.9, "any")),
        at={
            0.1: Execute(2),
            **{0.3 + 0.02 * n: again(0.0, "everything", dependents=False) for n in range(6)},
        },
    ),
    "a task that was stopped by itself was taken for skipped, and its job's dependents were skipped": plan(
        job(4),
        job(4, (0.0, "corr")),
        job(0, (0.9, "any")),
        at={0.1: Execute(1), 0.25: Stop(SECOND, 0.9)},
        failing=0.3,
    ),
    "an execute span while it waited for the lock of a suspended process": plan(
        job(4),
        job(0, (0.0, "ok")),
        job(),
        at={
            0.1: Execute(2),
            **{0.2 + 0.011 * n: again(0.0, "everything") for n in range(4)},
            0.21: Suspend(0.5, 3.0),
            0.24: Suspend(0.8, 3.0),
            0.26: Suspend(0.3, 3.0),
            0.3: Interrupt(0.0, False),
        },
    ),
    "what was submitted again after a stop was stopped once more": plan(
        job(6),
        job(0, (0.0, "ok")),
        job(),
        at={
            0.1: Execute(3),
            **{0.2 + 0.1 * n: Stop(FIRST, 0.1 * n) for n in range(6)},
            **{0.25 + 0.1 * n: again(FIRST) for n in range(8)},
        },
        seconds=0.2,
    ),
    "what was claimed ahead of time ran although its predecessor was submitted again": plan(
        job(4),
        job(4, (0.0, "any")),
        job(2, (0.5, "ok")),
        at={0.1: Execute(1), **{0.15 + 0.03 * n: again(FIRST, "everything") for n in range(8)}},
        seconds=0.01,
    ),
}

FOUND |= {
    "a job that was held on the cluster was sent a second time when it was submitted again": plan(
        job(on="north"), job(4, (FIRST, "ok"), on="north"), at={1.0: again(SECOND)}, seconds=2.0
    ),
    "a job was sent to the cluster although what it waits for had failed": plan(
        job(),
        at={0.1: Execute(1), 2.0: job(3, (FIRST, "ok"), on="north"), 4.0: job(0, (FIRST, "ok"), on="south")},
        failing=1.0,
    ),
    "a cluster that can't hold jobs was asked to": plan(
        job(on="south"), job(0, (FIRST, "ok"), on="south"), at={}, seconds=2.0
    ),
    "a job that was stopped while it was sent ran all the same": plan(
        job(4, on="north"), at={0.0: Trouble("north", "frozen", 50.0), 15.0: Stop(FIRST, None)}, seconds=3.0
    ),
    "what was submitted again while a part of its array was sent was lost": plan(
        job(6, on="north"),
        at={
            0.5: Wait(FIRST, 5.0),
            6.0: Trouble("north", "frozen", 40.0),
            6.5: again(FIRST, "failed"),
            20.0: again(FIRST, "everything"),
            50.0: Wait(FIRST, 30.0),
        },
        failing=0.3,
        seconds=0.5,
    ),
    "a job that was moved while it was sent was left to nobody": plan(
        job(on="north"), at={0.0: Trouble("north", "frozen", 3.0), 0.5: again(FIRST, to="local")}
    ),
    "what waits for a job that the cluster refused waited for good": plan(
        job(5, on="south"),
        at={0.0: Trouble("south", "frozen", 3.0), 0.5: job(0, (FIRST, "any"), on="north")},
    ),
    "an execute that had loaded a job ran it although it was moved to the cluster": plan(
        job(),
        job(0, (FIRST, "any")),
        at={0.1: Execute(1), 0.3: again(SECOND, to="north"), 1.0: Wait(SECOND, 30.0)},
        seconds=2.0,
    ),
    "a task that ran on the cluster was sent once more while it was deleted there": plan(
        job(on="north"),
        at={
            0.5: Wait(FIRST, 60.0),
            3.0: Stop(FIRST, None),
            **{3.5 + n / 3: again(FIRST, "everything") for n in range(6)},
        },
        seconds=30.0,
    ),
    "a task that was stopped before its array was sent ran": plan(
        job(),
        job(4, (FIRST, "any"), on="north"),
        at={0.5: Stop(SECOND, 0.5), 1.0: Execute(1), 2.0: Wait(SECOND, 30.0)},
    ),
    "a job that the cluster could not take at first was held for what had ended by then": plan(
        job(2, on="north"),
        at={
            2.9: Trouble("north", "away", 20.0),
            3.0: job(4, (FIRST, "any"), on="north"),
            21.0: Wait(FIRST, 1.0),
            **{21.1 + n / 4: again(FIRST, "everything", dependents=False) for n in range(3)},
            24.0: Wait(SECOND, 40.0),
        },
        failing=0.5,
        seconds=1.0,
    ),
    "a job script waited for the record of a task that was skipped here, and went on without": plan(
        job(4),
        at={
            0.1: Execute(2),
            3.0: job(4, (FIRST, "corr"), on="north"),
            3.5: job(3, (SECOND, "any"), on="north"),
        },
        failing=0.3,
        seconds=0.5,
    ),
    "what was skipped and is to run, of a job with a task on the cluster, was taken for held there": plan(
        job(2),
        job(4, (FIRST, "ok")),
        job(4, (SECOND, "corr"), on="south"),
        at={0.1: Delete(SECOND, 0.7), 0.2: Execute(1), 5.0: List(), 6.0: again(FIRST, "failed")},
        failing=0.8,
        seconds=1.0,
    ),
    "what is paired with a job that the cluster has was skipped before that job was": plan(
        job(3, on="north"),
        job(3, (FIRST, "corr"), on="north"),
        job(3, (SECOND, "corr")),
        at={1.0: Stop(FIRST, None), 1.6: Delete(FIRST, None), 2.5: Execute(1)},
        seconds=0.7,
    ),
    "a job that was skipped here, and is still held there, was sent once more": plan(
        job(on="north"),
        job(on="north"),
        at={
            1.0: job(3, (FIRST, "ok"), (THIRD, "any"), on="north"),
            3.0: Stop(FIRST, None),
            4.9: Trouble("north", "frozen", 50.0),
            5.5: again(FIRST),
            5.6: List(),
            5.8: again(FIRST),
        },
        seconds=60.0,
    ),
    "a task that was deleted counted for the throttle, and the rest of its array was never sent": plan(
        job(7, throttle=1, on="south"), at={2.0: Delete(FIRST, 0.2)}, seconds=0.5
    ),
    "a job ran on a cluster, though what it waited for had succeeded: partly on this machine": plan(
        job(6),
        job(4, (0.0, "notok")),
        at={
            0.1: Execute(4),
            10.0: Resubmit(FIRST, True, "unsuccessful", False, False, None, "north"),
            12.0: Wait(SECOND, 40.0),
        },
        failing=0.25,
    ),
    "what was being sent while it was skipped stayed on the cluster, and was sent once more": plan(
        job(3, on="north"),
        job(0, (0.0, "ok"), on="north"),
        job(0, (0.0, "notok"), on="north"),
        job(3, (0.0, "ok"), on="north"),
        at={
            **{
                0.08 + 0.06 * n: Resubmit(FIRST, False, "unsuccessful", True, True, None, None)
                for n in range(8)
            },
            2.5: Wait(FIRST, 20.0),
        },
        pause=0.08,
        seconds=3.0,
    ),
    "what was moved to another cluster while it was stopped was stopped where it was not any more": plan(
        job(4, on="north"),
        job(0, (0.0, "ok"), on="south"),
        job(0, (0.0, "any"), on="south"),
        at={
            1.0: Resubmit(FIRST, True, "unsuccessful", True, True, None, None),
            **{2.0 + n: Resubmit(FIRST, True, "unsuccessful", True, False, None, "north") for n in range(4)},
            9.0: Wait(SECOND, 60.0),
        },
        seconds=8.0,
    ),
    "what was queued when a job before it ran again, and was stopped, started all the same": plan(
        job(),
        job(6, (FIRST, "ok"), throttle=1, on="north"),
        at={
            0.2: Execute(1),
            0.9: Wait(SECOND, 60.0),
            4.9: Trouble("north", "rough", 20.0),
            5.0: Resubmit(FIRST, False, "everything", False, False, None, None),
            5.4: Stop(FIRST, None),
            6.4: List(),
            7.0: List(),
        },
        seconds=0.8,
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_found(place: Stage, name: str) -> None:
    broken = {}
    for seed in range(8):
        result = place.run(seed, plan=FOUND[name])
        if result.violation:
            broken[seed] = result.violation
    assert not broken, name


def test_executes_that_wait_for_each_other_are_quiet(place: Stage) -> None:
    """Two that wait for the one task of an array that may run, which a third one holds, span."""
    busy = plan(job(2, throttle=1), at={0.1: Execute(1), 0.2: Execute(1), 0.3: Execute(1)}, seconds=5.0)
    turns = [place.run(seed, plan=busy).turns for seed in range(10)]
    assert max(turns) < 10_000, "some five hundred turns a second are what looking at the file takes"


def test_what_a_killed_process_took_back_is_sent_again(place: Stage) -> None:
    """It is gone there, nobody stopped it, and what it had to wait for ends before the next poll."""
    results = []
    for number in range(20):
        killed = plan(
            job(),
            at={
                0.1: Execute(1),
                4.0: job(4, (FIRST, "any"), throttle=1, on="north"),
                6.0: again(FIRST, "everything"),
                6.3 + 0.02 * number: Crash(0.0, 0),
                9.0: Execute(1),
            },
            seconds=2.0,
        )
        results.append(place.run(number, plan=killed, tracing=True))
    lost = [line for one in results for line in one.trace if ": 2." in line and "queued -> failure" in line]
    assert not lost and not [one.violation for one in results if one.violation]
    deleting = [one for one in results if any("north deletes" in line for line in one.trace)]
    assert any(one.done["resubmit killed"] for one in deleting)
