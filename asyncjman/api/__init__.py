"""All that a program, ours or a user's own, does with jobs."""

from asyncjman.api.manager import JobManager

__all__ = ["JobManager"]
