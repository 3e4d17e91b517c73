"""Command lines as gridtk took them, turned into what the option parser takes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asyncjman.model.ids import is_dependency, is_ids

COMMANDS: dict[str, tuple[str, ...]] = {
    "submit": ("sub",),
    "execute": ("run-scheduler", "sched", "x"),
    "list": ("ls",),
    "report": ("rep", "r"),
    "resubmit": ("reset", "requeue", "re"),
    "stop": (),
    "delete": ("del", "rm", "remove"),
    "wait": (),
    "why": ("explain",),
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
    "delete": "Delete jobs and their logs.",
    "wait": "Wait until jobs ended.",
    "why": "Say why a job waits, or failed.",
    "debug": "Run one task here, in the foreground.",
    "communicate": "Ask the cluster how the jobs are.",
    "take-over": "Make a copied database, or one of others, your own.",
    "doctor": "Look whether all that is needed is there.",
}

_CANONICAL = {alias: name for name, aliases in COMMANDS.items() for alias in (name, *aliases)}
_GLOBAL_VALUES = {"-d": "d", "--database": "d", "--db": "d"}

_STATUSES = frozenset(
    ["submitted", "waiting", "queued", "executing", "success", "failure", "stopped", "skipped"]
)


def _is_key_value(word: str) -> bool:
    return "=" in word and word[0] not in "-="


def _is_word(word: str) -> bool:
    return not word.startswith("-")


def _is_status(word: str) -> bool:
    return word in _STATUSES


# no regular expressions in here: compiling them would take longer than all the rest of a start
Values = Callable[[str], bool]

# options that gridtk let several values follow
_SEVERAL: dict[str, dict[str, Values]] = {
    "submit": {
        **dict.fromkeys(
            ("-x", "--dependencies", "--after-ok", "--after-any", "--after-notok", "--after-corr"),
            is_dependency,
        ),
        **dict.fromkeys(("-s", "--environment"), _is_key_value),
    },
    "list": {
        **dict.fromkeys(("-n", "--names"), _is_word),
        **dict.fromkeys(("-s", "--status"), _is_status),
    },
    "report": {
        **dict.fromkeys(("-a", "--array-ids"), is_ids),
        **dict.fromkeys(("-s", "--status"), _is_status),
    },
    "stop": dict.fromkeys(("-a", "--array-ids"), is_ids),
    "delete": {
        **dict.fromkeys(("-a", "--array-ids"), is_ids),
        **dict.fromkeys(("-s", "--status"), _is_status),
    },
}
_SUBMIT_VALUES = frozenset("nxdlstrqmpe")
"""The letters of the options of submit that take a value."""
_SUBMIT_LONG_VALUES = frozenset(
    {"--name", "--dependencies", "--after-any", "--after-ok", "--after-notok", "--after-corr", "--exec-dir"}
    | {"--log-dir", "--environment", "--array", "--parametric", "--repeat", "--sweep", "--sweep-file"}
    | {"--from-file", "--retry", "--retry-on", "--retry-delay", "--timeout", "--queue", "--memory"}
    | {"--parallel", "--pe_mth", "--sge-extra-args", "--time", "--profile"}
)

for _name in ("execute", "list", "report", "resubmit", "stop", "delete", "wait", "why", "communicate"):
    _SEVERAL.setdefault(_name, {}).update(dict.fromkeys(("-j", "--job-ids"), is_ids))


def find_command(argv: Sequence[str]) -> int | None:
    """Return where in ``argv`` (without the program's name) the command stands."""
    at = 0
    while at < len(argv):
        word = argv[at]
        if not word.startswith("-") or word == "-":
            return at
        if word in _GLOBAL_VALUES or _ends_in_database(word):
            at += 1
        at += 1
    return None


def _ends_in_database(word: str) -> bool:
    """Tell whether a cluster of short options such as ``-lvd`` ends in the one that takes a value."""
    return not word.startswith("--") and word.endswith("d") and not word[1:-1].strip("lvV")


def normalize(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the command's name (None where there is none, or an unknown one) and the words to parse."""
    at = find_command(argv)
    name = _CANONICAL.get(argv[at]) if at is not None else None
    if at is None or name is None:
        return None, list(argv)
    words = list(argv[at + 1 :])
    if name == "submit":
        start = _start_of_command(words)
        words = _spread(words[:start], _SEVERAL[name]) + words[start:]
    elif name == "resubmit":
        words = _overwritten(words)
    else:
        words = _spread(words, _SEVERAL.get(name, {}))
    return name, [*argv[:at], name, *words]


def _start_of_command(words: Sequence[str]) -> int:
    """Return where the user's own command begins, or the ``--`` before it.

    gridtk let several values follow one option: they are no command where ``--`` or another option
    comes after them.
    """
    at = 0
    while at < len(words):
        word = words[at]
        if word == "--" or not word.startswith("-") or word == "-":
            return at
        at += 2 if _takes_next(word) else 1
        fits = _SEVERAL["submit"].get(word)
        if fits is not None:
            end = _end_of_values(words, at, fits)
            if end < len(words) and words[end].startswith("-") and words[end] != "-":
                at = end
    return at


def _takes_next(word: str) -> bool:
    """Tell whether the word after this option of submit is its value."""
    if word.startswith("--"):
        return word in _SUBMIT_LONG_VALUES
    letters = word[1:]
    first = next((index for index, letter in enumerate(letters) if letter in _SUBMIT_VALUES), None)
    return first is not None and first == len(letters) - 1


def _overwritten(words: list[str]) -> list[str]:
    """All that follows ``-o`` is the new command; plain ids before it are ids."""
    options = [at for at, word in enumerate(words) if word in ("-o", "--overwrite-command")]
    head = _spread(words[: options[0]] if options else words, _SEVERAL["resubmit"])
    if not options:
        return head
    rest = words[options[0] + 1 :]
    ids: list[str] = []
    for at, word in enumerate(head):
        plain = is_ids(word)
        ids += ["-j", word] if plain and head[at - 1 : at] not in (["-j"], ["--job-ids"]) else [word]
    return [*ids, "--overwrite-command", "--", *(rest[1:] if rest[:1] == ["--"] else rest)]


def _spread(words: list[str], several: dict[str, Values]) -> list[str]:
    """Turn ``-x 1 2`` into ``-x 1 -x 2``."""
    done: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        if word == "--":
            return done + words[at:]
        fits = several.get(word)
        done.append(word)
        at += 1
        if fits is None or at >= len(words):
            continue
        done.append(words[at])
        end = _end_of_values(words, at + 1, fits)
        for value in words[at + 1 : end]:
            done += [word, value]
        at = end
    return done


def _end_of_values(words: Sequence[str], at: int, fits: Values) -> int:
    while at < len(words) and fits(words[at]):
        at += 1
    return at
