"""The files of stage 8: the data set's manifest and the completion report, and which files a data set consists of."""

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
# Signatures and digests of what is published: not every file has to be read again.
COPIES = f"{FOLDER}/copies.json"
# The data set that was replaced, by its folder's name: what `doit diff --since-last` compares with.
PREVIOUS = f"{FOLDER}/previous"

MANIFEST_VERSION = 1
REPORT_VERSION: Literal[1] = 1


def data_set_files(extensions: Iterable[Extension], *, mode: str, with_search: bool) -> dict[str, str]:
    """Return the files of a data set that stages make: name in the data set -> path in the work directory.

    Args:
        extensions: The chosen extensions.
        mode: The mode the code examples were selected in.
        with_search: Whether the FAISS folders belong to it.
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
    """One source that the data set was made from.

    Attributes:
        kind: The kind of source.
        name: Name of the source, as in ``sources.json``.
        revision: Commit, digest or version of what was read; null if unknown.
        kit_version: The Kit version that the source names; null if it names none.
    """

    kind: Kind
    name: str
    revision: str | None
    kit_version: str | None


class Manifest(Record):
    """Every file of a data set but itself, and what the data set was made from. Other files are not the pipeline's.

    Attributes:
        manifest_version: Version of this format.
        kit_version: The full Kit version, as in VERSION.md.
        tool_version: Version of the pipeline that published the data set.
        configuration_sha256: SHA-256 of the configuration values that affect the data, hexadecimal.
        sources: The sources that the data was read from, in the order of the configuration.
        files: Every file of the pipeline's, by its path relative to the data set's folder, with ``/``.
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
        extensions: Extensions.
        extensions_with_python_api: Extensions with a public Python API.
        apps: Apps that settings were read from.
        modules: Modules in the code atlases.
        classes: Classes in the code atlases.
        methods: Functions and methods in the code atlases.
        code_examples: Code examples.
        settings: Settings.
        documented_settings: Settings with documentation.
        nodes: OmniGraph node types.
        app_template_files: Files of app templates.
        warnings: Warnings.
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
    """The folder that was made.

    Attributes:
        folder: Its name below ``target_dir``.
        files: Number of files.
        bytes: Their size.
        searchable: Which search indexes there are.
    """

    folder: Annotated[str, Meta(extra_json_schema={"pattern": r"^[0-9]+\.[0-9]+$"})]
    files: Count
    bytes: Count
    searchable: Annotated[list[embeddings.Kind], Meta(extra_json_schema={"uniqueItems": True})]


class AppTemplates(Record):
    """App templates that were copied, and not.

    Attributes:
        copied: Number of files.
        skipped: Files that were not copied, and why.
    """

    copied: Count
    skipped: list[SkippedFile]


class Completeness(Record):
    """The outcome of every file found: parsed, or skipped with a reason.

    Attributes:
        preparation: Files that were found, by kind.
        extension_data: Python files that are part of the API, and not.
        settings: Files that were searched for settings.
        unresolved_settings: Places where code names a setting by an expression that could not be worked out.
        app_templates: App templates that were copied, and not.
    """

    preparation: dict[str, Count]
    extension_data: PythonFileCounts
    settings: SearchedFiles
    unresolved_settings: list[UnresolvedSetting]
    app_templates: AppTemplates


class CompletionReport(Record):
    """How a data set came about.

    Attributes:
        report_version: Version of this format.
        kit_version: The Kit version.
        times: For each stage when its tasks last ran and how long they took.
        configuration: The configuration that was in force, without secrets.
        sources: The sources, in the order of the configuration.
        counts: Sizes of the data set.
        data_set: The folder that was made.
        extensions: The version of each extension.
        other_versions: Versions of an extension that were found and not chosen.
        excluded: Extensions that the configuration leaves out, and by which key.
        completeness: The outcome of every file found: parsed, or skipped with a reason.
        conflicting_settings: Settings for which places give defaults that contradict one another.
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
