-- From which attempt on the retries of a task count: a resubmission gives it all of them anew.
ALTER TABLE task ADD COLUMN first_attempt INTEGER NOT NULL DEFAULT 1;
UPDATE task SET first_attempt = attempt WHERE finished_at IS NULL;
