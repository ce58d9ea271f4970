"""Stage 4: functions that show how the API is used, chosen by size and complexity.

A function is interesting for any of these reasons, which are given with it:

* it has at least ``min_lines`` lines, decorators included; where more than half of them belong to literals (a table, a
  long string), the others are counted;
* its cyclomatic complexity is at least ``min_complexity``;
* it has at least `NOTEWORTHY_LINES` lines and handles errors, is async or has several decorators, or calls itself.

A function of more than `MAX_TOKENS` tokens is no example, whatever its complexity: no prompt has room for it. The
summary names those that were left out.

In mode ``regular`` tests are left out, in mode ``tests`` only they are looked at, in mode ``all`` everything is.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import logging
from pathlib import Path
from typing import Any

from stages.failures import StageError
from stages.storage.copies import Copies
from stages.storage.jsonfile import read_bytes, read_json, to_json, write_bytes, write_json

MODES = ("regular", "tests", "all")
NOTEWORTHY_LINES = 10
MAX_TOKENS = 8_000

COPIES = "code_examples/copies.json"
_SUMMARY = "code_examples/extension_analysis_summary.json"
# What an example keeps of what stage 3 says of a function.
_KEPT = (
    *("name", "full_name", "module", "file_path", "start_line", "signature_end_line", "code_line", "end_line"),
    *("docstring", "complexity_score", "is_async", "decorators", "class_usages"),
)

logger = logging.getLogger(__name__)


def targets(extension: dict[str, Any]) -> list[str]:
    """Return the files that `select` writes, relative to the work directory."""
    return [_selected_file(extension), _digests_file(extension)]


def dependencies(extension: dict[str, Any]) -> list[str]:
    """Return the file that `select` reads, relative to the work directory."""
    return [f"extension_data/examples/{extension['id']}.json"]


def merge_targets(extensions: list[dict[str, Any]], mode: str) -> list[str]:
    """Return the files that `merge` writes, relative to the work directory."""
    return [*example_files(extensions, mode), _SUMMARY]


def example_files(extensions: list[dict[str, Any]], mode: str) -> list[str]:
    """Return the files that hold the examples, relative to the work directory.

    There is one for each extension with Python files, also if no function of it was chosen.
    """
    return [_example_file(extension["id"], mode) for extension in extensions if _has_python(extension)]


def merge_dependencies(extensions: list[dict[str, Any]]) -> list[str]:
    """Return the files that `merge` reads besides ``extensions.json``, relative to the work directory."""
    return [path for extension in extensions for path in targets(extension)]


def select(
    extension: dict[str, Any],
    *,
    work_dir: Path,
    mode: str,
    min_lines: int,
    min_complexity: int,
    encoding: str,
    kit_version: str,
) -> None:
    """Choose the interesting functions of one extension, the most interesting first.

    The order is by complexity, then by lines, both falling, then by name. ``selected/<id>.json`` is the extension's
    file of examples if no source in it stands in an earlier extension as well. ``digests/<id>.json`` is what `merge`
    tells that by, and what it reports: the number of functions that were looked at, those that are too long, and the
    SHA-256 of the other file and of each source.

    Args:
        extension: An entry of ``extensions.json``.
        work_dir: The work directory.
        mode: One of `MODES`.
        min_lines: Lines from which on a function is interesting.
        min_complexity: Cyclomatic complexity from which on it is.
        encoding: The encoding that tokens are counted in.
        kit_version: The Kit version, empty if it is not known.

    Raises:
        StageError: Mode or encoding is unknown, the input is missing or no work of stage 3, or the target cannot be
            written.
    """
    from stages.python.text import dedent
    from stages.retrieval.tokens import count

    _check_mode(mode)
    work_dir = Path(work_dir)
    path = work_dir / dependencies(extension)[0]
    candidates = read_json(path)
    methods: list[dict[str, Any]] = []
    too_long: dict[str, int] = {}
    analyzed = 0
    try:
        lines = {file: text.split("\n") for file, text in candidates["sources"].items()}
        for function in candidates["functions"]:
            if (function["is_test"] and mode == "regular") or (not function["is_test"] and mode == "tests"):
                continue
            analyzed += 1
            reasons = _reasons(function, min_lines, min_complexity)
            if not reasons:
                continue
            source = dedent(lines[function["file_path"]][function["start_line"] - 1 : function["end_line"]])
            tokens = count(source, encoding)
            if tokens > MAX_TOKENS:
                too_long[function["full_name"]] = tokens
                continue
            methods.append(
                {
                    **{name: function[name] for name in _KEPT},
                    "line_count": function["end_line"] - function["start_line"] + 1,
                    "token_count": tokens,
                    "reasons": reasons,
                    "source_code": source,
                }
            )
    except (KeyError, TypeError) as error:
        raise StageError(f"{path}: not made by this pipeline ({error!r}). Delete it and run again.") from error
    methods.sort(key=lambda method: (-method["complexity_score"], -method["line_count"], method["full_name"]))
    content = _content(extension, kit_version, mode, methods)
    write_bytes(work_dir / _selected_file(extension), content)
    digests = [hashlib.sha256(method["source_code"].encode("utf-8", "surrogatepass")).hexdigest() for method in methods]
    write_json(
        work_dir / _digests_file(extension),
        {
            "methods_analyzed": analyzed,
            "too_long": too_long,
            "selected": hashlib.sha256(content).hexdigest(),
            "sources": [
                [digest, method["full_name"], method["token_count"]]
                for digest, method in zip(digests, methods, strict=True)
            ],
        },
    )


def merge(work_dir: Path, *, mode: str) -> None:
    """Write the examples of all extensions, each source once, and their summary.

    A source that stands in several places, in one extension or in several, is kept where it is met first: extensions
    by id, functions by how interesting they are. Extensions are read one at a time. What earlier runs left, also in
    another mode, is removed.

    Args:
        work_dir: The work directory.
        mode: One of `MODES`.

    Raises:
        StageError: The mode is unknown, an input is missing or unreadable, or a target cannot be written.
    """
    _check_mode(mode)
    work_dir = Path(work_dir)
    chosen = read_json(work_dir / "extensions.json")
    kit_version = chosen.get("kit_version") or ""
    copies = Copies(work_dir / COPIES, mode)
    seen: dict[bytes, str] = {}
    summaries: dict[str, Any] = {}
    totals = {"methods_analyzed": 0, "interesting_methods": 0, "duplicates": 0, "tokens": 0}
    for extension in sorted(chosen["extensions"], key=lambda extension: str(extension["id"])):
        if not _has_python(extension):
            continue
        name = extension["id"]
        path = work_dir / _digests_file(extension)
        found = read_json(path)
        first: list[bool] = []
        duplicates, tokens = {}, 0
        try:
            for text, full_name, token_count in found["sources"]:
                digest = bytes.fromhex(text)
                first.append(digest not in seen)
                if first[-1]:
                    seen[digest] = full_name
                    tokens += token_count
                else:
                    duplicates[full_name] = seen[digest]
            analyzed, sha256, too_long = found["methods_analyzed"], found["selected"], found["too_long"]
        except (KeyError, TypeError, ValueError) as error:
            raise StageError(f"{path}: not made by this pipeline ({error!r}). Delete it and run again.") from error
        selected, target = work_dir / _selected_file(extension), work_dir / _example_file(name, mode)
        if duplicates:
            methods = list(itertools.compress(read_json(selected)["methods"], first))
            content = _content(extension, kit_version, mode, methods)
            sha256 = hashlib.sha256(content).hexdigest()
            write_bytes(target, content)
        elif copies.differ(str(selected), str(target)):
            write_bytes(target, read_bytes(selected))
            copies.remember(str(selected), str(target))
        summaries[name] = {
            "version": extension["version"],
            "total_methods_analyzed": analyzed,
            "interesting_methods_count": sum(first),
            "duplicates": duplicates,
            "too_long": too_long,
            "total_tokens": tokens,
            "example_path": _example_file(name, mode).removeprefix("code_examples/"),
            "sha256": sha256,
        }
        totals["methods_analyzed"] += analyzed
        totals["interesting_methods"] += sum(first)
        totals["duplicates"] += len(duplicates)
        totals["tokens"] += tokens
    write_json(
        work_dir / _SUMMARY,
        {
            "kit_version": kit_version,
            "scan_mode": mode,
            "total_extensions": len(summaries),
            "totals": totals,
            "extensions": summaries,
        },
        indent=True,
    )
    copies.save()
    _prune(work_dir, chosen["extensions"], mode)
    logger.info("%d examples, %d duplicates left out", totals["interesting_methods"], totals["duplicates"])


def _content(extension: dict[str, Any], kit_version: str, mode: str, methods: list[dict[str, Any]]) -> bytes:
    """Return an extension's file of examples."""
    return to_json(
        {
            "extension_name": extension["id"],
            "kit_version": kit_version,
            "interesting_methods_count": len(methods),
            "scan_mode": mode,
            "methods": methods,
        },
        indent=True,
    )


