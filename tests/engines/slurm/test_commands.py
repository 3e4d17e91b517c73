"""Command lines of Slurm, and what becomes of resources."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asyncjman.engines.base import After, LaunchRequest, Ref
from asyncjman.engines.cluster.dialect import Call, Fault
from asyncjman.engines.cluster.programs import locate
from asyncjman.engines.slurm import commands
from asyncjman.engines.slurm.dialect import SlurmDialect
from asyncjman.engines.slurm.faults import fault_of
from asyncjman.engines.slurm.programs import PROGRAMS
from asyncjman.engines.slurm.resources import MemoryOption, Rules, make_rules, options
from asyncjman.engines.slurm.tokens import comment_of, token_in
from asyncjman.errors import UsageError
from asyncjman.model.array import ArraySpec
from asyncjman.model.graph import Kind
from asyncjman.model.job import JobSpec
from asyncjman.system.tool import Completed

TOKEN = "0123456789abcd"
SPEC = JobSpec(command=("true",), name="a/b\nc", exec_dir="/x", engine="slurm", queue="all.q")
REQUEST = LaunchRequest(
    token=TOKEN, job_id=3, spec=SPEC, tasks=(Ref(3, 0, 1),), folder="/spool/it's 50%", logs=None
)


def call_of(request: LaunchRequest, **rules: object) -> Call[str]:
    plan = SlurmDialect(rules).submission(request, f"{request.folder}/script")
    with pytest.raises(StopIteration) as end:
        next(plan)
    call: Call[str] = end.value.value
    return call


def argv_of(request: LaunchRequest = REQUEST, **rules: object) -> tuple[str, ...]:
    return call_of(request, **rules).argv


def test_a_submission() -> None:
    assert argv_of() == (
        "sbatch", "--parsable", f"--comment=jman:{TOKEN}", "--job-name=a_b_c", "--export=ALL", "--chdir=/",
        "--output=/spool/it's 50%%/output", "--open-mode=append", "--no-requeue",
        """--wrap=exec /bin/sh '/spool/it'"'"'s 50%/script'""",
    )  # fmt: skip


def test_a_submission_is_not_broken_off_and_sets_no_variable() -> None:
    call = call_of(REQUEST)
    assert call.whole
    assert not call.repeatable
    assert call.timeout is not None and call.timeout > 150
    assert call.environment == {}, "a job would inherit it"


def test_arrays() -> None:
    array = ArraySpec.parse("2-20:3%4")
    spec = replace(SPEC, array=array)
    whole = replace(REQUEST, spec=spec, tasks=array, at_once=4)
    assert "--array=2-20:3%4" in argv_of(whole)
    some = replace(REQUEST, spec=spec, tasks=(Ref(3, 5, 2), Ref(3, 11, 1)), at_once=None)
    assert "--array=1-2" in argv_of(some)


@pytest.mark.parametrize(
    ("after", "condition"),
    [
        (After(("7",), Kind.OK, False, "/", None, whole=True), "afterok:7"),
        (After(("7",), Kind.NOTOK, False, "/", None, whole=True), "afternotok:7"),
        (After(("7",), Kind.ANY, False, "/", None, whole=True), "afterany:7"),
        (After(("7",), Kind.ANY, False, "/", None, stop_on_failure=True, whole=True), "afterok:7"),
        (After(("7",), Kind.CORR, True, "/", None, whole=True), "aftercorr:7"),
        (After(("7",), Kind.CORR, False, "/", None, whole=True), "afterany:7"),
        (After(("7", "9"), Kind.OK, False, "/", None), "afterany:7:9"),
        (After(("7",), Kind.NOTOK, False, "/", None), "afterany:7"),
    ],
)
def test_dependencies(after: After, condition: str) -> None:
    words = argv_of(replace(REQUEST, after=(after, After(("8",), Kind.ANY, False, "/", None))))
    assert f"--dependency={condition},afterany:8" in words
    assert "--kill-on-invalid-dep=yes" in words


@pytest.mark.parametrize(
    ("queue", "resources", "limit", "words"),
    [
        ("all.q", {}, None, ()),
        ("short", {}, None, ("--partition=short",)),
        ("short, long", {}, None, ("--partition=short,long",)),
        ("all.q", {"memory": "4"}, None, ("--mem-per-cpu=4G",)),
        ("all.q", {"memory": "500M", "slots": 4}, None,
         ("--nodes=1", "--ntasks=1", "--cpus-per-task=4", "--mem-per-cpu=500M")),
        ("all.q", {"memory": "1500k"}, None, ("--mem-per-cpu=1500K",)),
        ("all.q", {"time": "61"}, None, ("--time=0-00:02:00",)),
        ("all.q", {"time": "30:0:0"}, None, ("--time=1-06:00:00",)),
        ("all.q", {"time": "0"}, None, ("--time=0-00:01:00",)),
        ("all.q", {"time": "infinity"}, None, ("--time=UNLIMITED",)),
        ("all.q", {"time": "1:0:0"}, 90.0, ("--time=0-00:02:00",)),
        ("all.q", {}, 5.0, ("--time=0-00:01:00",)),
        ("all.q", {"gpus": 2}, None, ("--nodes=1", "--ntasks=1", "--gres=gpu:2")),
        ("all.q", {"hostname": "n7"}, None, ("--nodelist=n7",)),
        ("all.q", {"memory": "1G", "extra": ["--mem=0", "--qos", "high"]}, None,
         ("--mem-per-cpu=1G", "--mem=0", "--qos", "high")),
    ],
)  # fmt: skip
def test_resources(
    queue: str, resources: dict[str, Any], limit: float | None, words: tuple[str, ...]
) -> None:
    assert options(queue, resources, limit) == words


def test_rules_of_a_site() -> None:
    rules = make_rules(
        {"memory-option": "--mem", "gpu_option": "--gpus-per-task={}", "prepend": ["--account=x"],
         "default-queues": ["main"], "gpu-memory-option": "--constraint=gpu{}"}
    )  # fmt: skip
    asked = {"memory": "2G", "slots": 3, "gpus": 1, "gpu_memory": "24G"}
    assert options("main", asked, rules=rules) == (
        "--account=x", "--nodes=1", "--ntasks=1", "--cpus-per-task=3", "--mem=6G",
        "--gpus-per-task=1", "--constraint=gpu24G",
    )  # fmt: skip
    assert rules.memory_option is MemoryOption.PER_NODE


@pytest.mark.parametrize(
    "values", [{"memory-option": "-m"}, {"nosuch": "x"}, {"prepend": "x"}, {"gpu-option": 3}, "x"]
)
def test_rules_that_make_no_sense(values: Any) -> None:
    with pytest.raises(UsageError, match=r"\[resources.slurm\]"):
        make_rules(values)


@pytest.mark.parametrize(
    "resources",
    [
        {"memory": "much"},
        {"slots": 0},
        {"time": "soon"},
        {"io_big": True},
        {"gpu_memory": "24G"},
        *({"extra": [word]} for word in (
            "--array=1-3", "--output=x", "--out=x", "-ox", "-o", "--wrap=x", "-W", "--wait", "--comment=x",
            "--chdir=/x", "-D", "--export=NONE", "-M", "--", "--test-only", "--job-name=x", "-J",
            "--parsable",
        )),
    ],
)  # fmt: skip
def test_what_can_not_be_asked_for(resources: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        options("all.q", resources)
    assert SlurmDialect().refuse(replace(SPEC, resources=resources))


@pytest.mark.parametrize(
    "word",
    ["--wait-all-nodes=1", "--export-file=x", "--exclusive", "--qos=high", "-A", "-Cfast", "--requeue"],
)
def test_what_can(word: str) -> None:
    assert options("all.q", {"extra": [word]}) == (word,)


def test_a_name_that_slurm_takes() -> None:
    assert commands.job_name("") == "job"
    assert len(commands.job_name("x" * 300)) == 200


@pytest.mark.parametrize("path", ["/a/%j\\b", "/plain"])
def test_a_path_that_is_no_pattern(path: str) -> None:
    submission = commands.Submission(token=TOKEN, name="x", script="/s", output=path)
    assert f"--output={path}" in commands.sbatch(submission), "a backslash means that there are no patterns"


def test_a_later_start() -> None:
    words = argv_of(replace(REQUEST, not_before=1795971457.2))
    assert [word for word in words if word.startswith("--begin=")] == [
        f"--begin={commands._moment(1795971458)}"
    ]


def test_tokens() -> None:
    assert token_in(comment_of(TOKEN)) == TOKEN
    for other in ("(null)", "", "jman:xyz", f"my jman:{TOKEN}"):
        assert token_in(other) is None


def test_cancelling() -> None:
    (call,) = SlurmDialect().cancel([("7", ()), ("8", (range(1, 2), range(4, 9)))])
    assert call.argv == ("scancel", "7", "8_[1,4-8]")
    assert SlurmDialect().cancel([]) == ()
    with pytest.raises(ValueError, match="no job"):
        commands.scancel([])


def test_variables_that_change_what_commands_do_are_dropped(tmp_path: Path) -> None:
    (tmp_path / "sbatch").write_text("#!/bin/sh\n")
    (tmp_path / "sbatch").chmod(0o755)
    environ = {
        "PATH": str(tmp_path),
        "SLURM_CONF": "/c",
        "SLURM_ARRAY_TASK_ID": "3",
        "SBATCH_ARRAY_INX": "1-3",
    }
    assert locate(PROGRAMS, environ).environment == {"PATH": str(tmp_path), "SLURM_CONF": "/c"}


PASSING, LIMIT, AMBIGUOUS = Fault.PASSING, Fault.LIMIT | Fault.PASSING, Fault.AMBIGUOUS | Fault.PASSING


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
         PASSING),
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", AMBIGUOUS),
        ("sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received", AMBIGUOUS),
        ("sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n"
         "sbatch: error: Batch job submission failed: Resource temporarily unavailable", LIMIT),
        ("sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job "
         "violates accounting/QOS policy (job submit limit, user's size and/or time limits)", LIMIT),
        ("sbatch: error: Batch job submission failed: Invalid account or account/partition combination "
         "specified", Fault.LASTING),
        ("sbatch: error: invalid partition specified: nosuch", Fault.LASTING),
        ("", Fault.LASTING),
    ],
)  # fmt: skip
def test_faults(words: str, fault: Fault) -> None:
    assert fault_of(Completed(1, "", words)) == fault
    assert fault_of(Completed(0, "", words)) is Fault.LASTING


def test_a_refusal_in_its_own_words() -> None:
    words = (
        "sbatch: error: invalid partition specified: x\nsbatch: error: Batch job submission failed: Invalid"
    )
    plan = SlurmDialect().refusal(REQUEST, words)
    with pytest.raises(StopIteration) as end:
        next(plan)
    assert end.value.value == (
        "the cluster refuses it: invalid partition specified: x; Batch job submission failed: Invalid"
    )


def test_no_limit_is_no_limit() -> None:
    assert options("all.q", {"time": "infinity"}, math.inf) == ("--time=UNLIMITED",)
    assert Rules() == make_rules({})
