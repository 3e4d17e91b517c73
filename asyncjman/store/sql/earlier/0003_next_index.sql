-- The index could be raised although the rows before it were not made: those tasks were never found again.
-- From 0 on it is found anew.
UPDATE job SET next_index = 0 WHERE array IS NOT NULL
    AND task_count > (SELECT coalesce(sum(count), 0) FROM tally WHERE job_id = job.id);
