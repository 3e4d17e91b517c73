-- How many tasks it runs at once, which others may change; NULL: a program of its own, which is left alone.
ALTER TABLE runner ADD COLUMN parallel INTEGER;
-- The file that it writes to, where it was detached from its terminal.
ALTER TABLE runner ADD COLUMN output TEXT;
-- Since when jobs count that ended, seconds since 1970: the same for all that run side by side.
ALTER TABLE runner ADD COLUMN since REAL;
-- 1: a user asked it to end as Ctrl-C would.
ALTER TABLE runner ADD COLUMN stop INTEGER;
