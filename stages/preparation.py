"""Stage 2: choose the extensions and list their files: ``sources.json`` to ``extensions.json``.

The order is documented and always the same: extensions by id (in the order of Unicode code points), apps by id. Of an
id that is found more than once the highest version wins (Semantic Versioning, partial and odd versions included); of
equal versions the one of the source that is named first, then the one whose path comes first. ``max_extensions`` takes
the first so many of what the exclusions leave.

The ids and versions of extensions become file names. So an id that cannot be one is left out with a warning, as is the
second of two ids that differ only in case, and a manifest's version that cannot be one is replaced.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from stages import kit_toml
from stages.failures import StageError, StageWarning
from stages.sources import premake as build_links
from stages.sources import zip_archive as archives
from stages.sources.discovery import Found, VersionKey, find_apps, find_extensions, split_name
from stages.sources.walk import Problem, printable, walk
from stages.storage.jsonfile import read_json, write_json

_KINDS = {
    "py": "python",
    "pyi": "stubs",
    "kit": "toml",
    **dict.fromkeys(["c", "cc", "cpp", "cxx", "cu", "cuh", "h", "hh", "hpp", "hxx", "inl", "ipp"], "cpp"),
}
_DOC_NAMES = ("readme", "overview", "changelog")
_COMPILED = re.compile(r"^([^.]+)(?:\..+)?\.(?:so|pyd)$")
_BAD_ID = re.compile(r"[/\\:*?\"<>|=\x00-\x1f\x7f]|\.\.|^[.\-@ ]|[. ]$")
_GOOD_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_\-]{0,99}")
# `<id>-<version>.codeatlas.json` has to fit into the 255 bytes of a file name.
_MAX_NAME_BYTES = 220
# More files than any extension has: a link that leads astray.
_MAX_FILES = 200_000
_NO_VERSION = "0.0.0"

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Candidate:
    """An extension or app whose id and version are known."""

    id: str
    version: str
    source: int
    found: Found
    folder: str
    values: dict[str, Any]
    warnings: list[StageWarning] = field(default_factory=list)


def prepare(work_dir: Path, *, excluded: list[str], max_extensions: int) -> None:
    """Choose extensions and apps, and list their files.

    Args:
        work_dir: Holds ``sources.json``; ``extensions.json`` is written there.
        excluded: Ids or globs of extensions to leave out.
        max_extensions: How many extensions to take, -1 for all.

    Raises:
        StageError: ``sources.json`` is unusable, or no extension is left.
    """
    work_dir = Path(os.path.abspath(work_dir))
    preparation = _Preparation(work_dir, read_json(work_dir / "sources.json"))
    preparation.discover()
    result = preparation.choose(excluded, max_extensions)
    write_json(work_dir / "extensions.json", result, indent=True)


class _Preparation:
    def __init__(self, work_dir: Path, sources: dict[str, Any]) -> None:
        self.work_dir = work_dir
        self.kit_version: str = sources["kit_version"]
        self.sources: list[dict[str, Any]] = sources["sources"]
        self.limits: dict[str, Any] = sources.get("limits", {})
        self.extensions: list[_Candidate] = []
        self.apps: list[_Candidate] = []
        self.warnings: list[StageWarning] = []
        self.counts: Counter[str] = Counter()
        self.searched: list[str] = []

    # --- finding ---------------------------------------------------------------------------------------------------

    def discover(self) -> None:
        for number, source in enumerate(self.sources):
            root = os.path.join(self.work_dir, source["root"])
            if not os.path.isdir(root):
                raise StageError(f"{root}: the folder of source {source['name']!r} is gone; run pull_repo_exts again.")
            inside = os.path.realpath(root) if source.get("links", "any") == "inside" else None
            template = source.get("app_template_path")
            # What the pipeline makes is not its own source.
            leave_out = {os.path.realpath(self.work_dir)}
            if template:
                leave_out.add(os.path.realpath(os.path.join(root, template)))
            seen: set[str] = set()
            for path in source["exts_paths"]:
                folder = os.path.normpath(os.path.join(root, path))
                self.searched.append(folder)
                problems: list[Problem] = []
                found = find_extensions(folder, inside=inside, leave_out=leave_out, problems=problems)
                self.problems(problems, "", prefix=path)
                self.add(found, number, inside, seen)
            for path in source["apps_paths"]:
                problems = []
                folder = os.path.normpath(os.path.join(root, path))
                found = find_apps(folder, inside=inside, problems=problems)
                self.problems(problems, "", prefix=path)
                self.add(found, number, inside, seen)

    def add(self, found: list[Found], source: int, inside: str | None, seen: set[str]) -> None:
        for item in found:
            real = os.path.realpath(item.path)
            # The folders of a source may lie in one another, or be links to the same.
            if real in seen:
                continue
            seen.add(real)
            self.counts[f"{item.kind}s_found"] += 1
            if item.kind == "archive":
                for unpacked, name in self.unpacked(item):
                    self.candidate(unpacked, source, name=name)
            else:
                self.candidate(item, source, name=self.name_of(item, source))

    def name_of(self, item: Found, source: int) -> str:
        name = os.path.basename(item.path)
        if item.kind in ("kit", "app"):
            return name[: -len(".kit")]
        if os.path.realpath(item.path) == os.path.realpath(os.path.join(self.work_dir, self.sources[source]["root"])):
            # The source is the extension: the folder may be called anything, and of a clone is.
            return ""
        return name

    def unpacked(self, item: Found) -> list[tuple[Found, str]]:
        """Return the extensions in an archive and their names: its own, if it holds one, at its root or in a folder."""
        name = os.path.basename(item.path)[: -len(".zip")]
        try:
            with open(item.path, "rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            folder = self.work_dir / "sources" / "unpacked" / f"{name[:150]}-{digest[:16]}"
            if not folder.is_dir():
                archives.unpack(
                    Path(item.path),
                    folder,
                    max_bytes=self.limits.get("max_archive_bytes", archives.DEFAULT_MAX_BYTES),
                    max_files=self.limits.get("max_archive_files", archives.DEFAULT_MAX_FILES),
                )
        except archives.ArchiveError as error:
            self.warn("archive", "", item.relative, f"The zipped extension is left out: {error}.")
            return []
        except OSError as failure:
            reason = failure.strerror or failure
            raise StageError(f"{item.path}: cannot be unpacked to {self.work_dir / 'sources'} ({reason}).") from failure
        problems: list[Problem] = []
        found = find_extensions(str(folder), inside=os.path.realpath(folder), leave_out=set(), problems=problems)
        found = [inner for inner in found if inner.kind == "folder"]
        self.problems(problems, "", prefix=item.relative)
        if not found:
            self.warn("archive", "", item.relative, "The archive holds no extension; it is left out.")
        if len(found) == 1 and "/" not in found[0].relative:
            return [(Found("folder", found[0].path, found[0].manifest, item.relative), name)]
        self.counts["folders_found"] += len(found)
        return [
            (
                Found("folder", inner.path, inner.manifest, f"{item.relative}/{inner.relative}"),
                inner.path.split("/")[-1],
            )
            for inner in found
        ]

    def candidate(self, item: Found, source: int, *, name: str) -> None:
        folder = item.path if item.kind == "folder" else os.path.dirname(item.path)
        manifest = os.path.join(folder, item.manifest)
        warnings: list[StageWarning] = []
        try:
            with open(manifest, "rb") as stream:
                document = kit_toml.salvage(stream.read(kit_toml.MAX_BYTES + 1), name=item.manifest)
        except OSError as error:
            self.warn("unreadable", "", item.relative, f"The manifest cannot be read ({error.strerror or error}).")
            return
        values = document.values
        package = _table(values, "package")
        id_, folder_version = split_name(name or _text(package.get("name")) or _own_name(self.sources[source]))
        reason = _why_no_id(id_)
        if reason:
            where = printable(f"{item.relative}/{item.manifest}" if item.relative != item.manifest else item.manifest)
            self.warn("extension-id", "", where, f"'{printable(id_)}' cannot be an extension's id: {reason}; left out.")
            return
        placeholder = _placeholder(id_, values)
        if placeholder:
            what = "app" if item.kind == "app" else "extension"
            message = (
                f"A template for an {what}, with {printable(placeholder)!r} in it, is none itself; it is left out."
            )
            where = item.relative if item.kind != "folder" else f"{item.relative}/{item.manifest}".lstrip("/")
            self.warn("template", "", where, message)
            return
        for broken in document.errors:
            message = f"{broken.reason}; this part of the file is left out."
            warnings.append(_warning("toml-syntax", id_, item.manifest, message, broken.line))
        if not package and item.kind == "folder":
            warnings.append(_warning("no-package", id_, item.manifest, "The manifest has no [package] table."))
        version = self.version(package.get("version"), folder_version, id_, item, warnings)
        candidate = _Candidate(id_, version, source, item, folder, values, warnings)
        (self.apps if item.kind == "app" else self.extensions).append(candidate)

    def version(self, given: Any, from_name: str, id_: str, item: Found, warnings: list[StageWarning]) -> str:
        if isinstance(given, int | float) and not isinstance(given, bool):
            given = str(given)
        if isinstance(given, str) and _is_version(id_, given.strip()):
            return given.strip()
        fallback = from_name if _is_version(id_, from_name) else _NO_VERSION
        if given is not None and given != "":
            message = f"The version {printable(str(given))[:60]!r} cannot be used; {fallback} is used instead."
            warnings.append(_warning("extension-version", id_, item.manifest, message))
        return fallback

    # --- choosing --------------------------------------------------------------------------------------------------

    def choose(self, excluded: list[str], max_extensions: int) -> dict[str, Any]:
        chosen, others = self.highest(self.extensions)
        apps, other_apps = self.highest(self.apps)
        left_out: dict[str, str] = {}
        for pattern in sorted(set(excluded)):
            matched = [candidate.id for candidate in chosen if fnmatchcase(candidate.id, pattern)]
            if not matched:
                self.warn("excluded-unknown", "", "", f"input.excluded_extensions: no extension matches {pattern!r}.")
            for id_ in matched:
                left_out.setdefault(id_, f"input.excluded_extensions: {pattern}")
        chosen = [candidate for candidate in chosen if candidate.id not in left_out]
        if not chosen:
            self.nothing_found(left_out)
        if max_extensions >= 0:
            left_out.update(
                (candidate.id, f"processing.max_extensions: {max_extensions}") for candidate in chosen[max_extensions:]
            )
            chosen = chosen[:max_extensions]
        entries = [self.entry(candidate) for candidate in chosen]
        for app in other_apps:
            winner = next(kept for kept in apps if kept.id == app.id)
            message = f"The app is left out: {winner.found.relative} has the same id, and version {winner.version}."
            self.warn("app-shadowed", app.id, app.found.relative, message)
        logger.info("%d extensions and %d apps chosen, %d left out", len(entries), len(apps), len(left_out))
        other_versions: dict[str, list[str]] = {}
        taken = {candidate.id for candidate in chosen}
        for candidate in others:
            if candidate.id in taken:
                other_versions.setdefault(candidate.id, []).append(candidate.version)
        return {
            "kit_version": self.kit_version,
            "extensions": entries,
            "apps": [self.app_entry(app) for app in apps],
            "other_versions": other_versions,
            "excluded": left_out,
            "warnings": sorted(self.warnings, key=_warning_order),
            "files_seen": dict(self.counts),
        }

    def nothing_found(self, left_out: dict[str, str]) -> None:
        if left_out:
            raise StageError(
                f"input.excluded_extensions excludes all {len(left_out)} extensions that were found; remove a pattern."
            )
        searched = "; ".join(self.searched)
        unusable = f" What was found there cannot be used: {self.warnings[0]['message']}" if self.warnings else ""
        raise StageError(
            f"No extension was found (a folder with config/extension.toml, or a .kit file) in {searched}.{unusable}"
            " Correct `path` or `exts_path` in [[input.sources]]."
        )

    def highest(self, candidates: list[_Candidate]) -> tuple[list[_Candidate], list[_Candidate]]:
        """Return the winners by id, and the losers: same order, versions descending."""
        by_id: dict[str, list[_Candidate]] = {}
        for candidate in candidates:
            by_id.setdefault(candidate.id, []).append(candidate)
        winners, losers = [], []
        folded: dict[str, str] = {}
        for id_ in sorted(by_id):
            # Sorting is stable: of equal versions the first stays first.
            versions = sorted(by_id[id_], key=lambda candidate: VersionKey(candidate.version), reverse=True)
            known = folded.setdefault(id_.casefold(), id_)
            if known != id_:
                message = f"The id differs from {known!r} only in case; it is left out."
                self.warn("extension-id", id_, versions[0].found.relative, message)
                continue
            winners.append(versions[0])
            losers += versions[1:]
            self.warnings += versions[0].warnings
        return winners, losers

    # --- describing ------------------------------------------------------------------------------------------------

    def entry(self, candidate: _Candidate) -> dict[str, Any]:
        modules = _python_modules(candidate.values)
        files: dict[str, list[str]] = {"python": [], "stubs": [], "toml": [], "cpp": [], "docs": []}
        roots: dict[str, str] = {"": ""}
        size = 0
        if candidate.found.kind == "folder":
            listing = self.list_files(candidate, files)
            size = listing.size
            roots = self.python_roots(candidate, modules, listing)
        else:
            files["toml"].append(candidate.found.manifest)
            self.counts["files_toml"] += 1
        return {
            "id": candidate.id,
            "version": candidate.version,
            "source": candidate.source,
            "folder": self.stored(candidate.folder),
            "manifest": candidate.found.manifest,
            "metadata": _metadata(candidate.values, files["docs"]),
            "python_modules": modules,
            "python_roots": roots,
            "files": files,
            "size": size,
        }

    def app_entry(self, app: _Candidate) -> dict[str, Any]:
        return {
            "id": app.id,
            "version": app.version,
            "title": _text(_table(app.values, "package").get("title")),
            "file": app.found.manifest,
            "source": app.source,
            "path": self.stored(app.found.path),
        }

    def stored(self, path: str) -> str:
        """Return a path as the JSON holds it: relative to the work directory if it lies there, else absolute."""
        relative = os.path.relpath(path, self.work_dir)
        return path.replace(os.sep, "/") if relative.startswith("..") else relative.replace(os.sep, "/")

    def list_files(self, candidate: _Candidate, files: dict[str, list[str]]) -> _Listing:
        listing = _Listing()
        problems: list[Problem] = []
        source = self.sources[candidate.source]
        inside = None
        if source.get("links", "any") == "inside":
            inside = os.path.realpath(os.path.join(self.work_dir, source["root"]))
        total = 0
        for folder in walk(candidate.folder, inside=inside, problems=problems):
            if not folder.relative:
                self.leave_nested(candidate, folder.folders, inside)
            listing.folders.add(folder.relative)
            for entry in folder.files:
                kind = self.classify(folder.relative, entry.name)
                self.counts[f"files_{kind}"] += 1
                if kind == "other":
                    compiled = _COMPILED.match(entry.name)
                    if compiled:
                        listing.modules.add(folder.below(compiled[1]))
                    elif entry.name == build_links.FILE and not folder.relative:
                        listing.build_file = True
                    continue
                files[kind].append(folder.below(entry.name))
                if kind == "python":
                    listing.size += _size(entry)
            total += len(folder.files)
            if total > _MAX_FILES:
                message = f"More than {_MAX_FILES:,} files; the rest is not read."
                self.warn("too-many-files", candidate.id, folder.relative, message)
                break
        for names in files.values():
            names.sort()
        listing.modules.update(name.rsplit(".", 1)[0] for name in (*files["python"], *files["stubs"]))
        self.problems(problems, candidate.id)
        return listing

    def leave_nested(self, candidate: _Candidate, folders: list[str], inside: str | None) -> None:
        """Take an ``exts`` folder out that holds extensions, which are entries of their own."""
        if "exts" in folders and find_extensions(
            os.path.join(candidate.folder, "exts"), inside=inside, leave_out=set(), problems=[]
        ):
            folders.remove("exts")

    @staticmethod
    def classify(folder: str, name: str) -> str:
        stem, _, suffix = name.rpartition(".")
        suffix, stem = suffix.lower(), stem.lower()
        kind = _KINDS.get(suffix, "other")
        if suffix == "toml" and (
            folder == "config" or folder.startswith("config/") or (not folder and stem.startswith("extension"))
        ):
            # Settings stand in the manifest and the files that Kit merges into it, not in tools' own TOML files.
            kind = "toml"
        elif (suffix in ("md", "rst") and (not folder or folder.lower().split("/")[0] == "docs")) or (
            suffix in ("md", "rst", "txt") and stem.startswith(_DOC_NAMES)
        ):
            kind = "docs"
        return kind

    def python_roots(self, candidate: _Candidate, modules: list[dict[str, str]], listing: _Listing) -> dict[str, str]:
        roots = {"": ""}
        missing = []
        for module in modules:
            base = "" if module["path"] == "." else module["path"]
            path = module["name"].replace(".", "/")
            path = f"{base}/{path}" if base else path
            if base in listing.folders:
                roots.setdefault(base, "")
            if path not in listing.folders and path not in listing.modules:
                missing.append(module["name"])
        # In a source tree the build has yet to put the modules where they are declared.
        roots.update(self.build_roots(candidate, modules, listing))
        missing = [name for name in missing if not _is_placed(name, roots, listing)]
        for name in missing:
            if f"bindings/python/{name}" in listing.folders:
                roots.setdefault(f"bindings/python/{name}/*", name)
        if (
            missing
            and (candidate.id in missing or not any(root.startswith("python/") for root in roots))
            and any(name.startswith("python/") for name in listing.modules)
        ):
            roots.setdefault("python", _unbuilt_name(candidate.id, missing))
        missing = [name for name in missing if not _is_placed(name, roots, listing)]
        for name in missing:
            message = f"The declared Python module {name!r} is not there."
            self.warn("python-module-missing", candidate.id, candidate.found.manifest, message)
        return roots

    def build_roots(self, candidate: _Candidate, modules: list[dict[str, str]], listing: _Listing) -> dict[str, str]:
        """Return the folders and files that the build would put into the declared packages, with their names there.

        A root that ends in ``/*`` stands for the files of a folder without what lies deeper.
        """
        if not listing.build_file:
            return {}
        try:
            with open(os.path.join(candidate.folder, build_links.FILE), "rb") as stream:
                data = stream.read(build_links.MAX_BYTES)
        except OSError as error:
            self.warn("unreadable", candidate.id, build_links.FILE, f"Cannot be read ({error.strerror or error}).")
            return {}
        bases = sorted({module["path"] for module in modules} - {"."}, key=len, reverse=True)
        tops = {module["name"].split(".")[0] for module in modules}
        roots = {}
        for link in build_links.build_links(data, candidate.id):
            target = next(
                (link.target[len(base) + 1 :] for base in bases if link.target.startswith(f"{base}/")), link.target
            )
            source, suffix = link.source, link.source.rpartition(".")[2]
            if suffix in ("py", "pyi") and link.what == "it":
                name = source.rpartition("/")[2] if not target.endswith(f".{suffix}") else target.rpartition("/")[2]
                folder = target if not target.endswith(f".{suffix}") else target.rpartition("/")[0]
                target = "/".join(part for part in (folder, name.removesuffix(f".{suffix}")) if part)
                target = target.removesuffix("/__init__")
                if source.removesuffix(f".{suffix}") not in listing.modules:
                    continue
            elif source and source not in listing.folders:
                continue
            elif link.what == "files":
                source = f"{source}/*" if source else "*"
            if source != target and source and target.split("/")[0] in tops:
                roots[source] = target.replace("/", ".")
        return roots

    # --- reporting -------------------------------------------------------------------------------------------------

    def problems(self, problems: list[Problem], id_: str, prefix: str = "") -> None:
        for problem in problems:
            path = f"{prefix}/{problem.path}".strip("/") if prefix else problem.path
            message = problem.message[0].upper() + problem.message[1:] + "."
            self.warn(problem.kind, id_, path, message)

    def warn(self, kind: str, id_: str, file: str, message: str) -> None:
        self.warnings.append(_warning(kind, id_, printable(file), message))


@dataclass(slots=True)
class _Listing:
    """What an extension's folder holds, beyond the lists of files.

    Attributes:
        folders: Paths of all its folders, ``""`` for itself.
        modules: Paths of its Python, stub and compiled files without suffixes.
        size: Bytes of its Python files.
        build_file: Whether it has the file that says what its build puts where.
    """

    folders: set[str] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)
    size: int = 0
    build_file: bool = False


def _unbuilt_name(id_: str, missing: list[str]) -> str:
    """Return which declared module lies in ``python/``: the extension's own, or else the first, or its parent."""
    if id_ in missing:
        return id_
    return min((name for name in missing if f"{missing[0]}.".startswith(f"{name}.")), key=len)


def _is_placed(name: str, roots: dict[str, str], listing: _Listing) -> bool:
    """Return whether a declared module lies in one of the roots, or is one of them or a package above it."""
    for root, parent in roots.items():
        if not parent:
            continue
        # That the tests are placed says nothing of what they test.
        if parent == name or (parent.startswith(f"{name}.") and not parent.endswith(".tests")):
            return True
        if name.startswith(f"{parent}.") and not root.endswith(".py"):
            path = f"{root.removesuffix('*').rstrip('/')}/{name.removeprefix(f'{parent}.').replace('.', '/')}"
            if path in listing.modules or (path in listing.folders and not root.endswith("*")):
                return True
    return False


def _warning(kind: str, extension: str, file: str, message: str, line: int = 0) -> StageWarning:
    return {"kind": kind, "extension": extension, "file": file, "line": line, "message": message}


def _own_name(source: dict[str, Any]) -> str:
    """Return what a source that is one extension is called, if its manifest does not say."""
    name: str = source["name"]
    if source["kind"] == "git":
        # The clone's folder: `git-<name of the repository>-<digest>`.
        return os.path.basename(str(source["root"])).removeprefix("git-").rpartition("-")[0]
    return name.partition("==")[0].strip() if source["kind"] == "wheel" else name


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:
        return 0  # gone since it was listed, which the stage that reads it tells


def _warning_order(warning: StageWarning) -> tuple[str, str, int, str, str]:
    return warning["extension"], warning["file"], warning["line"], warning["kind"], warning["message"]


def _why_no_id(id_: str) -> str:
    if not id_.strip():
        return "it is empty"
    if _BAD_ID.search(id_) or not id_.isprintable():
        return "it has characters that a file name cannot have"
    if len(id_.encode()) > _MAX_NAME_BYTES:
        return "it is too long"
    return ""


def _placeholder(id_: str, values: dict[str, Any]) -> str:
    """Return what a template's engine has yet to replace (``{{ version }}``) in what identifies an extension."""
    package = _table(values, "package")
    texts = [id_, *(package.get(key) for key in ("name", "version", "title"))]
    texts += [module["name"] for module in _python_modules(values)]
    found = (re.search(r"\{\{.{0,60}?\}\}", text) for text in texts if isinstance(text, str))
    return next((match[0] for match in found if match), "")


def _is_version(id_: str, version: str) -> bool:
    return bool(_GOOD_VERSION.fullmatch(version)) and len(id_.encode()) + len(version) <= _MAX_NAME_BYTES


def _table(values: dict[str, Any], key: str) -> dict[str, Any]:
    value = values.get(key)
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else ""


def _metadata(values: dict[str, Any], docs: list[str]) -> dict[str, Any]:
    package = _table(values, "package")
    keywords = package.get("keywords", [])
    if isinstance(keywords, str):
        keywords = [keywords]
    dependencies: dict[bool, list[str]] = {False: [], True: []}
    for id_, options in _table(values, "dependencies").items():
        dependencies[isinstance(options, dict) and options.get("optional") is True].append(id_)
    return {
        "title": _text(package.get("title")),
        "description": _text(package.get("description")),
        "category": _text(package.get("category")),
        "keywords": [_text(keyword) for keyword in keywords if _text(keyword)] if isinstance(keywords, list) else [],
        "dependencies": sorted(dependencies[False]),
        "optional_dependencies": sorted(dependencies[True]),
        "readme": _document(package.get("readme"), docs, ("readme", "overview")),
        "changelog": _document(package.get("changelog"), docs, ("changelog",)),
    }


def _document(given: Any, docs: list[str], names: tuple[str, ...]) -> str | None:
    """Return the file that a manifest names, if it is there, or else the one with a usual name."""
    if isinstance(given, str):
        path = os.path.normpath(given.strip() or ".").replace(os.sep, "/")
        if path in docs:
            return path
    for name in names:
        usual = [doc for doc in docs if doc.rsplit("/", 1)[-1].rsplit(".", 1)[0].lower() == name]
        usual = [doc for doc in usual if "/" not in doc or doc.lower().startswith("docs/")]
        if usual:
            return min(usual, key=lambda doc: (not doc.endswith(".md"), doc.count("/"), doc))
    return None


def _python_modules(values: dict[str, Any]) -> list[dict[str, str]]:
    """Return the declared modules, each with the folder that Kit puts on ``sys.path`` for it."""
    declared = _table(values, "python").get("module")
    modules = []
    for module in declared if isinstance(declared, list) else [declared]:
        if not isinstance(module, dict) or not isinstance(module.get("name"), str) or not module["name"].strip():
            continue
        path = module.get("path")
        path = os.path.normpath(path.strip() or ".").replace(os.sep, "/") if isinstance(path, str) else "."
        if path.startswith(("/", "..")) or "\0" in path:
            path = "."
        entry = {"name": module["name"].strip(), "path": path}
        if entry not in modules:
            modules.append(entry)
    return modules
