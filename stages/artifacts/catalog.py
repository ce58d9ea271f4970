"""The type and path of every JSON file that a stage writes. Files in `PUBLISHED` have a JSON Schema."""

from __future__ import annotations

from typing import Any, NamedTuple

from stages.artifacts import (
    code_examples,
    embeddings,
    extension_data,
    faiss,
    final_assembly,
    nodes,
    preparation,
    pull_repo_exts,
    python_api,
    settings,
)


class PublishedFile(NamedTuple):
    """A kind of file with a JSON Schema.

    Attributes:
        schema: Name of its schema, ``stages/schemas/<schema>.schema.json``.
        title: Its title for readers.
        record: The type of its content.
        work_dir: Its path in the work directory, with ``<…>`` for variable parts; empty if it is not there.
        data_set: Its path in the data set, in the same form.
        target_dir: Its path beside the data sets, in the same form.
    """

    schema: str
    title: str
    record: Any
    work_dir: str = ""
    data_set: str = ""
    target_dir: str = ""


PUBLISHED = (
    PublishedFile("sources", "Sources", pull_repo_exts.Sources, pull_repo_exts.SOURCES),
    PublishedFile("extensions", "Extensions and apps", preparation.Extensions, preparation.EXTENSIONS),
    PublishedFile(
        "extensions_database",
        "Extensions database",
        extension_data.ExtensionsDatabase,
        extension_data.DATABASE,
        "extensions/extensions_database.json",
    ),
    PublishedFile(
        "extensions_summary",
        "Extensions summary",
        extension_data.ExtensionsSummary,
        extension_data.SUMMARY,
        "extensions/extensions_summary.json",
    ),
    PublishedFile(
        "codeatlas",
        "Code atlas",
        python_api.CodeAtlas,
        "extension_data/codeatlas/<id>-<version>.codeatlas.json",
        "extensions/codeatlas/<id>-<version>.codeatlas.json",
    ),
    PublishedFile(
        "api_docs",
        "API documentation",
        python_api.ApiDocs,
        "extension_data/api_docs/<id>-<version>.api_docs.json",
        "extensions/api_docs/<id>-<version>.api_docs.json",
    ),
    PublishedFile(
        "extension_analysis_summary",
        "Code example summary",
        code_examples.ExampleSummary,
        code_examples.SUMMARY,
        code_examples.SUMMARY,
    ),
    PublishedFile(
        "example",
        "Code examples",
        code_examples.ExampleFile,
        "code_examples/extracted_methods_<mode>/<id>.example.json",
        "code_examples/extracted_methods_<mode>/<id>.example.json",
    ),
    PublishedFile(
        "setting_summary", "Settings", settings.SettingSummary, settings.SUMMARY, "settings/setting_summary.json"
    ),
    PublishedFile(
        "setting_summary_simple",
        "Types and defaults of settings",
        settings.SimpleSummary,
        settings.SIMPLE,
        "settings/setting_summary_simple.json",
    ),
    PublishedFile(
        "setting_statistics",
        "Counts of settings",
        settings.SettingStatistics,
        settings.STATISTICS,
        "settings/setting_statistics.json",
    ),
    PublishedFile("nodes_database", "OmniGraph node types", nodes.NodesDatabase, nodes.DATABASE, nodes.DATABASE),
    PublishedFile("settings_report", "Search for settings", settings.SettingsReport, settings.REPORT),
    PublishedFile(
        "faiss_index",
        "Document store of a search index",
        faiss.IndexStore,
        "faiss_databases/<kind>_faiss/index.json",
        "<kind>/<kind>_faiss/index.json",
    ),
    PublishedFile(
        "faiss_metadata",
        "Metadata of a search index",
        faiss.IndexMetadata,
        "faiss_databases/<kind>_faiss/metadata.json",
        "<kind>/<kind>_faiss/metadata.json",
    ),
    PublishedFile("manifest", "Manifest of a data set", final_assembly.Manifest, data_set=final_assembly.MANIFEST),
    PublishedFile(
        "pipeline_completion_report",
        "Origin and contents of a data set",
        final_assembly.CompletionReport,
        target_dir=final_assembly.COMPLETION_REPORT,
    ),
)

# Path in the work directory, with ``<…>`` for variable parts -> the type of the content.
INTERNAL: dict[str, Any] = {
    "extension_data/entries/<id>.json": extension_data.ExtractedEntry,
    "extension_data/examples/<id>.json": extension_data.Functions,
    "extension_data/setting_uses/<id>.json": extension_data.SettingUses,
    "extension_data/nodes/<id>.json": nodes.ExtensionNodes,
    extension_data.REPORT: extension_data.ExtractionReport,
    "code_examples/selected/<id>.json": code_examples.ExampleFile,
    "code_examples/digests/<id>.json": code_examples.SelectedDigests,
    "settings/found/<owner>.json": settings.FoundSettings,
    "embeddings/<kind>_documents.json": list[embeddings.StoredDocument],
    "embeddings/<kind>_embeddings.json": embeddings.EmbeddingInfo,
}
