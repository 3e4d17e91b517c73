"""Tasks as processes of this machine."""

from asyncjman.executors.local.executor import LocalExecutor

__all__ = ["LocalExecutor"]
