#!/usr/bin/env python3
"""A day of 200 experiments, of which 30 fail, with three kinds of faults.

jman --local submit --array 200 examples/day.py
jman --local execute --parallel 4
jman failures
"""

import os
import signal
import sys

experiment = int(os.environ["SGE_TASK_ID"])
if experiment % 11 == 0:
    raise ValueError(f"bad lr {experiment / 10} at {experiment * 7919:#x}")
if experiment % 23 == 0:
    sys.exit(f"/data/run_{experiment}.csv: no such data set")
if experiment % 50 == 0:
    os.kill(os.getpid(), signal.SIGKILL)  # as a machine does that runs out of memory
print(f"experiment {experiment} done")
