"""The lock of a work directory. The operating system releases it when the process ends."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path

from filelock import FileLock, Timeout

from stages.failures import StageError
from stages.storage.jsonfile import remove_unfinished, write_bytes
from stages.storage.ownership import check_work_dir

LOCK_NAME = ".pipeline_lock"
HOLDER_NAME = LOCK_NAME + ".json"  # describes the holder; differs between runs
_held: dict[Path, FileLock] = {}


class WorkDirBusy(Exception):
    """Another process holds the lock of the work directory. The message names it and its start time."""


def acquire(work_dir: Path) -> None:
    """Lock the work directory for this process until it ends. A second call has no effect.

    Raises:
        WorkDirBusy: Another process holds the lock.
        OSError: The work directory cannot be created or written.
        StageError: The folder holds foreign files that the pipeline would overwrite, remove or write through.
    """
    named, work_dir = work_dir, work_dir.resolve()
    if work_dir in _held:
        return
    check_work_dir(named)
    holder = work_dir / HOLDER_NAME
    lock = FileLock(work_dir / LOCK_NAME)
    try:
        work_dir.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise WorkDirBusy(_describe(work_dir, holder)) from None
    except OSError as error:
        raise OSError(f"{work_dir}: the work directory cannot be used ({error.strerror or error}).") from error
    _held[work_dir] = lock
    started = time.strftime("%Y-%m-%d %H:%M:%S")
    with contextlib.suppress(StageError):  # only the error message of other processes needs it
        write_bytes(holder, (json.dumps({"pid": os.getpid(), "since": started}) + "\n").encode())


def is_held(work_dir: Path) -> bool:
    """Return True if this process holds the lock of a work directory."""
    return work_dir.resolve() in _held


def remove_leftovers(work_dir: Path) -> None:
    """Remove the temporary files of a killed run. The caller holds the lock.

    Skips the folders of sources: they hold thousands of files, and the pipeline creates nothing in them.
    """
    remove_unfinished(work_dir, leave="sources")
    for folder in ("sources", "sources/unpacked"):
        remove_unfinished(work_dir / folder, below=False)


def release(work_dir: Path) -> None:
    """Release the lock of a work directory if this process holds it."""
    lock = _held.pop(work_dir.resolve(), None)
    if lock is not None:
        (work_dir / HOLDER_NAME).unlink(missing_ok=True)
        lock.release()


def _describe(work_dir: Path, holder: Path) -> str:
    try:
        record = json.loads(holder.read_text(encoding="utf-8"))
        who = f"process {record['pid']}, since {record['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        who = "another process"
    return f"{work_dir}: another run is using this directory ({who}). Wait for it to end, or use another work_dir."
