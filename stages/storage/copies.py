"""A record of copies that equal their sources, so that later runs need not compare them."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

from stages.failures import StageError
from stages.storage.jsonfile import read_json, write_json
from stages.storage.recent import is_recent


class Copies:
    """The stat signatures of copies and their sources, recorded when their contents were equal.

    While the size, both times and the inode of both files are unchanged, so are their contents: the change time cannot
    be set. Comparing all files of a large data set would take longer than the stages of a run after one edit.
    """

    def __init__(self, path: Path, key: str) -> None:
        """Read the record. An unusable record counts as empty.

        Args:
            path: The file of the record.
            key: Name of the set of copies. A record with another key is ignored.
        """
        self._path = path
        self._key = key
        self._known: dict[str, Any] = {}
        self._now: dict[str, Any] = {}
        self._sources: dict[str, str] = {}
        with contextlib.suppress(StageError, AttributeError):
            found = read_json(self._path)
            if found.get("key") == key and isinstance(found.get("copies"), dict):
                self._known = found["copies"]

    def differ(self, source: str, target: str) -> bool:
        """Return True if the files may differ. Caches a negative answer."""
        signatures = [_stat_signature(source), _stat_signature(target)]
        if signatures != self._known.get(target):
            return True
        self._now[target] = signatures
        return False

    def remember(self, source: str, target: str) -> None:
        """Record the signatures of two files with equal contents."""
        self._now[target] = [_stat_signature(source), _stat_signature(target)]
        self._sources[target] = source

    def save(self) -> None:
        """Write the record, without files that may have changed since with the same times.

        Raises:
            StageError: The file cannot be written.
        """
        now = time.time_ns()
        for target, source in self._sources.items():
            signatures = [_stat_signature(source), _stat_signature(target)]
            if signatures != self._now[target] or any(
                not signature or is_recent(signature, now) for signature in signatures
            ):
                del self._now[target]
        write_json(self._path, {"key": self._key, "copies": self._now})


def _stat_signature(path: str) -> list[int]:
    try:
        status = os.stat(path, follow_symlinks=False)
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
