# The command of every job: says when it begins and when it ends, and holds a lock as long as it lives.
#   sh task.sh JOB SECONDS HOW THROTTLE
# Nothing here is slow: two processes beside the shell at most, whose ends the kernel makes known by the lock.
job=$1 seconds=$2 how=$3 throttle=$4
case $SGE_TASK_ID in undefined) task=0 ;; *) task=$SGE_TASK_ID ;; esac

say() {
    read -r now idle </proc/uptime
    echo "$1 $job $task $JMAN_ATTEMPT $MODEL_EXECUTE $$ $now $2" >>journal
}

[ "$how" = stubborn ] && trap '' TERM

# the lock is this shell's alone (children get no copy), so it is free when the shell has ended;
# status 1 is "somebody else has it", any other one is a flock that was killed
exec 9>>"locks/$job.$task"
flock -n 9
[ $? = 1 ] && say twice
say begin

# the same for each place under the throttle: also what a killed execute left holds one
if [ "$throttle" != 0 ]; then
    found=
    for round in 1 2 3; do
        place=1
        while [ -z "$found" ] && [ $place -le "$throttle" ]; do
            exec 8>>"locks/$job.place$place"
            flock -n 8
            [ $? = 1 ] || found=$place
            place=$((place + 1))
        done
        [ -n "$found" ] && break
        sleep 0.05 8>&- 9>&-
    done
    [ -n "$found" ] || say crowd
fi

[ "$seconds" = 0 ] || sleep "$seconds" 8>&- 9>&-
code=0
case $how in
    fail) code=3 ;;
    odd) code=$((task % 2 * 4)) ;;
    first) [ "$JMAN_ATTEMPT" = 1 ] && code=5 ;;
    turns) code=$((JMAN_ATTEMPT % 2 * 6)) ;;
    crash) code=$((JMAN_ATTEMPT % 2 * 137)) ;;
esac
say end $code
[ $code = 137 ] && kill -9 $$
exit $code
