"""Tasks as processes of this machine."""

from asyncjman.engines.local.engine import LocalEngine

__all__ = ["LocalEngine"]
