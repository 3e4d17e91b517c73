"""The part of a job script that decides whether the jobs that it waits for did what was asked of them.

It reads their records. The batch system only holds the job until they have ended: it would start it after a
failure too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from asyncjman.model.graph import Kind
from asyncjman.model.job import PLAIN_TASK

MISSING_SECONDS = 120
"""How long a record of a job that ended may take to be seen on another node (NFS)."""

ANY_MISSING_SECONDS = 10
"""The same for a dependency that asks for no success: a task killed leaves no record at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predecessor:
    """A job that had not ended when the one that waits for it was submitted.

    ``records`` is its record folder; ``tasks`` what ArraySpec.ranges says, empty for a job with no array.
    """

    job_id: int
    records: str
    kind: Kind
    tasks: tuple[range, ...] = ()
    stop_on_failure: bool = False


# prints ok, failed, skipped or missing; files are read by one process, however many tasks there are
_RESULT_OF = """
BEGIN {
  folder = ARGV[1]; n = split(ARGV[2], items, ","); missing = 0; skipped = 0
  while ((getline line < (folder "/folded")) > 0) if (split(line, w, " ") > 2) seen[w[1]] = w[2]
  for (i = 1; i <= n; i++) {
    split(items[i], r, ":")
    for (t = r[1] + 0; t <= r[2] + 0; t += r[3]) {
      code = (t in seen) ? seen[t] : ""
      file = folder "/exit." t; fresh = ""; whole = 0
      while ((getline line < file) > 0) {
        split(line, w, " ")
        if (w[1] == "exit_status") fresh = w[2]
        else if (w[1] == "skipped") fresh = "skipped"
        else if (w[1] == "reason" && fresh == "") fresh = "failed"
        else if (w[1] == "end") whole = 1
      }
      close(file)
      if (whole) code = fresh
      if (code == "") missing = 1
      else if (code == "skipped") skipped = 1
      else if (code != "0") { print "failed"; exit }
    }
  }
  print (skipped ? "skipped" : missing ? "missing" : "ok")
}
""".strip()

_NEED = r"""
jman_need() {
  jman_left=$5 jman_pause=1
  while :; do
    [ -z "$jman_signal" ] || jman_fail "stopped before it started"
    ls "$2" >/dev/null 2>&1 # has NFS read the folder anew
    jman_seen=$(LC_ALL=C awk "$jman_awk" "$2" "$3")
    case $jman_seen in ok|failed|skipped) break;; esac
    [ "$jman_left" -gt 0 ] || break
    sleep "$jman_pause"
    jman_left=$((jman_left - jman_pause))
    [ "$jman_pause" -ge 8 ] || jman_pause=$((jman_pause * 2))
  done
  case $4.$jman_seen in
    ok.ok|notok.failed|any.ok|any.failed) ;;
    ok.failed) jman_skip "$1" ", which failed";;
    notok.ok) jman_skip "$1" ", which succeeded";;
    *.skipped) jman_skip "$1" ", which was skipped";;
    ok.*) jman_skip "$1" ", whose result is not known";;
  esac
}
""".strip()


def dependency_part(predecessors: Sequence[Predecessor]) -> str:
    """Return what comes before the command of a job that waits for others; "" where it waits for none."""
    if not predecessors:
        return ""
    lines = [f"jman_awk={quote(_RESULT_OF)}", _NEED]
    for one in predecessors:
        if one.kind is Kind.CORR:
            tasks, kind = '"$jman_task:$jman_task:1"', "ok"
        else:
            ranges = one.tasks or (range(PLAIN_TASK, PLAIN_TASK + 1),)
            tasks = quote(",".join(f"{r[0]}:{r[-1]}:{r.step}" for r in ranges))
            kind = "ok" if one.kind is Kind.ANY and one.stop_on_failure else one.kind.value
        missing_seconds = ANY_MISSING_SECONDS if kind == "any" else MISSING_SECONDS
        lines.append(f"jman_need {one.job_id} {quote(one.records)} {tasks} {kind} {missing_seconds}")
    return "\n".join(lines)
