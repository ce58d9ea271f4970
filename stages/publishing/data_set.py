"""Publish a data set: build the next folder beside the published one, then replace it in one step.

An unchanged file is a hard link to the published file. Published files are never written to, so the two generations
cannot affect each other. Files that are not in the manifest belong to the user. They are linked into the next folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from stages.artifacts.final_assembly import MANIFEST, FileEntry, Manifest
from stages.failures import StageError
from stages.publishing.manifest import copy_and_hash, encode, read_manifest, sha256_of
from stages.storage.folder_swap import exclusive, recover, remove_folder, swap, sync_folder
from stages.storage.jsonfile import read_json, write_bytes, write_json
from stages.storage.recent import TICK_NS, is_recent
from stages.storage.syncing import sync_files
from stages.storage.threads import in_threads

_Signature = list[int]


@dataclass
class Published:
    """The result of a publication.

    Attributes:
        changed: Names of new and changed files.
        removed: Names of removed files.
        foreign: Names of the user's files, which stay.
        swapped: True if the folder was replaced.
    """

    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    swapped: bool = False


class Publication:
    """The next generation of one data set.

    Attributes:
        folder: The published folder, ``target_dir/<major.minor>``.
        building: The folder of the next generation.
        aside: Folder of the old generation after the swap, until it is moved to ``previous``.
    """

    def __init__(self, folder: Path, record: Path, previous: Path) -> None:
        """Set the paths.

        Args:
            folder: The published folder.
            record: File in the work directory for signatures and digests, so that not all files are read again.
            previous: Folder for the replaced generation; may be on another file system.
        """
        self.folder = folder
        self.building = folder.with_name(f".tmp-{folder.name}.part")
        self.aside = folder.with_name(f".old-{folder.name}")
        self._record = _Record(record, f"{os.path.relpath(folder, record.parent)}")
        self._previous = previous

    def publish(
        self,
        files: Mapping[str, str],
        contents: Mapping[str, bytes],
        manifest_of: Callable[[dict[str, FileEntry]], Manifest],
        *,
        earlier_names: Iterable[str] = (),
    ) -> Published:
        """Publish files. The published folder is the old generation or the new one at every moment.

        Args:
            files: Name in the data set -> the file to copy.
            contents: Name in the data set -> its content.
            manifest_of: Makes the manifest from the entries of all files.
            earlier_names: Names of the pipeline's files if the published folder has no manifest.

        Raises:
            StageError: A file cannot be read or written, or something is in the way.
        """
        with exclusive(self.folder.parent):
            try:
                self._clear_leftovers(set(earlier_names))
                return self._publish(files, contents, manifest_of, set(earlier_names))
            except OSError as error:
                raise StageError(
                    f"{error.filename or self.folder}: the data set cannot be written ({error.strerror or error}). "
                    "The published data set is unchanged."
                ) from error

    def _clear_leftovers(self, earlier_names: set[str]) -> None:
        """Clean up after a killed run, starting with the published folder."""
        if self.folder.is_symlink() or (self.folder.exists() and not self.folder.is_dir()):
            raise StageError(f"{self.folder}: expected a folder, not a link, to publish the data set in. Move it.")
        recover(self.folder, self.aside)
        remove_folder(self.building)
        if os.path.lexists(self.aside):
            old = _manifest(self.aside)
            self._carry_over(_tree(self.folder).files | (set(old.files) if old else earlier_names))
            remove_folder(self.aside)

    def _publish(
        self,
        files: Mapping[str, str],
        contents: Mapping[str, bytes],
        manifest_of: Callable[[dict[str, FileEntry]], Manifest],
        earlier_names: set[str],
    ) -> Published:
        old = _manifest(self.folder)
        tree = _tree(self.folder)
        compared = self._compare(files, set(old.files) if old is not None else set())
        entries = {name: file.entry for name, file in compared.items() if file.entry is not None}
        entries |= {name: _entry_of(content) for name, content in contents.items()}
        names = compared.keys() | contents.keys()

        same = {name for name, file in compared.items() if file.is_published}
        sources = {name: file.source for name, file in compared.items()}
        same |= {name for name, content in contents.items() if _content(self.folder / name) == content}
        ours = (set(old.files) if old is not None else earlier_names) | {MANIFEST}
        done = Published(
            changed=sorted(names - same),
            removed=sorted((ours & tree.files) - names - {MANIFEST}),
            foreign=sorted(tree.files - ours - names),
        )

        def manifest() -> bytes:
            return encode(manifest_of(dict(sorted(entries.items()))))

        manifest_is_same = len(entries) == len(names) and _content(self.folder / MANIFEST) == manifest()
        if not done.changed and not done.removed and manifest_is_same:
            self._record.save(self.folder, sources, entries)
            return done
        self._refuse_obstacles(tree, names)
        if not manifest_is_same:
            # Removed first, because this changes the times of files linked in both generations.
            remove_folder(self._previous)
        self._build(files=files, contents=contents, same=same, tree=tree, foreign=done.foreign)
        entries |= self._copy({name: (files[name], compared[name]) for name in sorted(files.keys() - same)})
        write_bytes(self.building / MANIFEST, manifest())
        sync_files(self.building / name for name in [MANIFEST, *contents])
        for folder in sorted({os.path.dirname(name) for name in [*entries, MANIFEST]}):
            sync_folder(self.building / folder)
        if swap(self.building, self.folder, self.aside):
            self._carry_over(tree.files)
            self._retire(None if manifest_is_same else old)
        done.swapped = True
        # Linking has just changed the times of all files. The next run would read again those that are too recent.
        threading.Event().wait(TICK_NS / 1e9)
        self._record.save(self.folder, sources, entries)
        return done

    def _compare(self, files: Mapping[str, str], published: Collection[str]) -> dict[str, _Compared]:
        """Compare each file with the published one, if it is in the manifest or in the folder.

        Reads only files without a record, several at a time.
        """
        found: dict[str, _Compared] = {}
        unknown: list[tuple[str, str, _Signature]] = []
        for name, source in files.items():
            status = os.stat(source, follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode):
                raise StageError(f"{source}: expected a regular file. Delete it and run again.")
            signature = _signature_of(status)
            digest = self._record.digest(name, signature, _signature(f"{self.folder}/{name}"))
            if digest is not None:
                found[name] = _Compared(FileEntry(size=status.st_size, sha256=digest), True, signature)
            elif name in published or os.path.lexists(self.folder / name):
                unknown.append((name, source, signature))
            else:
                found[name] = _Compared(None, False, signature)
        for (name, _, _), compared in zip(unknown, in_threads(self._read, unknown), strict=True):
            found[name] = compared
        return {name: found[name] for name in files}

    def _read(self, item: tuple[str, str, _Signature]) -> _Compared:
        name, source, signature = item
        published = self.folder / name
        digest = sha256_of(source)
        try:
            there = os.stat(published, follow_symlinks=False)
            same = there.st_size == signature[0] and stat.S_ISREG(there.st_mode) and sha256_of(published) == digest
        except OSError:
            same = False
        return _Compared(FileEntry(size=signature[0], sha256=digest), same, signature)

    def _refuse_obstacles(self, tree: _Tree, names: Iterable[str]) -> None:
        for name in [*names, MANIFEST]:
            parts = name.split("/")
            above = {"/".join(parts[:end]) for end in range(1, len(parts))}
            obstacle = next(iter(above & tree.files), name if name in tree.folders else None)
            if obstacle is not None and not _is_empty(tree, obstacle):
                raise StageError(f"{self.folder / obstacle}: in the way of {name} of the data set. Move it elsewhere.")

    def _build(
        self,
        *,
        files: Mapping[str, str],
        contents: Mapping[str, bytes],
        same: set[str],
        tree: _Tree,
        foreign: list[str],
    ) -> None:
        """Create the next folder, with everything but the files to copy and the manifest."""
        self.building.mkdir()
        if self.folder.is_dir():
            shutil.copymode(self.folder, self.building)
        names = files.keys() | contents.keys()
        empty = {folder for folder in tree.folders if _is_empty(tree, folder)}
        for folder in sorted({os.path.dirname(name) for name in [*names, *foreign]} | (empty - names)):
            (self.building / folder).mkdir(parents=True, exist_ok=True)
        for name in [*sorted(same), *foreign]:
            _link(f"{self.folder}/{name}", f"{self.building}/{name}")
        for name in contents.keys() - same:
            write_bytes(self.building / name, contents[name])

    def _copy(self, items: Mapping[str, tuple[str, _Compared]]) -> dict[str, FileEntry]:
        """Copy files into the next folder, several at a time, and return their entries."""

        def copy(name: str) -> FileEntry:
            source, compared = items[name]
            entry = FileEntry(size=compared.source[0], sha256=copy_and_hash(source, self.building / name))
            same = _signature(source) == compared.source if compared.entry is None else entry == compared.entry
            if not same:
                raise StageError(f"{source}: changed while it was being published. Run again.")
            return entry

        return dict(zip(items, in_threads(copy, items), strict=True))

    def _carry_over(self, seen: set[str]) -> None:
        """Link the user's files that were added to the old generation after it was listed.

        Args:
            seen: Names of the pipeline's files and of files in the new generation.
        """
        for name in sorted(_tree(self.aside).files - seen - {MANIFEST}):
            target = self.folder / name
            with contextlib.suppress(FileExistsError):
                target.parent.mkdir(parents=True, exist_ok=True)
                _link(f"{self.aside}/{name}", str(target))

    def _retire(self, old: Manifest | None) -> None:
        """Move the replaced generation to ``previous`` without the user's files, or remove it."""
        if old is None:
            remove_folder(self.aside)
            return
        for name in _tree(self.aside).files - old.files.keys() - {MANIFEST}:
            (self.aside / name).unlink()
        self._previous.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.replace(self.aside, self._previous)
        except OSError:  # another file system
            shutil.copytree(self.aside, self._previous, symlinks=True)
            remove_folder(self.aside)


