"""All that a program, ours or a user's own, does with jobs."""
