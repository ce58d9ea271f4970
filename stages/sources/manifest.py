"""Read a manifest: the id, version, metadata and declared modules of an extension or app."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any

from stages import kit_toml
from stages.artifacts.preparation import Metadata, PythonModule
from stages.failures import StageWarning, warning
from stages.sources.discovery import Found, split_name
from stages.sources.notes import Notes
from stages.sources.walk import printable

# The version of an extension without one.
NO_VERSION = "0.0.0"
_BAD_ID = re.compile(r"[/\\:*?\"<>|=\x00-\x1f\x7f]|\.\.|^[.\-@ ]|[. ]$")
_GOOD_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_\-]{0,99}")
# A possible path to a document: no line end, and a suffix or no space.
_PATH = re.compile(r"[^\s#]+|[^\n#]+\.[A-Za-z]{1,8}")
_ANY_PLACEHOLDER = re.compile(r"\{\{.{0,60}?\}\}")
_NAMED_PLACEHOLDER = re.compile(r"\{\{-?[ \t]*[A-Za-z_][\w.]{0,60}[ \t]*-?\}\}")
# `<id>-<version>.codeatlas.json` has to fit into the 255 bytes of a file name.
_MAX_NAME_BYTES = 220


@dataclass(slots=True)
class Template:
    """A manifest with unfilled template placeholders. It is not an extension.

    Attributes:
        file: The manifest, relative to the searched folder.
        placeholder: The first placeholder.
        is_app: True for the manifest of an app.
    """

    file: str
    placeholder: str
    is_app: bool


@dataclass(slots=True)
class Candidate:
    """An extension or app with its id and version, before selection.

    Attributes:
        id: Its id, fit for a file name.
        version: Its version, fit for a file name.
        source: Number of its source.
        found: Its location.
        place: Its location relative to the source, for messages.
        folder: Path of its folder, or of the folder that contains a single file.
        values: The values of its manifest.
        warnings: Problems of its manifest, reported only if it is selected.
    """

    id: str
    version: str
    source: int
    found: Found
    place: str
    folder: str
    values: dict[str, Any]
    warnings: list[StageWarning] = field(default_factory=list)


def read_candidate(
    item: Found, source: int, *, place: str, name: str, fallback_name: str, notes: Notes
) -> Candidate | Template | None:
    """Read the manifest of a found extension or app.

    Args:
        item: A folder or file.
        source: Number of its source.
        place: Where it was found, relative to the source.
        name: The folder's or file's name; empty if it does not contain the id.
        fallback_name: The id if neither a name nor the manifest gives one.
        notes: Receives the reason for an exclusion.

    Returns:
        The candidate or template; None if it is excluded.
    """
    folder = item.path if item.kind == "folder" else os.path.dirname(item.path)
    manifest = os.path.join(folder, item.manifest)
    warnings: list[StageWarning] = []
    try:
        with open(manifest, "rb") as stream:
            document = kit_toml.parse_lenient(stream.read(kit_toml.MAX_BYTES + 1), name=item.manifest)
    except OSError as error:
        notes.warn("unreadable", "", item.relative, f"The manifest cannot be read ({error.strerror or error}).")
        return None
    values = document.values
    package = table(values, "package")
    id_, folder_version = split_name(name or text(package.get("name")) or fallback_name)
    reason = id_error(id_)
    if reason:
        where = f"{item.relative}/{item.manifest}" if item.relative != item.manifest else item.manifest
        notes.warn("extension-id", "", where, f"'{printable(id_)}' is not a valid extension id: {reason}; left out.")
        return None
    placeholder = _placeholder(id_, values, whole=item.kind != "folder")
    if placeholder:
        where = item.relative if item.kind != "folder" else f"{item.relative}/{item.manifest}".lstrip("/")
        return Template(where, placeholder, item.kind == "app")
    for broken in document.errors:
        message = f"{broken.reason}; this part of the file is left out."
        warnings.append(warning("toml-syntax", id_, item.manifest, broken.line, message))
    unquoted = sorted({id_ for id_, _, bare in _dependencies(table(values, "dependencies")) if bare})
    if unquoted:
        ids = ", ".join(unquoted)
        message = f"[dependencies] has ids without quotes, which are nested tables in TOML: {ids}. Quote them."
        warnings.append(warning("dependency-unquoted", id_, item.manifest, 0, printable(message)))
    if not package and item.kind == "folder":
        warnings.append(warning("no-package", id_, item.manifest, 0, "The manifest has no [package] table."))
    version = _version(package.get("version"), folder_version, id_, item, warnings)
    return Candidate(id_, version, source, item, place, folder, values, warnings)


def metadata(values: dict[str, Any], docs: list[str]) -> Metadata:
    """Return the metadata of an extension from its manifest.

    Args:
        values: The manifest's values.
        docs: Paths of the extension's documents, relative to it.
    """
    package = table(values, "package")
    keywords = package.get("keywords", [])
    if isinstance(keywords, str):
        keywords = [keyword.strip() for keyword in keywords.split(",")]
    category = package.get("category")
    dependencies: dict[bool, set[str]] = {False: set(), True: set()}
    for id_, optional, _ in _dependencies(table(values, "dependencies")):
        dependencies[optional].add(id_)
    readme = package.get("readme")
    return Metadata(
        title=text(package.get("title")).strip(),
        description=text(package.get("description")).strip(),
        category=", ".join(map(text, category)) if isinstance(category, list) else text(category),
        keywords=[text(keyword) for keyword in keywords if text(keyword)] if isinstance(keywords, list) else [],
        dependencies=sorted(dependencies[False]),
        optional_dependencies=sorted(dependencies[True]),
        readme=_document(readme, docs, ("readme", "overview")),
        readme_text=_readme_text(readme, docs),
        changelog=_document(package.get("changelog"), docs, ("changelog",)),
    )


def declared_documents(values: dict[str, Any]) -> dict[str, str]:
    """Return the paths of the readme and changelog in a manifest, by key. Ignores inline texts."""
    package = table(values, "package")
    given = {key: package.get(key) for key in ("readme", "changelog")}
    return {
        key: os.path.normpath(value.strip()).replace(os.sep, "/")
        for key, value in given.items()
        if isinstance(value, str) and value.strip() and not _is_prose(value)
    }


def _is_prose(value: str) -> bool:
    """Return True if a manifest gives the readme as inline text, not as a path."""
    return not _PATH.fullmatch(value.strip())


def _readme_text(given: Any, docs: list[str]) -> str:
    """Return a readme that is given as text; empty if it is a path."""
    if not isinstance(given, str) or os.path.normpath(given.strip() or ".").replace(os.sep, "/") in docs:
        return ""
    return given.strip() if _is_prose(given) or " " in given.strip() else ""


def _document(given: Any, docs: list[str], names: tuple[str, ...]) -> str | None:
    """Return the file that a manifest names if it exists, else the file with a usual name."""
    if isinstance(given, str) and not _is_prose(given):
        path = os.path.normpath(given.strip() or ".").replace(os.sep, "/")
        if path in docs:
            return path
    for name in names:
        usual = [doc for doc in docs if doc.rsplit("/", 1)[-1].rsplit(".", 1)[0].lower() == name]
        usual = [doc for doc in usual if "/" not in doc or doc.lower().startswith("docs/")]
        if usual:
            return min(usual, key=lambda doc: (not doc.endswith(".md"), doc.count("/"), doc))
    return None


def _dependencies(given: dict[str, Any]) -> list[tuple[str, bool, bool]]:
    """Return the id of each dependency, and two flags: optional, and written without quotes.

    In TOML a dotted id without quotes is a chain of nested tables: the key of a table of tables is part of an id.
    """
    found = []
    waiting = [(id_, options, False) for id_, options in given.items()]
    while waiting:
        id_, options, unquoted = waiting.pop()
        options = options if isinstance(options, dict) else {}
        inner = {key: value for key, value in options.items() if isinstance(value, dict)}
        waiting += [(f"{id_}.{key}", value, True) for key, value in inner.items()]
        if not inner or len(inner) < len(options):
            optional = options.get("optional") is True
            # A pinned id ends with a version.
            found.append((split_name(id_)[0], optional, unquoted))
    return sorted(found)


def python_modules(values: dict[str, Any]) -> list[PythonModule]:
    """Return the declared modules, each with the folder that Kit puts on ``sys.path`` for it."""
    declared = table(values, "python").get("module")
    modules: list[PythonModule] = []
    for module in declared if isinstance(declared, list) else [declared]:
        if not isinstance(module, dict) or not isinstance(module.get("name"), str) or not module["name"].strip():
            continue
        path = module.get("path")
        path = os.path.normpath(path.strip() or ".").replace(os.sep, "/") if isinstance(path, str) else "."
        if path.startswith(("/", "..")) or "\0" in path:
            path = "."
        entry = PythonModule(name=module["name"].strip(), path=path)
        if entry not in modules:
            modules.append(entry)
    return modules


def _version(given: Any, from_name: str, id_: str, item: Found, warnings: list[StageWarning]) -> str:
    if isinstance(given, int | float) and not isinstance(given, bool):
        given = str(given)
    if isinstance(given, str) and is_version(id_, given.strip()):
        return given.strip()
    fallback = from_name if is_version(id_, from_name) else NO_VERSION
    if given is not None and given != "":
        message = f"The version {printable(str(given))[:60]!r} cannot be used; {fallback} is used instead."
        warnings.append(warning("extension-version", id_, item.manifest, 0, message))
    return fallback


def id_error(id_: str) -> str:
    """Return the reason why a text is not a valid extension id; empty if it is valid.

    Ids become parts of file names.
    """
    if not id_.strip():
        return "it is empty"
    if _BAD_ID.search(id_) or not id_.isprintable():
        return "it has characters that a file name cannot have"
    if len(id_.encode()) > _MAX_NAME_BYTES:
        return "it is too long"
    return ""


def _placeholder(id_: str, values: dict[str, Any], *, whole: bool) -> str:
    """Return the first unfilled template placeholder (``{{ version }}``); empty if there is none.

    In an extension's manifest only the identifying values count. Its settings may contain templates for other purposes.

    Args:
        id_: The id.
        values: The manifest's values.
        whole: True to check all values, as for a single file.
    """
    package = table(values, "package")
    texts = [id_, *(package.get(key) for key in ("name", "version", "title"))]
    texts += [module.name for module in python_modules(values)]
    found = (_ANY_PLACEHOLDER.search(text) for text in texts if isinstance(text, str))
    named = next((match[0] for match in found if match), "")
    if named or not whole:
        return named
    waiting: list[Any] = [values]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value.values(), *value]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and (match := _NAMED_PLACEHOLDER.search(value)):
            return match[0]
    return ""


def is_version(id_: str, version: str) -> bool:
    """Return True if a text is a valid extension version. Versions become parts of file names."""
    return bool(_GOOD_VERSION.fullmatch(version)) and len(id_.encode()) + len(version) <= _MAX_NAME_BYTES


def table(values: dict[str, Any], key: str) -> dict[str, Any]:
    """Return a table of a manifest; empty if it is missing or not a table."""
    value = values.get(key)
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    """Return a manifest's value as text; empty if it is neither text nor a number."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else ""
