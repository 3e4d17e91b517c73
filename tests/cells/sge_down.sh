#!/bin/sh
# Stop the daemons of the one-host cell, by process id: Debian's init script doesn't stop the master.
set -eu
spool=/var/spool/gridengine
stop() {
  [ -s "$1" ] || return 0
  pid=$(cat "$1")
  case $(ps -o comm= -p "$pid" 2>/dev/null) in sge_*) ;; *) return 0;; esac # a stale file
  # never SIGKILL: the master would lose accounting records, and hand job numbers out twice
  kill "$pid"
  left=60
  while kill -0 "$pid" 2>/dev/null; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || { echo "sge_down: $pid of $1 still runs" >&2; exit 1; }
    sleep 0.5
  done
}
stop /var/run/gridengine/execd.pid
stop "$spool/execd/localhost/execd.pid"
stop "$spool/qmaster/qmaster.pid"
