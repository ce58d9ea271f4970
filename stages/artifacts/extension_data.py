"""The files of stage 3: the API of each extension, and the database of all extensions."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from stages.artifacts.preparation import Extension
from stages.artifacts.record import Count, Names, Positive, Record, Sha256, Text
from stages.artifacts.settings import SettingUse
from stages.failures import StageWarning

FOLDER = "extension_data"
DATABASE = f"{FOLDER}/extensions_database.json"
SUMMARY = f"{FOLDER}/extensions_summary.json"
REPORT = f"{FOLDER}/extraction_report.json"

DATABASE_VERSION = "1.0"
# The folders with a file for each extension.
FOLDERS_OF_EACH = ("codeatlas", "api_docs", "entries", "examples", "setting_uses", "nodes")

FileUse = Literal["api", "tests", "outside", "excluded", "unreadable"]
Atlas = Annotated[str, Meta(extra_json_schema={"pattern": r"^codeatlas/.+\.codeatlas\.json$"})]
Docs = Annotated[str, Meta(extra_json_schema={"pattern": r"^api_docs/.+\.api_docs\.json$"})]


def entry_file(extension: Extension) -> str:
    """Return the path of an extension's `ExtractedEntry`."""
    return f"{FOLDER}/entries/{extension.id}.json"


def functions_file(extension: Extension) -> str:
    """Return the path of an extension's `Functions`."""
    return f"{FOLDER}/examples/{extension.id}.json"


def setting_uses_file(extension: Extension) -> str:
    """Return the path of an extension's `SettingUses`."""
    return f"{FOLDER}/setting_uses/{extension.id}.json"


def codeatlas_file(extension: Extension) -> str:
    """Return the path of an extension's `CodeAtlas`, relative to `FOLDER`."""
    return f"codeatlas/{extension.id}-{extension.version}.codeatlas.json"


def api_docs_file(extension: Extension) -> str:
    """Return the path of an extension's `ApiDocs`, relative to `FOLDER`."""
    return f"api_docs/{extension.id}-{extension.version}.api_docs.json"


def has_python(extension: Extension) -> bool:
    """Return True if an extension has Python files or stubs, and so a code atlas and API documentation."""
    return bool(extension.files.python or extension.files.stubs)


def api_files(extension: Extension) -> list[str]:
    """Return the paths of an extension's code atlas and API documentation; empty without Python files."""
    return [f"{FOLDER}/{codeatlas_file(extension)}", f"{FOLDER}/{api_docs_file(extension)}"] * has_python(extension)


class DatabaseEntry(Record):
    """The entry of one extension in the database.

    Attributes:
        version: The version.
        title: The manifest's title; empty if it has none.
        description: The manifest's description; empty if it has none.
        long_description: The readme or overview as plain text.
        category: The manifest's category; empty if it has none.
        keywords: The manifest's keywords.
        dependencies: Ids of the required dependencies in the manifest.
        optional_dependencies: Ids of the optional dependencies in the manifest.
        has_python_api: Whether it has a public Python API.
        has_overview: Whether it has an overview.
        python_modules: The modules that the manifest declares.
        total_modules: Number of modules in the code atlas.
        total_classes: Number of classes in the code atlas.
        total_methods: Number of functions and methods in the code atlas.
        codeatlas_path: The code atlas, relative to the data set's extensions folder; null if there is none.
        api_docs_path: The API docs, relative to the data set's extensions folder; null if there are none.
        codeatlas_token_count: Tokens of the code atlas, counted with ``encoding_model``.
        api_docs_token_count: Tokens of the API docs, counted with ``encoding_model``.
    """

    version: Text
    title: str
    description: str
    long_description: str
    category: str
    keywords: list[str]
    dependencies: list[str]
    optional_dependencies: list[str]
    has_python_api: bool
    has_overview: bool
    python_modules: Names
    total_modules: Count
    total_classes: Count
    total_methods: Count
    codeatlas_path: Atlas | None
    api_docs_path: Docs | None
    codeatlas_token_count: Count
    api_docs_token_count: Count


class ExtensionsDatabase(Record):
    """Every extension of a Kit version, by id.

    Attributes:
        database_version: Version of this format.
        kit_version: The Kit version.
        total_extensions: Number of extensions.
        extensions: The extensions by id.
    """

    database_version: Text
    kit_version: str
    total_extensions: Count
    extensions: dict[str, DatabaseEntry]


class PythonFileReport(Record):
    """The outcome of one Python file.

    Attributes:
        file: The file, relative to the extension.
        use: The role of the file in the extension.
        why: The reason why it is not part of the API; empty for files of the API.
        parsed: Whether it was parsed.
    """

    file: str
    use: FileUse
    why: str
    parsed: bool


class ExtractedEntry(Record):
    """The result of extracting one extension.

    Attributes:
        entry: Its entry in the database.
        files: The outcome of each Python file.
        outputs: SHA-256 of its code atlas and API docs, by path relative to the stage's folder.
        warnings: Warnings about skipped input, with file and line.
    """

    entry: DatabaseEntry
    files: list[PythonFileReport]
    outputs: dict[str, Sha256]
    warnings: list[StageWarning]


