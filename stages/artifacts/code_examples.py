"""The files of stage 4: functions that show how the API is used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta

from stages.artifacts.extension_data import SourceFunction
from stages.artifacts.preparation import Extension
from stages.artifacts.record import Count, Names, Positive, Record, Sha256, Sha256OfMany, Text

FOLDER = "code_examples"
SUMMARY = f"{FOLDER}/extension_analysis_summary.json"
# The record of published files that equal the selected ones.
COPIES = f"{FOLDER}/copies.json"

Mode = Literal["regular", "tests", "all"]
MODES: tuple[Mode, ...] = ("regular", "tests", "all")


def selected_file(extension: Extension) -> str:
    """Return the path of an extension's selected functions, including duplicates (`ExampleFile`)."""
    return f"{FOLDER}/selected/{extension.id}.json"


def digests_file(extension: Extension) -> str:
    """Return the path of an extension's `SelectedDigests`."""
    return f"{FOLDER}/digests/{extension.id}.json"


def example_file(extension: Extension, mode: str) -> str:
    """Return the path of an extension's `ExampleFile`."""
    return f"{FOLDER}/extracted_methods_{mode}/{extension.id}.example.json"


def example_files(extensions: Iterable[Extension], mode: str) -> list[str]:
    """Return the paths of all files of examples.

    There is a file for each extension with Python files, even without selected functions.
    """
    return [example_file(extension, mode) for extension in extensions if extension.files.python]


class Example(SourceFunction):
    """A code example: a selected function.

    Attributes:
        line_count: Number of its lines.
        token_count: Tokens of the source, counted with ``encoding_model``.
        reasons: Reasons for its selection.
        class_usages: Full names of the classes that it uses.
        source_code: The whole source, dedented.
    """

    line_count: Positive
    token_count: Positive
    reasons: Annotated[list[str], Meta(min_length=1, extra_json_schema={"uniqueItems": True})]
    class_usages: Names
    source_code: Text


class ExampleFile(Record):
    """The code examples of one extension, the most interesting first.

    Attributes:
        extension_name: The extension's id.
        kit_version: The Kit version.
        interesting_methods_count: Number of selected functions.
        scan_mode: ``code_examples_scan_mode``.
        methods: The functions, the most interesting first.
    """

    extension_name: Text
    kit_version: str
    interesting_methods_count: Count
    scan_mode: Mode
    methods: list[Example]


class SelectedDigests(Record):
    """Digests of an extension's selected functions, to find duplicates in other extensions.

    Attributes:
        methods_analyzed: Number of candidate functions.
        too_long: Function left out because it is too long for a prompt -> its tokens.
        selected: SHA-256 of the file of selected functions.
        sources: SHA-256 of the source, full name and token count of each selected function, in its order.
    """

    methods_analyzed: Count
    too_long: dict[str, Positive]
    selected: Sha256
    sources: list[tuple[Sha256OfMany, Text, Count]]


class ExampleTotals(Record):
    """Sums over all extensions.

    Attributes:
        methods_analyzed: Number of candidate functions.
        interesting_methods: Number of selected functions.
        duplicates: Number of functions left out because another has the same source.
        tokens: Tokens of the selected functions' sources.
    """

    methods_analyzed: Count
    interesting_methods: Count
    duplicates: Count
    tokens: Count


class ExtensionExamples(Record):
    """Counts and digest of one extension's examples.

    Attributes:
        version: The version.
        total_methods_analyzed: Number of candidate functions.
        interesting_methods_count: Number of selected functions.
        duplicates: Function left out -> the example with the same source.
        too_long: Function left out because it is too long for a prompt -> its tokens.
        total_tokens: Tokens of the selected functions' sources.
        example_path: The file of its examples, relative to this file.
        sha256: SHA-256 of that file.
    """

    version: Text
    total_methods_analyzed: Count
    interesting_methods_count: Count
    duplicates: dict[str, str]
    too_long: dict[str, Positive]
    total_tokens: Count
    example_path: Text
    sha256: Sha256


class ExampleSummary(Record):
    """Number of selected functions of each extension, and a digest of every file.

    Attributes:
        kit_version: The Kit version.
        scan_mode: ``code_examples_scan_mode``.
        total_extensions: Number of extensions.
        totals: Sums over all extensions.
        extensions: The extensions by id.
    """

    kit_version: str
    scan_mode: Mode
    total_extensions: Count
    totals: ExampleTotals
    extensions: dict[str, ExtensionExamples]
