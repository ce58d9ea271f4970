"""Removal of stale outputs of earlier runs."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

_log = logging.getLogger(__name__)


def remove_stale(work_dir: Path, patterns: Iterable[str], kept: Iterable[str]) -> None:
    """Remove files that match a pattern but no longer belong to an extension.

    Args:
        work_dir: The work directory.
        patterns: Globs of a stage's files, relative to the work directory.
        kept: Paths of the files to keep, relative to the work directory.
    """
    found = {name for pattern in patterns for name in _matching(work_dir, pattern)}
    for name in sorted(found.difference(kept)):
        _log.info("%s belongs to no extension any more: removed", name)
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(work_dir, name))


def _matching(work_dir: Path, pattern: str) -> Iterator[str]:
    """Yield the names that match a pattern. Faster than glob for a folder with thousands of files."""
    folder, slash, name = pattern.rpartition("/")
    for place in glob.iglob(folder, root_dir=work_dir, include_hidden=True) if slash else [""]:
        with contextlib.suppress(OSError):
            for found in fnmatch.filter(os.listdir(work_dir / place), name):
                yield f"{place}{slash}{found}"
