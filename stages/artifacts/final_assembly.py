"""The files of stage 8: the data set's manifest, the completion report, and the files of a data set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from msgspec import Meta

from stages.artifacts import code_examples, embeddings, extension_data, faiss, nodes, settings
from stages.artifacts.extension_data import PythonFileCounts
from stages.artifacts.preparation import Extension
from stages.artifacts.pull_repo_exts import Kind
from stages.artifacts.record import Count, Record, Sha256
from stages.artifacts.settings import ConflictingSetting, SearchedFiles, SkippedFile, UnresolvedSetting
from stages.failures import StageWarning

MANIFEST = "MANIFEST.json"
VERSION = "VERSION.md"
COMPLETION_REPORT = "pipeline_completion_report.json"

FOLDER = "final_assembly"
# Signatures and digests of published files, so that not every file is read again.
COPIES = f"{FOLDER}/copies.json"
# The replaced data set, by folder name, for `doit diff --since-last`.
PREVIOUS = f"{FOLDER}/previous"

MANIFEST_VERSION = 1
REPORT_VERSION: Literal[1] = 1


def data_set_files(extensions: Iterable[Extension], *, mode: str, with_search: bool) -> dict[str, str]:
    """Return the files of a data set made by stages: name in the data set -> path in the work directory.

    Args:
        extensions: The selected extensions.
        mode: The mode of selecting code examples.
        with_search: True to include the FAISS folders.
    """
    extensions = list(extensions)
    files = {}
    for path in (
        extension_data.DATABASE,
        extension_data.SUMMARY,
        *(path for extension in extensions for path in extension_data.api_files(extension)),
    ):
        files[f"extensions/{path.removeprefix('extension_data/')}"] = path
    for path in (
        *(settings.SUMMARY, settings.SIMPLE, settings.STATISTICS, code_examples.SUMMARY, nodes.DATABASE),
        *code_examples.example_files(extensions, mode),
    ):
        files[path] = path
    for kind in embeddings.KINDS if with_search else ():
        for path in faiss.index_files(kind):
            files[f"{kind}/{path.removeprefix('faiss_databases/')}"] = path
    return files


class FileEntry(Record):
    """One file of the data set.

    Attributes:
        size: Size in bytes.
        sha256: SHA-256 of the content, 64 hexadecimal digits.
    """

    size: Count
    sha256: Sha256


class SourceEntry(Record):
    """One source of the data set.

    Attributes:
        kind: The kind of source.
        name: Name of the source, as in ``sources.json``.
        revision: Commit, digest or version of the source; null if unknown.
        kit_version: The Kit version of the source; null if unknown.
    """

    kind: Kind
    name: str
    revision: str | None
    kit_version: str | None


class Manifest(Record):
    """Every file of a data set except the manifest, and the sources. Other files do not belong to the pipeline.

    Attributes:
        manifest_version: Version of this format.
        kit_version: The full Kit version, as in VERSION.md.
        tool_version: Version of the pipeline that published the data set.
        configuration_sha256: SHA-256 of the configuration values that affect the data, hexadecimal.
        sources: The sources of the data, in the order of the configuration.
        files: Every file of the pipeline, by its path relative to the data set's folder, with ``/``.
    """

    manifest_version: int
    kit_version: str
    tool_version: str
    configuration_sha256: str
    sources: list[SourceEntry]
    files: dict[str, FileEntry]


class Counts(Record):
    """Sizes of the data set.

    Attributes:
        extensions: All extensions.
        extensions_with_python_api: Extensions with a public Python API.
        apps: Apps scanned for settings.
        modules: Modules in the code atlases.
        classes: Classes in the code atlases.
        methods: Functions and methods in the code atlases.
        code_examples: All code examples.
        settings: All settings.
        documented_settings: Settings with documentation.
        nodes: OmniGraph node types.
        app_template_files: Files of app templates.
        warnings: All warnings.
    """

    extensions: Count
    extensions_with_python_api: Count
    apps: Count
    modules: Count
    classes: Count
    methods: Count
    code_examples: Count
    settings: Count
    documented_settings: Count
    nodes: Count
    app_template_files: Count
    warnings: Count


class DataSet(Record):
    """The published folder.

    Attributes:
        folder: Its name below ``target_dir``.
        files: Number of files.
        bytes: Their total size in bytes.
        searchable: The kinds with a search index.
    """

    folder: Annotated[str, Meta(extra_json_schema={"pattern": r"^[0-9]+\.[0-9]+$"})]
    files: Count
    bytes: Count
    searchable: Annotated[list[embeddings.Kind], Meta(extra_json_schema={"uniqueItems": True})]


class AppTemplates(Record):
    """Copied and skipped files of app templates.

    Attributes:
        copied: Number of copied files.
        skipped: Skipped files, each with the reason.
    """

    copied: Count
    skipped: list[SkippedFile]


class Completeness(Record):
    """The outcome for every file: parsed, or skipped with a reason.

    Attributes:
        preparation: Numbers of files by kind.
        extension_data: Python files inside and outside the API.
        settings: Files searched for settings.
        unresolved_settings: Uses of settings whose path cannot be evaluated.
        app_templates: Copied and skipped files of app templates.
    """

    preparation: dict[str, Count]
    extension_data: PythonFileCounts
    settings: SearchedFiles
    unresolved_settings: list[UnresolvedSetting]
    app_templates: AppTemplates


class CompletionReport(Record):
    """The origin and contents of a data set.

    Attributes:
        report_version: Version of this format.
        kit_version: The Kit version.
        times: For each stage, start and duration of the last run of its tasks.
        configuration: The effective configuration, without secrets.
        sources: The sources, in the order of the configuration.
        counts: Sizes of the data set.
        data_set: The published folder.
        extensions: The version of each extension.
        other_versions: The unselected versions of each extension.
        excluded: Extensions excluded by the configuration, each with the key.
        completeness: The outcome for every file: parsed, or skipped with a reason.
        conflicting_settings: Settings with contradictory defaults.
        warnings: Warnings about skipped or repaired input, with file and line.
    """

    report_version: Literal[1]
    kit_version: str
    times: dict[str, Any]
    configuration: dict[str, Any]
    sources: list[SourceEntry]
    counts: Counts
    data_set: DataSet
    extensions: dict[str, str]
    other_versions: dict[str, list[str]]
    excluded: dict[str, str]
    completeness: Completeness
    conflicting_settings: list[ConflictingSetting]
    warnings: list[StageWarning]
