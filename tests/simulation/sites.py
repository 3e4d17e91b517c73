"""The batch systems that there are in a history, and what each can do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SiteRules:
    """One of them."""

    name: str
    holds: bool
    """Whether it can hold a job for others."""
    max_array: int
    """How many tasks it takes in one submission."""
    accounting: bool
    slots: int


SITES = {
    one.name: one
    for one in (
        SiteRules("north", holds=True, max_array=1000, accounting=True, slots=4),
        SiteRules("south", holds=False, max_array=4, accounting=False, slots=6),
    )
}