class _Record:
    """Signatures and digests of published files and their sources, recorded when their contents were equal.

    While size, both times and inode are unchanged, so is the content: the change time cannot be set.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._key = key
        self._known: dict[str, Any] = {}
        with contextlib.suppress(StageError, AttributeError):
            found = read_json(path)
            if found.get("key") == key and isinstance(found.get("files"), dict):
                self._known = found["files"]

    def digest(self, name: str, source: _Signature, published: _Signature) -> str | None:
        """Return the digest of a published file if it is known to equal its source; else None."""
        match self._known.get(name):
            case [known_source, known_published, str(digest)] if [known_source, known_published] == [source, published]:
                return digest
        return None

    def save(self, folder: Path, sources: Mapping[str, _Signature], entries: Mapping[str, FileEntry]) -> None:
        """Record all files, without files that may change again with the same times.

        Args:
            folder: The published folder.
            sources: The signature of each source, taken before it was read to detect later changes.
            entries: The digests.
        """
        now = time.time_ns()
        found = {}
        for name, source in sources.items():
            signatures = [source, _signature(f"{folder}/{name}")]
            if not any(not signature or is_recent(signature, now) for signature in signatures):
                found[name] = [*signatures, entries[name].sha256]
        write_json(self._path, {"key": self._key, "files": found})


class _Compared(NamedTuple):
    """The record of a file to publish.

    Attributes:
        entry: Its entry in the manifest; None if it is only read when it is copied.
        is_published: True if the published file has the same content.
        source: The stat signature of its source, taken before the source was read.
    """

    entry: FileEntry | None
    is_published: bool
    source: _Signature


@dataclass(frozen=True)
class _Tree:
    """The relative names, with ``/``, of all files below a folder. Links and special files count as files."""

    files: set[str]
    folders: set[str]


def _manifest(folder: Path) -> Manifest | None:
    """Return a folder's manifest; None if it is missing or damaged. A damaged manifest is replaced."""
    try:
        return read_manifest(folder)
    except StageError:
        return None


def _tree(folder: Path) -> _Tree:
    files: set[str] = set()
    folders: set[str] = set()
    pending = [""]
    while pending:
        below = pending.pop()
        try:
            with os.scandir(folder / below) as scan:
                for entry in scan:
                    name = f"{below}/{entry.name}" if below else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        folders.add(name)
                        pending.append(name)
                    else:
                        files.add(name)
        except FileNotFoundError:
            continue
    return _Tree(files, folders)


def _is_empty(tree: _Tree, folder: str) -> bool:
    return folder in tree.folders and not any(name.startswith(f"{folder}/") for name in tree.files)


def _link(source: str, target: str) -> None:
    """Create a hard link to a file, or copy it if the file system has no hard links."""
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def _signature(path: str | Path) -> _Signature:
    try:
        return _signature_of(os.stat(path, follow_symlinks=False))
    except OSError:
        return []


def _signature_of(status: os.stat_result) -> _Signature:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _content(path: Path) -> bytes | None:
    try:
        return None if path.is_symlink() else path.read_bytes()
    except OSError:
        return None


def _entry_of(content: bytes) -> FileEntry:
    import hashlib

    return FileEntry(size=len(content), sha256=hashlib.sha256(content).hexdigest())
