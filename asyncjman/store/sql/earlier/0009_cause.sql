-- Why an attempt failed: a column of its own, where it was read from the words of the reason before.
ALTER TABLE task ADD COLUMN cause TEXT;
ALTER TABLE attempt ADD COLUMN cause TEXT;
UPDATE task SET cause = CASE
    WHEN reason LIKE 'timed out %' OR reason LIKE 'a limit of the queue %' THEN 'timeout'
    WHEN reason LIKE 'vanished %' THEN 'vanished'
    WHEN reason LIKE 'lost by %' OR reason LIKE 'the jman that %' THEN 'node'
    WHEN reason LIKE 'it could not be started: %' THEN 'launch'
    WHEN signal IS NOT NULL THEN 'signal'
    ELSE 'exit' END
    WHERE status = 'failure';
UPDATE attempt SET cause = CASE
    WHEN reason LIKE 'timed out %' OR reason LIKE 'a limit of the queue %' THEN 'timeout'
    WHEN reason LIKE 'vanished %' THEN 'vanished'
    WHEN reason LIKE 'lost by %' OR reason LIKE 'the jman that %' THEN 'node'
    WHEN reason LIKE 'it could not be started: %' THEN 'launch'
    WHEN signal IS NOT NULL THEN 'signal'
    ELSE 'exit' END
    WHERE status = 'failure';
