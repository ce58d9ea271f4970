"""Detection of changed files: by size, times and inode number first, by content only when those differ."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from typing import Any

from doit.dependency import FileChangedChecker

from stages.storage.recent import is_recent
from stages.storage.threads import in_threads

# Recorded instead of a digest if the file changed while a task read it. It matches no digest: the task runs again.
CHANGED_WHILE_READ = "changed while it was read"
UNREADABLE = "cannot be read"
# More targets than this are read in threads.
_SEVERAL = 20

Signature = tuple[int, int, int, int]


def signature(status: os.stat_result) -> Signature:
    """Return the size in bytes, the modification and change times in ns, and the inode number."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


_NOT_THERE: Signature = (-1, -1, -1, -1)
_observed: dict[str, Signature] = {}
_unchanged: dict[str, os.stat_result] = {}
_digests: dict[str, tuple[Signature, str]] = {}


def observe(paths: Iterable[str]) -> None:
    """Remember the signatures of files before a task reads them, to detect changes during the task."""
    for path in paths:
        try:
            _observed[path] = signature(os.stat(path))
        except OSError:
            _observed[path] = _NOT_THERE


def note_unchanged(target: str, status: os.stat_result | None) -> None:
    """Note the status of a target that is as its task left it; None if it is not, or if the task wrote it anew.

    Until then, neither doit's look for the target nor the checks of the tasks that read it ask the system again.
    """
    if status is None:
        _unchanged.pop(target, None)
    else:
        _unchanged[target] = status


def digest(path: str, known: Signature) -> str:
    """Return the BLAKE3 digest (128 bits, hexadecimal) of a file. Reads a file once per signature and process.

    Returns `UNREADABLE` for a file that cannot be read. The task reports the error.
    """
    cached = _digests.get(path)
    if cached is not None and cached[0] == known:
        return cached[1]
    from blake3 import blake3

    try:
        with open(path, "rb") as stream:
            content: Any = hashlib.file_digest(stream, blake3)  # type: ignore[arg-type] # has more parameters
    except OSError:
        return UNREADABLE
    value: str = content.hexdigest(length=16)
    _digests[path] = (known, value)
    return value


def state_of(path: str, known: list[Any] | None = None, *, racy_check: bool = True) -> list[Any]:
    """Return the state to record for a file: its signature and its digest.

    Args:
        path: The file.
        known: The recorded state. If the signature is unchanged, the file is not read again.
        racy_check: Omit the times if the file is so recent that another change could leave them unchanged.
    """
    status = os.stat(path)
    size, mtime, ctime, inode = now = signature(status)
    if isinstance(known, list) and len(known) == 5 and known[:4] == [size, mtime, ctime, inode]:
        return known
    value = digest(path, now)
    if racy_check and is_recent(now, time.time_ns()):
        mtime = -1
    return [size, mtime, ctime, inode, value]


def states_of_targets(targets: Iterable[str], known: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Return the states to record for the targets of a task that has just succeeded. Leaves out missing targets.

    The task wrote each file, or compared it with what it would write. A new hard link, as the data set gets with each
    generation, changes nothing but the change time of a file, which is then not read again.

    Args:
        targets: The files.
        known: The recorded states.
    """
    found: dict[str, list[Any]] = {}
    unread: list[str] = []
    for path in targets:
        note_unchanged(path, None)
        before = known.get(path)
        try:
            now = signature(os.stat(path))
        except OSError:
            continue
        if before is not None and (now[0], now[1], now[3]) == (before[0], before[1], before[3]):
            found[path] = [*now, before[4]]
        else:
            unread.append(path)
    read = in_threads if len(unread) > _SEVERAL else map
    for path, state in zip(unread, read(_state_after, unread), strict=True):
        if state is not None:
            found[path] = state
    return found


def _state_after(path: str) -> list[Any] | None:
    try:
        return state_of(path, racy_check=False)
    except OSError:
        return None


def differs(path: str, status: os.stat_result, state: list[Any]) -> bool:
    """Return True if the content of a file differs from the recorded state.

    Equal size, times and inode number mean equal content. Resetting the modification time after an edit does not hide
    the edit, because the change time cannot be set. If only the times differ, the content decides.
    """
    now = signature(status)
    if list(now) == state[:4]:
        return False
    if now[0] != state[0]:
        return True
    return bool(digest(path, now) != state[4])


class FileStateChecker(FileChangedChecker):  # type: ignore[misc]
    """A doit file checker that compares size, times and inode number, then content.

    doit's own checkers trust the modification time and record the file after the task. They would miss an edit with a
    reset modification time, and an edit during the task.
    """

    def __init__(self) -> None:
        """Start a run: what an earlier one in this process noted is no longer true."""
        _unchanged.clear()

    def exists(self, file_path: str) -> bool:
        """Return True if a target exists."""
        return file_path in _unchanged or os.path.exists(file_path)

    def info(self, file_path: str) -> os.stat_result:
        """Return the status of a file that a task reads."""
        return _unchanged.get(file_path) or os.stat(file_path)

    def check_modified(self, file_path: str, file_stat: os.stat_result, state: list[Any]) -> bool:
        """Return True if ``file_path`` differs from ``state``. Also observes the file."""
        _observed[file_path] = signature(file_stat)
        return differs(file_path, file_stat, state)

    def get_state(self, dep: str, current_state: list[Any] | None) -> list[Any]:
        """Return the state to record for ``dep`` after a task read it."""
        state = state_of(dep, current_state)
        seen = _observed.get(dep)
        if state is current_state and seen == tuple(state[:4]):
            return state
        if seen is not None and seen != signature(os.stat(dep)):
            state = [state[0], -1, *state[2:4], CHANGED_WHILE_READ]
        return state
