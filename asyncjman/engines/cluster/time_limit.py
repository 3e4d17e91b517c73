"""The part of a job script that ends what takes too long, where the batch system is not exact.

It signals the process group of the script, as batch systems do: SIGTERM first, which the script survives, and
after a while SIGKILL, which it does not; so it writes down the end before that.

A file is there as long as the command runs. What watches the time looks for it before it does anything: a
signal that comes while a shell forks may be lost, and then the watcher lives on when the task has ended.
"""

from __future__ import annotations

import math

GRACE_SECONDS = 10
"""How long a command has between SIGTERM and SIGKILL."""

_WATCH = r"""
jman_limit="$jman_records/.limit.$jman_task.$$"
jman_runs="$jman_records/.runs.$jman_task.$$"
: > "$jman_runs"
(
  trap '' HUP INT QUIT USR1 USR2 XCPU
  trap 'kill "$jman_sleep" 2>/dev/null; exit' TERM
  sleep {seconds} &
  jman_sleep=$!
  wait "$jman_sleep" || exit
  [ -e "$jman_runs" ] || exit
  trap '' TERM
  : > "$jman_limit"
  kill -TERM 0
  sleep {grace} &
  jman_sleep=$!
  wait "$jman_sleep"
  [ -e "$jman_runs" ] || { rm -f "$jman_limit"; exit; }
  jman_record exit "started $jman_started
signal KILL
cause timeout
reason timed out after {words} s
exit_status 137"
  rm -f "$jman_limit" "$jman_runs"
  kill -KILL 0
) </dev/null >/dev/null 2>&1 &
jman_watch=$!
"""

_END = r"""
rm -f "$jman_runs"
kill "$jman_watch" 2>/dev/null
if [ -e "$jman_limit" ]; then
  kill -KILL "$jman_watch"
  rm -f "$jman_limit"
  [ "$jman_status" != 0 ] || jman_status=143
  jman_record exit "started $jman_started
signal $jman_signal
cause timeout
reason timed out after {words} s
exit_status $jman_status"
  exit "$jman_status"
fi 2>/dev/null
"""


END_AGAIN = 'kill "$jman_watch" 2>/dev/null'
"""For the very end: the first signal may have come too early for what watches the time."""


def watch_part(seconds: float) -> str:
    """Return what goes before the command."""
    return _fill(_WATCH, seconds)


def end_part(seconds: float) -> str:
    """Return what goes behind it."""
    return _fill(_END, seconds)


def _fill(text: str, seconds: float) -> str:
    for name, value in (("seconds", math.ceil(seconds)), ("grace", GRACE_SECONDS), ("words", f"{seconds:g}")):
        text = text.replace(f"{{{name}}}", str(value))
    return text.strip()
