"""The part of a job script that writes the records, and the functions that all other parts call."""

from __future__ import annotations

SKIPPED_STATUS = 112
"""How a script ends that did not run its command: accounting says 0 of a command that succeeded alone."""

FUNCTIONS = r"""
jman_signal=
trap 'jman_signal=TERM' TERM
trap 'jman_signal=USR1' USR1
trap 'jman_signal=USR2' USR2
trap 'jman_signal=XCPU' XCPU
jman_now() {
  jman_time=$(date +%s.%N 2>/dev/null)
  case $jman_time in ''|*[!0-9.]*) jman_time=$(date +%s);; esac
}
# a node that hung may come to life when a later attempt of the task has long run elsewhere
jman_overtaken() {
  for jman_file in start exit; do
    while read -r jman_word jman_value; do
      case $jman_word in attempt) [ "$jman_value" -gt "$jman_attempt" ] && return 0;; esac
    done < "$jman_records/$jman_file.$jman_task"
  done 2>/dev/null
  return 1
}
jman_record() {
  jman_overtaken && return 1
  jman_now
  jman_tries=0
  until {
      printf '%s\n' 'jman 1' "job $jman_job" "task $jman_task" "attempt $jman_attempt" "grid $jman_native" \
        "host $jman_host" "restart $jman_restart" "time $jman_time" "$2" times && { times || :; } && echo end
    } > "$jman_records/.$1.$jman_task.$$" &&
      mv -f "$jman_records/.$1.$jman_task.$$" "$jman_records/$1.$jman_task"; do
    jman_tries=$((jman_tries + 1))
    [ "$jman_tries" -lt 5 ] || return 1
    sleep 2
  done
} 2>/dev/null
jman_fail() {
  jman_record exit "started ${jman_started:-}
signal $jman_signal
reason $1"
  exit 1
}
jman_skip() {
  jman_record exit "skipped $1
reason because of job $1$2"
  exit SKIPPED
}
jman_host=${HOSTNAME:-$(uname -n)}
mkdir -p "$jman_records" 2>/dev/null
# a cluster that lost what it knew starts again what has ended: never what has succeeded, and nothing where
# it counts how often it starts a task anew on purpose
jman_has() { [ -e "$jman_records/$1" ] && grep -qx "$2" "$jman_records/$1" 2>/dev/null; }
jman_ended() {
  jman_has "exit.$jman_task" "attempt $jman_attempt" && jman_has "exit.$jman_task" "$1" &&
    jman_has "exit.$jman_task" end
}
if jman_overtaken; then exit 1; fi
if jman_has folded "$jman_task 0 $jman_attempt" || jman_ended 'exit_status 0'; then exit 0; fi
if [ "$jman_restart" = 0 ] && jman_has folded "$jman_task [^ ]* $jman_attempt"; then exit 1; fi
if [ "$jman_restart" != unknown ] && jman_ended "restart $jman_restart"; then exit 1; fi
# what an earlier run of this task left, where the cluster started it again
rm -f "$jman_records/exit.$jman_task"
""".strip().replace("SKIPPED", str(SKIPPED_STATUS))
