-- The Python environment that a job was submitted from, and where its program was found, as JSON.
ALTER TABLE job ADD COLUMN origin TEXT CHECK (origin IS NULL OR typeof(origin) = 'text' AND origin GLOB '{"*": "*"}');
-- What was different where an attempt failed, in words.
ALTER TABLE failure ADD COLUMN drift TEXT;
