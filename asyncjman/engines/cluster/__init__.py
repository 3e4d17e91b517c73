"""Batch systems: job scripts, records, one poll for all jobs, conclusions; each speaks a ``Dialect``."""
