"""The moment at which written files are synced to disk.

A file is synced when it is written, before it gets its name. In a worker process of this machine it is not: the main
process syncs the targets of a task after the task and before it records it, while the worker has its next task. A file
that a power failure leaves incomplete is not recorded then, so its task runs again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from stages.failures import StageError

_at_once = True


def leave_to_main_process() -> None:
    """Let `sync` do nothing in this process from now on."""
    global _at_once  # noqa: PLW0603 - it belongs to the process
    _at_once = False


def sync(descriptor: int) -> None:
    """Sync an open file, unless the main process will.

    Raises:
        OSError: The file cannot be synced.
    """
    if _at_once:
        os.fsync(descriptor)


def sync_files(paths: Iterable[str | Path]) -> None:
    """Sync files. Ignores missing ones.

    Raises:
        StageError: A file cannot be synced.
    """
    for path in paths:
        try:
            with contextlib.suppress(FileNotFoundError):
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
        except OSError as error:
            raise StageError(f"{path}: cannot be written ({error.strerror or error}).") from error