class SourceFunction(Record):
    """The common fields of candidates and examples: a function or method with a body.

    Attributes:
        name: The name, without its module or class.
        full_name: The importable name.
        module: The importable name of its module.
        file_path: The file, relative to the extension.
        start_line: Its first line, decorators included.
        signature_end_line: The last line of its signature.
        code_line: The first line below signature and docstring; greater than ``end_line`` if there is none.
        end_line: Its last line.
        docstring: Its docstring, without the indentation; null if it has none.
        complexity_score: Cyclomatic complexity.
        is_async: Whether it is an ``async def``.
        decorators: Decorators, as written in the source.
    """

    name: Text
    full_name: Text
    module: Text
    file_path: Text
    start_line: Positive
    signature_end_line: Positive
    code_line: Positive
    end_line: Positive
    docstring: str | None
    complexity_score: Positive
    is_async: bool
    decorators: list[str]


class Function(SourceFunction):
    """A function or method with a body: a candidate for a code example.

    Attributes:
        literal_lines: Number of its lines that belong to literals: a table, a long string.
        is_test: Whether it is in a test file.
        handles_errors: Whether it has an ``except`` clause.
        is_recursive: Whether it calls itself.
        class_usages: Full names of the classes that it uses.
    """

    literal_lines: Count
    is_test: bool
    handles_errors: bool
    is_recursive: bool
    class_usages: list[str]


class Functions(Record):
    """The candidates of stage 4.

    Attributes:
        extension: The extension's id.
        functions: The functions, those of the API before those of the tests.
        sources: The text of each file with candidates, by path relative to the extension.
    """

    extension: Text
    functions: list[Function]
    sources: dict[str, str]


class SettingUses(Record):
    """The uses of settings in an extension's Python files, for stage 5.

    Attributes:
        extension: The extension's id.
        uses: The uses of settings.
        modules: The importable names of the files that use settings, by path relative to the extension.
    """

    extension: Text
    uses: list[SettingUse]
    modules: dict[str, str]


class SummaryTotals(Record):
    """Sums over all extensions.

    Attributes:
        total_modules: Number of modules in the code atlases.
        total_classes: Number of classes in the code atlases.
        total_methods: Number of functions and methods in the code atlases.
        codeatlas_token_count: Tokens of the code atlases, counted with ``encoding_model``.
        api_docs_token_count: Tokens of the API docs, counted with ``encoding_model``.
        with_python_api: Number of extensions with a public Python API.
        with_overview: Number of extensions with an overview.
    """

    total_modules: Count
    total_classes: Count
    total_methods: Count
    codeatlas_token_count: Count
    api_docs_token_count: Count
    with_python_api: Count
    with_overview: Count


class ExtensionSummary(Record):
    """Counts and digests of one extension.

    Attributes:
        version: The version.
        total_modules: Number of modules in the code atlas.
        total_classes: Number of classes in the code atlas.
        total_methods: Number of functions and methods in the code atlas.
        sha256: Path relative to the data set's extensions folder -> SHA-256.
    """

    version: Text
    total_modules: Count
    total_classes: Count
    total_methods: Count
    sha256: dict[str, Sha256]


class ExtensionsSummary(Record):
    """Counts, unselected versions, exclusions, and a digest of every file of each extension.

    Attributes:
        kit_version: The Kit version.
        total_extensions: Number of extensions.
        totals: Sums over all extensions.
        extensions: The extensions by id.
        other_versions: The unselected versions of each extension.
        excluded: Extensions left out by ``excluded_extensions``, each with the entry that matches.
    """

    kit_version: str
    total_extensions: Count
    totals: SummaryTotals
    extensions: dict[str, ExtensionSummary]
    other_versions: dict[str, list[str]]
    excluded: dict[str, str]


class LeftOutFile(Record):
    """A Python file that is not part of the API.

    Attributes:
        extension: The extension's id.
        file: The file, relative to the extension.
        why: The reason why it is not part of the API.
    """

    extension: Text
    file: Text
    why: Text


class PythonFileCounts(Record):
    """Numbers of Python files inside and outside the API.

    Attributes:
        seen: Files and stubs found.
        parsed: Files and stubs parsed.
        api: Files that are part of the API.
        tests: Files that are tests.
        outside: Files outside the declared modules.
        excluded: Files excluded by ``excluded_modules``.
        unreadable: Files that cannot be read or parsed.
        left_out: Every file that is not part of the API, with the reason.
    """

    seen: Count
    parsed: Count
    api: Count
    tests: Count
    outside: Count
    excluded: Count
    unreadable: Count
    left_out: list[LeftOutFile]


class ExtractionReport(Record):
    """The outcome of the Python files of all extensions.

    Attributes:
        files: Numbers of files inside and outside the API.
        warnings: Warnings about skipped or repaired input, with file and line.
    """

    files: PythonFileCounts
    warnings: list[StageWarning]
