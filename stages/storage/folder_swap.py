"""Atomic replacement of a folder: a reader sees either the old or the new one."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from stages.failures import StageError

# linux/fs.h: RENAME_EXCHANGE; macOS sys/stdio.h: RENAME_SWAP. Both are 2.
_EXCHANGE = 2
_AT_FDCWD = -100


def exchange(first: Path, second: Path) -> bool:
    """Exchange two names on one file system atomically. Return False if the system does not support it.

    Linux has ``renameat2`` (kernel 3.15, glibc 2.28), macOS ``renamex_np`` (10.12); some file systems refuse both.

    Raises:
        OSError: The exchange failed for a reason other than missing support.
    """
    import ctypes
    import errno

    library = ctypes.CDLL(None, use_errno=True)
    one, other = os.fsencode(first), os.fsencode(second)
    flag = ctypes.c_uint(_EXCHANGE)
    on_macos = sys.platform == "darwin"
    call = getattr(library, "renamex_np" if on_macos else "renameat2", None)
    if call is None:
        return False
    arguments = (one, other, flag) if on_macos else (_AT_FDCWD, one, _AT_FDCWD, other, flag)
    if call(*arguments) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP):
        return False
    raise OSError(code, os.strerror(code), str(second))


def swap(new: Path, published: Path, aside: Path) -> bool:
    """Move ``new`` to ``published``, and the old folder to ``aside``. Return True if there was an old folder.

    Without support for exchanging names, this takes two renames. After a crash between them, the old folder exists only
    at ``aside``, and `recover` moves it back.

    Raises:
        OSError: A rename failed. ``published`` is still the old folder.
    """
    if not os.path.lexists(published):
        os.replace(new, published)
        sync_folder(published.parent)
        return False
    if exchange(new, published):
        os.replace(new, aside)
    else:
        os.replace(published, aside)
        try:
            os.replace(new, published)
        except OSError:
            os.replace(aside, published)
            raise
    sync_folder(published.parent)
    return True


def recover(published: Path, aside: Path) -> bool:
    """Complete or undo an interrupted `swap`. Return True if the old folder was moved back."""
    if os.path.lexists(published) or not os.path.lexists(aside):
        return False
    os.replace(aside, published)
    sync_folder(published.parent)
    return True


def remove_folder(folder: Path) -> None:
    """Remove a folder with its contents. Removes a link itself without following it.

    Raises:
        OSError: A file or folder cannot be removed.
    """
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif os.path.lexists(folder):
        shutil.rmtree(folder)


def sync_folder(folder: Path) -> None:
    """Sync the entries of a folder to disk, if the system can sync folders."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder. Creates a missing folder, and waits for other holders.

    The lock is on the folder itself and leaves no file in it. The system releases it when the process ends.

    Raises:
        StageError: The folder cannot be created or opened.
    """
    import fcntl

    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StageError(f"{folder}: cannot be written ({error.strerror or error}).") from error
    try:
        with contextlib.suppress(OSError):  # the file system may not support locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
