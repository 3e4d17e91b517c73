-- Values that make no sense can't be stored. The views say what that is; the triggers refuse it, and what
-- got in all the same is found by the views. One view for what was asked for, one for how it stands: a job
-- that was odd before this was refused can still be stopped or deleted. Of JSON only the outer form is looked
-- at: SQLite's functions for it are not to be used in a schema that isn't trusted.

-- Times were stored as they were given, "2h" too.
UPDATE job SET timeout = CAST(timeout AS REAL)
        * CASE substr(timeout, -1) WHEN 'm' THEN 60 WHEN 'h' THEN 3600 WHEN 'd' THEN 86400 ELSE 1 END
    WHERE typeof(timeout) = 'text' AND timeout GLOB '[0-9]*[smhd]'
    AND substr(timeout, 1, length(timeout) - 1) NOT GLOB '*[^0-9. ]*';
UPDATE job SET retry = substr(retry, 1, instr(retry, '"delay": ') + 8) || CAST(
        CAST(json_extract(retry, '$.delay') AS REAL) * CASE substr(json_extract(retry, '$.delay'), -1)
            WHEN 'm' THEN 60 WHEN 'h' THEN 3600 WHEN 'd' THEN 86400 ELSE 1 END AS TEXT) || '}'
    WHERE CASE WHEN json_valid(retry) THEN json_type(retry, '$.delay') = 'text'
        AND json_extract(retry, '$.delay') GLOB '[0-9]*[smhd0-9]'
        AND rtrim(json_extract(retry, '$.delay'), 'smhd') NOT GLOB '*[^0-9. ]*' END;

CREATE VIEW odd_job AS SELECT id AS job_id, CASE
    WHEN typeof(executor) <> 'text' THEN 'executor'
    WHEN typeof(queue) NOT IN ('text', 'blob') THEN 'queue'
    WHEN typeof(name) NOT IN ('text', 'blob') THEN 'name'
    WHEN NOT (array IS NULL OR typeof(array) = 'text' AND array GLOB '[1-9]*'
        AND array NOT GLOB '*[^0-9,:%-]*' AND array NOT GLOB '*[%][^1-9]*') THEN 'array'
    WHEN stop_on_failure NOT IN (0, 1) THEN 'stop_on_failure'
    WHEN typeof(command) <> 'text' OR command NOT GLOB '[[]"*"]' THEN 'command'
    WHEN NOT (typeof(interpreter) = 'text' AND (interpreter = '[]' OR interpreter GLOB '[[]"*"]'))
        THEN 'interpreter'
    WHEN typeof(exec_dir) NOT IN ('text', 'blob') THEN 'exec_dir'
    WHEN typeof(log_dir) NOT IN ('text', 'blob', 'null') THEN 'log_dir'
    WHEN NOT (typeof(environment) = 'text' AND (environment = '{}' OR environment GLOB '{"*": "*"}'))
        THEN 'environment'
    WHEN typeof(git_commit) NOT IN ('text', 'null') THEN 'git_commit'
    WHEN NOT (git_dirty IS NULL OR git_dirty IN (0, 1)) THEN 'git_dirty'
    WHEN NOT (sweep IS NULL OR typeof(sweep) = 'text' AND sweep GLOB '{"columns": [[]*], "paired": *}')
        THEN 'sweep'
    WHEN NOT (retry IS NULL OR typeof(retry) = 'text'
        AND retry GLOB '{"count": [0-9]*, "causes": [[]*], "delay": [0-9]*}'
        AND retry NOT GLOB '*"delay": *[^-+.0-9e]*}') THEN 'retry'
    WHEN NOT (timeout IS NULL OR typeof(timeout) = 'real' AND timeout >= 0 AND timeout < 9e999) THEN 'timeout'
    WHEN NOT (typeof(token) = 'text' AND token NOT GLOB '*[^0-9a-f]*') THEN 'token'
    WHEN NOT (resources IS NULL OR typeof(resources) = 'text' AND resources GLOB '{*}') THEN 'resources'
    END AS what FROM job;

CREATE VIEW odd_standing AS SELECT id AS job_id, CASE
    WHEN rest NOT IN ('submitted', 'waiting', 'queued', 'executing', 'success', 'failure', 'stopped',
        'skipped') THEN 'rest'
    WHEN NOT (typeof(next_index) = 'integer' AND next_index >= 0) THEN 'next_index'
    WHEN NOT (typeof(task_count) = 'integer' AND task_count > 0) THEN 'task_count'
    WHEN NOT (typeof(submitted_at) = 'real' AND submitted_at BETWEEN 0 AND 1e11) THEN 'submitted_at'
    WHEN NOT (started_at IS NULL OR typeof(started_at) = 'real' AND started_at BETWEEN 0 AND 1e11)
        THEN 'started_at'
    WHEN NOT (finished_at IS NULL OR typeof(finished_at) = 'real' AND finished_at BETWEEN 0 AND 1e11)
        THEN 'finished_at'
    END AS what FROM job;

