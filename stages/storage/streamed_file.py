"""Atomic writing of files that are too large for memory. Like `jsonfile`, it writes a file only if it changed."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stages.failures import StageError
from stages.storage.jsonfile import UMASK
from stages.storage.syncing import sync

_CHUNK = 1 << 20


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Provide a temporary file next to ``path``. It replaces ``path`` if the block succeeds.

    A reader or a crash sees either the old or the new file. If ``path`` already holds the same bytes, it is kept, so
    that its times do not change. If the block raises, ``path`` is unchanged and the temporary file is removed.

    Yields:
        The path of the temporary file, which exists and is empty.

    Raises:
        StageError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".tmp-", suffix=".part", dir=path.parent)
        os.fchmod(descriptor, 0o666 & ~UMASK)
        os.close(descriptor)
    except OSError as error:
        raise StageError(f"{path}: cannot be written ({error.strerror or error}).") from error
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as stream:
            sync(stream.fileno())
        if path.is_symlink() or not same_content(temporary, path):
            os.replace(temporary, path)
    except OSError as error:
        raise StageError(f"{path}: cannot be written ({error.strerror or error}).") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def same_content(first: Path, second: Path) -> bool:
    """Return True if both files are readable and hold the same bytes."""
    try:
        with first.open("rb") as one, second.open("rb") as other:
            if os.fstat(one.fileno()).st_size != os.fstat(other.fileno()).st_size:
                return False
            while chunk := one.read(_CHUNK):
                if chunk != other.read(_CHUNK):
                    return False
    except OSError:
        return False
    return True
