"""``hyperqueue_array.py COUNT CORES``: run so many tasks, log files on; print the seconds to the last start.

Its Python is the one that has HyperQueue; starting its server and worker is not counted.
"""

# mypy: ignore-errors
from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from hyperqueue import Job
from hyperqueue.cluster import LocalCluster, WorkerConfig


def main() -> None:
    with tempfile.TemporaryDirectory() as server, LocalCluster(server) as cluster:
        cluster.start_worker(WorkerConfig(cores=int(sys.argv[2])))
        client = cluster.client()
        job = Job()
        for _ in range(int(sys.argv[1])):
            job.program(["/bin/true"])
        start = time.time()
        client.wait_for_jobs([client.submit(job)], raise_on_error=True)
    # its client looks once a second only; the last task's output file was made when that started
    print("seconds", max(file.stat().st_ctime for file in Path().glob("*.stdout")) - start)


main()
