"""What failures have in common: the end of standard error, without what differs from task to task."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from asyncjman.model.failure import KEPT_BYTES, Cause

MAX_SIGNATURE = 200
"""Characters; what is longer is cut."""
_AFTER_TRACEBACK = 12
"""So many lines may follow a traceback; where more do, it was printed and survived."""
_ID_LETTERS = 5

_LOG_TELLS = frozenset({Cause.EXIT, Cause.SIGNAL})
"""Of the others the cause says it all: what was printed last was work in progress."""
_NUMBERED = re.compile(r"exit status \d+$|timed out after ")
"""Reasons whose number tells them apart."""
_LIBRARY = re.compile(r"/(?:site|dist)-packages/|/lib(?:64)?/python\d|^<frozen |^<__array_function__")
_FRAME = re.compile(r'^\s*File "(?P<file>.+?)", line (?P<line>\d+)(?:, in (?P<function>.+))?$')
_RAISED = re.compile(r"^(?P<kind>(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*)(?::\s?(?P<message>.*))?$")
_GROUP_MARK = re.compile(r"^[ |+-]*\| ?")
_BARE = re.compile(r"^[\s^~]*$")
_NUMBER = r"\d[\d_]*(?:\.\d+)?(?:[eE][-+]?\d+)?"
_NOISE = tuple(
    (re.compile(pattern), word)
    for pattern, word in (
        (r"\x1b\[[0-9;?]*[A-Za-z]", ""),
        (r"[A-Za-z][\w+.-]*://[^\s'\"<>)\]]+", "URL"),
        (r"(?<!\w)'(?:[^'\\\n]|\\.)*'(?!\w)", "'…'"),
        (r'"(?:[^"\\\n]|\\.)*"', '"…"'),
        (r"`[^`\n]*`", "`…`"),
        (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "ADDRESS"),
        (r"(?!\b\d+/\d+(?![\w/]))(?<![\w/])(?:[\w.~@%+-]*/)+[\w.~@%+-]*[\w~@%+-]", "PATH"),
        (r"\b0[xX][0-9a-fA-F]+\b", "HEX"),
        (r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b", "HEX"),
        (r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,}\b", "HEX"),
        (r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b", "HOST"),
        (r"\b(?=[\w-]*[A-Za-z])[\w-]+\.(?:[\w-]+\.)+[A-Za-z][\w-]*\b(?!\()", "HOST"),
        (rf"(?<![\w.])[-+]?{_NUMBER}|(?<=[A-Za-z_]){_NUMBER}", "N"),
        (r"\s+", " "),
    )
)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a group of failures has in common."""

    cause: Cause
    text: str

    @property
    def id(self) -> str:
        """Return five letters, always the same for this signature."""
        number = int.from_bytes(hashlib.sha256(f"{self.cause}\0{self.text}".encode()).digest()[:8])
        letters = []
        for _ in range(_ID_LETTERS):
            number, letter = divmod(number, 26)
            letters.append(chr(ord("a") + letter))
        return "".join(letters)


def signature_of(cause: Cause, reason: str | None, errors: bytes) -> Signature:
    """Return the signature of a failed attempt.

    ``errors``: the end of its standard error (of more, the last ``KEPT_BYTES``). An exception of Python gives
    its type and message, with the deepest frame that is not in a library; other programs give their last line
    that isn't blank. ``reason`` (as in "exit status 3") stands where these say nothing.
    """
    said = reason or str(cause)
    if not _NUMBERED.match(said):
        said = normalized(said)
    if cause in _LOG_TELLS and errors:
        lines = lines_of(errors[-KEPT_BYTES:])
        found = _exception(lines)
        if found is None and cause is Cause.EXIT:
            found = normalized(lines[-1]) if lines else None
        return Signature(cause, _cut(found or said))
    return Signature(cause, _cut(said))


def lines_of(errors: bytes) -> list[str]:
    """Return the lines that say something: neither blank nor marks below a line of code."""
    text = errors.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    # of a progress bar only its last state
    lines = (line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n"))
    return [line for line in lines if not _BARE.match(line)]


def normalized(line: str) -> str:
    """Return a line without what differs: numbers, paths, quoted strings, hosts and addresses."""
    for pattern, word in _NOISE:
        line = pattern.sub(word, line)
    return line.strip()


def _exception(lines: list[str]) -> str | None:
    """Return the last exception of Python that a log tells of, and where it was raised."""
    lines = [_GROUP_MARK.sub("", line) for line in lines]
    last = next((at for at in range(len(lines) - 1, -1, -1) if _FRAME.match(lines[at])), None)
    if last is None:
        return None
    raised = next((at for at in range(last + 1, len(lines)) if not lines[at].startswith(" ")), None)
    if raised is None or len(lines) - raised > _AFTER_TRACEBACK:
        return None
    match = _RAISED.match(lines[raised])
    if match is None:
        return None
    where = _own_frame(lines, last)
    message = normalized(match["message"] or "")
    return match["kind"] + (f": {message}" if message else "") + (f" ({where})" if where else "")


def _own_frame(lines: list[str], last: int) -> str:
    """Return the deepest frame of a traceback that is the user's own; the deepest one where none is."""
    deepest = ""
    for at in range(last, -1, -1):
        match = _FRAME.match(lines[at])
        if match is None:
            if not lines[at].startswith(" "):
                break
            continue
        name = match["file"].rpartition("/")[2]
        function = match["function"]
        where = f"{name}:{match['line']}" + (f" in {function}" if function and function[0] != "<" else "")
        deepest = deepest or where
        if not _LIBRARY.search(match["file"]):
            return where
    return deepest


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SIGNATURE else f"{text[: MAX_SIGNATURE - 1]}…"
