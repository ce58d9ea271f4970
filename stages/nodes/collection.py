"""Collection of an extension's node types from its ``.ogn`` files, with the files that implement them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from stages.artifacts.nodes import Node, NodeAttribute
from stages.artifacts.preparation import Extension
from stages.failures import StageWarning, contained, warning
from stages.nodes.ogn import MAX_BYTES, Attribute, Language, NodeType, full_name, read_ogn

_LANGUAGE_OF: dict[str, Language] = {
    "py": "python",
    **dict.fromkeys(("cpp", "cc", "cxx", "c"), "cpp"),
    **dict.fromkeys(("cu", "cuh"), "cuda"),
}
_PREFERRED: tuple[Language, ...] = ("cpp", "python", "cuda")

ClassOf = Callable[[str, str], str | None]


def collect_nodes(
    extension: Extension,
    folder: Path,
    paths: Iterable[str],
    *,
    class_of: ClassOf,
    warnings: list[StageWarning],
) -> dict[str, Node]:
    """Read the node types of an extension.

    Args:
        extension: The extension.
        folder: Its folder.
        paths: The ``.ogn`` files to read, relative to it.
        class_of: Returns the name of the class that implements a node type, given the Python file and the node's name;
            None if there is none.
        warnings: Receives one warning per unreadable file.

    Returns:
        The node types by registered name, sorted. The first of several with the same name is used.
    """
    companions = _companions(extension)
    found: dict[str, Node] = {}
    described: dict[str, NodeType] = {}
    for path in sorted(paths):
        with contained(warnings, extension.id, path):
            for node in _read(extension, folder, path, warnings):
                name = full_name(extension.id, node.name)
                if name in found:
                    # Copies made by a build are no conflict.
                    if described[name] != node:
                        message = f"The node type {name} is left out: {found[name].file_path} defines it differently."
                        warnings.append(warning("ogn-twice", extension.id, path, 0, message))
                    continue
                described[name] = node
                found[name] = _record(extension, path, node, companions, class_of)
    return dict(sorted(found.items()))


def _read(extension: Extension, folder: Path, path: str, warnings: list[StageWarning]) -> list[NodeType]:
    try:
        with (folder / path).open("rb") as stream:
            file = read_ogn(stream.read(MAX_BYTES + 1))
    except OSError as error:
        message = f"The file is left out: it cannot be read ({error.strerror or error})."
        warnings.append(warning("ogn-unreadable", extension.id, path, 0, message))
        return []
    if file.problem:
        message = f"Parts are left out: {file.problem}." if file.nodes else f"The file is left out: it {file.problem}."
        warnings.append(warning("ogn-form", extension.id, path, file.line, message))
    return file.nodes


def _companions(extension: Extension) -> dict[str, dict[Language, list[str]]]:
    """Return the files that may implement a node type, by their names without suffix and by language."""
    companions: dict[str, dict[Language, list[str]]] = {}
    for path in (*extension.files.python, *extension.files.cpp):
        stem, _, suffix = path.rpartition("/")[2].rpartition(".")
        language = _LANGUAGE_OF.get(suffix.lower())
        if language is not None:
            companions.setdefault(stem, {}).setdefault(language, []).append(path)
    return companions


def _record(
    extension: Extension,
    path: str,
    node: NodeType,
    companions: dict[str, dict[Language, list[str]]],
    class_of: ClassOf,
) -> Node:
    folder, _, name = path.rpartition("/")
    by_language = companions.get(name.rpartition(".")[0], {})
    beside = {
        language: [file for file in files if file.rpartition("/")[0] == folder]
        for language, files in by_language.items()
    }
    language: Language = node.language or _language_of(beside, by_language)
    candidates = beside.get(language) or by_language.get(language) or []
    # A file in another folder implements the node only if no other file has that name.
    implementation = candidates[0] if beside.get(language) or len(candidates) == 1 else None
    class_name = class_of(implementation, node.name) if implementation and language == "python" else None
    return Node(
        extension=extension.id,
        version=extension.version,
        node_version=node.version,
        language=language,
        description=node.description,
        ui_name=node.ui_name,
        categories=node.categories,
        class_full_name=class_name,
        file_path=path,
        implementation_path=implementation,
        inputs=_attributes(node, "inputs"),
        outputs=_attributes(node, "outputs"),
        state=_attributes(node, "state"),
    )


def _language_of(*companions: dict[Language, list[str]]) -> Language:
    """Return the language of a node type from the files that implement it; C++ comes first, as in Kit."""
    for files in companions:
        for language in _PREFERRED:
            if files.get(language):
                return language
    return "cpp"


def _attributes(node: NodeType, group: Literal["inputs", "outputs", "state"]) -> dict[str, NodeAttribute]:
    given: dict[str, Attribute] = getattr(node, group)
    return {
        name: NodeAttribute(
            type=" | ".join(attribute.types),
            types=attribute.types,
            description=attribute.description,
            default=attribute.default,
            optional=attribute.optional,
            ui_name=attribute.ui_name,
        )
        for name, attribute in given.items()
    }
