"""Stage 4: code examples, selected by size and complexity.

A function is selected for any of these reasons, which are recorded with it:

* it has at least ``min_lines`` lines, decorators included; if more than half of them belong to literals (a table, a
  long string), only the others count;
* its cyclomatic complexity is at least ``min_complexity``;
* it has at least `NOTEWORTHY_LINES` lines and handles errors, is async or has several decorators, or calls itself.

A function of more than `MAX_TOKENS` tokens is not an example, because it is too long for a prompt. The summary lists
these functions.

Mode ``regular`` excludes tests, mode ``tests`` uses only tests, and mode ``all`` uses all functions.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import logging
import os
from pathlib import Path

from stages import artifacts
from stages.artifacts.code_examples import (
    COPIES,
    FOLDER,
    MODES,
    SUMMARY,
    Example,
    ExampleFile,
    ExampleSummary,
    ExampleTotals,
    ExtensionExamples,
    Mode,
    SelectedDigests,
    digests_file,
    example_file,
    example_files,
    selected_file,
)
from stages.artifacts.extension_data import Function, Functions, functions_file
from stages.artifacts.preparation import EXTENSIONS, Extension, Extensions
from stages.failures import StageError
from stages.storage.copies import Copies
from stages.storage.jsonfile import read_bytes, to_json, write_bytes, write_json
from stages.storage.stale import remove_stale
from stages.storage.syncing import sync_files
from stages.storage.threads import in_threads

NOTEWORTHY_LINES = 10
MAX_TOKENS = 8_000

logger = logging.getLogger(__name__)


def targets(extension: Extension) -> list[str]:
    """Return the files that `select` writes, relative to the work directory."""
    return [selected_file(extension), digests_file(extension)]


def dependencies(extension: Extension) -> list[str]:
    """Return the file that `select` reads, relative to the work directory."""
    return [functions_file(extension)]


def merge_targets(extensions: list[Extension], mode: str) -> list[str]:
    """Return the files that `merge` writes, relative to the work directory."""
    return [*example_files(extensions, mode), SUMMARY]


def merge_dependencies(extensions: list[Extension]) -> list[str]:
    """Return the files that `merge` reads besides ``extensions.json``, relative to the work directory."""
    return [path for extension in extensions for path in targets(extension)]


def select(
    extension: Extension,
    *,
    work_dir: Path,
    mode: str,
    min_lines: int,
    min_complexity: int,
    encoding: str,
    kit_version: str,
) -> None:
    """Select the code examples of one extension, the most interesting first.

    The order is by complexity, then by lines, both descending, then by name. ``selected/<id>.json`` is the extension's
    file of examples, before duplicates are removed. ``digests/<id>.json`` lets `merge` find duplicates and report
    numbers: it contains the number of candidates, the functions that are too long, and the SHA-256 of the other file
    and of each source.

    Args:
        extension: An entry of ``extensions.json``.
        work_dir: The work directory.
        mode: One of `MODES`.
        min_lines: The minimum number of lines.
        min_complexity: The minimum cyclomatic complexity.
        encoding: The tokenizer encoding, for token counts.
        kit_version: The Kit version, empty if unknown.

    Raises:
        StageError: Mode or encoding is unknown, the input is missing or invalid, or the target cannot be written.
    """
    from stages.python.text import dedent
    from stages.retrieval.tokens import count_all

    scan_mode = _checked_mode(mode)
    work_dir = Path(work_dir)
    path = work_dir / functions_file(extension)
    candidates = artifacts.read(path, Functions)
    interesting: list[tuple[Function, str, list[str]]] = []
    analyzed = 0
    lines = {file: text.split("\n") for file, text in candidates.sources.items()}
    for function in candidates.functions:
        if (function.is_test and mode == "regular") or (not function.is_test and mode == "tests"):
            continue
        analyzed += 1
        reasons = _reasons(function, min_lines, min_complexity)
        if not reasons:
            continue
        if function.file_path not in lines:
            raise StageError(f"{path}: the text of {function.file_path} is missing. Delete it and run again.")
        source = dedent(lines[function.file_path][function.start_line - 1 : function.end_line])
        interesting.append((function, source, reasons))
    methods: list[Example] = []
    too_long: dict[str, int] = {}
    counts = count_all([source for _, source, _ in interesting], encoding)
    for (function, source, reasons), tokens in zip(interesting, counts, strict=True):
        if tokens > MAX_TOKENS:
            too_long[function.full_name] = tokens
        else:
            methods.append(_example(function, source, reasons, tokens))
    methods.sort(key=lambda method: (-method.complexity_score, -method.line_count, method.full_name))
    content = _content(extension, kit_version, scan_mode, methods)
    write_bytes(work_dir / selected_file(extension), content)
    digests = SelectedDigests(
        methods_analyzed=analyzed,
        too_long=too_long,
        selected=hashlib.sha256(content).hexdigest(),
        sources=[
            (
                hashlib.sha256(method.source_code.encode("utf-8", "surrogatepass")).hexdigest(),
                method.full_name,
                method.token_count,
            )
            for method in methods
        ],
    )
    write_json(work_dir / digests_file(extension), digests)


def merge(work_dir: Path, *, mode: str) -> None:
    """Write the examples of all extensions without duplicates, and their summary.

    Of several functions with the same source, in one extension or in several, the first is kept: extensions are
    ordered by id, functions by interest. Extensions are read one at a time. Files of earlier runs and of other modes
    are removed. What is written is synced here: most targets are unchanged, and `Copies` relies on the others.

    Args:
        work_dir: The work directory.
        mode: One of `MODES`.

    Raises:
        StageError: The mode is unknown, an input is missing or unreadable, or a target cannot be written.
    """
    scan_mode = _checked_mode(mode)
    work_dir = Path(work_dir)
    chosen = artifacts.read(work_dir / EXTENSIONS, Extensions)
    copies = Copies(work_dir / COPIES, mode)
    uncopied: list[tuple[str, str]] = []
    seen: dict[str, str] = {}
    summaries: dict[str, ExtensionExamples] = {}
    totals = {"methods_analyzed": 0, "interesting_methods": 0, "duplicates": 0, "tokens": 0}
    for extension in sorted(chosen.extensions, key=lambda extension: extension.id):
        if not extension.files.python:
            continue
        found = artifacts.read(work_dir / digests_file(extension), SelectedDigests)
        first: list[bool] = []
        duplicates, tokens = {}, 0
        for digest, full_name, token_count in found.sources:
            first.append(digest not in seen)
            if first[-1]:
                seen[digest] = full_name
                tokens += token_count
            else:
                duplicates[full_name] = seen[digest]
        sha256 = found.selected
        selected = os.path.join(work_dir, selected_file(extension))
        target = os.path.join(work_dir, example_file(extension, mode))
        if duplicates:
            methods = list(itertools.compress(artifacts.read(Path(selected), ExampleFile).methods, first))
            content = _content(extension, chosen.kit_version, scan_mode, methods)
            sha256 = hashlib.sha256(content).hexdigest()
            write_bytes(Path(target), content)
            sync_files([target])
        elif copies.differ(selected, target):
            uncopied.append((selected, target))
        summaries[extension.id] = ExtensionExamples(
            version=extension.version,
            total_methods_analyzed=found.methods_analyzed,
            interesting_methods_count=sum(first),
            duplicates=duplicates,
            too_long=found.too_long,
            total_tokens=tokens,
            example_path=example_file(extension, mode).removeprefix(f"{FOLDER}/"),
            sha256=sha256,
        )
        totals["methods_analyzed"] += found.methods_analyzed
        totals["interesting_methods"] += sum(first)
        totals["duplicates"] += len(duplicates)
        totals["tokens"] += tokens
    in_threads(_copy, uncopied)
    for selected, target in uncopied:
        copies.remember(selected, target)
    summary = ExampleSummary(
        kit_version=chosen.kit_version,
        scan_mode=scan_mode,
        total_extensions=len(summaries),
        totals=ExampleTotals(**totals),
        extensions=summaries,
    )
    write_json(work_dir / SUMMARY, summary, indent=True)
    sync_files([work_dir / SUMMARY])
    copies.save()
    _prune(work_dir, chosen.extensions, mode)
    logger.info("%d examples, %d duplicates left out", totals["interesting_methods"], totals["duplicates"])


def _copy(files: tuple[str, str]) -> None:
    source, target = files
    write_bytes(Path(target), read_bytes(Path(source)))
    sync_files([target])


def _example(function: Function, source: str, reasons: list[str], token_count: int) -> Example:
    return Example(
        name=function.name,
        full_name=function.full_name,
        module=function.module,
        file_path=function.file_path,
        start_line=function.start_line,
        signature_end_line=function.signature_end_line,
        code_line=function.code_line,
        end_line=function.end_line,
        docstring=function.docstring,
        line_count=function.end_line - function.start_line + 1,
        token_count=token_count,
        complexity_score=function.complexity_score,
        is_async=function.is_async,
        decorators=function.decorators,
        reasons=reasons,
        class_usages=function.class_usages,
        source_code=source,
    )


def _content(extension: Extension, kit_version: str, mode: Mode, methods: list[Example]) -> bytes:
    """Return an extension's file of examples."""
    file = ExampleFile(
        extension_name=extension.id,
        kit_version=kit_version,
        interesting_methods_count=len(methods),
        scan_mode=mode,
        methods=methods,
    )
    return to_json(file, indent=True)


