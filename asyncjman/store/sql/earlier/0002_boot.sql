-- Which start of the machine `process_started` counts from; NULL: it is in seconds since 1970.
ALTER TABLE runner ADD COLUMN boot TEXT;
