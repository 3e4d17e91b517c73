-- Data only: nothing in here is ever executed or unpickled.
-- Texts that are no UTF-8 (file names may be anything) are stored as BLOB, lists and maps as ASCII JSON.
-- Times are seconds since 1970, memory is in bytes.

-- One row: the number of the latest write transaction, a name that no other database has, and when the
-- cluster last answered.
CREATE TABLE clock (revision INTEGER NOT NULL, token TEXT NOT NULL, cluster_seen REAL);
INSERT INTO clock VALUES (0, lower(hex(randomblob(4))), NULL);

CREATE TABLE job (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    -- of every task that has no row of its own in `task`: a new array of a million tasks is this one row
    rest            TEXT NOT NULL,
    -- the tasks of the array before this index (from 0) have rows of their own
    next_index      INTEGER NOT NULL DEFAULT 0,
    task_count      INTEGER NOT NULL,
    -- of the transaction that last changed what other processes must hear of
    revision        INTEGER NOT NULL,
    submitted_at    REAL NOT NULL,
    started_at      REAL,
    -- set when the last task finished: a job is open until then
    finished_at     REAL,
    executor        TEXT NOT NULL,
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
    timeout         REAL,
    token           TEXT NOT NULL,
    -- options that a cluster is asked with, as JSON
    resources       TEXT
);
CREATE INDEX job_open ON job (id) WHERE finished_at IS NULL;
CREATE INDEX job_revision ON job (revision);

-- Jobs that were deleted, for the processes that still wait for them.
CREATE TABLE gone (
    job_id   INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL
);
CREATE INDEX gone_revision ON gone (revision);

CREATE TABLE dependency (
    job_id INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    on_job INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    kind   TEXT NOT NULL,
    PRIMARY KEY (job_id, on_job, kind)
) WITHOUT ROWID;
CREATE INDEX dependency_on_job ON dependency (on_job);

-- A process that runs local tasks.
CREATE TABLE runner (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    -- in the environment of each process that it starts
    token           TEXT NOT NULL,
    host            TEXT NOT NULL,
    pid             INTEGER NOT NULL,
    process_started REAL NOT NULL,
    started_at      REAL NOT NULL
);

-- The latest attempt of each task that is not just as `job.rest` says.
CREATE TABLE task (
    job_id            INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    -- 0: the one task of a job with no array
    task_id           INTEGER NOT NULL,
    status            TEXT NOT NULL,
    attempt           INTEGER NOT NULL,
    -- who took it up; no reference: runners that ended are gone
    runner            INTEGER,
    pid               INTEGER,
    -- 1: its runner is asked to stop it
    stop              INTEGER,
    exit_status       INTEGER,
    signal            INTEGER,
    reason            TEXT,
    host              TEXT,
    started_at        REAL,
    finished_at       REAL,
    cpu_seconds       REAL,
    peak_memory_bytes INTEGER,
    -- since when the cluster doesn't list it any more, although nothing says that it ended
    missing_since     REAL,
    PRIMARY KEY (job_id, task_id)
) WITHOUT ROWID;
CREATE INDEX task_unfinished ON task (job_id, task_id) WHERE finished_at IS NULL;
CREATE INDEX task_to_stop ON task (runner) WHERE stop = 1;
CREATE INDEX task_missing ON task (job_id) WHERE missing_since IS NOT NULL AND finished_at IS NOT NULL;
CREATE INDEX task_failed ON task (job_id, task_id) WHERE status = 'failure';

-- One call of a cluster's submit command for a job. The row comes first, the call after it: what was
-- killed in between is found by the token, which is in the job's name on the cluster.
CREATE TABLE submission (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id     INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    token      TEXT NOT NULL,
    created_at REAL NOT NULL,
    -- the process that makes the call
    host       TEXT NOT NULL,
    pid        INTEGER NOT NULL,
    grid_id    INTEGER,
    -- the task ids that the cluster's numbers 1, 2, 3... stand for, as JSON; NULL: they are the task ids
    mapped     TEXT,
    -- 1 until all its tasks ended
    active     INTEGER NOT NULL DEFAULT 1,
    -- what the cluster says beyond our status: error, suspended, held
    note       TEXT,
    -- 1 once its tasks' usage is known from accounting, or will never be
    accounted  INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX submission_active ON submission (job_id) WHERE active = 1;
CREATE INDEX submission_unaccounted ON submission (job_id) WHERE active = 0 AND accounted = 0;
CREATE INDEX submission_job ON submission (job_id);
CREATE INDEX submission_grid_id ON submission (grid_id);

-- Attempts before the latest one.
CREATE TABLE attempt (
    job_id            INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    task_id           INTEGER NOT NULL,
    attempt           INTEGER NOT NULL,
    status            TEXT NOT NULL,
    exit_status       INTEGER,
    signal            INTEGER,
    reason            TEXT,
    host              TEXT,
    started_at        REAL,
    finished_at       REAL,
    cpu_seconds       REAL,
    peak_memory_bytes INTEGER,
    PRIMARY KEY (job_id, task_id, attempt)
) WITHOUT ROWID;

-- How many rows of `task` are in each status and what they used, kept by the triggers below.
CREATE TABLE tally (
    job_id            INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    status            TEXT NOT NULL,
    count             INTEGER NOT NULL,
    cpu_seconds       REAL NOT NULL,
    peak_memory_bytes INTEGER NOT NULL,
    PRIMARY KEY (job_id, status)
) WITHOUT ROWID;

CREATE TRIGGER task_inserted AFTER INSERT ON task BEGIN
    INSERT INTO tally VALUES (new.job_id, new.status, 1, coalesce(new.cpu_seconds, 0),
                              coalesce(new.peak_memory_bytes, 0))
        ON CONFLICT DO UPDATE SET count = count + 1,
            cpu_seconds = cpu_seconds + excluded.cpu_seconds,
            peak_memory_bytes = max(peak_memory_bytes, excluded.peak_memory_bytes);
END;
CREATE TRIGGER task_changed AFTER UPDATE OF status ON task WHEN new.status <> old.status BEGIN
    UPDATE tally SET count = count - 1, cpu_seconds = cpu_seconds - coalesce(old.cpu_seconds, 0)
        WHERE job_id = old.job_id AND status = old.status;
    INSERT INTO tally VALUES (new.job_id, new.status, 1, coalesce(new.cpu_seconds, 0),
                              coalesce(new.peak_memory_bytes, 0))
        ON CONFLICT DO UPDATE SET count = count + 1,
            cpu_seconds = cpu_seconds + excluded.cpu_seconds,
            peak_memory_bytes = max(peak_memory_bytes, excluded.peak_memory_bytes);
END;
CREATE TRIGGER task_deleted AFTER DELETE ON task BEGIN
    UPDATE tally SET count = count - 1, cpu_seconds = cpu_seconds - coalesce(old.cpu_seconds, 0)
        WHERE job_id = old.job_id AND status = old.status;
END;
