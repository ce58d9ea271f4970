"""Stage 8: the finished data set in ``<target_dir>/<major.minor>/``, and the report on how it came about.

A file is copied only if it differs, so that an unchanged one keeps its times. What an earlier run put there and this
one does not make is removed; a manifest in the work directory tells which files these are, so that nothing the
pipeline did not make is ever touched. Data sets of other Kit versions stay. Beside the manifest lies what the copies
and their sources looked like, so that not all of them have to be compared each time.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.failures import StageError, StageWarning
from stages.storage.copies import Copies
from stages.storage.jsonfile import read_json, remove_unfinished, write_bytes, write_json

REPORT_NAME = "pipeline_completion_report.json"

_log = logging.getLogger(__name__)

_EXTENSIONS = "extensions.json"
_SOURCES = "sources.json"
MANIFEST = "final_assembly/manifest.json"
COPIES = "final_assembly/copies.json"
_KINDS = ("extensions", "code_examples", "settings")
# Folders of the work directory -> folders of the data set.
_PLACES = {"extension_data/": "extensions/", "code_examples/": "code_examples/", "settings/": "settings/"}
_DATA_SET_FILES = (
    "extension_data/extensions_database.json",
    "extension_data/extensions_summary.json",
    "settings/setting_summary.json",
    "settings/setting_summary_simple.json",
    "settings/setting_statistics.json",
)
_PER_EXTENSION = ("extension_data/codeatlas/", "extension_data/api_docs/")
# App templates: no file of text is larger, and binary files show a NUL byte early.
_MAX_TEMPLATE_BYTES = 1024 * 1024
_COPIES_AT_A_TIME = 8
_SNIFFED_BYTES = 8192
_NO_TEMPLATE_FOLDERS = frozenset({"__pycache__", "_build", "_repo", "_compiler", "node_modules"})


def dependencies(work_dir: Path, *, mode: str = "regular", with_search: bool = True) -> list[str]:
    """Return the files that `assemble` copies or reads; relative to the work directory, or absolute.

    Empty while ``extensions.json`` is not there.
    """
    plan = _plan(Path(work_dir), mode, with_search)
    return [] if plan is None else [_EXTENSIONS, _SOURCES, *sorted(plan.files.values())]


def targets(work_dir: Path, *, mode: str = "regular", with_search: bool = True) -> list[str]:
    """Return the files that `assemble` makes, relative to the target directory (``107.3/VERSION.md``).

    Empty while ``extensions.json`` is not there, or where the Kit version is not known.
    """
    plan = _plan(Path(work_dir), mode, with_search)
    if plan is None or plan.folder is None:
        return []
    return [f"{plan.folder}/{name}" for name in sorted([*plan.files, "VERSION.md"])]


def assemble(work_dir: Path, target_dir: Path, *, mode: str, with_search: bool) -> None:
    """Copy the outputs of all stages into the versioned data set.

    Args:
        work_dir: The work directory.
        target_dir: Where the data sets of all Kit versions lie.
        mode: The mode the code examples were selected in.
        with_search: Whether the FAISS folders belong to it; without, older ones are removed.

    Raises:
        StageError: The Kit version is not known, an output of an earlier stage is missing, or a file cannot be written.
    """
    work_dir, target_dir = Path(work_dir), Path(target_dir)
    plan = _plan(work_dir, mode, with_search)
    if plan is None:
        raise StageError(f"{work_dir / _EXTENSIONS}: missing. Run the stage preparation first.")
    if plan.folder is None:
        raise StageError(
            f"The Kit version is {'not known' if not plan.kit_version else f'no version: {plan.kit_version!r}'}. "
            'Set kit_version in the [input] section of the configuration, for example "107.3.3".'
        )
    version_dir = target_dir / plan.folder
    for source in plan.files.values():
        if not os.path.isfile(os.path.join(work_dir, source)):
            raise StageError(f"{work_dir / source}: missing. Run the earlier stages again; they make it.")
    with _alone_in(version_dir):
        _assemble(work_dir, version_dir, plan, _Manifest(work_dir, target_dir, plan.folder))


def _assemble(work_dir: Path, version_dir: Path, plan: _Plan, manifest: _Manifest) -> None:
    remove_unfinished(version_dir)
    names = sorted([*plan.files, "VERSION.md"])
    # Listed before they are written: a run that is killed in between leaves no file that no run knows.
    manifest.add(names)
    copies = Copies(work_dir / COPIES, manifest.key)
    pairs = [
        (os.path.join(work_dir, source), os.path.join(version_dir, name)) for name, source in sorted(plan.files.items())
    ]
    written = sum(
        _copy_all([(Path(source), Path(target)) for source, target in pairs if copies.differ(source, target)], copies)
    )
    copies.save()
    written += write_bytes(version_dir / "VERSION.md", f"{plan.kit_version}\n".encode())
    removed = manifest.remove_others(names)
    _log.info("%s: %d files, %d of them new or changed, %d removed", version_dir, len(names), written, removed)


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other run, which may have another work directory, writes to a data set, and keep others out.

    The lock is on the folder itself and leaves no file in the data set; Windows, which has no such locks, goes without.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    descriptor = -1
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        # A file system without locks is no reason to stop.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    except OSError as error:
        raise StageError(f"{folder}: cannot be written ({error.strerror or error}).") from error
    finally:
        if descriptor >= 0:
            os.close(descriptor)


class _Plan:
    """What belongs to the data set: name in it -> file of the work directory (or an absolute path)."""

    def __init__(self, kit_version: str | None, files: dict[str, str]) -> None:
        self.kit_version = kit_version
        self.folder = _major_minor(kit_version)
        self.files = files


def _major_minor(kit_version: str | None) -> str | None:
    parts = (kit_version or "").strip().split(".")
    if len(parts) < 2 or not parts[0].isdecimal() or not parts[1].isdecimal():
        return None
    return f"{int(parts[0])}.{int(parts[1])}"


def _plan(work_dir: Path, mode: str, with_search: bool) -> _Plan | None:
    from stages import code_examples, extension_data
    from stages import faiss as faiss_index

    if not (work_dir / _EXTENSIONS).is_file():
        return None
    chosen = read_json(work_dir / _EXTENSIONS)
    sources = [*_DATA_SET_FILES, *code_examples.merge_targets(chosen["extensions"], mode)]
    for extension in chosen["extensions"]:
        sources += [target for target in extension_data.targets(extension) if target.startswith(_PER_EXTENSION)]
    files = {}
    for source in sources:
        start = next(start for start in _PLACES if source.startswith(start))
        files[_PLACES[start] + source.removeprefix(start)] = source
    if with_search:
        for kind in _KINDS:
            for target in faiss_index.targets(kind):
                files[f"{kind}/{target.removeprefix('faiss_databases/')}"] = target
    if (work_dir / _SOURCES).is_file():
        for name, path in _app_templates(work_dir, read_json(work_dir / _SOURCES)["sources"])[0]:
            files.setdefault(f"app_templates/{name}", path)
    return _Plan(chosen.get("kit_version"), files)


# ---- app templates --------------------------------------------------------------------------------------------------


def _app_templates(work_dir: Path, sources: list[dict[str, Any]]) -> tuple[list[tuple[str, str]], list[dict[str, str]]]:
    """Return the text files of all sources' app templates (name, path), and the files that are left out, with why.

    Where two sources have a file of the same name, the one of the source that is configured first is taken.
    """
    files: dict[str, str] = {}
    skipped: list[dict[str, str]] = []
    for source in sources:
        if not source.get("app_template_path"):
            continue
        folder = Path(source["root"]) / source["app_template_path"]
        for name in _files_below(work_dir / folder):
            path = work_dir / folder / name
            why = _why_no_text(path)
            if why:
                skipped.append({"file": f"app_templates/{name}", "why": why})
            elif name in files:
                skipped.append(
                    {"file": f"app_templates/{name}", "why": f"an earlier source has it too ({source['name']})"}
                )
            else:
                files[name] = str(folder / name)
    return sorted(files.items()), skipped


def _files_below(folder: Path) -> Iterator[str]:
    """Yield the regular files below a folder, relative to it and with ``/``; links are not followed."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _NO_TEMPLATE_FOLDERS)
        relative = Path(place).relative_to(folder)
        for name in sorted(names):
            path = Path(place, name)
            if not path.is_symlink() and path.is_file():
                yield (relative / name).as_posix()


