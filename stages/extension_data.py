"""Stage 3: the contents of each extension: its database entry, code atlas, API documentation and OmniGraph nodes.

`extract` reads and parses every Python file of one extension. No other stage does so. It therefore also writes the
inputs of later stages: candidates for code examples, and uses of settings. `merge` combines the extensions.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages import artifacts
from stages.artifacts.extension_data import (
    DATABASE,
    DATABASE_VERSION,
    FOLDER,
    FOLDERS_OF_EACH,
    REPORT,
    SUMMARY,
    DatabaseEntry,
    ExtensionsDatabase,
    ExtensionsSummary,
    ExtensionSummary,
    ExtractedEntry,
    ExtractionReport,
    Functions,
    LeftOutFile,
    PythonFileCounts,
    SettingUses,
    SummaryTotals,
    api_docs_file,
    api_files,
    codeatlas_file,
    entry_file,
    functions_file,
    has_python,
    setting_uses_file,
)
from stages.artifacts.nodes import DATABASE as NODES_DATABASE
from stages.artifacts.nodes import ExtensionNodes, Node, NodesDatabase, nodes_file
from stages.artifacts.preparation import EXTENSIONS, Extension, Extensions
from stages.failures import StageWarning, contained, warning, warning_order
from stages.python import files as python_source
from stages.python.files import UnreadableSource
from stages.storage.jsonfile import to_json, write_bytes, write_json
from stages.storage.stale import remove_stale

if TYPE_CHECKING:
    from stages.python.reading import Reading

MERGE_TARGETS = [DATABASE, SUMMARY, REPORT, NODES_DATABASE]

_COUNTS = ("total_modules", "total_classes", "total_methods")
_TOKEN_COUNTS = ("codeatlas_token_count", "api_docs_token_count")

logger = logging.getLogger(__name__)


def targets(extension: Extension) -> list[str]:
    """Return the files that `extract` writes for an extension, relative to the work directory.

    Code atlas and API documentation exist only for extensions with Python files or stubs, node types only for
    extensions with ``.ogn`` files.
    """
    own = [entry_file(extension), functions_file(extension), setting_uses_file(extension)]
    return [*own, *api_files(extension), *_nodes_files(extension)]


def dependencies(extension: Extension) -> list[str]:
    """Return the files that `extract` may read, relative to the extension's folder.

    These are Python files, stubs, ``.ogn`` files and the readme or overview. The manifest was read by stage 2. Files of
    excluded modules are included, although `extract` never opens them.
    """
    return sorted({*_python_files(extension), *extension.files.ogn, *_descriptions(extension)})


def merge_dependencies(extensions: list[Extension]) -> list[str]:
    """Return the files that `merge` reads besides ``extensions.json``, relative to the work directory."""
    return [path for extension in extensions for path in (entry_file(extension), *_nodes_files(extension))]


def extract(
    extension: Extension,
    *,
    work_dir: Path,
    excluded_modules: list[str],
    include_source_code: bool,
    encoding: str,
) -> None:
    """Read one extension and write its `targets`.

    A file that cannot be read or parsed is left out, with a warning in the entry.

    Args:
        extension: An entry of ``extensions.json``.
        work_dir: The work directory.
        excluded_modules: Names or globs of modules to exclude; see `files.classify`.
        include_source_code: True to include the source of each method in the code atlas.
        encoding: The tokenizer encoding, for token counts.

    Raises:
        StageError: The encoding is unknown or a target cannot be written.
    """
    with _gc_paused(), warnings.catch_warnings():
        # Hides syntax warnings about third-party sources, such as invalid escapes.
        warnings.simplefilter("ignore")
        # All records are freed before the collector is enabled again.
        _extract(extension, Path(work_dir), excluded_modules, include_source_code, encoding)


def _extract(
    extension: Extension, work_dir: Path, excluded_modules: list[str], include_source_code: bool, encoding: str
) -> None:
    from stages.python.reading import Reading

    folder = work_dir / extension.folder
    warnings_of_all: list[StageWarning] = []
    for whole in (True, False):
        reading = Reading(extension, folder, excluded_modules)
        reading.warnings = list(warnings_of_all)
        if not whole:
            reading.files = []  # only the metadata of the manifest remains
        with contained(warnings_of_all, reading.id) if whole else contextlib.nullcontext():
            reading.read()
            try:
                _write(extension, work_dir, reading, include_source_code, encoding)
            finally:
                reading.api.release()
            return


def _write(extension: Extension, work_dir: Path, reading: Reading, include_source_code: bool, encoding: str) -> None:
    from stages.python import renderer
    from stages.python.reading import declared_modules
    from stages.retrieval.tokens import count

    functions = reading.example_functions()
    long_description = _long_description(extension, work_dir / extension.folder, reading)
    outputs: dict[str, str] = {}
    counts: dict[str, Any] = dict.fromkeys((*_COUNTS, *_TOKEN_COUNTS), 0)
    counts |= {"codeatlas_path": None, "api_docs_path": None, "has_python_api": False}
    if has_python(extension):
        lines = {path: text.split("\n") for path, text in reading.texts.items()} if include_source_code else None
        codeatlas = renderer.codeatlas(reading.api, extension.id, lines)
        api_docs = renderer.api_docs(reading.api, extension.id, extension.version, codeatlas)
        counts["has_python_api"] = bool(api_docs["classes"] or api_docs["methods"] or api_docs["variables"])
        for kind in ("modules", "classes", "methods"):
            counts[f"total_{kind}"] = len(codeatlas[kind])
        for kind, path, value in (
            ("codeatlas", codeatlas_file(extension), codeatlas),
            ("api_docs", api_docs_file(extension), api_docs),
        ):
            content = to_json(value)
            write_bytes(work_dir / FOLDER / path, content)
            outputs[path] = hashlib.sha256(content).hexdigest()
            counts[f"{kind}_path"] = path
            counts[f"{kind}_token_count"] = count(content.decode(), encoding)
    sources = {path: reading.texts[path] for path in sorted({function.file_path for function in functions})}
    examples = Functions(extension=extension.id, functions=functions, sources=sources)
    write_json(work_dir / functions_file(extension), examples)
    uses = SettingUses(
        extension=extension.id,
        uses=reading.setting_uses,
        modules=reading.modules_of_settings(),
    )
    write_json(work_dir / setting_uses_file(extension), uses)
    metadata = extension.metadata
    entry = DatabaseEntry(
        version=extension.version,
        title=metadata.title,
        description=metadata.description,
        long_description=long_description,
        category=metadata.category,
        keywords=metadata.keywords,
        dependencies=metadata.dependencies,
        optional_dependencies=metadata.optional_dependencies,
        has_overview=any(_is_overview(path) for path in extension.files.docs),
        python_modules=declared_modules(extension),
        **counts,
    )
    for path in _nodes_files(extension):
        write_json(work_dir / path, ExtensionNodes(extension=extension.id, nodes=reading.nodes()))
    # The entry is written last: if it exists, so do the other files.
    found = sorted(reading.warnings, key=warning_order)
    record = ExtractedEntry(entry=entry, files=list(reading.report.values()), outputs=outputs, warnings=found)
    write_json(work_dir / entry_file(extension), record)


def merge(work_dir: Path) -> None:
    """Combine the entries of all extensions: database, summary, report and the database of OmniGraph nodes.

    ``extensions_database.json`` has the form of the output contract. ``extensions_summary.json`` contains counts,
    unselected versions, exclusions, and the SHA-256 of every code atlas and API documentation, so it changes with
    them. ``extraction_report.json`` lists every Python file that is not part of the API, with the reason. Entries are
    read one at a time. Files of removed extensions are deleted.

    Args:
        work_dir: The work directory.

    Raises:
        StageError: An entry is missing or unreadable, or a target cannot be written.
    """
    work_dir = Path(work_dir)
    chosen = artifacts.read(work_dir / EXTENSIONS, Extensions)
    entries: dict[str, DatabaseEntry] = {}
    summaries: dict[str, ExtensionSummary] = {}
    found: list[StageWarning] = []
    left_out: list[LeftOutFile] = []
    files = dict.fromkeys(("seen", "parsed", "api", "tests", "outside", "excluded", "unreadable"), 0)
    totals = dict.fromkeys((*_COUNTS, *_TOKEN_COUNTS, "with_python_api", "with_overview"), 0)
    for extension in chosen.extensions:
        record = artifacts.read(work_dir / entry_file(extension), ExtractedEntry)
        entry = entries[extension.id] = record.entry
        found += record.warnings
        for file in record.files:
            files["seen"] += 1
            files["parsed"] += file.parsed
            files[file.use] += 1
            if file.why:
                left_out.append(LeftOutFile(extension=extension.id, file=file.file, why=file.why))
        for name in (*_COUNTS, *_TOKEN_COUNTS):
            totals[name] += getattr(entry, name)
        totals["with_python_api"] += entry.has_python_api
        totals["with_overview"] += entry.has_overview
        summaries[extension.id] = ExtensionSummary(
            version=entry.version,
            total_modules=entry.total_modules,
            total_classes=entry.total_classes,
            total_methods=entry.total_methods,
            sha256=record.outputs,
        )
    database = ExtensionsDatabase(
        database_version=DATABASE_VERSION,
        kit_version=chosen.kit_version,
        total_extensions=len(entries),
        extensions=entries,
    )
    write_json(work_dir / DATABASE, database, indent=True)
    summary = ExtensionsSummary(
        kit_version=chosen.kit_version,
        total_extensions=len(entries),
        totals=SummaryTotals(**totals),
        extensions=summaries,
        other_versions=chosen.other_versions,
        excluded=chosen.excluded,
    )
    write_json(work_dir / SUMMARY, summary, indent=True)
    write_json(work_dir / NODES_DATABASE, _merged_nodes(work_dir, chosen, found), indent=True)
    left_out.sort(key=lambda item: (item.extension, item.file))
    report = ExtractionReport(
        files=PythonFileCounts(**files, left_out=left_out), warnings=sorted(found, key=warning_order)
    )
    write_json(work_dir / REPORT, report, indent=True)
    kept = [path for extension in chosen.extensions for path in targets(extension)]
    remove_stale(work_dir, [f"{FOLDER}/{folder}/*.json" for folder in FOLDERS_OF_EACH], kept)
    logger.info("%d extensions, %d Python files parsed of %d", len(entries), files["parsed"], files["seen"])


def _merged_nodes(work_dir: Path, chosen: Extensions, found: list[StageWarning]) -> NodesDatabase:
    """Return the node types of all extensions. The first extension with a name wins; the others get a warning."""
    nodes: dict[str, Node] = {}
    for extension in chosen.extensions:
        for path in _nodes_files(extension):
            for name, node in artifacts.read(work_dir / path, ExtensionNodes).nodes.items():
                known = nodes.setdefault(name, node)
                if known is not node:
                    message = f"The node type {name} is left out: the extension {known.extension} also defines it."
                    found.append(warning("ogn-twice", extension.id, node.file_path, 0, message))
    return NodesDatabase(kit_version=chosen.kit_version, total_nodes=len(nodes), nodes=nodes)


def _long_description(extension: Extension, folder: Path, reading: Reading) -> str:
    """Return the readme as plain text, or the overview if the readme is missing or only has a title."""
    from stages.retrieval.markdown import plain_text

    best = plain_text(extension.metadata.readme_text)
    if "\n" in best:
        return best
    for path in _descriptions(extension):
        try:
            data = python_source.read_bytes(folder, path)
        except UnreadableSource as error:
            message = f"The document is left out: it {error}."
            reading.warnings.append(warning("document-unreadable", extension.id, path, 0, message))
            continue
        text = data.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
        text = plain_text(text) if path.lower().endswith(".md") else text.strip()
        if "\n" in text:
            return text
        best = best or text
    return best


def _descriptions(extension: Extension) -> list[str]:
    """Return the possible readmes and overviews of an extension, the best first."""
    docs = extension.files.docs
    readme = extension.metadata.readme
    first = [readme] if readme else [path for path in docs if _name(path).startswith("readme")][:1]
    return list(dict.fromkeys([*first, *[path for path in docs if _is_overview(path)][:1]]))


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1].lower()


def _is_overview(path: str) -> bool:
    return _name(path).startswith("overview")


def _nodes_files(extension: Extension) -> list[str]:
    return [nodes_file(extension)] * bool(extension.files.ogn)


def _python_files(extension: Extension) -> list[str]:
    return [*extension.files.python, *extension.files.stubs]


@contextlib.contextmanager
def _gc_paused() -> Iterator[None]:
    """Disable Python's cycle collector while an extension is read.

    Hundreds of thousands of tree nodes and records are freed without it (see `Api.release`). Scanning them repeatedly
    would take a tenth of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
