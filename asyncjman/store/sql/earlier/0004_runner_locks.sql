-- How it is proven that a runner is dead; all of it may be unknown (NULL).
-- The pid namespace, and that of its clock, in which `pid` and `process_started` count.
ALTER TABLE runner ADD COLUMN namespace TEXT;
-- The file that it has locked as long as it lives, as DEVICE:INODE.
ALTER TABLE runner ADD COLUMN lock TEXT;
-- The file that it, and each of its tasks, has locked as long as any of them lives.
ALTER TABLE runner ADD COLUMN tasks_lock TEXT;
