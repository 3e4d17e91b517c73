"""Random commands by several real processes, and an oracle that knows only what can be seen from outside.

A seed gives a sequence of operations (`plan`): jobs with all kinds of dependencies, throttles, retries and
timeouts are submitted, executed by several processes at once, stopped, resubmitted, deleted and listed, while
executes and other commands are killed, interrupted and suspended. `driver` carries them out through the real
command line. What happened is one file, the journal: tasks append a line when they begin and when they end
(`task.sh`), the driver one before each command and each signal, and one after each command's end. The kernel
orders lines that are appended, so no clock is needed. What the tasks wrote, and what `list --json` said, is
then compared with what may be (`oracle`).

Nothing here imports asyncjman or reads its database: what is wrong in there can't hide what it did.

The sequence of operations repeats with the seed; the moments at which real processes meet don't. A seed that
failed once fails again often, not always: run it some times.

    python -m tests.faults.model SEED [SECONDS]
"""