CREATE TRIGGER job_refused AFTER INSERT ON job
    WHEN EXISTS (SELECT 1 FROM odd_job WHERE job_id = new.id AND what IS NOT NULL)
    OR EXISTS (SELECT 1 FROM odd_standing WHERE job_id = new.id AND what IS NOT NULL) BEGIN
    SELECT RAISE(ABORT, 'a value of a job makes no sense');
END;
CREATE TRIGGER job_change_refused AFTER UPDATE OF executor, queue, name, array, stop_on_failure, command,
    interpreter, exec_dir, log_dir, environment, sweep, retry, timeout, token, resources ON job
    WHEN EXISTS (SELECT 1 FROM odd_job WHERE job_id = new.id AND what IS NOT NULL) BEGIN
    SELECT RAISE(ABORT, 'a value of a job makes no sense');
END;
CREATE TRIGGER standing_refused AFTER UPDATE OF rest, next_index, task_count, submitted_at, started_at,
    finished_at ON job
    WHEN EXISTS (SELECT 1 FROM odd_standing WHERE job_id = new.id AND what IS NOT NULL) BEGIN
    SELECT RAISE(ABORT, 'a value of a job makes no sense');
END;
-- Of tasks there are very many: their rows are looked at without a view.
CREATE TRIGGER task_refused AFTER INSERT ON task WHEN
    NOT (new.task_id >= 0 AND typeof(new.task_id) = 'integer' AND new.status IN ('submitted', 'waiting',
        'queued', 'executing', 'success', 'failure', 'stopped', 'skipped')
    AND new.attempt > 0 AND typeof(new.attempt) = 'integer'
    AND (new.stop IS NULL OR new.stop IN (0, 1))
    AND (new.pid IS NULL OR typeof(new.pid) = 'integer')
    AND (new.exit_status IS NULL OR typeof(new.exit_status) = 'integer'
        AND (new.exit_status = 0 OR new.status <> 'success'))
    AND (new.signal IS NULL OR typeof(new.signal) = 'integer')
    AND (new.started_at IS NULL OR typeof(new.started_at) = 'real' AND new.started_at BETWEEN 0 AND 1e11)
    AND (new.finished_at IS NULL OR typeof(new.finished_at) = 'real' AND new.finished_at BETWEEN 0 AND 1e11)
    AND (new.cpu_seconds IS NULL OR typeof(new.cpu_seconds) = 'real' AND new.cpu_seconds >= 0)
    AND (new.peak_memory_bytes IS NULL OR typeof(new.peak_memory_bytes) = 'integer')) BEGIN
    SELECT RAISE(ABORT, 'a value of a task makes no sense');
END;
CREATE TRIGGER task_change_refused AFTER UPDATE ON task WHEN
    NOT (new.task_id >= 0 AND typeof(new.task_id) = 'integer' AND new.status IN ('submitted', 'waiting',
        'queued', 'executing', 'success', 'failure', 'stopped', 'skipped')
    AND new.attempt > 0 AND typeof(new.attempt) = 'integer'
    AND (new.stop IS NULL OR new.stop IN (0, 1))
    AND (new.pid IS NULL OR typeof(new.pid) = 'integer')
    AND (new.exit_status IS NULL OR typeof(new.exit_status) = 'integer'
        AND (new.exit_status = 0 OR new.status <> 'success'))
    AND (new.signal IS NULL OR typeof(new.signal) = 'integer')
    AND (new.started_at IS NULL OR typeof(new.started_at) = 'real' AND new.started_at BETWEEN 0 AND 1e11)
    AND (new.finished_at IS NULL OR typeof(new.finished_at) = 'real' AND new.finished_at BETWEEN 0 AND 1e11)
    AND (new.cpu_seconds IS NULL OR typeof(new.cpu_seconds) = 'real' AND new.cpu_seconds >= 0)
    AND (new.peak_memory_bytes IS NULL OR typeof(new.peak_memory_bytes) = 'integer')) BEGIN
    SELECT RAISE(ABORT, 'a value of a task makes no sense');
END;
CREATE TRIGGER dependency_refused AFTER INSERT ON dependency
    WHEN new.kind NOT IN ('any', 'ok', 'notok', 'corr') BEGIN
    SELECT RAISE(ABORT, 'a dependency of a job makes no sense');
END;
CREATE TRIGGER dependency_change_refused AFTER UPDATE ON dependency
    WHEN new.kind NOT IN ('any', 'ok', 'notok', 'corr') BEGIN
    SELECT RAISE(ABORT, 'a dependency of a job makes no sense');
END;
