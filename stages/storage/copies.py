"""Which copies are known to be the same as their sources, so that they need not be compared."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

from stages.failures import StageError
from stages.storage.jsonfile import read_json, write_json

# A file younger than this may change again without its times showing it; more where times are kept in whole seconds.
_TICK_NS = 20_000_000
_COARSE_TICK_NS = 2_000_000_000


class Copies:
    """What copies and their sources looked like when their contents were last the same.

    While size, both times and inode of the two are what they were, so are the contents: the time of change cannot be
    set. To read and compare all files of a large data set after each edit takes longer than the edit's own stages.
    """

    def __init__(self, path: Path, key: str) -> None:
        """Read what is known; whatever is odd counts as unknown.

        Args:
            path: The file that keeps it.
            key: Names the set of copies. What the file has of another one is not used.
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
        """Return whether the contents may differ; if not, that is remembered."""
        signatures = [_stat_signature(source), _stat_signature(target)]
        if signatures != self._known.get(target):
            return True
        self._now[target] = signatures
        return False

    def remember(self, source: str, target: str) -> None:
        """Note what two files look like whose contents are the same now."""
        self._now[target] = [_stat_signature(source), _stat_signature(target)]
        self._sources[target] = source

    def save(self) -> None:
        """Write it down, without files so young that a change since would not show.

        Raises:
            StageError: The file cannot be written.
        """
        now = time.time_ns()
        for target, source in self._sources.items():
            signatures = [_stat_signature(source), _stat_signature(target)]
            if signatures != self._now[target] or any(
                not signature or _is_recent(signature, now) for signature in signatures
            ):
                del self._now[target]
        write_json(self._path, {"key": self._key, "copies": self._now})


def _is_recent(signature: list[int], now: int) -> bool:
    _, modified, changed, _ = signature
    coarse = modified % 1_000_000_000 == 0 and changed % 1_000_000_000 == 0
    return max(modified, changed) > now - (_COARSE_TICK_NS if coarse else _TICK_NS)


def _stat_signature(path: str) -> list[int]:
    try:
        status = os.stat(path, follow_symlinks=False)
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