def _reasons(function: dict[str, Any], min_lines: int, min_complexity: int) -> list[str]:
    lines = function["end_line"] - function["start_line"] + 1
    code = lines - function["literal_lines"] if function["literal_lines"] * 2 > lines else lines
    reasons = []
    if code >= min_lines:
        reasons.append(f"Large method ({code} lines)")
    if function["complexity_score"] >= min_complexity:
        reasons.append(f"High complexity (score: {function['complexity_score']})")
    if function["is_recursive"]:
        reasons.append("Uses recursion")
    if code >= NOTEWORTHY_LINES:
        if function["handles_errors"]:
            reasons.append("Has error handling")
        if len(function["decorators"]) > 1:
            reasons.append(f"Multiple decorators ({len(function['decorators'])})")
        if function["is_async"]:
            reasons.append("Async method")
    return reasons


def _selected_file(extension: dict[str, Any]) -> str:
    return f"code_examples/selected/{extension['id']}.json"


def _digests_file(extension: dict[str, Any]) -> str:
    return f"code_examples/digests/{extension['id']}.json"


def _example_file(name: str, mode: str) -> str:
    return f"code_examples/extracted_methods_{mode}/{name}.example.json"


def _has_python(extension: dict[str, Any]) -> bool:
    return bool(extension["files"].get("python"))


def _check_mode(mode: str) -> None:
    if mode not in MODES:
        raise StageError(
            f"{mode!r} is no scan mode. Set processing.code_examples_scan_mode to one of: {', '.join(MODES)}."
        )


def _prune(work_dir: Path, extensions: list[dict[str, Any]], mode: str) -> None:
    kept = {*merge_targets(extensions, mode), *(path for extension in extensions for path in targets(extension))}
    folder = work_dir / "code_examples"
    made = [*folder.glob("extracted_methods_*/*.example.json"), *folder.glob("selected/*"), *folder.glob("digests/*")]
    for path in sorted(made):
        if path.relative_to(work_dir).as_posix() not in kept:
            logger.info("%s belongs to no extension any more: removed", path.name)
            with contextlib.suppress(OSError):
                path.unlink()
    for path in folder.glob("extracted_methods_*"):
        with contextlib.suppress(OSError):  # one that is not empty stays
            path.rmdir()
