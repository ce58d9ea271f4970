"""JSON and other files, read with errors that name the file and written atomically and reproducibly."""

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

# mkstemp makes private files; outputs get the user's own mode. Read once: setting it is the only way to read it.
UMASK = os.umask(0o077)
os.umask(UMASK)


# What a file that is being written is called until it is whole; a killed run leaves it.
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
        StageError: It is missing or unreadable.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise StageError(f"{path}: cannot be read ({error.strerror or error}).") from error


def to_json(value: Any, *, indent: bool = False) -> bytes:
    """Return ``value`` as UTF-8 JSON with sorted keys and one trailing newline.

    Records (`msgspec.Struct`) may stand anywhere in it. The same value gives the same bytes. ``NaN`` and infinities,
    which JSON does not have, become ``null``; a lone surrogate becomes U+FFFD; an integer beyond 64 bits is written in
    full.
    """
    options = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE | (orjson.OPT_INDENT_2 if indent else 0)
    try:
        return orjson.dumps(value, _builtins, options)
    except orjson.JSONEncodeError:
        # orjson refuses big integers and lone surrogates; the standard library's slower encoder writes the former.
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
    """Write ``value`` to ``path`` as `to_json` gives it; see `write_bytes`."""
    return write_bytes(path, to_json(value, indent=indent))


def write_bytes(path: Path, content: bytes) -> bool:
    """Put ``content`` at ``path`` atomically: readers and crashes see the old file or the new one, whole.

    A file that already holds ``content`` is left alone, so that its times do not change.

    Returns:
        Whether the file was written.

    Raises:
        StageError: The file cannot be written; nothing is left behind.
    """
    try:
        # A link in its place is replaced, and a FIFO never opened.
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
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise StageError(f"{path}: cannot be written ({error.strerror or error}).") from error
    return True


def remove_unfinished(folder: Path, *, leave: str = "", below: bool = True) -> int:
    """Remove what killed runs were writing in a folder. Only for a folder in which nobody writes now.

    Args:
        folder: Where to look; it need not be there.
        leave: Name of a folder in it that is not looked into.
        below: Look into its folders as well.

    Returns:
        How many files and folders were removed.
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
