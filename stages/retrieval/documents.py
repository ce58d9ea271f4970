"""What is embedded and found: one document for each extension, code example and setting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from stages.failures import StageError
from stages.retrieval.lexical import words
from stages.storage.jsonfile import read_json

KINDS = ("extensions", "code_examples", "settings")

# How much of an extension's text may be names of its API: the readme, where there is one, says more.
_API_SHARE = 0.4


class Document(NamedTuple):
    """One entry of an index.

    Attributes:
        id: Unique within its kind: an extension's id, ``<extension id>:<full name>`` of an example, a setting's path.
        page_content: The text that is embedded, at most ``max_tokens`` long; never blank.
        metadata: What a search result shows.
    """

    id: str
    page_content: str
    metadata: dict[str, Any]


def documents(kind: str, work_dir: Path, *, max_tokens: int = 500, encoding: str = "cl100k_base") -> Iterator[Document]:
    """Yield the documents of a kind, sorted by id.

    Args:
        kind: One of `KINDS`.
        work_dir: Where the outputs of the earlier stages are.
        max_tokens: A text is cut to so many tokens, at the end of a sentence or line where that loses little.
        encoding: The name of the encoding that tokens are counted in.

    Raises:
        StageError: An input file is missing or has another form.
    """
    from stages.retrieval import tokens

    def cut(text: str, limit: int = max_tokens) -> str:
        # A token has at least one byte, so a text of so few bytes is never too long: spares counting most settings.
        return text if len(text.encode()) <= limit else tokens.truncate(text, limit, encoding)

    source = {"extensions": _extensions, "code_examples": _code_examples, "settings": _settings}[kind]
    return source(work_dir, cut, max_tokens)


def _extensions(work_dir: Path, cut: Callable[..., str], max_tokens: int) -> Iterator[Document]:
    folder = work_dir / "extension_data"
    path = folder / "extensions_database.json"
    database = read_json(path)
    with _form(path):
        for identifier, entry in sorted(database["extensions"].items()):
            api = _api_names(folder / entry["api_docs_path"]) if entry["api_docs_path"] else []
            parts = [
                f"{entry['title'] or identifier} ({identifier})",
                entry["description"],
                ", ".join(entry["keywords"]),
                cut("API: " + ", ".join(api), int(_API_SHARE * max_tokens)) if api else "",
                entry["long_description"],
            ]
            text = cut("\n".join(part.strip() for part in parts if part and part.strip()))
            metadata = {
                "extension_id": identifier,
                "version": entry["version"],
                "title": entry["title"],
                "description": entry["description"],
                "long_description": entry["long_description"],
                "keywords": ", ".join(entry["keywords"]),
                "dependencies": ", ".join(entry["dependencies"]),
                "has_python_api": entry["has_python_api"],
                "has_overview": entry["has_overview"],
                "total_classes": entry["total_classes"],
                "total_methods": entry["total_methods"],
            }
            yield Document(identifier, text, metadata)


def _api_names(path: Path) -> list[str]:
    """Return the names of an extension's public classes and functions, the main ones first, then of its variables.

    Main is what lies nearest to the top of the package, then what has most methods.
    """
    api = read_json(path)
    with _form(path):
        ranked = [
            (entry["full_name"].count("."), -len(entry["methods"]), name.rpartition(".")[2])
            for name, entry in api["classes"].items()
        ]
        ranked += [(method["full_name"].count("."), 0, method["name"]) for method in api["methods"]]
        variables = [(variable["full_name"].count("."), 0, variable["name"]) for variable in api["variables"]]
    return list(dict.fromkeys(name for _, _, name in [*sorted(ranked), *sorted(variables)]))


def _code_examples(work_dir: Path, cut: Callable[..., str], max_tokens: int) -> Iterator[Document]:
    files = {}
    for path in (work_dir / "code_examples").glob("extracted_methods_*/*.example.json"):
        files[path.name.removesuffix(".example.json") + ":"] = path
    for prefix, path in sorted(files.items()):
        example = read_json(path)
        with _form(path):
            yield from sorted(_examples_of(prefix, example, cut))


def _examples_of(prefix: str, example: dict[str, Any], cut: Callable[..., str]) -> Iterator[Document]:
    seen: set[str] = set()
    for method in example["methods"]:
        key = prefix + method["full_name"]
        if key in seen:  # an overload or a redefinition
            key += f"@{method['start_line']}"
        seen.add(key)
        text = cut(_example_text(method))
        metadata = {
            "method_key": key,
            "name": method["name"],
            "full_name": method["full_name"],
            "module": method["module"],
            "file_path": method["file_path"],
            "start_line": method["start_line"],
            "extension": example["extension_name"],
            "line_count": method["line_count"],
            "is_async": method["is_async"],
            "complexity_score": method["complexity_score"],
            "reasons": ", ".join(method["reasons"]),
            "source_code": method["source_code"],
        }
        yield Document(key, text, metadata)


def _example_text(method: dict[str, Any]) -> str:
    """Return what tells a function best, most telling first: a reader, and a model, may stop early.

    That is: the words of its name and the first paragraph of its docstring; the full name; the signature; the rest of
    the docstring; the code.
    """
    name = " ".join(words(method["full_name"].removeprefix(method["module"] + ".")))
    lines, start = method["source_code"].split("\n"), method["start_line"]
    signature = "\n".join(lines[: method["signature_end_line"] - start + 1])
    code = "\n".join(lines[method["code_line"] - start :])
    summary, _, rest = (method["docstring"] or "").partition("\n\n")
    parts = [f"{name}: {' '.join(summary.split())}" if summary else name, method["full_name"], signature, rest, code]
    return "\n".join(part.strip("\n") for part in parts if part.strip())


def _settings(work_dir: Path, cut: Callable[..., str], max_tokens: int) -> Iterator[Document]:
    path = work_dir / "settings" / "setting_summary.json"
    summary = read_json(path)
    with _form(path):
        for key, setting in sorted(summary["settings"].items()):
            if setting.get("dynamic"):
                continue  # its path is not known: nobody can look it up
            documentation = setting["documentation"]
            parts = [
                key,
                " ".join(words(key)),
                documentation,
                setting["description"] if setting["description"] != documentation else "",
                f"{setting['type']} setting of {', '.join(setting['extensions'])}",
            ]
            metadata = {
                "setting_key": key,
                "type": setting["type"],
                "default_value": setting["default_value"],
                "documentation": documentation,
                "description": setting["description"],
                "usage_count": setting["usage_count"],
                "extensions": ", ".join(setting["extensions"]),
                "has_documentation": bool(documentation),
                "prefix": key.lstrip("/").split("/", 1)[0],
            }
            yield Document(key, cut("\n".join(part.strip() for part in parts if part.strip())), metadata)


class _form:
    """Turn a missing key or a wrong type in a file into an error that names the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, KeyError | TypeError | AttributeError):
            raise StageError(
                f"{self._path}: not in the form that the pipeline writes ({type(error).__name__}: {error}). "
                "Delete it and run again."
            ) from error


def read_documents(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the documents of a ``<kind>_documents.json``, without holding them all.

    Raises:
        StageError: The file is missing or not as the embeddings stage writes it.
    """
    try:
        with path.open("rb") as stream:
            if stream.readline() != b"[\n":
                raise ValueError("no list")
            for line in stream:
                if line != b"]\n":
                    yield orjson.loads(line.rstrip(b",\n"))
    except OSError as error:
        raise StageError(f"{path}: cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise StageError(f"{path}: not as the embeddings stage wrote it ({error}). Delete it and run again.") from error