def _why_no_text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            if os.fstat(stream.fileno()).st_size > _MAX_TEMPLATE_BYTES:
                return f"larger than {_MAX_TEMPLATE_BYTES} bytes"
            return "binary" if b"\0" in stream.read(_SNIFFED_BYTES) else ""
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"


# ---- files ----------------------------------------------------------------------------------------------------------


def _copy_all(pairs: list[tuple[Path, Path]], copies: Copies) -> list[bool]:
    """Copy each source to its target; several at a time, since a disk syncs many small files together faster."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(_COPIES_AT_A_TIME) as pool:
        under_way = [pool.submit(_copy, source, target, copies) for source, target in pairs]
        try:
            return [copy.result() for copy in under_way]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _copy(source: Path, target: Path, copies: Copies) -> bool:
    """Copy a file, whatever its size, atomically; return whether the target was changed.

    Contents are compared, since times can be set: a target that was edited and whose time was set back is made right.
    """
    from stages.storage.streamed_file import replacing, same_content

    if same_content(source, target):
        copies.remember(str(source), str(target))
        return False
    try:
        here = source.stat()
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)
            os.utime(temporary, ns=(here.st_atime_ns, here.st_mtime_ns))
    except OSError as error:
        raise StageError(f"{source}: cannot be copied to {target} ({error.strerror or error}).") from error
    copies.remember(str(source), str(target))
    return True


class _Manifest:
    """Which files the pipeline has put into the data sets, by target directory and Kit version."""

    def __init__(self, work_dir: Path, target_dir: Path, folder: str) -> None:
        self.path = work_dir / MANIFEST
        self.version_dir = target_dir / folder
        try:
            where = Path(os.path.relpath(target_dir, work_dir)).as_posix()
        except ValueError:  # another drive of Windows
            where = str(target_dir)
        self.key = f"{where}:{folder}"
        self.made: dict[str, list[str]] = {}
        if self.path.is_file():
            self.made = read_json(self.path)
            if not _is_manifest(self.made):
                raise StageError(f"{self.path}: not the list of files that this stage writes. Delete it and run again.")

    @property
    def names(self) -> list[str]:
        """The files of the data set, relative to its folder."""
        return self.made.get(self.key, [])

    def add(self, names: list[str]) -> None:
        self._write(sorted({*self.names, *names}))

    def remove_others(self, names: list[str]) -> int:
        """Remove what was made earlier and is not in ``names``, and the folders that this leaves empty."""
        gone = sorted(set(self.names) - set(names))
        for name in gone:
            path = self.version_dir / name
            if self._is_inside(name) and not path.is_dir():
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    raise StageError(f"{path}: cannot be removed ({error.strerror or error}).") from error
                for folder in path.parents:
                    if folder == self.version_dir:
                        break
                    with contextlib.suppress(OSError):
                        folder.rmdir()
        self._write(names)
        return len(gone)

    def _is_inside(self, name: str) -> bool:
        # The manifest is a file that anyone can edit; nothing outside the data set may be removed for it.
        return not Path(name).is_absolute() and ".." not in Path(name).parts

    def _write(self, names: list[str]) -> None:
        self.made[self.key] = names
        write_json(self.path, self.made, indent=True)


def _is_manifest(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(names, list) and all(isinstance(name, str) for name in names) for names in value.values()
    )


# ---- the completion report ------------------------------------------------------------------------------------------


def write_completion_report(
    work_dir: Path, target_dir: Path, *, configuration: dict[str, Any], times: dict[str, Any]
) -> None:
    """Write ``pipeline_completion_report.json``: times, configuration, counts, completeness and all warnings.

    It tells of every file that was seen what became of it, so that nothing is left out without a line here.

    Args:
        work_dir: The work directory.
        target_dir: Where the report goes.
        configuration: The configuration that was in force, without secrets.
        times: When the run began and ended, and how long the stages took; written as it is.

    Raises:
        StageError: An output of an earlier stage is missing or unreadable.
    """
    work_dir, target_dir = Path(work_dir), Path(target_dir)
    chosen = read_json(work_dir / _EXTENSIONS)
    sources = read_json(work_dir / _SOURCES)
    extraction = read_json(work_dir / "extension_data/extraction_report.json")
    settings = read_json(work_dir / "settings/settings_report.json")
    templates, templates_skipped = _app_templates(work_dir, sources["sources"])
    manifest = _Manifest(work_dir, target_dir, _major_minor(chosen.get("kit_version")) or "")
    warnings = _all_warnings(sources, chosen, extraction, settings)
    report = {
        "report_version": 1,
        "kit_version": chosen.get("kit_version"),
        "times": times,
        "configuration": configuration,
        "sources": [
            {key: source.get(key) for key in ("kind", "name", "revision", "kit_version")}
            for source in sources["sources"]
        ],
        "counts": {
            **_counts(work_dir, chosen, manifest),
            "app_template_files": len(templates),
            "warnings": len(warnings),
        },
        "data_set": _data_set(manifest),
        "extensions": {item["id"]: item["version"] for item in chosen["extensions"]},
        "other_versions": chosen.get("other_versions", {}),
        "excluded": chosen.get("excluded", {}),
        "completeness": {
            "preparation": chosen.get("files_seen", {}),
            "extension_data": extraction.get("files", {}),
            "settings": settings.get("files", {}),
            "unresolved_settings": settings.get("unresolved", []),
            "app_templates": {"copied": len(templates), "skipped": templates_skipped},
        },
        "conflicting_settings": settings.get("conflicts", []),
        "warnings": warnings,
    }
    write_json(target_dir / REPORT_NAME, report, indent=True)


def _all_warnings(*reports: dict[str, Any]) -> list[StageWarning]:
    """Return the warnings of all stages; what two stages say of the same place in the same words stands once."""
    found: dict[tuple[str, str, int, str, str], StageWarning] = {}
    for report in reports:
        for item in report.get("warnings", []):
            key = (item["extension"], item["file"], item["line"], item["kind"], item["message"])
            found.setdefault(key, item)
    return [found[key] for key in sorted(found)]


def _counts(work_dir: Path, chosen: dict[str, Any], manifest: _Manifest) -> dict[str, int]:
    database = read_json(work_dir / "extension_data/extensions_database.json")["extensions"]
    totals = {
        name: sum(item[name] for item in database.values())
        for name in ("total_modules", "total_classes", "total_methods")
    }
    statistics = read_json(work_dir / "settings/setting_statistics.json")
    return {
        "extensions": len(database),
        "extensions_with_python_api": sum(bool(item["has_python_api"]) for item in database.values()),
        "apps": len(chosen["apps"]),
        "modules": totals["total_modules"],
        "classes": totals["total_classes"],
        "methods": totals["total_methods"],
        "code_examples": _code_examples(manifest),
        "settings": statistics["total_settings"],
        "documented_settings": statistics["documented"],
    }


def _code_examples(manifest: _Manifest) -> int:
    """Count the examples one file at a time: together they can be larger than the memory that is there."""
    names = [name for name in manifest.names if name.endswith(".example.json")]
    return sum(len(read_json(manifest.version_dir / name)["methods"]) for name in names)


def _data_set(manifest: _Manifest) -> dict[str, Any]:
    names = manifest.names
    sizes = [path.stat().st_size for name in names if (path := manifest.version_dir / name).is_file()]
    return {
        "folder": manifest.version_dir.name,
        "files": len(sizes),
        "bytes": sum(sizes),
        "searchable": [kind for kind in _KINDS if f"{kind}/{kind}_faiss/index.faiss" in names],
    }
