"""What the shell offers after the Tab key."""

from __future__ import annotations

from asyncjman.cli.argv import command_in, find_command

TYPE_CHECKING = False  # the typing module is not loaded for it
if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

_VARIABLE = "_JMAN_COMPLETE"


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
