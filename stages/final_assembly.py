"""Stage 8: publish the data set in ``<target_dir>/<major.minor>/``, and write the completion report.

The next data set is built beside the published one and replaces it in one step (see `stages.publishing`). Files in the
published manifest that this run does not make are removed. The user's files and data sets of other Kit versions stay.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from stages import artifacts
from stages.artifacts import extension_data, nodes, settings
from stages.artifacts.code_examples import SUMMARY as EXAMPLE_SUMMARY
from stages.artifacts.code_examples import ExampleSummary
from stages.artifacts.embeddings import KINDS
from stages.artifacts.final_assembly import (
    COMPLETION_REPORT,
    COPIES,
    FOLDER,
    MANIFEST,
    MANIFEST_VERSION,
    PREVIOUS,
    REPORT_VERSION,
    VERSION,
    AppTemplates,
    Completeness,
    CompletionReport,
    Counts,
    DataSet,
    FileEntry,
    Manifest,
    SourceEntry,
    data_set_files,
)
from stages.artifacts.preparation import EXTENSIONS, Extensions
from stages.artifacts.pull_repo_exts import SOURCES, Source, Sources
from stages.artifacts.settings import SettingsReport, SettingStatistics, SkippedFile
from stages.failures import StageError, StageWarning, warning_order
from stages.storage.folder_swap import exclusive
from stages.storage.jsonfile import read_json, remove_unfinished, to_json, write_json

_log = logging.getLogger(__name__)

# The list of published files in versions before the manifest.
_EARLIER_NAMES = f"{FOLDER}/manifest.json"
# Configuration of paths and performance, which does not affect the data.
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
# App templates: text files are smaller, and binary files have an early NUL byte.
_MAX_TEMPLATE_BYTES = 1024 * 1024
_SNIFFED_BYTES = 8192
_NO_TEMPLATE_FOLDERS = frozenset({"__pycache__", "_build", "_repo", "_compiler", "node_modules"})


def dependencies(work_dir: Path, *, mode: str = "regular", with_search: bool = True) -> list[str]:
    """Return the files that `assemble` copies or reads; relative to the work directory, or absolute.

    Empty if ``extensions.json`` is missing.
    """
    plan = _plan(Path(work_dir), mode, with_search)
    return [] if plan is None else [EXTENSIONS, SOURCES, *sorted(plan.files.values())]


def targets(work_dir: Path, *, mode: str = "regular", with_search: bool = True) -> list[str]:
    """Return the files that `assemble` makes, relative to the target directory (``107.3/VERSION.md``).

    Empty if ``extensions.json`` is missing or the Kit version is unknown.
    """
    plan = _plan(Path(work_dir), mode, with_search)
    if plan is None or plan.folder is None:
        return []
    return [f"{plan.folder}/{name}" for name in sorted([*plan.files, VERSION, MANIFEST])]


def affecting_data(values: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the configuration values that affect the data, by section."""
    return {
        section: {
            key: value for key, value in values.get(section, {}).items() if key not in _WITHOUT_EFFECT.get(section, ())
        }
        for section in _SECTIONS
    }


def configuration_digest(values: dict[str, dict[str, Any]]) -> str:
    """Return the SHA-256 of the configuration values that affect the data, hexadecimal.

    Args:
        values: The configuration by section, without secrets and with ``${NAME}`` unexpanded.
    """
    return hashlib.sha256(to_json(affecting_data(values))).hexdigest()


