"""Command lines as gridtk took them, turned into what the option parser takes. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

COMMANDS: dict[str, tuple[str, ...]] = {
    "submit": ("sub",),
    "execute": ("run-scheduler", "sched", "x"),
    "list": ("ls",),
    "report": ("rep", "r"),
    "resubmit": ("reset", "requeue", "re"),
    "stop": (),
    "delete": ("del", "rm", "remove"),
    "wait": (),
}
"""Each command with its other names."""

_CANONICAL = {alias: name for name, aliases in COMMANDS.items() for alias in (name, *aliases)}
_GLOBAL_VALUES = {"-d": "d", "--database": "d", "--db": "d"}

_IDS = re.compile(r"[\d,+-]+", re.ASCII)
_KEY_VALUE = re.compile(r"[^-=][^=]*=.*", re.DOTALL)
_WORD = re.compile(r"[^-].*", re.DOTALL)
_STATUS = re.compile(r"submitted|waiting|queued|executing|success|failure|stopped|skipped")

# options that gridtk let several values follow
_SEVERAL: dict[str, dict[str, re.Pattern[str]]] = {
    "submit": {
        **dict.fromkeys(
            ("-x", "--dependencies", "--after-ok", "--after-any", "--after-notok", "--after-corr"), _IDS
        ),
        **dict.fromkeys(("-s", "--environment"), _KEY_VALUE),
    },
    "list": {
        **dict.fromkeys(("-n", "--names"), _WORD),
        **dict.fromkeys(("-s", "--status"), _STATUS),
    },
    "report": {
        **dict.fromkeys(("-a", "--array-ids"), _IDS),
        **dict.fromkeys(("-s", "--status"), _STATUS),
    },
    "stop": dict.fromkeys(("-a", "--array-ids"), _IDS),
    "delete": {
        **dict.fromkeys(("-a", "--array-ids"), _IDS),
        **dict.fromkeys(("-s", "--status"), _STATUS),
    },
}
for _name in ("execute", "list", "report", "resubmit", "stop", "delete", "wait"):
    _SEVERAL.setdefault(_name, {}).update(dict.fromkeys(("-j", "--job-ids"), _IDS))


def find_command(argv: Sequence[str]) -> int | None:
    """Return where in ``argv`` (without the program's name) the command stands."""
    at = 0
    while at < len(argv):
        word = argv[at]
        if not word.startswith("-") or word == "-":
            return at
        if word in _GLOBAL_VALUES or (re.fullmatch(r"-[lvV]*d", word)):
            at += 1
        at += 1
    return None


def normalize(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the command's name (None where there is none, or an unknown one) and the words to parse."""
    at = find_command(argv)
    name = _CANONICAL.get(argv[at]) if at is not None else None
    if at is None or name is None:
        return None, list(argv)
    words = list(argv[at + 1 :])
    if name == "resubmit":
        words = _overwritten(words)
    return name, [*argv[:at], name, *_spread(words, _SEVERAL[name], until_command=name == "submit")]


def _overwritten(words: list[str]) -> list[str]:
    """All that follows ``-o`` is the new command."""
    for option in ("-o", "--overwrite-command"):
        if option in words:
            at = words.index(option)
            rest = words[at + 1 :]
            return [*words[:at], "--overwrite-command", "--", *(rest[1:] if rest[:1] == ["--"] else rest)]
    return words


def _spread(words: list[str], several: dict[str, re.Pattern[str]], *, until_command: bool) -> list[str]:
    """Turn ``-x 1 2`` into ``-x 1 -x 2``.

    Before a command of the user's (``until_command``) only where ``--`` or another option ends the
    values: else the next word might be the command.
    """
    done: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        if word == "--":
            return done + words[at:]
        pattern = several.get(word)
        done.append(word)
        at += 1
        if pattern is None or at >= len(words):
            continue
        done.append(words[at])
        at += 1
        end = at
        while end < len(words) and pattern.fullmatch(words[end]) and not words[end].startswith("--"):
            end += 1
        if until_command and (end == len(words) or not words[end].startswith("-")):
            return done + words[at:]
        for value in words[at:end]:
            done += [word, value]
        at = end
    return done
