"""Check a published data set against its manifest and schemas, and its files against one another."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from stages.artifacts.catalog import PUBLISHED
from stages.artifacts.final_assembly import MANIFEST, Manifest
from stages.failures import StageError
from stages.publishing.manifest import read_manifest, sha256_of

_SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"


@dataclass(frozen=True)
class Fault:
    """One fault in a data set.

    Attributes:
        file: Name in the data set; empty for the folder itself.
        message: The fault, in one line.
    """

    file: str
    message: str


@dataclass
class Verification:
    """The result of checking a data set.

    Attributes:
        folder: The data set's folder.
        files: Number of files in the manifest.
        size: Their total size in bytes.
        kit_version: The Kit version of the manifest; empty if there is none.
        faults: The faults, by file.
        foreign: The user's files. They are not in the manifest, and not a fault.
    """

    folder: Path
    files: int = 0
    size: int = 0
    kit_version: str = ""
    faults: list[Fault] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


def data_sets_in(folder: Path) -> list[Path]:
    """Return the folder itself if it is a data set, else the folders in it with a manifest or a Kit version as name.

    Raises:
        StageError: There is no data set.
    """
    if os.path.lexists(folder / MANIFEST):
        return [folder]
    try:
        found = [
            child
            for child in sorted(folder.iterdir())
            if child.is_dir()
            and not child.name.startswith(".")
            and (os.path.lexists(child / MANIFEST) or _is_version(child.name))
        ]
    except OSError as error:
        raise StageError(f"{folder}: cannot be read ({error.strerror or error}).") from error
    if not found:
        raise StageError(f"{folder}: not a data set: neither the folder nor a folder in it has a {MANIFEST}.")
    return found


def verify(folder: Path) -> Verification:
    """Check one data set: sizes, digests, schemas, indexes, and references between files.

    If the data set is replaced during the check, the new one is checked.

    Args:
        folder: The data set's folder, ``target_dir/<major.minor>``, or a copy of it.
    """
    for _ in range(10):
        before = _manifest_bytes(folder)
        found = _verify(folder)
        if _manifest_bytes(folder) == before:
            break
    return found


def _verify(folder: Path) -> Verification:
    result = Verification(folder)
    try:
        manifest = read_manifest(folder)
    except StageError as error:
        result.faults.append(Fault(MANIFEST, str(error)))
        return result
    if manifest is None:
        result.faults.append(Fault(MANIFEST, "is missing: the files of the data set are unknown"))
        return result
    result.files, result.kit_version = len(manifest.files), manifest.kit_version
    result.size = sum(entry.size for entry in manifest.files.values())
    sound = set()
    for name in sorted(manifest.files):
        fault = _fault_of(folder, name, manifest)
        if fault:
            result.faults.append(Fault(name, fault))
        else:
            sound.add(name)
    for name in [MANIFEST, *sorted(sound)]:
        result.faults += _schema_faults(folder, name)
    result.faults += _version_faults(folder, sound, manifest)
    result.faults += _database_faults(folder, sound, manifest)
    for name in sorted(sound):
        if name.endswith("_faiss/index.faiss"):
            result.faults += _index_faults(folder, os.path.dirname(name), sound)
    listed = {*manifest.files, MANIFEST}
    result.foreign = sorted(name for name in _names(folder) if name not in listed)
    result.faults.sort(key=lambda fault: (fault.file, fault.message))
    return result


def _fault_of(folder: Path, name: str, manifest: Manifest) -> str:
    entry = manifest.files[name]
    path = folder / name
    try:
        status = os.stat(path, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            return "is not a regular file"
        if status.st_size != entry.size:
            return f"has {status.st_size} bytes, the manifest says {entry.size}"
        if sha256_of(path) != entry.sha256:
            return "has different content (sha256 differs from the manifest)"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    return ""


def _schema_faults(folder: Path, name: str) -> Iterator[Fault]:
    schema = next((file.schema for file in PUBLISHED if file.data_set and _matches(name, file.data_set)), None)
    if schema is None:
        return
    value = _json(folder / name)
    if value is None:
        yield Fault(name, "is not valid JSON")
        return
    error = next(iter(_validator(schema).iter_errors(value)), None)
    if error is not None:
        at = "/".join(map(str, error.absolute_path)) or "the top"
        message = error.message if len(error.message) <= 200 else error.message[:200] + "…"
        yield Fault(name, f"does not match {schema}.schema.json at {at}: {message}")


def _matches(name: str, pattern: str) -> bool:
    """Return True if a name has the form of a pattern such as ``api_docs/<id>-<version>.api_docs.json``."""
    return fnmatch.fnmatchcase(name, re.sub("<[^>]*>", "*", pattern))


def _version_faults(folder: Path, sound: set[str], manifest: Manifest) -> Iterator[Fault]:
    if "VERSION.md" not in manifest.files:
        yield Fault("VERSION.md", "is not listed in the manifest")
    elif "VERSION.md" in sound and (folder / "VERSION.md").read_text("utf-8").strip() != manifest.kit_version:
        yield Fault("VERSION.md", f"names a Kit version other than {manifest.kit_version} in the manifest")


def _database_faults(folder: Path, sound: set[str], manifest: Manifest) -> Iterator[Fault]:
    """Yield a fault for each missing file that the database refers to."""
    name = "extensions/extensions_database.json"
    if name not in manifest.files:
        yield Fault(name, "is not listed in the manifest")
    if name not in sound:
        return
    try:
        for id_, entry in sorted(_json(folder / name)["extensions"].items()):
            for key in ("codeatlas_path", "api_docs_path"):
                if entry[key] is not None and f"extensions/{entry[key]}" not in manifest.files:
                    yield Fault(name, f"{id_}: {key} {entry[key]} is not in the data set")
    except (KeyError, TypeError, AttributeError):
        return  # the schema check reports this


def _index_faults(folder: Path, name: str, sound: set[str]) -> Iterator[Fault]:
    """Yield a fault for each contradiction between a FAISS index and its companion files."""
    if not {f"{name}/index.json", f"{name}/metadata.json"} <= sound:
        return
    import faiss

    try:
        index = faiss.read_index(str(folder / name / "index.faiss"))
    except RuntimeError as error:
        yield Fault(f"{name}/index.faiss", f"is not a FAISS index ({str(error).splitlines()[0][:200]})")
        return
    try:
        metadata, rows = _json(folder / name / "metadata.json"), _json(folder / name / "index.json")
        documents, order = rows["docstore"], rows["index_to_docstore_id"]
        if not index.ntotal == metadata["count"] == len(documents) == len(order):
            yield Fault(
                f"{name}/index.faiss",
                f"has {index.ntotal} vectors, metadata.json says {metadata['count']}, index.json has "
                f"{len(documents)} documents in {len(order)} rows",
            )
        elif index.ntotal and index.d != metadata["dimension"]:
            yield Fault(f"{name}/index.faiss", f"has {index.d} dimensions, metadata.json says {metadata['dimension']}")
        elif {str(row) for row in range(len(order))} != order.keys() or set(order.values()) != documents.keys():
            yield Fault(f"{name}/index.json", "its rows do not refer to each document once")
    except (KeyError, TypeError, AttributeError):
        return  # the schema check reports this


@cache
def _validator(schema: str) -> Any:
    """Return the validator of a schema."""
    import jsonschema

    content = json.loads((_SCHEMAS / f"{schema}.schema.json").read_bytes())
    return jsonschema.validators.validator_for(content)(content)


def _json(path: Path) -> Any:
    import orjson

    try:
        return orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError:
        try:
            return json.loads(path.read_bytes())  # integers beyond 64 bits
        except ValueError:
            return None
    except OSError:
        return None


def _manifest_bytes(folder: Path) -> bytes | None:
    try:
        return (folder / MANIFEST).read_bytes()
    except OSError:
        return None


def _names(folder: Path) -> Iterator[str]:
    for place, _, files in os.walk(folder):
        relative = Path(place).relative_to(folder)
        for name in files:
            yield (relative / name).as_posix()


def _is_version(name: str) -> bool:
    major, dot, minor = name.partition(".")
    return bool(dot) and major.isdecimal() and minor.isdecimal()
