"""Command lines as gridtk took them, turned into what the option parser takes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

TYPE_CHECKING = False  # the typing module takes as long as all of ours that is loaded here
if TYPE_CHECKING:
    from typing import Any

COMMANDS: dict[str, tuple[str, ...]] = {
    "submit": ("sub",),
    "execute": ("run-scheduler", "sched", "x"),
    "list": ("ls",),
    "report": ("rep", "r"),
    "resubmit": ("reset", "requeue", "re"),
    "stop": (),
    "watch": (),
    "parallel": (),
    "delete": ("del", "rm", "remove"),
    "wait": (),
    "why": ("explain",),
    "failures": (),
    "debug": (),
    "communicate": ("com",),
    "take-over": (),
    "doctor": (),
}
"""Each command with its other names."""

SUMMARIES = {
    "submit": "Store a job, an array of tasks, or a chain of jobs.",
    "execute": "Run local jobs.",
    "list": "List jobs.",
    "report": "Show the logs of jobs.",
    "resubmit": "Have jobs run once more.",
    "stop": "Stop jobs, and keep their logs.",
    "watch": "Show how far all is, full screen.",
    "parallel": "Change how many tasks a running execute runs at once.",
    "delete": "Delete jobs and their logs.",
    "wait": "Wait until jobs ended.",
    "why": "Say why a job waits, or failed.",
    "failures": "Show failures by their causes.",
    "debug": "Run one task here, in the foreground.",
    "communicate": "Ask the cluster how the jobs are.",
    "take-over": "Make a copied database, or one of others, your own.",
    "doctor": "Look whether all that is needed is there.",
}

TAKE_JOBS = COMMANDS.keys() - {"submit", "parallel", "debug", "take-over", "doctor"}
"""Those of the commands whose plain words are all jobs."""
_CANONICAL = {alias: name for name, aliases in COMMANDS.items() for alias in (name, *aliases)}
_BEFORE_COMMAND = ("-d", "--database", "--db", "--cluster")
"""The options before the command that take a value. (What is not known yet is the command itself.)"""


def _is_key_value(word: str) -> bool:
    return "=" in word and word[0] not in "-="


def _is_ids(word: str) -> bool:
    from asyncjman.model.ids import is_dependency

    return is_dependency(word)


def _is_word(word: str) -> bool:
    return not word.startswith("-")


# no regular expressions in here: compiling them would take longer than all the rest of a start
Fits = Callable[[str], bool]
_FITS: dict[str, Fits] = {
    "IDS": _is_ids,
    "KEY=VALUE": _is_key_value,
    "NAME=VALUE": _is_key_value,
    "NAME=VALUES": _is_key_value,
    "NAME": _is_word,
}
"""Which words may follow the first value of a repeatable option, by what the option takes."""


class Takes:
    """What follows an option.

    ``value``: whether the next word is its value. ``more``: which words after that one are values, too:
    gridtk took several after one option.
    """

    __slots__ = ("more", "value")

    def __init__(self, value: bool, more: Fits | None) -> None:
        self.value = value
        self.more = more


Options = Mapping[str, Takes]


def options_in(parameters: Iterable[Any]) -> Options:
    """Return what follows each option of a command, from the parameters of the option parser."""
    found: dict[str, Takes] = {}
    for one in parameters:
        if not one.opts or not one.opts[0].startswith("-"):
            continue
        takes = Takes(not (one.is_flag or one.count), _more(one) if one.multiple else None)
        found.update(dict.fromkeys((*one.opts, *one.secondary_opts), takes))
    return found


def _more(parameter: Any) -> Fits | None:
    choices = getattr(parameter.type, "choices", None)
    if choices is None:
        return _FITS.get(parameter.metavar)
    words = frozenset(map(str, choices))
    return lambda word: word in words


def find_command(argv: Sequence[str]) -> int | None:
    """Return where in ``argv`` (without the program's name) the command stands."""
    at = 0
    while at < len(argv):
        word = argv[at]
        if not word.startswith("-") or word == "-":
            return at
        if word in _BEFORE_COMMAND or _ends_in_database(word):
            at += 1
        at += 1
    return None


def _ends_in_database(word: str) -> bool:
    """Tell whether a cluster of short options such as ``-lvd`` ends in the one that takes a value."""
    return not word.startswith("--") and word.endswith("d") and not word[1:-1].strip("lvV")


def command_in(argv: Sequence[str]) -> str | None:
    """Return the command's name; None where there is none, or an unknown one."""
    at = find_command(argv)
    return None if at is None else _CANONICAL.get(argv[at])


def normalize(argv: Sequence[str], options: Options) -> list[str]:
    """Return the words to parse; ``options`` are those of the command in ``argv``."""
    at, name = find_command(argv), command_in(argv)
    if at is None or name is None:
        return list(argv)
    words = list(argv[at + 1 :])
    if name == "submit":
        start = _start_of_command(words, options)
        words = _spread(words[:start], options) + words[start:]
    elif name == "resubmit":
        words = _overwritten(words, options)
    else:
        words = _spread(words, options)
    return [*argv[:at], name, *words]


def _start_of_command(words: Sequence[str], options: Options) -> int:
    """Return where the user's own command begins, or the ``--`` before it.

    gridtk let several values follow one option: they are no command where ``--`` or another option
    comes after them.
    """
    at = 0
    while at < len(words):
        word = words[at]
        if word == "--" or not word.startswith("-") or word == "-":
            return at
        at += 2 if _takes_next(word, options) else 1
        if (takes := options.get(word)) is not None and takes.more is not None:
            end = _end_of_values(words, at, takes.more)
            if end < len(words) and words[end].startswith("-") and words[end] != "-":
                at = end
    return at


def _takes_next(word: str, options: Options) -> bool:
    """Tell whether the word after this option, or cluster of short ones such as ``-kn``, is its value."""
    if word.startswith("--"):
        return word in options and options[word].value
    flags = [f"-{letter}" for letter in word[1:]]
    first = next((one for one in flags if one in options and options[one].value), None)
    return first is not None and flags.index(first) == len(flags) - 1


def _overwritten(words: list[str], options: Options) -> list[str]:
    """All that follows ``-o`` is the new command; plain words before it name the job."""
    overwrite = [at for at, word in enumerate(words) if word in ("-o", "--overwrite-command")]
    head = _spread(words[: overwrite[0]] if overwrite else words, options)
    if not overwrite:
        return head
    rest = words[overwrite[0] + 1 :]
    found: list[str] = []
    is_value = False
    for word in head:
        is_plain = not is_value and _is_word(word)
        found += ["-j", word] if is_plain else [word]
        is_value = not is_value and not is_plain and _takes_next(word, options)
    return [*found, "--overwrite-command", "--", *(rest[1:] if rest[:1] == ["--"] else rest)]


def _spread(words: list[str], options: Options) -> list[str]:
    """Turn ``-x 1 2`` into ``-x 1 -x 2``."""
    done: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        if word == "--":
            return done + words[at:]
        takes = options.get(word)
        done.append(word)
        at += 1
        if takes is None or takes.more is None or at >= len(words):
            continue
        done.append(words[at])
        end = _end_of_values(words, at + 1, takes.more)
        for value in words[at + 1 : end]:
            done += [word, value]
        at = end
    return done


def _end_of_values(words: Sequence[str], at: int, fits: Fits) -> int:
    while at < len(words) and fits(words[at]):
        at += 1
    return at
