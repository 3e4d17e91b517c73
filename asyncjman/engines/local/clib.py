"""posix_spawn(3) as the C library has it.

Python's own call keeps all its threads waiting until the new process runs its program, which takes as long as
other programs have the processors. This one lets them go on. It can also change the folder.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterable, Mapping

_SETSIGDEF, _SETSID = 0x04, 0x80
"""POSIX_SPAWN_ of <spawn.h>, the same in glibc and musl."""
_ROOM = 1024
"""Bytes for each of their structures: the largest takes 336."""
# Python ignores these; programs expect the default
_RESTORED_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ)


def _library(kind: type[ctypes.CDLL]) -> ctypes.CDLL | None:
    if sys.platform != "linux":  # the numbers are others
        return None
    library = kind(None)
    # glibc 2.29, musl 1.1.24: these know POSIX_SPAWN_SETSID, too
    return library if hasattr(library, "posix_spawn_file_actions_addchdir_np") else None


def _declared(library: ctypes.CDLL | None) -> ctypes.CDLL | None:
    """Say which arguments are numbers: to find that out for each call takes as long as the call."""
    if library is not None:
        number, pointer, text = ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p
        library.posix_spawn_file_actions_addchdir_np.argtypes = (pointer, text)
        library.posix_spawn_file_actions_addopen.argtypes = (pointer, number, text, number, ctypes.c_uint)
        library.posix_spawn_file_actions_adddup2.argtypes = (pointer, number, number)
    return library


# what takes a moment keeps the interpreter: to let go of it, and to get it again, would take longer
_quick = _declared(_library(ctypes.PyDLL))
_slow = _library(ctypes.CDLL)
IS_THERE = _quick is not None
"""Whether ``Spawn`` works on this system."""


def _attributes() -> ctypes.Array[ctypes.c_char]:
    attributes, signals = ctypes.create_string_buffer(_ROOM), ctypes.create_string_buffer(_ROOM)
    if _quick is not None:
        _quick.sigemptyset(signals)
        for number in _RESTORED_SIGNALS:
            _quick.sigaddset(signals, ctypes.c_int(number))
        _quick.posix_spawnattr_init(attributes)
        _quick.posix_spawnattr_setsigdefault(attributes, signals)
        _quick.posix_spawnattr_setflags(attributes, ctypes.c_short(_SETSIGDEF | _SETSID))
    return attributes


_ATTRIBUTES = _attributes()


class Words:
    """Words as a process gets them: its arguments, or its environment. No word has a NUL."""

    def __init__(self, words: Iterable[bytes]) -> None:
        found = tuple(words)
        self.array = (ctypes.c_char_p * (len(found) + 1))(*found)
        self._others: Words | None = None

    def changed(self, words: Mapping[int, bytes]) -> Words:
        """Return the same with other words in some places."""
        other = Words.__new__(Words)
        other.array = type(self.array).from_buffer_copy(self.array)
        other._others = self  # the copy points to them, and does not keep them
        for place, word in words.items():
            other.array[place] = word
        return other


class Spawn:
    """A process to be started, in a session of its own, from any thread."""

    def __init__(self, program: bytes, argv: Words, environment: Words, folder: bytes) -> None:
        """``environment`` has NAME=value; files are opened in ``folder``, too.

        Raises ValueError for a NUL, which no process can be given.
        """
        refuse_nul(program, folder)
        self._program = program
        self._argv = argv
        self._environment = environment
        assert _quick is not None
        self._library = _quick
        self._actions = ctypes.create_string_buffer(_ROOM)
        self._check(_quick.posix_spawn_file_actions_init(self._actions))
        self._has_actions = True
        self._check(_quick.posix_spawn_file_actions_addchdir_np(self._actions, folder))

    def __del__(self) -> None:
        if hasattr(self, "_has_actions"):
            self._library.posix_spawn_file_actions_destroy(self._actions)

    def open(self, descriptor: int, path: bytes, flags: int, mode: int) -> None:
        """Have a file opened there as this descriptor. Raises ValueError for a NUL."""
        refuse_nul(path)
        self._check(
            self._library.posix_spawn_file_actions_addopen(self._actions, descriptor, path, flags, mode)
        )

    def copy(self, descriptor: int, other: int) -> None:
        """Have ``descriptor`` of this process there as ``other``."""
        self._check(self._library.posix_spawn_file_actions_adddup2(self._actions, descriptor, other))

    def __call__(self) -> int:
        """Start it and return its pid. Raises OSError."""
        assert _slow is not None
        pid = ctypes.c_int()
        self._check(
            _slow.posix_spawn(
                ctypes.byref(pid),
                self._program,
                self._actions,
                _ATTRIBUTES,
                self._argv.array,
                self._environment.array,
            )
        )
        return pid.value

    @staticmethod
    def _check(number: int) -> None:
        if number:
            raise OSError(number, os.strerror(number))


def refuse_nul(*words: bytes) -> None:
    """Raise ValueError where a word has a NUL."""
    if b"\0" in b"".join(words):
        raise ValueError("embedded null byte")
