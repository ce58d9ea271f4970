"""``MANIFEST.json``: the files of a published data set, and their sources."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import msgspec

from stages.artifacts.final_assembly import MANIFEST, MANIFEST_VERSION, Manifest
from stages.failures import StageError
from stages.storage.jsonfile import to_json

_CHUNK = 1 << 20


def encode(manifest: Manifest) -> bytes:
    """Return the file's content: sorted and indented. Equal manifests give equal bytes."""
    return to_json(manifest, indent=True)


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a data set's folder; None if the folder has none.

    Raises:
        StageError: The file cannot be read, or is not a manifest.
    """
    path = folder / MANIFEST
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise StageError(f"{path}: expected a regular file.")
        found = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StageError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StageError(f"{path}: not a manifest of a data set ({error}).") from error
    if found.manifest_version != MANIFEST_VERSION:
        raise StageError(f"{path}: manifest_version {found.manifest_version} is not known to this version.")
    odd = next((name for name in found.files if not is_relative_name(name)), None)
    if odd is not None:
        raise StageError(f"{path}: {odd!r} is not a path inside the data set.")
    return found


def is_relative_name(name: str) -> bool:
    """Return True if a name is a normal path with ``/`` that stays below its folder."""
    return (
        bool(name)
        and "\0" not in name
        and "\\" not in name
        and not name.startswith("/")
        and not {"", ".", ".."} & set(name.split("/"))
    )


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a regular file, hexadecimal. A symbolic link is not followed.

    Raises:
        OSError: The file cannot be read, or is a link.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def copy_and_hash(source: str | Path, target: str | Path) -> str:
    """Copy a regular file with its times to a new file, and sync it. Return the SHA-256 of the copied bytes.

    A symbolic link is not followed, and an existing target is an error.

    Raises:
        OSError: The source cannot be read, or the target cannot be written.
    """
    digest = hashlib.sha256()
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as reader, open(target, "xb") as writer:
        while chunk := reader.read(_CHUNK):
            digest.update(chunk)
            writer.write(chunk)
        writer.flush()
        status = os.fstat(reader.fileno())
        os.utime(writer.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
        os.fsync(writer.fileno())
    return digest.hexdigest()
