-- The rows of the last of the earlier versions; status_count is kept by the triggers.
DELETE FROM meta;
INSERT INTO meta SELECT revision, token FROM old_clock;
INSERT INTO home SELECT uid, inode, volume, path, machine FROM old_home;
INSERT INTO engine SELECT 'sge', cluster_seen FROM old_clock WHERE cluster_seen IS NOT NULL;
INSERT INTO job (id, default_status, next_index, task_count, revision, submitted_at, started_at, finished_at,
        engine, queue, name, array, stop_on_failure, command, interpreter, exec_dir, log_dir, environment,
        git_commit, git_dirty, sweep, retry, timeout, token, resources)
    SELECT id, rest, next_index, task_count, revision, submitted_at, started_at, finished_at,
        executor, queue, name, array, stop_on_failure, command, interpreter, exec_dir, log_dir, environment,
        git_commit, git_dirty, sweep, retry, timeout, token, resources FROM old_job;
INSERT INTO deleted_job SELECT job_id, revision FROM old_gone;
INSERT INTO dependency SELECT job_id, on_job, kind FROM old_dependency;
INSERT INTO runner (id, token, host, pid, process_started, started_at, boot, namespace, lock, tasks_lock)
    SELECT id, token, host, pid, process_started, started_at, boot, namespace, lock, tasks_lock FROM old_runner;
INSERT INTO task (job_id, task_id, status, attempt, first_attempt, runner, pid, stop, exit_status, signal, cause,
        reason, host, started_at, finished_at, cpu_seconds, peak_memory_bytes, missing_since)
    SELECT job_id, task_id, status, attempt, first_attempt, runner, pid, stop, exit_status, signal, cause,
        reason, host, started_at, finished_at, cpu_seconds, peak_memory_bytes, missing_since FROM old_task;
INSERT INTO attempt (job_id, task_id, attempt, status, exit_status, signal, cause, reason, host, started_at,
        finished_at, cpu_seconds, peak_memory_bytes)
    SELECT job_id, task_id, attempt, status, exit_status, signal, cause, reason, host, started_at,
        finished_at, cpu_seconds, peak_memory_bytes FROM old_attempt;
INSERT INTO submission (id, job_id, engine, token, created_at, host, pid, native_id, task_map, active,
        engine_state, accounted)
    SELECT one.id, job_id, executor, one.token, created_at, host, pid, CAST(grid_id AS TEXT), mapped, active,
        note, accounted FROM old_submission AS one JOIN old_job ON old_job.id = job_id;
INSERT INTO removal (id, kind, job_id, exec_dir, log_start, tasks, attempt, with_folder, token)
    SELECT id, kind, job_id, exec_dir, log_start, tasks, attempt, with_folder, token FROM old_removal;
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence SELECT name, seq FROM old_sqlite_sequence;
