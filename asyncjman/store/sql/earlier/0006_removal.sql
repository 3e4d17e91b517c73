-- Files that are to be removed: stored in the transaction that makes them so, and carried out after it,
-- by the next process if this one is killed.
CREATE TABLE removal (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    -- logs: those of the tasks below; spool: the folder for the files of a job; database: the file itself
    kind        TEXT NOT NULL CHECK (kind IN ('logs', 'spool', 'database')),
    -- no reference: a job that was deleted is gone
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
