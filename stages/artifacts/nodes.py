"""The files of OmniGraph node types: one file per extension, and the database of all node types."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from stages.artifacts.preparation import Extension
from stages.artifacts.record import Count, FileBelow, Names, Record, Text

FOLDER = "nodes"
DATABASE = f"{FOLDER}/nodes_database.json"


def nodes_file(extension: Extension) -> str:
    """Return the path of an extension's `ExtensionNodes`. The file exists only for extensions with ``.ogn`` files."""
    return f"extension_data/nodes/{extension.id}.json"


class NodeAttribute(Record):
    """An input, output or state attribute of a node type.

    Attributes:
        type: The type's name; for a union the names, joined by `` | ``; ``any`` for every type, ``unknown`` for none.
        types: The names of the types.
        description: The description from the `.ogn` file; empty if it has none.
        default: Its default; null if it has none.
        optional: Whether the node computes without it.
        ui_name: Its name in the user interface; null if not given.
    """

    type: Text
    types: Annotated[list[Text], Meta(min_length=1)]
    description: str
    default: Any
    optional: bool
    ui_name: str | None


class Node(Record):
    """A node type, as described by its ``.ogn`` file.

    Attributes:
        extension: The extension's id.
        version: The extension's version.
        node_version: The version of the node type.
        language: The language of its implementation.
        description: The description from the `.ogn` file; empty if it has none.
        ui_name: Its name in the user interface; null if it has none.
        categories: Its categories.
        class_full_name: The Python class that implements it, by its name in the code atlas; null if there is none.
        file_path: Its ``.ogn`` file, relative to the extension.
        implementation_path: The file that implements it, relative to the extension; null if it is missing.
        inputs: Its inputs by name.
        outputs: Its outputs by name.
        state: Its state attributes by name.
    """

    extension: Text
    version: Text
    node_version: int
    language: Literal["python", "cpp", "cuda"]
    description: str
    ui_name: str | None
    categories: Names
    class_full_name: str | None
    file_path: FileBelow
    implementation_path: FileBelow | None
    inputs: dict[Text, NodeAttribute]
    outputs: dict[Text, NodeAttribute]
    state: dict[Text, NodeAttribute]


class ExtensionNodes(Record):
    """The node types of an extension.

    Attributes:
        extension: The extension's id.
        nodes: The node types by registered name.
    """

    extension: Text
    nodes: dict[Text, Node]


class NodesDatabase(Record):
    """Every node type of a Kit version, by registered name (``<extension>.<Name>``).

    Attributes:
        kit_version: The Kit version.
        total_nodes: Number of node types.
        nodes: The node types.
    """

    kit_version: str
    total_nodes: Count
    nodes: dict[Text, Node]
