"""Read JSON and other files with errors that name the file, and write them atomically and reproducibly."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import orjson

from stages.failures import StageError
from stages.storage.syncing import sync

# mkstemp creates private files; outputs follow the user's umask. Read once, because reading the umask sets it.
UMASK = os.umask(0o077)
os.umask(UMASK)


# Name of a temporary file. A killed run leaves it behind.
_UNFINISHED = (".tmp-", ".part")


def read_json(path: Path) -> Any:
    """Return the value of a JSON file.

    Raises:
        StageError: The file is missing, unreadable or not JSON.
    """
    try:
        return orjson.loads(read_bytes(path))
    except orjson.JSONDecodeError as error:
        raise StageError(f"{path}:{error.lineno}: not valid JSON ({error.msg}). Delete it and run again.") from error


def read_bytes(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        StageError: The file is missing or unreadable.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise StageError(f"{path}: cannot be read ({error.strerror or error}).") from error


def to_json(value: Any, *, indent: bool = False) -> bytes:
    """Return ``value`` as UTF-8 JSON with sorted keys and one trailing newline.

    The value may contain records (`msgspec.Struct`). The same value gives the same bytes. ``NaN`` and infinities become
    ``null``, and lone surrogates become U+FFFD. Integers beyond 64 bits are written in full.
    """
    options = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE | (orjson.OPT_INDENT_2 if indent else 0)
    try:
        return orjson.dumps(value, _builtins, options)
    except orjson.JSONEncodeError:
        # orjson rejects big integers and lone surrogates. The slower standard encoder writes big integers.
        text = json.dumps(
            _plain(value),
            sort_keys=True,
            ensure_ascii=False,
            indent=2 if indent else None,
            separators=None if indent else (",", ":"),
        )
        return text.encode() + b"\n"


def _builtins(value: Any) -> Any:
    return msgspec.to_builtins(value)


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def write_json(path: Path, value: Any, *, indent: bool = False) -> bool:
    """Write the JSON of ``value`` to ``path``; see `to_json` and `write_bytes`."""
    return write_bytes(path, to_json(value, indent=indent))


def write_bytes(path: Path, content: bytes) -> bool:
    """Write ``content`` to ``path`` atomically: a reader or a crash sees either the old or the new file.

    The file is synced to disk, see `stages.storage.syncing`. If it already holds ``content``, it is not written, so
    that its times do not change.

    Returns:
        True if the file was written.

    Raises:
        StageError: The file cannot be written. No temporary file is left.
    """
    try:
        # Replaces a link, and never opens a FIFO.
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and status.st_size == len(content) and path.read_bytes() == content:
            return False
    except OSError:
        pass
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=".tmp-", suffix=".part", dir=path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchmod(stream.fileno(), 0o666 & ~UMASK)
            sync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise StageError(f"{path}: cannot be written ({error.strerror or error}).") from error
    return True


def remove_unfinished(folder: Path, *, leave: str = "", below: bool = True) -> int:
    """Remove the temporary files of killed runs from a folder. No other process may write in it.

    Args:
        folder: The folder; may be missing.
        leave: Name of a subfolder to skip.
        below: True to search subfolders as well.

    Returns:
        The number of removed files and folders.
    """
    removed = 0
    pending = [str(folder)]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as scan:
            for entry in scan:
                is_folder = entry.is_dir(follow_symlinks=False)
                if entry.name.startswith(_UNFINISHED[0]) and entry.name.endswith(_UNFINISHED[1]):
                    removed += 1
                    if is_folder:
                        shutil.rmtree(entry.path, ignore_errors=True)
                    else:
                        with contextlib.suppress(OSError):
                            os.unlink(entry.path)
                elif is_folder and below and entry.path != os.path.join(folder, leave):
                    pending.append(entry.path)
    return removed
