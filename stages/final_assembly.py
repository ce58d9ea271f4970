"""Stage 8: publish the data set in ``<target_dir>/<major.minor>/``, and write the report on how it came about.

The next data set is built beside the published one and replaces it in one step (see `stages.publishing`). Files that
the published manifest lists and this run does not make go away. Files of the user's own stay, and data sets of other
Kit versions are not touched.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.failures import StageError, StageWarning
from stages.storage.jsonfile import read_json, to_json, write_json

REPORT_NAME = "pipeline_completion_report.json"

_log = logging.getLogger(__name__)

_EXTENSIONS = "extensions.json"
_SOURCES = "sources.json"
# Signatures and digests of what is published: not every file has to be read again.
COPIES = "final_assembly/copies.json"
# The data set that was replaced, by its folder's name: what `doit diff --since-last` compares with.
PREVIOUS = "final_assembly/previous"
# Where versions before the manifest listed what they had published.
_EARLIER_NAMES = "final_assembly/manifest.json"
_MANIFEST_NAME = "MANIFEST.json"
_VERSION_NAME = "VERSION.md"
# Configuration that says where and how fast the pipeline works, and does not affect the data.
_WITHOUT_EFFECT = {
    "processing": {"parallel_workers", "scheduler"},
    "embeddings": {
        "api_key",
        "batch_size",
        "max_cost",
        "max_in_flight",
        "max_tries",
        "max_wait_seconds",
        "price_per_million_tokens",
        "timeout_seconds",
    },
}
_SECTIONS = ("input", "processing", "embeddings")
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
    return [f"{plan.folder}/{name}" for name in sorted([*plan.files, _VERSION_NAME, _MANIFEST_NAME])]


def configuration_digest(values: dict[str, dict[str, Any]]) -> str:
    """Return the SHA-256 of the configuration values that affect the data, hexadecimal.

    Args:
        values: The configuration by section, without secrets and with ``${NAME}`` as it is written.
    """
    relevant = {
        section: {
            key: value for key, value in values.get(section, {}).items() if key not in _WITHOUT_EFFECT.get(section, ())
        }
        for section in _SECTIONS
    }
    return hashlib.sha256(to_json(relevant)).hexdigest()


def assemble(work_dir: Path, target_dir: Path, *, mode: str, with_search: bool, configuration_sha256: str = "") -> None:
    """Publish the outputs of all stages as the versioned data set.

    Args:
        work_dir: The work directory.
        target_dir: Where the data sets of all Kit versions lie.
        mode: The mode the code examples were selected in.
        with_search: Whether the FAISS folders belong to it; without, older ones are removed.
        configuration_sha256: What `configuration_digest` returns, for the manifest.

    Raises:
        StageError: The Kit version is not known, an output of an earlier stage is missing, or a file cannot be written.
    """
    from stages.publishing.data_set import Publication
    from stages.publishing.manifest import FileEntry, Manifest, SourceEntry

    work_dir, target_dir = Path(work_dir), Path(target_dir)
    plan = _plan(work_dir, mode, with_search)
    if plan is None:
        raise StageError(f"{work_dir / _EXTENSIONS}: missing. Run the stage preparation first.")
    if plan.folder is None:
        raise StageError(
            f"The Kit version is {'not known' if not plan.kit_version else f'no version: {plan.kit_version!r}'}. "
            'Set kit_version in the [input] section of the configuration, for example "107.3.3".'
        )
    for source in plan.files.values():
        if not os.path.isfile(os.path.join(work_dir, source)):
            raise StageError(f"{work_dir / source}: missing. Run the earlier stages again; they make it.")
    sources = [
        SourceEntry(source["kind"], source["name"], source.get("revision"), source.get("kit_version"))
        for source in read_json(work_dir / _SOURCES)["sources"]
    ]

    def manifest_of(files: dict[str, FileEntry]) -> Manifest:
        return Manifest(1, str(plan.kit_version), _tool_version(), configuration_sha256, sources, files)

    folder = target_dir / plan.folder
    publication = Publication(folder, work_dir / COPIES, work_dir / PREVIOUS / plan.folder)
    done = publication.publish(
        {name: os.path.join(work_dir, source) for name, source in sorted(plan.files.items())},
        {_VERSION_NAME: f"{plan.kit_version}\n".encode()},
        manifest_of,
        earlier_names=_earlier_names(work_dir, target_dir, plan.folder),
    )
    (work_dir / _EARLIER_NAMES).unlink(missing_ok=True)
    if done.foreign:
        shown = ", ".join(done.foreign[:5]) + (", …" if len(done.foreign) > 5 else "")
        _log.warning("%s: %d files are not the pipeline's and stay: %s", folder, len(done.foreign), shown)
    files = len(plan.files) + 2
    _log.info("%s: %d files, %d new or changed, %d removed", folder, files, len(done.changed), len(done.removed))


def _tool_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("kit-extension-pipeline")
    except PackageNotFoundError:
        return "unknown"


def _earlier_names(work_dir: Path, target_dir: Path, folder: str) -> list[str]:
    """Return what a version before the manifest had published in a folder, as its work directory lists it."""
    with contextlib.suppress(StageError, AttributeError, TypeError):
        listed = read_json(work_dir / _EARLIER_NAMES)
        names = listed.get(f"{Path(os.path.relpath(target_dir, work_dir)).as_posix()}:{folder}", [])
        return [name for name in names if isinstance(name, str)]
    return []


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
    published = _Published.in_folder(target_dir / (_major_minor(chosen.get("kit_version")) or ""))
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
            **_counts(work_dir, chosen, published),
            "app_template_files": len(templates),
            "warnings": len(warnings),
        },
        "data_set": published.summary(),
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


def _counts(work_dir: Path, chosen: dict[str, Any], published: _Published) -> dict[str, int]:
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
        "code_examples": published.code_examples(),
        "settings": statistics["total_settings"],
        "documented_settings": statistics["documented"],
    }


class _Published:
    """A published data set, as its manifest describes it; empty where none is published.

    Attributes:
        folder: The data set's folder.
        sizes: The size in bytes of each file, by name; the manifest among them.
    """

    def __init__(self, folder: Path, sizes: dict[str, int]) -> None:
        self.folder = folder
        self.sizes = sizes

    @classmethod
    def in_folder(cls, folder: Path) -> _Published:
        """Return the data set in a folder."""
        from stages.publishing.manifest import read_manifest

        found = read_manifest(folder)
        if found is None:
            return cls(folder, {})
        sizes = {name: entry.size for name, entry in found.files.items()}
        return cls(folder, sizes | {_MANIFEST_NAME: (folder / _MANIFEST_NAME).stat().st_size})

    def code_examples(self) -> int:
        """Return the number of examples. Reads one file at a time: together they can exceed the memory."""
        names = [name for name in self.sizes if name.endswith(".example.json")]
        return sum(len(read_json(self.folder / name)["methods"]) for name in names)

    def summary(self) -> dict[str, Any]:
        """Return the folder's name, its number of files and bytes, and which kinds can be searched."""
        return {
            "folder": self.folder.name,
            "files": len(self.sizes),
            "bytes": sum(self.sizes.values()),
            "searchable": [kind for kind in _KINDS if f"{kind}/{kind}_faiss/index.faiss" in self.sizes],
        }
