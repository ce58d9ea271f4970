"""Stage 1: bring the sources of extensions in, and find out where their extensions lie and which Kit they are for.

A source is a ``wheel``, a ``git`` repository or a ``path``; see the modules of those names. Wheels and clones lie below
``work_dir/sources``; a path is only ever read. The result is ``work_dir/sources.json``.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import logging
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from stages.failures import StageError, StageWarning
from stages.sources import git as source_git
from stages.sources import kit_detection
from stages.sources import premake as build_links
from stages.sources import wheel as source_wheel
from stages.sources.recorded import is_inner_path
from stages.sources.walk import Folder, is_within, walk
from stages.storage.jsonfile import read_json, write_json

# The end of a zip file holds the checksums of what is in it.
_ZIP_TAIL = 65_536
# What has changed this shortly before may change again without its time showing it.
_TICK_NS = 20_000_000
# The keys of sources.json for `_Places`.
_PLACES = ("exts_paths", "apps_paths", "unbuilt_paths")
_VERSION = re.compile(r"[0-9]+\.[0-9]+(?:\.[0-9]+)*")

logger = logging.getLogger(__name__)


class State(NamedTuple):
    """What the sources are like, as far as it can be told without any network.

    Attributes:
        signature: Hexadecimal digits. They change when a ``path`` source is another folder; when it gains, loses or
            renames a file, or one of its manifests, build files, ``.kit`` files, zip archives or the files that tell
            its Kit version changes; when a local git repository has another commit; and when a clone or an unpacked
            wheel that a former run made is gone. Edits of other files do not change them.
        times: Hexadecimal digits that also change when what ``signature`` is about changed and is as before again.
    """

    signature: str
    times: str


class _Times:
    """Times of change, collected on the way through a source: they tell that a file came and went in between."""

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=16)
        self._begin = time.time_ns()
        self._newest = 0

    def add(self, status: os.stat_result) -> None:
        self._digest.update(b"%d " % status.st_ctime_ns)
        self._newest = max(self._newest, status.st_ctime_ns)

    def hexdigest(self) -> str:
        if self._newest > self._begin - _TICK_NS:
            self._digest.update(b"%d" % self._begin)  # so young that another change could leave the time as it is
        return self._digest.hexdigest()


def state_of(
    sources: list[dict[str, Any]],
    work_dir: Path,
    *,
    project: Path | None = None,
    search_from: Iterable[Path] = (),
    outputs: Iterable[Path] = (),
) -> State:
    """Return the state of the sources, without any network.

    Args:
        sources: The ``[[input.sources]]``, paths absolute. With none, a built Kit is looked for.
        work_dir: The work directory.
        project: See `pull`.
        search_from: Folders near which a built Kit is looked for.
        outputs: See `pull`.
    """
    times = _Times()
    work_dir = Path(os.path.abspath(work_dir))
    if not sources:
        try:
            sources = [{"kind": "path", "path": str(_detected(list(search_from)))}]
        except StageError as error:
            return State(_signature([[str(error)]], work_dir), times.hexdigest())
    states = []
    for source in sources:
        if source["kind"] == "path":
            root = Path(source["path"])
            try:
                places = _locate(source, root)
                revision = _revision(root, places.all, _Bounds.of(source, root, [work_dir, *outputs]), times)
                state = [_stored(root, work_dir, project), *places, _links(source), revision]
            except (StageError, OSError) as error:
                state = [f"unusable: {error}"]
        else:
            state = [_links(source), source_git.local_commit(source) if source["kind"] == "git" else ""]
        states.append([source["kind"], *state])
    signature = _signature(states, work_dir)
    recorded = _recorded(sources, [state[-1] for state in states], work_dir)
    if recorded is not None and _signature(recorded, work_dir) != signature:
        signature += " differs from sources.json"  # whatever is recorded of the pull
    return State(signature, times.hexdigest())


def pulled_signature(sources: list[dict[str, Any]], work_dir: Path) -> str:
    """Return the signature of the sources as ``sources.json`` has recorded them: what `pull` has seen.

    It equals that of `state_of` as long as nothing has changed since, a change during the pull included.

    Args:
        sources: The ``[[input.sources]]``, paths absolute.
        work_dir: The work directory.
    """
    work_dir = Path(os.path.abspath(work_dir))
    commits = [source_git.local_commit(source) if source["kind"] == "git" else "" for source in sources]
    return _signature(_recorded(sources, commits, work_dir) or [], work_dir)


def _recorded(sources: list[dict[str, Any]], commits: list[str], work_dir: Path) -> list[list[Any]] | None:
    """Return the state of each source that ``sources.json`` tells, in the form of `state_of`; None if there is none.

    The file may come from someone else: of a fetched source, a root outside the work directory is not believed.
    """
    try:
        entries = read_json(work_dir / "sources.json")["sources"]
    except (StageError, KeyError, TypeError):
        return None
    states: list[list[Any]] = []
    try:
        for number, entry in enumerate(entries):
            if entry["kind"] == "path":
                shown = [entry[key] for key in ("root", *_PLACES, "links", "revision")]
                states.append(["path", *shown])
                continue
            commit = entry["revision"] if entry["kind"] == "git" and commits[number] else ""
            paths = (entry["root"], entry["app_template_path"] or "", *(path for key in _PLACES for path in entry[key]))
            inside = entry["root"].startswith("sources/") and all(map(is_inner_path, paths))
            states.append([entry["kind"], entry["links"] if inside else "outside", commit])
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        states.append([f"unusable: {error}"])
    return states


def _links(source: dict[str, Any]) -> str:
    """Return which links of a source are followed: ``any``, or ``inside`` for those that stay in it.

    What is not the user's own must not make the pipeline read the user's other files. A build is the user's own.
    """
    if source["kind"] == "path":
        return str(source.get("links") or "any")
    if source["kind"] == "git" and source.get("build_command"):
        return "any"
    return "inside"


def _signature(states: list[list[Any]], work_dir: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for state in states:
        digest.update(f"{state}\n".encode("utf-8", "surrogateescape"))
    digest.update("".join(_gone(work_dir)).encode())
    return digest.hexdigest()


def pull(
    sources: list[dict[str, Any]],
    *,
    work_dir: Path,
    cache_dir: Path | None = None,
    kit_version: str | None = None,
    fallback_kit_version: str | None = None,
    limits: dict[str, Any] | None = None,
    update: bool = False,
    project: Path | None = None,
    search_from: Iterable[Path] = (),
    outputs: Iterable[Path] = (),
) -> None:
    """Fetch, build and locate the sources, and write ``sources.json``.

    Args:
        sources: The ``[[input.sources]]``, paths absolute. With none, a built Kit is looked for.
        work_dir: The work directory.
        cache_dir: Folder of downloads that all runs share; None for the user's cache folder.
        kit_version: The Kit version, if it is not to be detected.
        fallback_kit_version: The Kit version where no source tells one.
        limits: ``max_archive_bytes`` and ``max_archive_files``, for archives.
        update: Ask the remotes of git sources for newer commits.
        project: Folder of the configuration. If a source and the work directory lie in it, the source is recorded
            relative to the work directory, so that the project may move.
        search_from: Folders near which a built Kit is looked for.
        outputs: Folders that the pipeline writes to beside the work directory: they are no sources.

    Raises:
        StageError: A source cannot be used, or the Kit version is unknown.
    """
    work_dir = Path(os.path.abspath(work_dir))
    limits = limits or {}
    outputs = [work_dir, *outputs]
    if not sources:
        sources = [{"kind": "path", "path": str(_detected(list(search_from)))}]
    # Before anything is fetched: one wrong source should not cost the download of the others.
    for source in sources:
        if source["kind"] == "git":
            source_git.check(source)
        for key in ("exts_path", "apps_path", "app_template_path"):
            for pattern in _as_list(source.get(key)):
                _check_pattern(key, pattern)
    described, versions = [], []
    for source in sources:
        entry, found = _pull_one(source, work_dir, cache_dir, limits, project, outputs=outputs, update=update)
        described.append(entry)
        versions.append(found)
    warnings: list[StageWarning] = []
    chosen = _kit_version(kit_version, fallback_kit_version, described, versions, warnings)
    write_json(
        work_dir / "sources.json",
        {
            "kit_cache_path": described[0]["root"],
            "kit_version": chosen,
            "sources": described,
            "limits": limits,
            "warnings": warnings,
        },
        indent=True,
    )
    _forget_lost_archives(work_dir)


def _forget_lost_archives(work_dir: Path) -> None:
    """Make preparation run again if extensions that it unpacked have gone, as after a clean of this stage.

    The same sources give the same ``sources.json``, which by itself would leave preparation up to date.
    """
    prepared = work_dir / "extensions.json"
    try:
        folders = [extension["folder"] for extension in read_json(prepared)["extensions"]]
    except (StageError, KeyError, TypeError):
        return
    if any(folder.startswith("sources/unpacked/") and not (work_dir / folder).is_dir() for folder in folders):
        logger.info("Zipped extensions that were unpacked are gone; preparation unpacks them again")
        prepared.unlink(missing_ok=True)


def _pull_one(
    source: dict[str, Any],
    work_dir: Path,
    cache_dir: Path | None,
    limits: dict[str, Any],
    project: Path | None,
    *,
    outputs: list[Path],
    update: bool,
) -> tuple[dict[str, Any], tuple[str, str] | None]:
    kind = source["kind"]
    if kind == "wheel":
        root, revision = source_wheel.fetch(source, work_dir=work_dir, cache_dir=cache_dir, limits=limits)
        name = source["requirement"]
    elif kind == "git":
        root, revision = source_git.fetch(source, work_dir=work_dir, update=update)
        name = source_git.masked(source["url"]) + (f" {source['branch']}" if source.get("branch") else "")
    else:
        root, revision = _usable(Path(source["path"])), ""
        name = root.name or str(root)
    links = _links(source)
    places = _locate(source, root)
    template = source.get("app_template_path")
    if template:
        template = _resolved(root, "app_template_path", [template], name)[0]
    if links == "inside":
        real_root = os.path.realpath(root)
        for path in (*places.all, template or ""):
            if not is_within(os.path.realpath(root / path), real_root):
                raise StageError(
                    f"input.sources: {name}: {path} is a link that leads out of the source; it is refused."
                )
    if kind == "path":
        revision = _revision(root, places.all, _Bounds.of(source, root, outputs), _Times())
    found = kit_detection.kit_version(root)
    if found:
        logger.info("%s: Kit %s (from %s)", name, *found)
    entry = {
        "kind": kind,
        "name": name,
        "root": _stored(root, work_dir, project),
        **dict(zip(_PLACES, places, strict=True)),
        "app_template_path": template or None,
        "revision": revision,
        "kit_version": found[0] if found else None,
        "links": links,
    }
    return entry, found


def _usable(path: Path) -> Path:
    if not path.is_dir():
        what = "is not a folder" if path.exists() else "does not exist"
        raise StageError(f"{path}: this source {what}. Correct `path` in [[input.sources]], or --kit-cache.")
    try:
        str(path).encode()
        with os.scandir(path):
            pass
    except (OSError, UnicodeEncodeError) as error:
        reason = getattr(error, "strerror", None) or "its name is not valid UTF-8"
        raise StageError(f"{path!s}: this source cannot be read ({reason}). Mend its permissions or name.") from error
    return path


def _detected(search_from: list[Path]) -> Path:
    found, looked = kit_detection.detect([Path(os.path.abspath(folder)) for folder in search_from])
    if found is None:
        places = "\n".join(f"    {place}" for place in looked)
        raise StageError(
            "No source is configured and no built Kit was found. Name one with --kit-cache PATH or [[input.sources]]."
            f" Looked in:\n{places}"
        )
    return found


# --- where extensions lie --------------------------------------------------------------------------------------------


class _Places(NamedTuple):
    """Where a source has what is collected, relative to its root with ``/``.

    Attributes:
        exts: Folders of extensions.
        apps: Folders of apps.
        unbuilt: Folders of the source tree, which count for what its build lacks.
    """

    exts: list[str]
    apps: list[str]
    unbuilt: list[str]

    @property
    def all(self) -> list[str]:
        return [*self.exts, *self.apps, *self.unbuilt]


def _locate(source: dict[str, Any], root: Path) -> _Places:
    name = source.get("requirement") or source_git.masked(source.get("url") or "") or str(root)
    exts, apps = _as_list(source.get("exts_path")), _as_list(source.get("apps_path"))
    found_exts, found_apps = kit_detection.kit_folders(root) if not exts else ([], [])
    return _Places(
        _resolved(root, "exts_path", exts, name) if exts else found_exts,
        _resolved(root, "apps_path", apps, name) if apps else found_apps,
        [] if exts else kit_detection.unbuilt_folders(root),
    )


def _resolved(root: Path, key: str, patterns: list[str], name: str) -> list[str]:
    """Return the folders that patterns stand for: below the source, or else below the platform folder of its build."""
    found: list[str] = []
    for pattern in patterns:
        _check_pattern(key, pattern)
        matches = _matches(root, pattern)
        if not matches:
            build = kit_detection.built_folder(root)
            if build is not None:
                matches = [f"{build.relative_to(root).as_posix()}/{match}" for match in _matches(build, pattern)]
        if not matches:
            there = ", ".join(sorted(child.name for child in root.iterdir() if child.is_dir())[:20]) or "no folder"
            raise StageError(
                f"input.sources: {name}: {key}: there is no folder {pattern!r} in it. Correct {key}, or build the"
                f" source (build_command). It has: {there}."
            )
        found += [match for match in matches if match not in found]
    return found


def _matches(root: Path, pattern: str) -> list[str]:
    plain = os.path.normpath(pattern)
    if (root / plain).is_dir():
        return ["" if plain == "." else plain.replace(os.sep, "/")]
    matches = sorted(glob.glob(pattern, root_dir=root, recursive=True))
    matches = [os.path.normpath(match).replace(os.sep, "/") for match in matches if (root / match).is_dir()]
    return list(dict.fromkeys("" if match == "." else match for match in matches))


def _check_pattern(key: str, pattern: str) -> None:
    parts = pattern.replace("\\", "/").split("/")
    if os.path.isabs(pattern) or pattern.startswith("~") or ".." in parts or "\0" in pattern:
        raise StageError(f"input.sources: {key}: {pattern!r} leads out of the source; give a path below it.")


def _as_list(value: Any) -> list[str]:
    if not value:
        return []
    return [value] if isinstance(value, str) else list(value)


# --- what state it is in ---------------------------------------------------------------------------------------------


class _Bounds(NamedTuple):
    """Where the walk through a source does not go.

    Attributes:
        inside: See `stages.sources.walk.walk`.
        outputs: Real paths of what the pipeline itself writes.
    """

    inside: str | None
    outputs: frozenset[str]

    @classmethod
    def of(cls, source: dict[str, Any], root: Path, outputs: Iterable[Path]) -> _Bounds:
        inside = os.path.realpath(root) if source.get("links") == "inside" else None
        return cls(inside, frozenset(os.path.realpath(folder) for folder in outputs))


def _revision(root: Path, folders: list[str], bounds: _Bounds, times: _Times) -> str:
    """Return a digest of a folder's files, hexadecimal.

    It is of the names of all files; of the content of manifests, build files, apps and the directories of zips; and
    of the Kit version that a ``VERSION`` or packman file tells.

    The times of change of folders and of the files that are read are added to ``times``.
    """
    digest = hashlib.blake2b(digest_size=16)
    for path in folders:
        digest.update(f"{path}\0\0".encode())
        start = str(root / path if path else root)
        for folder in walk(start, inside=bounds.inside, problems=[], leave_out=bounds.outputs):
            digest.update(_state_of(folder, times))
    digest.update(kit_detection.version_evidence(root).encode())
    return digest.hexdigest()


def _state_of(folder: Folder, times: _Times) -> bytes:
    with contextlib.suppress(OSError):
        times.add(os.stat(folder.path))
    names = [entry.name for entry in folder.files]
    parts = ["\0".join([folder.relative, *names]).encode()]
    for name in names:
        if name in (build_links.FILE, "extension.toml") or name.endswith((".kit", ".zip")):
            parts.append(_content(f"{folder.path}/{name}", _ZIP_TAIL if name.endswith(".zip") else None, times))
    return b"\0\0".join(parts) + b"\0\0\0"


def _content(path: str, tail: int | None, times: _Times) -> bytes:
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


def _gone(work_dir: Path) -> list[str]:
    """Return the clones and unpacked wheels that a former run made and that are there no longer."""
    try:
        sources = read_json(work_dir / "sources.json")["sources"]
        return [source["root"] for source in sources if not os.path.isdir(work_dir / source["root"])]
    except (StageError, KeyError, TypeError):
        return []


# --- the Kit version -------------------------------------------------------------------------------------------------


def _kit_version(
    given: str | None,
    fallback: str | None,
    sources: list[dict[str, Any]],
    found: list[tuple[str, str] | None],
    warnings: list[StageWarning],
) -> str:
    if given:
        return given
    known = [(source["name"], *version) for source, version in zip(sources, found, strict=True) if version]
    if not known and fallback:
        return fallback
    if not known:
        raise StageError(
            "The Kit version is in none of the sources: no kit/VERSION of a build, no *kit-sdk*.packman.xml, no cache"
            ' folder whose name tells it. Set input.kit_version, such as kit_version = "107.3.3".'
        )
    chosen = known[0]
    for name, version, _ in known[1:]:
        if version != chosen[1]:
            message = f"{name} is for Kit {version}; the data set is named after {chosen[0]}'s Kit {chosen[1]}."
            warnings.append({"kind": "kit-version", "extension": "", "file": "", "line": 0, "message": message})
    return str(chosen[1])


def _stored(root: Path, work_dir: Path, project: Path | None) -> str:
    """Return a source's resolved folder as the JSON holds it.

    It is relative to the work directory if it lies in it, or if both lie in the project: these move together. Else it
    is absolute.
    """
    real, work = os.path.realpath(root), os.path.realpath(work_dir)
    inside = project is not None and all(is_within(path, os.path.realpath(project)) for path in (real, work))
    if inside or is_within(real, work):
        return Path(os.path.relpath(real, work)).as_posix()
    return Path(real).as_posix()
