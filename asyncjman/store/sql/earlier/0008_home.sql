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
