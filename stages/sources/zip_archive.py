"""Unpack untrusted zip archives: wheels and zipped extensions."""

from __future__ import annotations

import errno
import logging
import lzma
import os
import shutil
import stat
import tempfile
import unicodedata
import zipfile
import zlib
from pathlib import Path

from stages.storage.jsonfile import UMASK

DEFAULT_MAX_BYTES = 4 * 1024**3
DEFAULT_MAX_FILES = 200_000

_CHUNK = 1024 * 1024
_MAX_NAME_BYTES = 255
_ENCRYPTED = 0x1

logger = logging.getLogger(__name__)

_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    UnicodeDecodeError,
    ValueError,
)


class ArchiveError(Exception):
    """An archive is damaged or refused. The message names the entry and the reason."""


def unpack(
    archive: Path, folder: Path, *, max_bytes: int = DEFAULT_MAX_BYTES, max_files: int = DEFAULT_MAX_FILES
) -> None:
    """Unpack a zip archive to a new folder. The folder appears complete or not at all.

    Every entry is checked before anything is written. Refused are names that lead outside (absolute, ``..``, drive
    letters, backslashes), links, devices and pipes, encrypted entries, names that differ only in case, and archives
    beyond the limits. File modes in the archive are ignored.

    Args:
        archive: The zip file.
        folder: The new folder; must not exist.
        max_bytes: The maximum unpacked size in bytes.
        max_files: The maximum number of entries.

    Raises:
        ArchiveError: The archive is refused or damaged.
        OSError: The archive cannot be read, or the folder not written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".tmp-", suffix=".part", dir=folder.parent))
    try:
        with zipfile.ZipFile(archive) as opened:
            _extract(opened, _checked(opened.infolist(), max_bytes, max_files), temporary, max_bytes)
        temporary.chmod(0o777 & ~UMASK)
        temporary.rename(folder)
    except _DAMAGED as error:
        raise ArchiveError(f"it is not a sound zip archive ({error})") from error
    except OSError as error:
        if error.errno in (None, errno.EINVAL):  # bz2: "Invalid data stream"; a seek to a damaged offset
            raise ArchiveError(f"it is not a sound zip archive ({error})") from error
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def names(archive: str | os.PathLike[str]) -> list[str]:
    """Return the names of a zip archive's entries, without reading them.

    Raises:
        ArchiveError: The file is not a zip archive.
        OSError: It cannot be read.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            return opened.namelist()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, ValueError) as error:
        raise ArchiveError(f"it is not a sound zip archive ({error})") from error


def _checked(entries: list[zipfile.ZipInfo], max_bytes: int, max_files: int) -> list[tuple[zipfile.ZipInfo, list[str]]]:
    if len(entries) > max_files:
        raise ArchiveError(f"it has {len(entries):,} entries; the limit is {max_files:,} (input.max_archive_files)")
    total = sum(entry.file_size for entry in entries)
    if total > max_bytes:
        raise ArchiveError(f"it unpacks to {total:,} bytes; the limit is {max_bytes:,} (input.max_archive_bytes)")
    checked: list[tuple[zipfile.ZipInfo, list[str]]] = []
    files: set[str] = set()
    # Case-folded name -> (original name, True for a folder), for every entry and the folders above it.
    seen: dict[str, tuple[str, bool]] = {}
    for entry in entries:
        parts = _parts(entry)
        for depth in range(1, len(parts) + 1):
            name, is_folder = "/".join(parts[:depth]), depth < len(parts) or entry.is_dir()
            folded = unicodedata.normalize("NFC", name).casefold()
            known = seen.setdefault(folded, (name, is_folder))
            if known[0] != name:
                raise ArchiveError(f"the entries {known[0]!r} and {name!r} differ only in case")
            if known[1] != is_folder:
                raise ArchiveError(f"the entry {name!r} is both a file and a folder")
        if not entry.is_dir():
            if entry.filename in files:
                raise ArchiveError(f"the entry {entry.filename!r} exists twice")
            files.add(entry.filename)
        checked.append((entry, parts))
    return checked


def _parts(entry: zipfile.ZipInfo) -> list[str]:
    """Return the parts of an entry's name. Refuses names that are unsafe below a folder."""
    # The name as stored: zipfile itself replaces backslashes and cuts at NUL.
    name = entry.orig_filename
    if not name or "\0" in name or "\\" in name:
        raise ArchiveError(f"the entry {name!r} has a name that is not allowed")
    parts = name.removesuffix("/").split("/")
    if name.startswith("/") or ":" in parts[0] or any(part in ("", ".", "..") for part in parts):
        raise ArchiveError(f"the entry {name!r} leads outside of the archive")
    if any(len(part.encode("utf-8", "surrogatepass")) > _MAX_NAME_BYTES for part in parts):
        raise ArchiveError(f"the entry {name[:40]!r}… has a name that is too long")
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ArchiveError(f"the entry {name!r} is a link, device or pipe")
    if entry.flag_bits & _ENCRYPTED:
        raise ArchiveError(f"the entry {name!r} is encrypted")
    return parts


def _extract(
    archive: zipfile.ZipFile, entries: list[tuple[zipfile.ZipInfo, list[str]]], folder: Path, max_bytes: int
) -> None:
    written = 0
    for entry, parts in entries:
        target = os.path.join(folder, *parts)
        if entry.is_dir():
            os.makedirs(target, exist_ok=True)
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        # "x": never writes through an existing file or link.
        with archive.open(entry) as source, open(target, "xb") as sink:
            while chunk := source.read(_CHUNK):
                # Also counted here: the sizes in the directory may be wrong.
                written += len(chunk)
                if written > max_bytes:
                    raise ArchiveError(f"it unpacks to more than {max_bytes:,} bytes (input.max_archive_bytes)")
                sink.write(chunk)
