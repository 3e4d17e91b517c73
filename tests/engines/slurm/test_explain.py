"""Why jobs wait, which limits they came to, and what doctor says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from asyncjman.engines.base import Finding, Watched
from asyncjman.engines.cluster.dialect import Call, Fault
from asyncjman.engines.cluster.process import CommandFailed
from asyncjman.engines.slurm.dialect import SlurmDialect
from asyncjman.engines.slurm.explain import evidence, words_of
from asyncjman.engines.slurm.squeue import Waiting
from asyncjman.model.job import JobSpec, Usage
from asyncjman.model.status import Status
from asyncjman.system.tool import Completed

TOKEN = "0123456789abcd"
LAUNCH = Watched(
    token=TOKEN, native_id="7", job_id=3, created_at=0.0, maker_is_dead=True, array=None, tasks=(),
    default=Status.QUEUED, rows={}, ended=frozenset(), folder="/x",
)  # fmt: skip
WAITING = Waiting("7", TOKEN, (), "PENDING", "Priority", 2e9, "main", "1:00")
SPEC = JobSpec(command=("true",), exec_dir="/x")


def words(**changes: object) -> list[str]:
    waiting = replace_tuple(WAITING, changes)
    return [one.words for one in evidence([LAUNCH], [waiting], 1e9)]


def replace_tuple(one: Waiting, changes: dict[str, object]) -> Waiting:
    return one._replace(**changes)  # type: ignore[arg-type]


def test_why_it_waits() -> None:
    first, second = words()
    assert first == "jobs of higher priority come first (Priority, partition main)"
    assert second.startswith("the cluster plans to start it at 2033-05-")
    assert words(start=None) == [first]


def test_what_can_never_start() -> None:
    first, second = words(reason="PartitionTimeLimit,Priority")
    assert first.startswith("can never start as it is: it asks for more time than its partition allows")
    assert "jman resubmit 3" in second


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("ReqNodeNotAvail, UnavailableNodes:n[1-3]", "nodes of the site"),
        (
            "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions",
            "nodes",
        ),
        ("QOSMaxCpuPerUserLimit", "limit of its account or its QOS"),
        ("AssocGrpMemLimit", "limit of its account or its QOS"),
        ("JobHeldUser", "scontrol release 7"),
        ("JobHeldAdmin", "held by the administrators"),
        ("SomethingNew", "waits on the cluster"),
    ],
)
def test_reasons(reason: str, said: str) -> None:
    assert said in words_of(reason, "7")


SINFO = """main*|drained*|2|n[1-2]|new memory | in May
main*|idle|37|n[4-40]|none
main*|down|1|n3|fire
the rest of it
short|mixed|2|n[1-2]|none
"""


def test_which_nodes_are_not_available() -> None:
    plan = SlurmDialect().explain([LAUNCH], "me", 1e9)
    assert next(plan).argv[0] == "squeue"
    reason = "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions"
    call = plan.send([WAITING._replace(reason=reason, partition="main,short", start=None)])
    with pytest.raises(StopIteration) as end:
        plan.send(call.parse(Completed(0, SINFO, "")))
    assert [one.words for one in end.value.value] == [
        "the nodes of the site that it needs are not available now "
        "(DOWN, DRAINED or reserved, partition main,short)",
        "3 of 40 nodes of main: n[1-2] drained (new memory | in May), n3 down (fire)",
    ]


def test_nodes_and_estimates_are_asked_for_only_then() -> None:
    plan = SlurmDialect().explain([LAUNCH._replace(spec=SPEC)], "me", 1e9)
    next(plan)
    with pytest.raises(StopIteration) as end:
        plan.send([WAITING])
    assert len(end.value.value) == 2


def test_when_what_is_not_planned_yet_would_start() -> None:
    launch = LAUNCH._replace(spec=replace(SPEC, resources={"slots": 2}))
    plan = SlurmDialect().explain([launch], "me", 1e9)
    next(plan)
    call = plan.send([WAITING._replace(start=None, reason="Resources")])
    assert call.argv[:2] == ("sbatch", "--test-only") and "--cpus-per-task=2" in call.argv
    said = "sbatch: Job 8 to start at 2000000000 using 2 processors on nodes n in partition main\n"
    with pytest.raises(StopIteration) as end:
        plan.send(call.parse(Completed(0, "", said)))
    assert end.value.value[-1].words.startswith("sent now, it would start at 2033-05-")


def test_a_job_that_is_not_listed() -> None:
    (one,) = evidence([LAUNCH], [], 0.0)
    assert one.words == "the cluster does not list 7 any more; its end is not known yet"
    assert words(state="RUNNING") == []


def test_limits() -> None:
    spec = replace(SPEC, resources={"time": "60", "memory": "100M", "slots": 2})
    judged = SlurmDialect().judge(spec, 61.0, Usage(1.0, 199 * 2**20))
    assert judged == [
        "came to its limit --time: 60 s asked for, 61 s used",
        "came to its limit of memory: 200 MiB allowed, 199 MiB used",
    ]
    assert SlurmDialect().judge(spec, 5.0, None) == ["its memory is limited to 200 MiB"]
    assert SlurmDialect().judge(SPEC, 5.0, None) == []


def checked(answers: dict[str, Completed], queue: str = "") -> dict[str, Finding]:
    plan = SlurmDialect({}, queue).check("me")
    answer: Any = None
    try:
        call: Call[Any] = next(plan)
        while True:
            done = answers[call.argv[0]]
            if done.exit_status and call.checked:
                failed = CommandFailed(call.argv[0], done.exit_status, done.stderr, Fault.PASSING)
                call = plan.throw(failed)
                continue
            answer = call.parse(done)
            call = plan.send(answer)
    except StopIteration as end:
        return {one.name: one for one in end.value}


CONFIG = "MaxArraySize = 1001\nMinJobAge = {} sec\nAccountingStorageType = accounting_storage/none\n"
WELL = {
    "scontrol": Completed(0, CONFIG.format(300), ""),
    "sinfo": Completed(0, "main*|up\nshort|up\n", ""),
    "sbatch": Completed(0, "", "sbatch: Job 9 to start at ...\n"),
}


def test_all_is_well() -> None:
    found = checked(WELL)
    assert [one.advice for one in found.values()] == ["", "", "", ""]
    assert found["partition"].words == "the default one, main"
    assert "arrays of up to 1000 tasks" in found["site"].words
    assert checked(WELL, "all.q")["partition"].words == "the default one, main"
    assert checked(WELL, "short")["partition"].words == "short is there"


def test_what_is_not_well() -> None:
    assert checked(WELL, "nosuch")["partition"].advice == "set queue to one of main, short"
    refused = {**WELL, "sbatch": Completed(1, "", "sbatch: error: invalid account\n")}
    assert checked(refused)["submission"].advice == "sbatch: error: invalid account"
    away = {**WELL, "scontrol": Completed(1, "", "Unable to contact slurm controller")}
    assert checked(away)["slurmctld"].words == "does not answer"
    short = {**WELL, "scontrol": Completed(0, CONFIG.format(5), "")}
    assert "jman wait" in checked(short)["site"].advice
