"""What the tasks of a job may have been together, for the jobs that depend on it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.faults.model.plan import Job
from tests.faults.model.states import FINISHED, GONE, State, Status
from tests.faults.model.track import States, Track

_WELL = frozenset({Status.SUCCESS, Status.GONE_SUCCESS, Status.TAKEN_OUT})
_BADLY = frozenset({Status.FAILURE, Status.STOPPED, Status.GONE_FAILURE, Status.TAKEN_OUT})
_SKIPPED = frozenset({Status.SKIPPED, Status.GONE_SKIPPED, Status.TAKEN_OUT})
_ENDED = FINISHED | GONE | {Status.TAKEN_OUT}


class May(NamedTuple):
    """What a set of states allows."""

    well: bool
    badly: bool
    skipped: bool
    ended: bool
    gone: bool


class Summary(NamedTuple):
    """What may be true of a job at a place."""

    all_well: bool
    all_ended: bool
    all_gone: bool
    some_badly: bool
    some_skipped: bool
    not_just_skipped: bool
    """Whether what has ended may count as more than skipped: a failure, or nothing skipped."""


def may(states: States, applied: int | None) -> May:
    """``applied``: a command that must have taken effect."""
    found = {one.status for one in states if applied is None or applied in one.done}
    return May(
        bool(found & _WELL),
        bool(found & _BADLY),
        bool(found & _SKIPPED),
        bool(found & _ENDED),
        bool(found & (GONE | {Status.TAKEN_OUT})),
    )


@dataclass
class Standing:
    """A job, with the tracks of its tasks.

    Many questions ask for the moment after one command took effect: a resubmission that opened both a job
    and what it depends on opened that first, or both at once.
    """

    job: Job
    tracks: dict[int, Track]
    deleted_at: int | None
    """Where the first command was called that deletes it."""
    windows: dict[int, tuple[int, int]]
    """From where to where the commands run that may open its tasks."""
    _timelines: dict[int | None, tuple[list[int], list[Summary]]] = field(default_factory=dict)

    def _window(self, opener: int) -> int | None:
        return opener if opener in self.windows else None

    def timeline(self, opener: int | None) -> tuple[list[int], list[Summary]]:
        """Return places, and what may be from each on."""
        if opener not in self._timelines:
            self._timelines[opener] = self._make_timeline(opener)
        return self._timelines[opener]

    def _make_timeline(self, opener: int | None) -> tuple[list[int], list[Summary]]:
        first, last = self.windows[opener] if opener is not None else (0, -1)
        changes = [
            (place, task, states)
            for task, track in self.tracks.items()
            for place, states in zip(track.places, track.sets, strict=True)
        ]
        now: dict[int, May] = dict.fromkeys(self.tracks, may(frozenset([State(Status.ABSENT)]), None))
        places: list[int] = []
        summaries: list[Summary] = []
        for place, task, states in sorted(changes, key=lambda one: (one[0], one[1])):
            now[task] = may(states, opener if first <= place < last else None)
            found = summarize(list(now.values()))
            if places and places[-1] == place:
                summaries[-1] = found
            elif not summaries or summaries[-1] != found:
                places.append(place)
                summaries.append(found)
        return places, summaries

    def changes(self) -> list[int]:
        """Return the places where something changed for those that depend on it."""
        return self.timeline(None)[0]

    def summaries(self, first: int, last: int, opener: int) -> Iterator[Summary]:
        places, summaries = self.timeline(self._window(opener))
        low = max(bisect_right(places, first) - 1, 0)
        yield from summaries[low : bisect_right(places, last)]

    def of_task(self, task: int, first: int, last: int, opener: int) -> Iterator[May]:
        """The same of one task, for a pairing; a task that it doesn't have counts as taken out."""
        track = self.tracks.get(task)
        if track is None:
            yield may(frozenset([State(Status.TAKEN_OUT)]), None)
            return
        applied = self._window(opener)
        begin, end = self.windows[applied] if applied is not None else (0, -1)
        low = max(bisect_right(track.places, first) - 1, 0)
        for place, states in list(zip(track.places, track.sets, strict=True))[low:]:
            if place > last:
                break
            yield may(states, applied if begin <= place < end else None)

    def words(self, first: int, last: int) -> str:
        """Say what its tasks may have been between two places."""
        found = {
            task: "/".join(sorted({one.status for states in track.during(first, last) for one in states}))
            for task, track in self.tracks.items()
        }
        return ", ".join(f"{task}: {what}" for task, what in list(found.items())[:6])

    def may_have_gone(self, opened: int) -> bool:
        """Tell whether it may have been deleted before the job was (re)opened that depends on it."""
        return self.deleted_at is not None and self.deleted_at <= opened

    def may_let_go(self, kind: str, task: int, first: int, last: int, opener: int, opened: int) -> bool:
        """Tell whether a task that depends on it may have been allowed to start between two places."""
        gone = self.may_have_gone(opened)
        if kind == "corr":
            return any(one.well or (gone and one.gone) for one in self.of_task(task, first, last, opener))
        return any(
            (gone and one.all_gone) or lets_go(kind, one, self.job.stop_on_failure)
            for one in self.summaries(first, last, opener)
        )

    def first_skip(self, kind: str, task: int, first: int, opener: int) -> int | None:
        """Return the first place from ``first`` on where it may have a task skipped that depends on it."""
        if kind == "corr":
            track = self.tracks.get(task)
            if track is None:
                return first
            places = [first, *track.places[bisect_left(track.places, first) :]]
            for place in places:
                if any(one.badly or one.skipped for one in self.of_task(task, place, place, opener)):
                    return place
            return None
        places, summaries = self.timeline(self._window(opener))
        low = max(bisect_right(places, first) - 1, 0)
        for place, one in zip(places[low:], summaries[low:], strict=True):
            if skips(kind, one, self.job.stop_on_failure):
                return max(place, first)
        return None


def summarize(some: list[May]) -> Summary:
    return Summary(
        all(one.well for one in some),
        all(one.ended for one in some),
        all(one.gone for one in some),
        any(one.badly for one in some),
        any(one.skipped for one in some),
        any(one.badly for one in some) or all(one.well or one.badly for one in some),
    )


def lets_go(kind: str, one: Summary, stop_on_failure: bool) -> bool:
    """The table of dependencies in the README, for what may be true."""
    if kind == "ok" or (kind == "any" and stop_on_failure):
        return one.all_well
    if kind == "notok":
        return one.all_ended and one.some_badly
    return one.all_ended and one.not_just_skipped


def skips(kind: str, one: Summary, stop_on_failure: bool) -> bool:
    """Tell whether a dependency may ask for a skip."""
    if kind == "notok":
        return one.all_well or one.some_skipped
    return one.some_skipped or (one.some_badly and (kind == "ok" or stop_on_failure))