def assemble(work_dir: Path, target_dir: Path, *, mode: str, with_search: bool, configuration_sha256: str = "") -> None:
    """Publish the outputs of all stages as the versioned data set.

    Args:
        work_dir: The work directory.
        target_dir: The folder of the data sets of all Kit versions.
        mode: The mode of selecting code examples.
        with_search: True to include the FAISS folders; False to remove older ones.
        configuration_sha256: The result of `configuration_digest`, for the manifest.

    Raises:
        StageError: The Kit version is unknown, an output of an earlier stage is missing, or a file cannot be written.
    """
    from stages.publishing.data_set import Publication

    work_dir, target_dir = Path(work_dir), Path(target_dir)
    plan = _plan(work_dir, mode, with_search)
    if plan is None:
        raise StageError(f"{work_dir / EXTENSIONS}: missing. Run the stage preparation first.")
    if plan.folder is None:
        raise StageError(
            f"The Kit version is {f'no version: {plan.kit_version!r}' if plan.kit_version else 'not known'}. "
            'Set kit_version in the [input] section of the configuration, for example "107.3.3".'
        )
    for source in plan.files.values():
        if not os.path.isfile(os.path.join(work_dir, source)):
            raise StageError(f"{work_dir / source}: missing. Run the earlier stages again to make it.")
    sources = _source_entries(artifacts.read(work_dir / SOURCES, Sources))

    def manifest_of(files: dict[str, FileEntry]) -> Manifest:
        return Manifest(
            manifest_version=MANIFEST_VERSION,
            kit_version=plan.kit_version,
            tool_version=_tool_version(),
            configuration_sha256=configuration_sha256,
            sources=sources,
            files=files,
        )

    folder = target_dir / plan.folder
    publication = Publication(folder, work_dir / COPIES, work_dir / PREVIOUS / plan.folder)
    done = publication.publish(
        {name: os.path.join(work_dir, source) for name, source in sorted(plan.files.items())},
        {VERSION: f"{plan.kit_version}\n".encode()},
        manifest_of,
        earlier_names=_earlier_names(work_dir, target_dir, plan.folder),
    )
    (work_dir / _EARLIER_NAMES).unlink(missing_ok=True)
    if done.foreign:
        shown = ", ".join(done.foreign[:5]) + (", …" if len(done.foreign) > 5 else "")
        _log.warning("%s: %d files are not the pipeline's and stay: %s", folder, len(done.foreign), shown)
    files = len(plan.files) + 2
    _log.info("%s: %d files, %d new or changed, %d removed", folder, files, len(done.changed), len(done.removed))


def _source_entries(sources: Sources) -> list[SourceEntry]:
    return [
        SourceEntry(kind=source.kind, name=source.name, revision=source.revision, kit_version=source.kit_version)
        for source in sources.sources
    ]


def _tool_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("kit-extension-pipeline")
    except PackageNotFoundError:
        return "unknown"


def _earlier_names(work_dir: Path, target_dir: Path, folder: str) -> list[str]:
    """Return the files in a folder that were published before there were manifests, as listed in the work directory."""
    with contextlib.suppress(StageError, AttributeError, TypeError):
        listed = read_json(work_dir / _EARLIER_NAMES)
        names = listed.get(f"{Path(os.path.relpath(target_dir, work_dir)).as_posix()}:{folder}", [])
        return [name for name in names if isinstance(name, str)]
    return []


class _Plan:
    """The contents of the data set: name -> file in the work directory (or an absolute path)."""

    def __init__(self, kit_version: str, files: dict[str, str]) -> None:
        self.kit_version = kit_version
        self.folder = _major_minor(kit_version)
        self.files = files


def _major_minor(kit_version: str) -> str | None:
    parts = kit_version.strip().split(".")
    if len(parts) < 2 or not parts[0].isdecimal() or not parts[1].isdecimal():
        return None
    return f"{int(parts[0])}.{int(parts[1])}"


def _plan(work_dir: Path, mode: str, with_search: bool) -> _Plan | None:
    if not (work_dir / EXTENSIONS).is_file():
        return None
    chosen = artifacts.read(work_dir / EXTENSIONS, Extensions)
    files = data_set_files(chosen.extensions, mode=mode, with_search=with_search)
    if (work_dir / SOURCES).is_file():
        for name, path in _app_templates(work_dir, artifacts.read(work_dir / SOURCES, Sources).sources)[0]:
            files.setdefault(f"app_templates/{name}", path)
    return _Plan(chosen.kit_version, files)


# ---- app templates --------------------------------------------------------------------------------------------------


def _app_templates(work_dir: Path, sources: list[Source]) -> tuple[list[tuple[str, str]], list[SkippedFile]]:
    """Return the text files of all sources' app templates (name, path), and the skipped files with reasons.

    If several sources have a file of the same name, the file of the first source is used.
    """
    files: dict[str, str] = {}
    skipped: list[SkippedFile] = []
    for source in sources:
        if not source.app_template_path:
            continue
        folder = Path(source.root) / source.app_template_path
        for name in _files_below(work_dir / folder):
            path = work_dir / folder / name
            why = _skip_reason(path)
            if not why and name in files:
                why = f"an earlier source has it too ({source.name})"
            if why:
                skipped.append(SkippedFile(file=f"app_templates/{name}", why=why))
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


