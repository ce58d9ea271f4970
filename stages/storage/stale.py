"""Removal of stale outputs of earlier runs."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable
from pathlib import Path

_log = logging.getLogger(__name__)


def remove_stale(work_dir: Path, patterns: Iterable[str], kept: Iterable[str]) -> None:
    """Remove files that match a pattern but no longer belong to an extension.

    Args:
        work_dir: The work directory.
        patterns: Globs of a stage's files, relative to the work directory.
        kept: Paths of the files to keep, relative to the work directory.
    """
    stays = {work_dir / path for path in kept}
    for path in sorted(path for pattern in patterns for path in work_dir.glob(pattern)):
        if path not in stays:
            _log.info("%s belongs to no extension any more: removed", path.relative_to(work_dir).as_posix())
            with contextlib.suppress(OSError):
                path.unlink()
