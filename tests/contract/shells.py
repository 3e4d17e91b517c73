"""A batch system made of shell scripts, and the dialect that it takes: an engine to throw away."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asyncjman.engines.base import Evidence, Finding, LaunchRequest, Saw, Watched
from asyncjman.engines.cluster.dialect import Accounting, Call, Fault, Plan, Programs, Row, ScriptRules, Site
from asyncjman.engines.cluster.engine import ClusterEngine
from asyncjman.engines.cluster.names import job_name, token_in
from asyncjman.engines.registry import Context
from asyncjman.model.array import ArraySpec
from asyncjman.model.job import JobSpec, Usage
from asyncjman.system.tool import Completed

SCRIPTS = {
    # NAME SCRIPT HOLD-ID,… HOW-MANY-AT-ONCE TASK…; the last one is kept, and not cared about
    "fsub": """
count=$(ls "$here/jobs" | wc -l)
[ ! -e "$here/full" ] || [ "$count" -lt "$(cat "$here/full")" ] || { echo full >&2; exit 9; }
[ ! -e "$here/refuse" ] || [ "$count" -lt "$(cat "$here/refuse")" ] || { echo no >&2; exit 1; }
id=1; until mkdir "$here/jobs/$id" 2>/dev/null; do id=$((id + 1)); done
name=$1 script=$2 hold=$3; echo "$4" > "$here/jobs/$id/at_once"; shift 4
echo "$name" > "$here/jobs/$id/name"
for task; do echo PEND > "$here/jobs/$id/task.$task"; done
for task; do setsid sh "$here/frun" "$id" "$task" "$script" "$hold" </dev/null >/dev/null 2>&1 & done
echo "$id"
""",
    # how many tasks one fsub takes
    "fsite": """
echo asked >> "$here/calls.fsite"
cat "$here/most"
""",
    "frun": """
job=$here/jobs/$1; echo $$ > "$job/pid.$2"
for other in $(echo "$4" | tr , ' '); do
  while ls "$here/jobs/$other/" | grep -q task; do sleep 0.05; done
done
sleep 0.5  # the cycle of a scheduler
while [ -e "$here/held" ]; do sleep 0.05; done
echo RUN > "$job/task.$2"; BATCH_JOB=$1 BATCH_TASK=$2 sh "$3"; rm "$job/task.$2"
""",
    "fstat": """
for file in "$here"/jobs/*/task.*; do
  [ -e "$file" ] || continue
  job=${file%/*}; echo "${job##*/}|$(cat "$job/name")|${file##*.}|$(cat "$file" 2>/dev/null)"
done
""",
    "fdel": """
for one; do
  job=$here/jobs/${one%.*}
  for file in "$job"/task.${one##*.}; do
    [ -e "$file" ] || continue
    kill -s KILL -- "-$(cat "$job/pid.${file##*.}")"; rm -f "$file"
  done
done
""",
}


def install(folder: Path, *, most: int = 1000) -> None:
    """Put the commands into a folder for PATH; ``most`` is how many tasks one submission may have."""
    (folder / "jobs").mkdir()
    (folder / "most").write_text(f"{most}\n")
    for name, text in SCRIPTS.items():
        path = folder / name
        path.write_text(f'#!/bin/sh\nhere="{folder}"\n{text}')
        path.chmod(0o755)


class ShellDialect:
    """The scripts above."""

    name = "shells"
    programs = Programs(("fsub", "fstat", "fdel", "fsite"), "fsub is not on PATH")
    script = ScriptRules(task="BATCH_TASK", native_id="BATCH_JOB")
    queue_decides = False
    appears_within = 0.0

    def fault(self, done: Completed) -> Fault:
        return Fault.LIMIT if done.exit_status == 9 else Fault.LASTING

    def site(self) -> Call[Site]:
        return Call(("fsite",), lambda done: Site(int(done.stdout), None, False))

    def refuse(self, spec: JobSpec) -> str | None:
        return None

    def submission(self, request: LaunchRequest, script: str) -> Plan[Call[str]]:
        yield from ()
        tasks = request.tasks if isinstance(request.tasks, ArraySpec) else range(1, len(request.tasks) + 1)
        words = ["0"] if request.spec.array is None else [*map(str, tasks)]
        hold = ",".join(one for some in request.after for one in some.native_ids)
        name = job_name(request.job_id, request.token, request.spec.name)
        argv = ("fsub", name, script, hold, str(request.at_once or ""), *words)
        return Call(argv, lambda done: done.stdout.strip(), repeatable=False)

    def refusal(self, request: LaunchRequest, words: str) -> Plan[str | None]:
        yield from ()
        return None

    def query(self, user: str) -> Call[Sequence[Row]]:
        return Call(("fstat",), lambda done: [_row(*line.split("|")) for line in done.stdout.splitlines()])

    def cancel(self, targets: Sequence[tuple[str, Sequence[range]]]) -> Sequence[Call[str]]:
        words = [f"{job}.{n}" for job, numbers in targets for one in numbers for n in one]
        words += [f"{job}.*" for job, numbers in targets if not numbers]
        return [Call(("fdel", *words), lambda done: done.stderr, checked=False)]

    def account(self, watched: Sequence[Watched], user: str) -> Call[Accounting] | None:
        return None

    def explain(self, watched: Sequence[Watched], user: str, now: float) -> Plan[Sequence[Evidence]]:
        yield from ()
        return [Evidence(one.job_id, f"is job {one.native_id} of the shells") for one in watched]

    def judge(self, spec: JobSpec, seconds: float | None, usage: Usage | None) -> Sequence[str]:
        return ()

    def check(self, user: str) -> Plan[Sequence[Finding]]:
        rows: Sequence[Row] = yield self.query(user)
        return [Finding("shells", f"run {len(rows)} tasks")]


def _row(native_id: str, name: str, task: str, state: str) -> Row:
    numbers = (range(int(task), int(task) + 1),) if task != "0" else ()
    saw = {"PEND": Saw.PENDING, "RUN": Saw.RUNNING}.get(state)
    return Row(native_id, token_in(name), numbers, saw)


def engine(context: Context) -> ClusterEngine:
    return ClusterEngine(
        ShellDialect(),
        grace=context.settings.vanish_grace,
        budget=context.budget,
        clock=context.runtime.time,
    )
