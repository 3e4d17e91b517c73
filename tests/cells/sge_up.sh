#!/bin/sh
# Bring up a one-host Grid Engine cell on Debian 12, as root and unattended. Safe to run again:
# a cell that answers is left as it is.
set -eu
export DEBIAN_FRONTEND=noninteractive
master=localhost
root=/var/lib/gridengine
spool=/var/spool/gridengine
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

runs() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }

await() { # await SECONDS COMMAND...: until it succeeds
  left=$(($1 * 2)); shift
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    if [ "$left" -le 0 ]; then echo "sge_up: no success with: $*" >&2; "$@" >&2 || true; exit 1; fi
    sleep 0.5
  done
}

queues_are_fine() {
  qconf -sel | grep -qx "$master" && ! qstat -f | grep -qE "@$master .* [a-zA-Z]*[uE][a-zA-Z]*\$"
}

if command -v qconf >/dev/null 2>&1 && runs "$spool/qmaster/qmaster.pid" && queues_are_fine 2>/dev/null &&
    qconf -sql 2>/dev/null | grep -qx q1d; then
  exit 0
fi
[ "$(id -u)" = 0 ] || { echo "sge_up: only root can bring a cell up" >&2; exit 77; }
command -v apt-get >/dev/null || { echo "sge_up: not a Debian" >&2; exit 77; }

# the master's installation fails where the host's own name doesn't resolve
getent hosts "$(hostname)" >/dev/null || echo "127.0.0.1 $(hostname)" >> /etc/hosts

if ! [ -x /usr/sbin/sge_qmaster ] || ! [ -x /usr/sbin/sge_execd ] || ! [ -x /usr/bin/qsub ]; then
  # before the packages: else the cell has no master's name
  for part in common client master exec; do
    echo "gridengine-$part shared/gridenginemaster string $master"
    echo "gridengine-$part shared/gridenginecell string default"
    echo "gridengine-$part shared/gridengineconfig boolean true"
  done | debconf-set-selections
  apt-get update -q
  # "bsd-mailx-" keeps a mail server out
  apt-get install -y -q --no-install-recommends \
    gridengine-master gridengine-exec gridengine-client bsd-mailx-
fi

# all names of this host are one, else its own commands are refused
echo "$master" > "$root/default/common/act_qmaster"
names=$master
for name in "$(hostname)" "$(hostname -f 2>/dev/null || hostname)"; do
  case " $names " in *" $name "*) ;; *) names="$names $name";; esac
done
[ "$names" = "$master" ] || echo "$names" > "$root/default/common/host_aliases"

runs "$spool/qmaster/qmaster.pid" || /etc/init.d/gridengine-master start
await 30 qconf -sh

# before the execution daemon starts, so that it starts with these
qconf -sh | grep -qx "$master" || qconf -ah "$master"
qconf -ss 2>/dev/null | grep -qx "$master" || qconf -as "$master"
qconf -sconf | sed -e 's/^min_uid .*/min_uid 0/' -e 's/^min_gid .*/min_gid 0/' \
  -e 's/flush_time=[0-9:]*/flush_time=00:00:01/' > "$scratch/global" # the file's name says what it sets
qconf -Mconf "$scratch/global"
qconf -ssconf | sed -e 's/^schedule_interval .*/schedule_interval 0:0:1/' \
  -e 's/^flush_submit_sec .*/flush_submit_sec 1/' -e 's/^flush_finish_sec .*/flush_finish_sec 1/' \
  -e 's/^job_load_adjustments .*/job_load_adjustments NONE/' \
  -e 's/^schedd_job_info .*/schedd_job_info true/' > "$scratch/scheduler"
qconf -Msconf "$scratch/scheduler"

printf 'group_name @allhosts\nhostlist %s\n' "$master" > "$scratch/hosts"
if qconf -shgrpl 2>/dev/null | grep -qx @allhosts; then qconf -Mhgrp "$scratch/hosts"; else qconf -Ahgrp "$scratch/hosts"; fi
cat > "$scratch/pe" <<'END'
pe_name pe_mth
slots 999
user_lists NONE
xuser_lists NONE
start_proc_args NONE
stop_proc_args NONE
allocation_rule $pe_slots
control_slaves FALSE
job_is_first_task TRUE
urgency_slots min
accounting_summary FALSE
qsort_args NONE
END
qconf -spl 2>/dev/null | grep -qx pe_mth || qconf -Ap "$scratch/pe"
for queue in all.q:4 q1d:2; do
  name=${queue%:*}
  qconf -sql 2>/dev/null | grep -qx "$name" && continue
  # no load threshold: it would stop a busy test machine
  qconf -sq | sed -e "s/^qname .*/qname $name/" -e 's/^hostlist .*/hostlist @allhosts/' \
    -e "s/^slots .*/slots ${queue#*:}/" -e 's/^load_thresholds .*/load_thresholds NONE/' \
    -e 's/^pe_list .*/pe_list pe_mth/' > "$scratch/queue"
  qconf -Aq "$scratch/queue"
done

# jobs inherit the daemon's environment: let it be empty
runs /var/run/gridengine/execd.pid || runs "$spool/execd/$master/execd.pid" ||
  env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/ LANG=C.UTF-8 \
    /etc/init.d/gridengine-exec start
qmod -c '*' >/dev/null 2>&1 || true # a queue that an earlier start left in error
await 60 queues_are_fine
qsub -b y -shell n -sync y -o /dev/null -j y -N celltest /bin/true
