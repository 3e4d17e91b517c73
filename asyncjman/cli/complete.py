"""What the shell offers after the Tab key."""

from __future__ import annotations

import re
from itertools import islice

from asyncjman.cli.argv import command_in, find_command

TYPE_CHECKING = False  # the typing module is not loaded for it
if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

    from asyncjman.api.reader import JobReader

_VARIABLE = "_JMAN_COMPLETE"
_MOST = 200
_BEGUN = r"(?P<before>(?:.*[,-])?)(?P<begun>[0-9]*)"
_TASKS = r"(?P<job>[0-9]{1,18})\." + _BEGUN


def completing(environment: MutableMapping[str, str]) -> Sequence[str] | None:
    """Return the words before the one that is typed, when the shell asks what may follow, else None.

    Another name of a command is replaced in what the option parser will read: it knows only one.
    """
    if _VARIABLE not in environment:
        return None
    variable = "_TYPER_COMPLETE_ARGS" if environment.get("_TYPER_COMPLETE_ARGS") else "COMP_WORDS"
    line = environment.get(variable, "")
    program, *words = _split(line) or [""]
    if variable == "COMP_WORDS":
        before = words[: max(int(environment.get("COMP_CWORD", "1")) - 1, 0)]
    else:
        before = words if line.endswith(" ") else words[:-1]
    at, name = find_command(before), command_in(before)
    if at is not None and name is not None and before[at] != name:
        import shlex

        before[at] = words[at] = name
        environment[variable] = shlex.join([program, *words]) + (" " if line.endswith(" ") else "")
    return before


def plain_word(environment: Mapping[str, str]) -> str | None:
    """Return the word that is typed in bash; None for another shell, and where a word has quotes."""
    line = environment.get("COMP_WORDS", "")
    if environment[_VARIABLE] != "complete_bash" or not line.isascii() or _has_quotes(line):
        return None
    return "".join(line.split()[int(environment["COMP_CWORD"]) :][:1])


def _split(line: str) -> list[str]:
    if not _has_quotes(line):
        return line.split()
    import shlex

    try:
        return shlex.split(line)
    except ValueError:  # a quote that is still open
        return line.split()


def _has_quotes(line: str) -> bool:
    return not set("'\"\\").isdisjoint(line)


async def found(reader: JobReader, incomplete: str) -> list[tuple[str, str]]:
    """Return ids that begin so, with what is known of each: of the latest jobs, or of the tasks of one.

    ``2.1,2`` is task 1 and a task of job 2 that begins with 2, ``1,2`` job 1 and a job.
    """
    from asyncjman.render.text import arguments

    if "." in incomplete and (match := re.fullmatch(_TASKS, incomplete)):
        (job,) = await reader.read([int(match["job"])])
        ids = job.spec.array.sorted() if job.spec.array is not None else ()
        begun = list(islice((one for one in ids if str(one).startswith(match["begun"])), _MOST))
        before = f"{match['job']}.{match['before']}"
        return [
            (f"{before}{one.task_id}", f"{one.status}") async for one in reader.tasks(job, begun) if begun
        ]
    if match := re.fullmatch(_BEGUN, incomplete):
        jobs = [one for one in await reader.latest(_MOST) if str(one.id).startswith(match["begun"])]
        return [(f"{match['before']}{one.id}", f"{one.status} {arguments(one)}") for one in jobs]
    return []
