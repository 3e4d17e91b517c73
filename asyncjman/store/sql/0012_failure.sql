-- What failures have in common, once for all attempts of which it is true.
CREATE TABLE signature (
    id    INTEGER PRIMARY KEY,
    -- a few letters, made from the two below
    name  TEXT NOT NULL,
    cause TEXT NOT NULL,
    text  TEXT NOT NULL,
    UNIQUE (cause, text)
);
CREATE INDEX signature_name ON signature (name);

-- What is kept of an attempt that failed: its signature, and the end of its standard error (zlib).
CREATE TABLE failure (
    job_id    INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    task_id   INTEGER NOT NULL,
    attempt   INTEGER NOT NULL,
    signature INTEGER NOT NULL,
    errors    BLOB
);
-- it has all that groups are made of: the rows are long
CREATE UNIQUE INDEX failure_attempt ON failure (job_id, task_id, attempt, signature);