def _reasons(function: Function, min_lines: int, min_complexity: int) -> list[str]:
    lines = function.end_line - function.start_line + 1
    code = lines - function.literal_lines if function.literal_lines * 2 > lines else lines
    reasons = []
    if code >= min_lines:
        reasons.append(f"Large method ({code} lines)")
    if function.complexity_score >= min_complexity:
        reasons.append(f"High complexity (score: {function.complexity_score})")
    if function.is_recursive:
        reasons.append("Uses recursion")
    if code >= NOTEWORTHY_LINES:
        if function.handles_errors:
            reasons.append("Has error handling")
        if len(function.decorators) > 1:
            reasons.append(f"Multiple decorators ({len(function.decorators)})")
        if function.is_async:
            reasons.append("Async method")
    return reasons


def _checked_mode(mode: str) -> Mode:
    for known in MODES:
        if mode == known:
            return known
    raise StageError(
        f"{mode!r} is not a scan mode. Set processing.code_examples_scan_mode to one of: {', '.join(MODES)}."
    )


def _prune(work_dir: Path, extensions: list[Extension], mode: str) -> None:
    patterns = [f"{FOLDER}/extracted_methods_*/*.example.json", f"{FOLDER}/selected/*", f"{FOLDER}/digests/*"]
    remove_stale(work_dir, patterns, [*merge_targets(extensions, mode), *merge_dependencies(extensions)])
    for path in (work_dir / FOLDER).glob("extracted_methods_*"):
        with contextlib.suppress(OSError):  # a folder with other files stays
            path.rmdir()
