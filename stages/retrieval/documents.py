"""The documents to embed and search: one per extension, code example, setting and OmniGraph node type."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from stages import artifacts
from stages.artifacts import extension_data, nodes, settings
from stages.artifacts.code_examples import FOLDER as EXAMPLES
from stages.artifacts.code_examples import Example, ExampleFile
from stages.artifacts.embeddings import (
    CodeExampleMetadata,
    Document,
    ExtensionMetadata,
    NodeMetadata,
    SettingMetadata,
    StoredDocument,
)
from stages.artifacts.python_api import ApiDocs
from stages.failures import StageError
from stages.retrieval.lexical import words

_T = TypeVar("_T")
# Largest share of API names in an extension's text.
_API_SHARE = 0.4
# Number of documents in memory at once, besides those of the file that is read.
_CHUNK = 500


def documents(kind: str, work_dir: Path, *, max_tokens: int = 500, encoding: str = "cl100k_base") -> Iterator[Document]:
    """Yield the documents of a kind, sorted by id.

    Args:
        kind: One of `KINDS`.
        work_dir: The work directory with the outputs of the earlier stages.
        max_tokens: The maximum number of tokens of a text. Longer texts are cut, preferably at the end of a sentence or
            line.
        encoding: The tokenizer encoding.

    Raises:
        StageError: An input file is missing or has another form.
    """
    from stages.retrieval import tokens

    # A readme, if there is one, is more informative than the names.
    names = partial(tokens.truncate_all, max_tokens=int(_API_SHARE * max_tokens), encoding=encoding)
    sources: dict[str, Callable[[Path], Iterator[Document]]] = {
        "extensions": partial(_extensions, shortened=names),
        "code_examples": _code_examples,
        "settings": _settings,
        "nodes": _nodes,
    }
    for some in in_chunks(sources[kind](work_dir)):
        texts = tokens.truncate_all([document.page_content for document in some], max_tokens, encoding)
        for document, text in zip(some, texts, strict=True):
            yield msgspec.structs.replace(document, page_content=text)


def in_chunks(source: Iterable[_T]) -> Iterator[list[_T]]:
    """Yield the items in lists of `_CHUNK`; the last may be shorter."""
    iterator = iter(source)
    while chunk := list(itertools.islice(iterator, _CHUNK)):
        yield chunk


def _extensions(work_dir: Path, shortened: Callable[[list[str]], list[str]]) -> Iterator[Document]:
    database = artifacts.read(work_dir / extension_data.DATABASE, extension_data.ExtensionsDatabase)
    for some in in_chunks(sorted(database.extensions.items())):
        apis = shortened([_api_text(work_dir, entry) for _, entry in some])
        for (identifier, entry), api in zip(some, apis, strict=True):
            yield _extension(identifier, entry, api)


def _extension(identifier: str, entry: extension_data.DatabaseEntry, api: str) -> Document:
    parts = [
        f"{entry.title or identifier} ({identifier})",
        entry.description,
        ", ".join(entry.keywords),
        api,
        entry.long_description,
    ]
    metadata = ExtensionMetadata(
        extension_id=identifier,
        version=entry.version,
        title=entry.title,
        description=entry.description,
        long_description=entry.long_description,
        keywords=", ".join(entry.keywords),
        dependencies=", ".join(entry.dependencies),
        has_python_api=entry.has_python_api,
        has_overview=entry.has_overview,
        total_classes=entry.total_classes,
        total_methods=entry.total_methods,
    )
    text = "\n".join(part.strip() for part in parts if part and part.strip())
    return Document(id=identifier, page_content=text, metadata=metadata)


def _api_text(work_dir: Path, entry: extension_data.DatabaseEntry) -> str:
    """Return the names in an extension's API, see `_api_names`; empty if there are none."""
    names = _api_names(work_dir / extension_data.FOLDER / entry.api_docs_path) if entry.api_docs_path else []
    return "API: " + ", ".join(names) if names else ""


def _api_names(path: Path) -> list[str]:
    """Return the names of an extension's public classes and functions, the main ones first, then of its variables.

    They are sorted by depth in the package, then by number of methods, descending.
    """
    api = artifacts.read(path, ApiDocs)
    ranked = [
        (item.full_name.count("."), -len(item.methods), name.rpartition(".")[2]) for name, item in api.classes.items()
    ]
    ranked += [(method.full_name.count("."), 0, method.name) for method in api.methods]
    variables = [(variable.full_name.count("."), 0, variable.name) for variable in api.variables]
    return list(dict.fromkeys(name for _, _, name in [*sorted(ranked), *sorted(variables)]))


def _code_examples(work_dir: Path) -> Iterator[Document]:
    files = {}
    for path in (work_dir / EXAMPLES).glob("extracted_methods_*/*.example.json"):
        files[path.name.removesuffix(".example.json") + ":"] = path
    for prefix, path in sorted(files.items()):
        example = artifacts.read(path, ExampleFile)
        yield from sorted(_examples_of(prefix, example), key=lambda document: document.id)


