-- Data only: nothing in here is ever executed or unpickled.
-- Texts that are no UTF-8 (file names may be anything) are stored as BLOB, lists and maps as ASCII JSON.
-- Times are seconds since 1970, memory is in bytes.

-- One row: the number of the latest write transaction, and a name that no other database has.
CREATE TABLE meta (revision INTEGER NOT NULL, token TEXT NOT NULL);
INSERT INTO meta VALUES (0, lower(hex(randomblob(4))));

-- Which file this is, to tell a copy from the original: a copy must not send, follow or delete the original's
-- jobs. One row.
CREATE TABLE home (
    -- whose it is, as the machine itself numbers users
    uid     INTEGER NOT NULL,
    inode   INTEGER NOT NULL,
    -- of the file system, as far as it has one
    volume  INTEGER NOT NULL,
    path    TEXT NOT NULL,
    machine TEXT NOT NULL
);

-- What is known of engines whose tasks survive us.
CREATE TABLE engine (
    name         TEXT PRIMARY KEY,
    -- when it last answered
    last_contact REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE job (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    -- of every task that has no row of its own in `task`: a new array of a million tasks is this one row
    default_status  TEXT NOT NULL,
    -- the tasks of the array before this index (from 0) have rows of their own
    next_index      INTEGER NOT NULL DEFAULT 0,
    task_count      INTEGER NOT NULL,
    -- of the transaction that last changed what other processes must notice
    revision        INTEGER NOT NULL,
    submitted_at    REAL NOT NULL,
    started_at      REAL,
    -- set when the last task finished: a job is open until then
    finished_at     REAL,
    -- what runs its tasks
    engine          TEXT NOT NULL,
    queue           TEXT NOT NULL,
    name            TEXT NOT NULL,
    array           TEXT,
    stop_on_failure INTEGER NOT NULL,
    command         TEXT NOT NULL,
    interpreter     TEXT NOT NULL,
    exec_dir        TEXT NOT NULL,
    log_dir         TEXT,
    environment     TEXT NOT NULL,
    git_commit      TEXT,
    git_dirty       INTEGER,
    sweep           TEXT,
    retry           TEXT,
    -- seconds that an attempt may take
    timeout         REAL,
    -- tells it from any other job ever; names its spool folder
    token           TEXT NOT NULL,
    -- what is asked for, as JSON
    resources       TEXT
);
CREATE INDEX job_open ON job (id) WHERE finished_at IS NULL;
CREATE INDEX job_revision ON job (revision);

-- Jobs that were deleted, for the processes that still wait for them.
CREATE TABLE deleted_job (
    job_id   INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL
);
CREATE INDEX deleted_job_revision ON deleted_job (revision);

CREATE TABLE dependency (
    job_id INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    on_job INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    kind   TEXT NOT NULL,
    PRIMARY KEY (job_id, on_job, kind)
) WITHOUT ROWID;
CREATE INDEX dependency_on_job ON dependency (on_job);

-- A process that runs local tasks. How it is proven that it is dead may be unknown (NULL).
CREATE TABLE runner (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    -- in the environment of each process that it starts
    token           TEXT NOT NULL,
    host            TEXT NOT NULL,
    pid             INTEGER NOT NULL,
    process_started REAL NOT NULL,
    started_at      REAL NOT NULL,
    -- which start of the machine `process_started` counts from; NULL: it is in seconds since 1970
    boot            TEXT,
    -- the pid namespace, and that of its clock, in which `pid` and `process_started` count
    namespace       TEXT,
    -- the file that it has locked as long as it lives, as DEVICE:INODE
    lock            TEXT,
    -- the file that it, and each of its tasks, has locked as long as any of them lives
    tasks_lock      TEXT
);

-- The latest attempt of each task that is not just as `job.default_status` says.
CREATE TABLE task (
    job_id            INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    -- 0: the one task of a job with no array
    task_id           INTEGER NOT NULL,
    status            TEXT NOT NULL,
    attempt           INTEGER NOT NULL,
    -- from which attempt on its retries count: a resubmission gives it all of them anew
    first_attempt     INTEGER NOT NULL DEFAULT 1,
    -- who claimed it; no reference: the rows of runners that ended are deleted
    runner            INTEGER,
    pid               INTEGER,
    -- 1: a user asked to stop it
    stop              INTEGER,
    exit_status       INTEGER,
    signal            INTEGER,
    -- why it failed: exit, signal, timeout, memory, node, launch, vanished
    cause             TEXT,
    reason            TEXT,
    host              TEXT,
    started_at        REAL,
    finished_at       REAL,
    cpu_seconds       REAL,
    peak_memory_bytes INTEGER,
    -- since when its engine doesn't list it any more, although nothing says that it ended
    missing_since     REAL,
    PRIMARY KEY (job_id, task_id)
) WITHOUT ROWID;
CREATE INDEX task_unfinished ON task (job_id, task_id) WHERE finished_at IS NULL;
CREATE INDEX task_to_stop ON task (runner) WHERE stop = 1;
CREATE INDEX task_missing ON task (job_id) WHERE missing_since IS NOT NULL AND finished_at IS NOT NULL;
CREATE INDEX task_failed ON task (job_id, task_id) WHERE status = 'failure';

-- Attempts before the latest one.
CREATE TABLE attempt (
    job_id            INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    task_id           INTEGER NOT NULL,
    attempt           INTEGER NOT NULL,
    status            TEXT NOT NULL,
    exit_status       INTEGER,
    signal            INTEGER,
    cause             TEXT,
    reason            TEXT,
    host              TEXT,
    started_at        REAL,
    finished_at       REAL,
    cpu_seconds       REAL,
    peak_memory_bytes INTEGER,
    PRIMARY KEY (job_id, task_id, attempt)
) WITHOUT ROWID;

-- One launch of a job, or of some of its tasks, on an engine whose tasks survive us. The row comes first, the
-- engine's command after it: what was killed in between is found by the token.
CREATE TABLE submission (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id       INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    engine       TEXT NOT NULL,
    token        TEXT NOT NULL,
    created_at   REAL NOT NULL,
    -- the process that makes it
    host         TEXT NOT NULL,
    pid          INTEGER NOT NULL,
    -- the engine's own number; NULL: it is not known yet whether it was taken
    native_id    TEXT,
    -- the task ids that the engine's numbers 1, 2, 3... stand for, as JSON; NULL: they are the task ids
    task_map     TEXT,
    -- the tasks that are taken back, as JSON: the engine is told to end them, and they are to be sent again.
    -- Where it isn't active, not NULL: its job ended here, and the engine may still have it
    taken_back   TEXT,
    -- 1 until all its tasks ended
    active       INTEGER NOT NULL DEFAULT 1,
    -- what the engine says beyond our status: error, suspended, held
    engine_state TEXT,
    -- 1 once its tasks' usage is known from accounting, or will never be
    accounted    INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX submission_active ON submission (job_id) WHERE active = 1;
CREATE INDEX submission_given_up ON submission (job_id) WHERE active = 0 AND taken_back IS NOT NULL;
CREATE INDEX submission_unaccounted ON submission (job_id) WHERE active = 0 AND accounted = 0;
CREATE INDEX submission_job ON submission (job_id);
CREATE INDEX submission_native_id ON submission (CAST(native_id AS INTEGER));

-- Files that are to be removed: stored in the transaction that makes them so, and removed after it, by the
-- next process if this one is killed.
CREATE TABLE removal (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    -- logs: those of the tasks below; spool: the folder for the files of a job; database: the file itself
    kind        TEXT NOT NULL CHECK (kind IN ('logs', 'spool', 'database')),
    -- no reference: the row of a deleted job is not there
    job_id      INTEGER NOT NULL,
    -- where the job was to run, and the beginning of the paths of its logs
    exec_dir    TEXT,
    log_start   TEXT,
    -- 1-4,7 and the number of the latest attempt
    tasks       TEXT,
    attempt     INTEGER,
    -- 1: the folder of the logs, too, where it is empty then
    with_folder INTEGER,
    token       TEXT CHECK (token NOT GLOB '*[^0-9a-f]*')
);

-- How many rows of `task` are in each status and what they used, kept by the triggers below.
CREATE TABLE status_count (
    job_id            INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    status            TEXT NOT NULL,
    count             INTEGER NOT NULL,
    cpu_seconds       REAL NOT NULL,
    peak_memory_bytes INTEGER NOT NULL,
    PRIMARY KEY (job_id, status)
) WITHOUT ROWID;

CREATE TRIGGER task_inserted AFTER INSERT ON task BEGIN
    INSERT INTO status_count VALUES (new.job_id, new.status, 1, coalesce(new.cpu_seconds, 0),
                              coalesce(new.peak_memory_bytes, 0))
        ON CONFLICT DO UPDATE SET count = count + 1,
            cpu_seconds = cpu_seconds + excluded.cpu_seconds,
            peak_memory_bytes = max(peak_memory_bytes, excluded.peak_memory_bytes);
END;
CREATE TRIGGER task_changed AFTER UPDATE OF status ON task WHEN new.status <> old.status BEGIN
    UPDATE status_count SET count = count - 1, cpu_seconds = cpu_seconds - coalesce(old.cpu_seconds, 0)
        WHERE job_id = old.job_id AND status = old.status;
    INSERT INTO status_count VALUES (new.job_id, new.status, 1, coalesce(new.cpu_seconds, 0),
                              coalesce(new.peak_memory_bytes, 0))
        ON CONFLICT DO UPDATE SET count = count + 1,
            cpu_seconds = cpu_seconds + excluded.cpu_seconds,
            peak_memory_bytes = max(peak_memory_bytes, excluded.peak_memory_bytes);
END;
CREATE TRIGGER task_deleted AFTER DELETE ON task BEGIN
    UPDATE status_count SET count = count - 1, cpu_seconds = cpu_seconds - coalesce(old.cpu_seconds, 0)
        WHERE job_id = old.job_id AND status = old.status;
END;

-- Values that make no sense can't be stored. The views say what that is; the triggers refuse it, and what
-- got in all the same is found by the views. One view for what was asked for, one for how it stands: a job
-- that was invalid before this was refused can still be stopped or deleted. Of JSON only the outer form is
-- checked: SQLite's functions for it are not to be used in a schema that isn't trusted.
CREATE VIEW invalid_job AS SELECT id AS job_id, CASE
    WHEN typeof(engine) <> 'text' THEN 'engine'
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

CREATE VIEW invalid_state AS SELECT id AS job_id, CASE
    WHEN default_status NOT IN ('submitted', 'waiting', 'queued', 'executing', 'success', 'failure', 'stopped',
        'skipped') THEN 'default_status'
    WHEN NOT (typeof(next_index) = 'integer' AND next_index >= 0) THEN 'next_index'
    WHEN NOT (typeof(task_count) = 'integer' AND task_count > 0) THEN 'task_count'
    WHEN NOT (typeof(submitted_at) = 'real' AND submitted_at BETWEEN 0 AND 1e11) THEN 'submitted_at'
    WHEN NOT (started_at IS NULL OR typeof(started_at) = 'real' AND started_at BETWEEN 0 AND 1e11)
        THEN 'started_at'
    WHEN NOT (finished_at IS NULL OR typeof(finished_at) = 'real' AND finished_at BETWEEN 0 AND 1e11)
        THEN 'finished_at'
    END AS what FROM job;

CREATE TRIGGER job_refused AFTER INSERT ON job
    WHEN EXISTS (SELECT 1 FROM invalid_job WHERE job_id = new.id AND what IS NOT NULL)
    OR EXISTS (SELECT 1 FROM invalid_state WHERE job_id = new.id AND what IS NOT NULL) BEGIN
    SELECT RAISE(ABORT, 'a value of a job makes no sense');
END;
CREATE TRIGGER job_change_refused AFTER UPDATE OF engine, queue, name, array, stop_on_failure, command,
    interpreter, exec_dir, log_dir, environment, sweep, retry, timeout, token, resources ON job
    WHEN EXISTS (SELECT 1 FROM invalid_job WHERE job_id = new.id AND what IS NOT NULL) BEGIN
    SELECT RAISE(ABORT, 'a value of a job makes no sense');
END;
CREATE TRIGGER state_refused AFTER UPDATE OF default_status, next_index, task_count, submitted_at, started_at,
    finished_at ON job
    WHEN EXISTS (SELECT 1 FROM invalid_state WHERE job_id = new.id AND what IS NOT NULL) BEGIN
    SELECT RAISE(ABORT, 'a value of a job makes no sense');
END;
-- Of tasks there are very many: their rows are checked without a view.
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
