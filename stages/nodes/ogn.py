"""``.ogn`` files: JSON descriptions of OmniGraph node types, read as by Kit's node generator.

A file contains one or more node types. Keys that begin with ``$`` are comments. A description is a text or a list of
texts; categories are a text with commas, a list, or a table of names with descriptions; a type is a name, or a list of
names for a union. The language is C++ unless the file gives another, or only a Python or CUDA file implements the node.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

SUFFIX = ".ogn"
# A hundred times the size of the largest known file.
MAX_BYTES = 4 * 1024 * 1024

Language = Literal["python", "cpp", "cuda"]

_LANGUAGES: dict[str, Language] = {
    **dict.fromkeys(("python", "py"), "python"),
    **dict.fromkeys(("cpp", "c++", "c"), "cpp"),
    **dict.fromkeys(("cuda", "cu"), "cuda"),
}
_COMMENT = "$"
_UNKNOWN_TYPE = "unknown"
_MAX_PROBLEMS_SHOWN = 3


class Attribute(NamedTuple):
    """An input, output or state attribute of a node type.

    Attributes:
        types: The names of its types; more than one for a union.
        description: Its purpose; empty if not given.
        default: Its default; None if it has none.
        optional: True if the node computes without it.
        ui_name: Its name in the user interface; None if not given.
    """

    types: list[str]
    description: str
    default: Any
    optional: bool
    ui_name: str | None


class NodeType(NamedTuple):
    """A node type in an ``.ogn`` file.

    Attributes:
        name: Its name in the file.
        version: The version of the node type.
        language: The language of its implementation; None if not given.
        description: Its purpose.
        ui_name: Its name in the user interface; None if not given.
        categories: Its categories, in the file's order.
        inputs: Its inputs by name.
        outputs: Its outputs by name.
        state: Its state attributes by name.
    """

    name: str
    version: int
    language: Language | None
    description: str
    ui_name: str | None
    categories: list[str]
    inputs: dict[str, Attribute]
    outputs: dict[str, Attribute]
    state: dict[str, Attribute]


class OgnFile(NamedTuple):
    """The contents of an ``.ogn`` file.

    Attributes:
        nodes: The node types, in the file's order.
        problem: The unusable parts, as the end of a sentence about the file; empty if there are none.
        line: 1-based line of the problem; 0 if unknown.
    """

    nodes: list[NodeType]
    problem: str
    line: int


def read_ogn(data: bytes) -> OgnFile:
    """Return the node types of an ``.ogn`` file. Skips unreadable parts and reports them in ``problem``."""
    if len(data) > MAX_BYTES:
        return OgnFile([], f"has more than {MAX_BYTES:,} bytes", 0)
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return OgnFile([], "is not UTF-8", data.count(b"\n", 0, error.start) + 1)
    except json.JSONDecodeError as error:
        return OgnFile([], f"is not JSON ({error.msg}, column {error.colno})", error.lineno)
    except (RecursionError, ValueError) as error:
        return OgnFile([], f"is not JSON ({error})", 0)
    if not isinstance(content, dict):
        return OgnFile([], "contains no table of node types", 0)
    problems: list[str] = []
    nodes = [node for name, given in _entries(content) if (node := _node(name, given, problems)) is not None]
    if not nodes and not problems:
        problems.append("defines no node type")
    shown = "; ".join(problems[:_MAX_PROBLEMS_SHOWN]) + ("; …" if len(problems) > _MAX_PROBLEMS_SHOWN else "")
    return OgnFile(nodes, shown, 0)


def full_name(extension: str, name: str) -> str:
    """Return the registered name of a node type. Adds the extension's id if the name has none."""
    return name if "." in name else f"{extension}.{name}"


def _entries(table: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((name.strip(), value) for name, value in table.items() if name.strip() and not name.startswith(_COMMENT))


def _node(name: str, given: Any, problems: list[str]) -> NodeType | None:
    if not isinstance(given, dict):
        problems.append(f"the node type {name!r} is not a table")
        return None
    metadata = given.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    return NodeType(
        name,
        _version(name, given.get("version"), problems),
        _language(name, given.get("language"), problems),
        _text(given.get("description")),
        _text(given.get("uiName")) or _text(metadata.get("uiName")) or None,
        _categories(given.get("categories")),
        *(_attributes(name, group, given.get(group), problems) for group in ("inputs", "outputs", "state")),
    )


def _version(name: str, given: Any, problems: list[str]) -> int:
    if given is None:
        return 1
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    if isinstance(given, str) and given.strip().isdecimal() and len(given) < 10:
        return int(given)
    problems.append(f"the version of {name!r} is not a whole number; 1 is used")
    return 1


def _language(name: str, given: Any, problems: list[str]) -> Language | None:
    if given is None:
        return None
    known = _LANGUAGES.get(given.strip().lower()) if isinstance(given, str) else None
    if known is None:
        problems.append(f"the language of {name!r} is unknown")
    return known


def _categories(given: Any) -> list[str]:
    if isinstance(given, str):
        found = given.split(",")
    elif isinstance(given, dict):
        found = [name for name, _ in _entries(given)]
    elif isinstance(given, list):
        found = [name for part in given for name in _categories(part)]
    else:
        found = []
    return list(dict.fromkeys(name.strip() for name in found if name.strip()))


def _attributes(node: str, group: str, given: Any, problems: list[str]) -> dict[str, Attribute]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        problems.append(f"the {group} of {node!r} are not a table")
        return {}
    found = {}
    for name, described in _entries(given):
        if not isinstance(described, dict):
            problems.append(f"{group}:{name} of {node!r} is not a table")
            continue
        types = _types(described.get("type"))
        if types == [_UNKNOWN_TYPE]:
            problems.append(f"{group}:{name} of {node!r} has no type")
        metadata = described.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        found[name.removeprefix(f"{group}:")] = Attribute(
            types,
            _text(described.get("description")),
            described.get("default"),
            described.get("optional") in (True, "true", "True", 1),
            _text(described.get("uiName")) or _text(metadata.get("uiName")) or None,
        )
    return found


def _types(given: Any) -> list[str]:
    """Return the names of types. A type that is a table, as for enumerations, is returned as JSON."""
    if isinstance(given, str) and given.strip():
        return [given.strip()]
    if isinstance(given, list):
        found = [name for part in given for name in _types(part) if name != _UNKNOWN_TYPE]
        return list(dict.fromkeys(found)) or [_UNKNOWN_TYPE]
    if isinstance(given, dict) and given:
        return [json.dumps(given, sort_keys=True, ensure_ascii=False)]
    return [_UNKNOWN_TYPE]


def _text(given: Any) -> str:
    """Return a text. Joins a list of texts with spaces."""
    if isinstance(given, list):
        given = " ".join(map(_text, given))
    return given.strip() if isinstance(given, str) else ""
