"""How commands may end: exit codes as documented, no traceback, no hang."""

from __future__ import annotations

import re
from collections.abc import Iterator
from signal import SIGINT, SIGKILL, SIGTERM

from tests.faults.model.commands import Command
from tests.faults.model.oracle import Oracle
from tests.faults.model.plan import Delete, Execute, Resubmit, Stop, Submit, Wait
from tests.faults.model.states import GONE, Status
from tests.faults.model.track import Violation

_FIRST_FILES = {"__init__.py", "__main__.py", "cli/__init__.py", "cli/start.py"}
_ABSENT = GONE | {Status.ABSENT}


def judge(command: Command, oracle: Oracle) -> Iterator[Violation]:
    """Yield what is wrong with the end of a command."""
    name = f"command {command.number} ({' '.join(command.words)})"
    told = " ".join(command.err.split())[-300:]
    if command.hung:
        yield Violation(f"{name} hung; it had said: {' | '.join(command.out.splitlines()[-12:])} {told}")
        return
    if command.code is None:
        return  # it runs yet
    for text in (command.out, command.err):
        if re.search("^Traceback", text, re.MULTILINE) and not _began_in_python(command):
            yield Violation(f"{name} showed a traceback:\n{text[-3000:]}")
    allowed = _codes(command, oracle)
    if command.code not in allowed and not _began_in_python(command):
        yield Violation(f"{name} ended with {command.code}, not {sorted(allowed)}: {told}")
    if isinstance(command.operation, Execute) and command.code == 0:
        yield from _all_succeeded(command, name, oracle)


def _began_in_python(command: Command) -> bool:
    """Tell whether an interrupt came before jman's first function: Python ends as it does then."""
    if SIGINT not in command.signals or "KeyboardInterrupt" not in command.err:
        return False
    frames = re.findall(r'File ".*/asyncjman/(?!\.venv)(.*)", line \d+, in (.*)', command.err)
    return all(file in _FIRST_FILES and function == "<module>" for file, function in frames)


def _codes(command: Command, oracle: Oracle) -> set[int]:
    allowed = {0}
    if isinstance(command.operation, Execute | Wait):
        allowed = {0, 1}
    refused = _is_refused(command, oracle)
    if refused is not False:
        allowed = {2} if refused else allowed | {2}
    for number, codes in ((SIGINT, {130, -SIGINT}), (SIGTERM, {130, -SIGTERM}), (SIGKILL, {-SIGKILL})):
        if number in command.signals:
            allowed |= codes
    return allowed


def _is_refused(command: Command, oracle: Oracle) -> bool | None:
    """Tell whether a command must be refused, as it names what isn't there; None: it may be."""
    if command.names_nothing:
        return True
    operation = command.operation
    needed: set[int] = set()
    if isinstance(operation, Submit):
        needed = {need.on for need in operation.job.needs}
    elif isinstance(operation, Execute | Stop | Delete | Resubmit):
        needed = set(command.jobs or ())
    first, last = oracle.windows[command.number]
    unsure = False
    for number in needed:
        if number not in oracle.standings:
            return True
        tracks = oracle.standings[number].tracks.values()
        seen = [{one.status for one in states} for track in tracks for states in track.during(first, last)]
        if all(one <= _ABSENT for one in seen):
            return True
        unsure |= any(one & (_ABSENT | {Status.TAKEN_OUT}) for one in seen)
    return None if unsure else False


def _all_succeeded(command: Command, name: str, oracle: Oracle) -> Iterator[Violation]:
    """An execute ends with 0 only where each task that it was to run is a success at the end."""
    first, last = oracle.windows[command.number]
    wrong = []
    for number, standing in oracle.standings.items():
        if command.jobs is not None and number not in command.jobs:
            continue
        for task, track in standing.tracks.items():
            may = {one.status for states in track.during(first, last) for one in states}
            if not may & (_ABSENT | {Status.SUCCESS, Status.TAKEN_OUT}):
                wrong.append(f"{number}.{task} ({'/'.join(sorted(may))})")
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        yield Violation(f"{name} ended with 0, though these were not successes: {', '.join(wrong[:5])}{more}")