def _examples_of(prefix: str, file: ExampleFile) -> Iterator[Document]:
    seen: set[str] = set()
    for example in file.methods:
        key = prefix + example.full_name
        if key in seen:  # an overload or a redefinition
            key += f"@{example.start_line}"
        seen.add(key)
        metadata = CodeExampleMetadata(
            method_key=key,
            name=example.name,
            full_name=example.full_name,
            module=example.module,
            file_path=example.file_path,
            start_line=example.start_line,
            extension=file.extension_name,
            line_count=example.line_count,
            is_async=example.is_async,
            complexity_score=example.complexity_score,
            reasons=", ".join(example.reasons),
            source_code=example.source_code,
        )
        yield Document(id=key, page_content=_example_text(example), metadata=metadata)


def _example_text(example: Example) -> str:
    """Return the text of a function, most informative parts first, because readers and models may stop early.

    The order is: the words of its name and the first paragraph of its docstring; the full name; the signature; the rest
    of the docstring; the code.
    """
    name = " ".join(words(example.full_name.removeprefix(example.module + ".")))
    lines, start = example.source_code.split("\n"), example.start_line
    signature = "\n".join(lines[: example.signature_end_line - start + 1])
    code = "\n".join(lines[example.code_line - start :])
    summary, _, rest = (example.docstring or "").partition("\n\n")
    parts = [f"{name}: {' '.join(summary.split())}" if summary else name, example.full_name, signature, rest, code]
    return "\n".join(part.strip("\n") for part in parts if part.strip())


def _settings(work_dir: Path) -> Iterator[Document]:
    summary = artifacts.read(work_dir / settings.SUMMARY, settings.SettingSummary)
    for key, setting in sorted(summary.settings.items()):
        if setting.dynamic:
            continue  # nobody can look up a partly unknown path
        parts = [
            key,
            " ".join(words(key)),
            setting.documentation,
            setting.description if setting.description != setting.documentation else "",
            f"{setting.type} setting of {', '.join(setting.extensions)}",
        ]
        metadata = SettingMetadata(
            setting_key=key,
            type=setting.type,
            default_value=setting.default_value,
            documentation=setting.documentation,
            description=setting.description,
            usage_count=setting.usage_count,
            has_documentation=bool(setting.documentation),
            prefix=key.lstrip("/").split("/", 1)[0],
            extensions=", ".join(setting.extensions),
        )
        text = "\n".join(part.strip() for part in parts if part.strip())
        yield Document(id=key, page_content=text, metadata=metadata)


def _nodes(work_dir: Path) -> Iterator[Document]:
    database = artifacts.read(work_dir / nodes.DATABASE, nodes.NodesDatabase)
    for name, node in sorted(database.nodes.items()):
        groups = {"inputs": node.inputs, "outputs": node.outputs, "state": node.state}
        parts = [
            f"{node.ui_name or ' '.join(words(name.rpartition('.')[2]))} ({name})",
            node.description,
            f"OmniGraph node in {_LANGUAGES[node.language]}" + "".join(f", {one}" for one in node.categories),
            *(_attribute_text(group, attributes) for group, attributes in groups.items() if attributes),
        ]
        metadata = NodeMetadata(
            node_type=name,
            extension=node.extension,
            node_version=node.node_version,
            language=node.language,
            ui_name=node.ui_name or "",
            description=node.description,
            categories=", ".join(node.categories),
            inputs=_types(node.inputs),
            outputs=_types(node.outputs),
            class_full_name=node.class_full_name,
            file_path=node.file_path,
        )
        text = "\n".join(part.strip() for part in parts if part.strip())
        yield Document(id=name, page_content=text, metadata=metadata)


_LANGUAGES = {"python": "Python", "cpp": "C++", "cuda": "CUDA"}


def _attribute_text(group: str, attributes: dict[str, nodes.NodeAttribute]) -> str:
    lines = [
        f"{name} ({one.type})" + f": {one.description}" * bool(one.description) for name, one in attributes.items()
    ]
    return f"{group}:\n" + "\n".join(lines)


def _types(attributes: dict[str, nodes.NodeAttribute]) -> str:
    return ", ".join(f"{name}: {attribute.type}" for name, attribute in attributes.items())


def read_documents(path: Path) -> Iterator[StoredDocument]:
    """Yield the documents of a ``<kind>_documents.json``, reading one line at a time.

    Raises:
        StageError: The file is missing or not in the form of the embeddings stage.
    """
    decoder = msgspec.json.Decoder(StoredDocument)
    try:
        with path.open("rb") as stream:
            if stream.readline() != b"[\n":
                raise ValueError("not a list")
            for line in stream:
                if line != b"]\n":
                    yield decoder.decode(line.rstrip(b",\n"))
    except OSError as error:
        raise StageError(f"{path}: cannot be read ({error.strerror}).") from error
    except (ValueError, msgspec.DecodeError) as error:
        raise StageError(
            f"{path}: not in the form of the embeddings stage ({error}). Delete it and run again."
        ) from error
