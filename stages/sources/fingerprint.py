"""The state of the sources, computed without network access. It decides whether stage 1 runs."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from stages import artifacts
from stages.artifacts.pull_repo_exts import SOURCES, Source, Sources
from stages.failures import StageError
from stages.sources import git as source_git
from stages.sources import kit_detection
from stages.sources import premake as build_links
from stages.sources.configured import ConfiguredSource, GitSource, PathSource
from stages.sources.location import detected_kit, locate, recorded_root
from stages.sources.recorded import is_inner_path
from stages.sources.walk import Folder, walk
from stages.storage.recent import TICK_NS

# The end of a zip file contains the checksums of its entries.
_ZIP_TAIL = 65_536


class State(NamedTuple):
    """The state of the sources, computed without network access.

    Attributes:
        signature: Hexadecimal digits. They change when a ``path`` source is another folder; when a file is added,
            removed or renamed in it; when one of its manifests, build files, ``.kit`` files, zip archives or Kit
            version files changes; when a local git repository has another commit; and when a clone or an unpacked
            wheel of an earlier run is missing. Edits of other files do not change them.
        times: Hexadecimal digits that also differ after a change that was undone.
    """

    signature: str
    times: str


class ChangeTimes:
    """Digest of change times, collected in a walk. It reveals files that were added and removed again."""

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=16)
        self._begin = time.time_ns()
        self._newest = 0

    def add(self, status: os.stat_result) -> None:
        """Add the change time of a file or folder."""
        self._digest.update(b"%d " % status.st_ctime_ns)
        self._newest = max(self._newest, status.st_ctime_ns)

    def hexdigest(self) -> str:
        """Return the digest of all change times. It is unique to this run if a change is too recent to be trusted."""
        if self._newest > self._begin - TICK_NS:
            self._digest.update(b"%d" % self._begin)  # another change may have the same time
        return self._digest.hexdigest()


def state_of(
    sources: Sequence[ConfiguredSource],
    work_dir: Path,
    *,
    project: Path | None = None,
    search_from: Iterable[Path] = (),
    outputs: Iterable[Path] = (),
) -> State:
    """Return the state of the sources, without network access.

    Args:
        sources: The configured sources. If empty, a built Kit is searched for.
        work_dir: The work directory.
        project: See `pull`.
        search_from: Folders to search for a built Kit.
        outputs: See `pull`.
    """
    times = ChangeTimes()
    work_dir = Path(os.path.abspath(work_dir))
    if not sources:
        try:
            sources = [PathSource(path=str(detected_kit(list(search_from))))]
        except StageError as error:
            return State(_signature([[str(error)]], work_dir), times.hexdigest())
    states: list[list[Any]] = []
    for source in sources:
        state: list[Any]
        if isinstance(source, PathSource):
            root = Path(source.path)
            try:
                places = locate(source, root)
                digest = listing_digest(root, places.all, Bounds.of(source, root, [work_dir, *outputs]), times)
                state = [recorded_root(root, work_dir, project), *places, source.followed_links, digest]
            except (StageError, OSError) as error:
                state = [f"unusable: {error}"]
        else:
            state = [source.followed_links, _local_commit(source)]
        states.append([source.kind, *state])
    signature = _signature(states, work_dir)
    recorded = _recorded([state[-1] for state in states], work_dir)
    if recorded is not None and _signature(recorded, work_dir) != signature:
        signature += " differs from sources.json"  # makes stage 1 run
    return State(signature, times.hexdigest())


def pulled_signature(sources: Sequence[ConfiguredSource], work_dir: Path) -> str:
    """Return the signature of the sources in ``sources.json``, as `pull` read them.

    It equals the signature of `state_of` unless something has changed since the pull began.

    Args:
        sources: The configured sources.
        work_dir: The work directory.
    """
    work_dir = Path(os.path.abspath(work_dir))
    return _signature(_recorded([_local_commit(source) for source in sources], work_dir) or [], work_dir)


def _local_commit(source: ConfiguredSource) -> str:
    return source_git.local_commit(source) if isinstance(source, GitSource) else ""


def _recorded(commits: list[str], work_dir: Path) -> list[list[Any]] | None:
    """Return the state of each source in ``sources.json``, in the form of `state_of`; None if there is no such file.

    The file may come from someone else: the root of a fetched source is only trusted inside the work directory.
    """
    if not os.path.lexists(work_dir / SOURCES):
        return None
    entries = _recorded_sources(work_dir)
    # Without configured sources, `pull` recorded the Kit that it detected: a folder, which has no commit.
    commits = [*commits, *[""] * (len(entries) - len(commits))]
    return [_recorded_state(entry, commit) for entry, commit in zip(entries, commits, strict=False)]


def _recorded_state(entry: Source, commit: str) -> list[Any]:
    if entry.kind == "path":
        places = (entry.exts_paths, entry.apps_paths, entry.unbuilt_paths)
        return ["path", entry.root, *places, entry.links, entry.revision]
    revision = entry.revision if entry.kind == "git" and commit else ""
    paths = (entry.root, entry.app_template_path or "", *entry.exts_paths, *entry.apps_paths, *entry.unbuilt_paths)
    inside = entry.root.startswith("sources/") and all(map(is_inner_path, paths))
    return [entry.kind, entry.links if inside else "outside", revision]


def _recorded_sources(work_dir: Path) -> list[Source]:
    """Return the sources in ``sources.json``; none if it cannot be used."""
    try:
        return artifacts.read(work_dir / SOURCES, Sources).sources
    except StageError:
        return []


def _signature(states: list[list[Any]], work_dir: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for state in states:
        digest.update(f"{state}\n".encode("utf-8", "surrogateescape"))
    digest.update("".join(_missing_roots(work_dir)).encode())
    return digest.hexdigest()


class Bounds(NamedTuple):
    """Limits of the walk through a source.

    Attributes:
        inside: See `stages.sources.walk.walk`.
        outputs: Real paths of the pipeline's own outputs.
    """

    inside: str | None
    outputs: frozenset[str]

    @classmethod
    def of(cls, source: PathSource, root: Path, outputs: Iterable[Path]) -> Bounds:
        """Return the bounds of a configured folder."""
        inside = os.path.realpath(root) if source.links == "inside" else None
        return cls(inside, frozenset(os.path.realpath(folder) for folder in outputs))


def listing_digest(root: Path, folders: list[str], bounds: Bounds, times: ChangeTimes) -> str:
    """Return a digest of a folder's files, hexadecimal.

    It covers the names of all files; the content of manifests, build files, apps and zip directories; and the Kit
    version in a ``VERSION`` or packman file.

    The change times of folders and of the files read are added to ``times``.
    """
    digest = hashlib.blake2b(digest_size=16)
    for path in folders:
        digest.update(f"{path}\0\0".encode())
        start = str(root / path if path else root)
        for folder in walk(start, inside=bounds.inside, problems=[], leave_out=bounds.outputs):
            digest.update(_state_of(folder, times))
    digest.update(kit_detection.version_evidence(root).encode())
    return digest.hexdigest()


def _state_of(folder: Folder, times: ChangeTimes) -> bytes:
    with contextlib.suppress(OSError):
        times.add(os.stat(folder.path))
    names = [entry.name for entry in folder.files]
    parts = ["\0".join([folder.relative, *names]).encode()]
    for name in names:
        if name in (build_links.FILE, "extension.toml") or name.endswith((".kit", ".zip")):
            parts.append(_content(f"{folder.path}/{name}", _ZIP_TAIL if name.endswith(".zip") else None, times))
    return b"\0\0".join(parts) + b"\0\0\0"


def _content(path: str, tail: int | None, times: ChangeTimes) -> bytes:
    try:
        with open(path, "rb", buffering=0) as stream:
            status = os.fstat(stream.fileno())
            times.add(status)
            if tail is None:
                return stream.read()
            stream.seek(max(0, status.st_size - tail))
            return f"{status.st_size} ".encode() + hashlib.blake2b(stream.read(), digest_size=16).digest()
    except OSError as error:
        return f"unreadable: {error.strerror}".encode()


def _missing_roots(work_dir: Path) -> list[str]:
    """Return the missing clones and unpacked wheels of an earlier run."""
    return [source.root for source in _recorded_sources(work_dir) if not os.path.isdir(work_dir / source.root)]
