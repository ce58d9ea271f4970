"""One run at a time in a work directory, by a lock that the operating system releases with the process."""

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
HOLDER_NAME = LOCK_NAME + ".json"  # says who has it; differs from run to run
_held: dict[Path, FileLock] = {}


class WorkDirBusy(Exception):
    """Another process works in the work directory; the message says which, and since when."""


def acquire(work_dir: Path) -> None:
    """Take the work directory for this process until it ends. Taking it twice is taking it once.

    Raises:
        WorkDirBusy: Another process has it.
        OSError: The work directory cannot be made or written.
        StageError: It holds something that is not the pipeline's and would be overwritten, removed or written through.
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
    with contextlib.suppress(StageError):  # it only serves the message that others get
        write_bytes(holder, (json.dumps({"pid": os.getpid(), "since": started}) + "\n").encode())


def remove_leftovers(work_dir: Path) -> None:
    """Remove the unfinished files of a run that was killed. The caller holds the lock.

    A source is a folder of thousands of files, and nothing is made in it: it is not searched.
    """
    remove_unfinished(work_dir, leave="sources")
    for folder in ("sources", "sources/unpacked"):
        remove_unfinished(work_dir / folder, below=False)


def release(work_dir: Path) -> None:
    """Give the work directory back, if this process has it."""
    lock = _held.pop(work_dir.resolve(), None)
    if lock is not None:
        (work_dir / HOLDER_NAME).unlink(missing_ok=True)
        lock.release()


def _describe(work_dir: Path, holder: Path) -> str:
    try:
        told = json.loads(holder.read_text(encoding="utf-8"))
        who = f"process {told['pid']}, since {told['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        who = "another process"
    return f"{work_dir}: another run is at work here ({who}). Wait for it to end, or use another work_dir."
