"""The command line, as a user types it: real processes, real files."""