def _skip_reason(path: Path) -> str:
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

    It contains the outcome for every file, so nothing is left out silently.

    Args:
        work_dir: The work directory.
        target_dir: The folder of the report.
        configuration: The effective configuration, without secrets.
        times: Start and end of the run, and durations of the stages; written unchanged.

    Raises:
        StageError: An output of an earlier stage is missing or unreadable.
    """
    work_dir, target_dir = Path(work_dir), Path(target_dir)
    chosen = artifacts.read(work_dir / EXTENSIONS, Extensions)
    sources = artifacts.read(work_dir / SOURCES, Sources)
    extraction = artifacts.read(work_dir / extension_data.REPORT, extension_data.ExtractionReport)
    searched = artifacts.read(work_dir / settings.REPORT, SettingsReport)
    templates, templates_skipped = _app_templates(work_dir, sources.sources)
    published = _Published.in_folder(target_dir / (_major_minor(chosen.kit_version) or ""))
    warnings = _all_warnings(sources.warnings, chosen.warnings, extraction.warnings, searched.warnings)
    report = CompletionReport(
        report_version=REPORT_VERSION,
        kit_version=chosen.kit_version,
        times=times,
        configuration=configuration,
        sources=_source_entries(sources),
        counts=_counts(work_dir, chosen, published, templates=len(templates), warnings=len(warnings)),
        data_set=published.summary(),
        extensions={extension.id: extension.version for extension in chosen.extensions},
        other_versions=chosen.other_versions,
        excluded=chosen.excluded,
        completeness=Completeness(
            preparation=chosen.files_seen,
            extension_data=extraction.files,
            settings=searched.files,
            unresolved_settings=searched.unresolved,
            app_templates=AppTemplates(copied=len(templates), skipped=templates_skipped),
        ),
        conflicting_settings=searched.conflicts,
        warnings=warnings,
    )
    with exclusive(target_dir):
        remove_unfinished(target_dir, below=False)  # a killed run may have left half a report
        write_json(target_dir / COMPLETION_REPORT, report, indent=True)


def _all_warnings(*reports: Iterable[StageWarning]) -> list[StageWarning]:
    """Return the warnings of all stages. Equal warnings of two stages about the same place appear once."""
    found = {warning_order(item): item for report in reports for item in report}
    return [found[key] for key in sorted(found)]


def _counts(work_dir: Path, chosen: Extensions, published: _Published, *, templates: int, warnings: int) -> Counts:
    database = artifacts.read(work_dir / extension_data.DATABASE, extension_data.ExtensionsDatabase)
    statistics = artifacts.read(work_dir / settings.STATISTICS, SettingStatistics)
    entries = database.extensions.values()
    return Counts(
        extensions=len(entries),
        extensions_with_python_api=sum(entry.has_python_api for entry in entries),
        apps=len(chosen.apps),
        modules=sum(entry.total_modules for entry in entries),
        classes=sum(entry.total_classes for entry in entries),
        methods=sum(entry.total_methods for entry in entries),
        code_examples=published.code_examples(),
        settings=statistics.total_settings,
        documented_settings=statistics.documented,
        nodes=artifacts.read(work_dir / nodes.DATABASE, nodes.NodesDatabase).total_nodes,
        app_template_files=templates,
        warnings=warnings,
    )


class _Published:
    """A published data set, read from its manifest; empty if none is published.

    Attributes:
        folder: The data set's folder.
        sizes: The size in bytes of each file by name, including the manifest.
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
        return cls(folder, sizes | {MANIFEST: (folder / MANIFEST).stat().st_size})

    def code_examples(self) -> int:
        """Return the number of examples."""
        if EXAMPLE_SUMMARY not in self.sizes:
            return 0
        return artifacts.read(self.folder / EXAMPLE_SUMMARY, ExampleSummary).totals.interesting_methods

    def summary(self) -> DataSet:
        """Return the folder's name, its number of files and bytes, and its searchable kinds."""
        return DataSet(
            folder=self.folder.name,
            files=len(self.sizes),
            bytes=sum(self.sizes.values()),
            searchable=[kind for kind in KINDS if f"{kind}/{kind}_faiss/index.faiss" in self.sizes],
        )
