"""The compared part of a data set's records. Decoding skips all other fields.

These types have fewer and looser fields than the types of the stages, so they can read the data sets of older and newer
releases. No record can be part of a reference cycle, so the garbage collector skips them (``gc=False``).
"""

from __future__ import annotations

import msgspec


class Argument(msgspec.Struct, frozen=True, gc=False):
    """One parameter.

    Attributes:
        name: The name, with the stars of a variadic parameter.
        kind: ``positional_only``, ``positional_or_keyword``, ``variadic``, ``keyword_only`` or ``variadic_keyword``.
        type_annotation: Source text; None if there is none.
        default_value: Source text; None if there is none.
    """

    name: str
    kind: str
    type_annotation: str | None = None
    default_value: str | None = None


class Function(msgspec.Struct, frozen=True, gc=False):
    """A public function, or a method or property of a public class."""

    name: str
    full_name: str
    arguments: list[Argument]
    signature: str = ""
    return_type: str | None = None
    docstring: str | None = None
    decorators: list[str] = []
    overloads: list[str] = []
    source_code: str | None = None

    @property
    def is_property(self) -> bool:
        """True if callers use it like an attribute."""
        return any(
            name.rpartition(".")[2] in {"property", "cached_property", "setter", "deleter"} for name in self.decorators
        )


class Variable(msgspec.Struct, frozen=True, gc=False):
    """A public variable of a module (with a ``full_name``), or an attribute of a class."""

    name: str
    full_name: str = ""
    type_annotation: str | None = None
    default_value: str | None = None
    docstring: str | None = None

    @property
    def signature(self) -> str:
        """The variable as source code."""
        annotation = f": {self.type_annotation}" if self.type_annotation else ""
        return f"{self.name}{annotation}" + (f" = {self.default_value}" if self.default_value is not None else "")


Member = Function | Variable


def is_public(name: str) -> bool:
    """Return True if a member is part of the API: no leading underscore, or Python calls it (``__init__``)."""
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


class Class(msgspec.Struct, frozen=True, gc=False):
    """A public class with its own members."""

    name: str
    full_name: str
    parent_classes: list[str] = []
    docstring: str | None = None
    methods: list[Function] = []
    attributes: list[Variable] = []
    signature: str | None = None

    @property
    def members(self) -> dict[str, Member]:
        """Its own public members by name. The first of several definitions of a name counts."""
        found: dict[str, Member] = {}
        every: list[Member] = [*self.methods, *self.attributes]
        for member in every:
            if is_public(member.name):
                found.setdefault(member.name, member)
        return found


class Api(msgspec.Struct, frozen=True, gc=False):
    """One ``api_docs`` file."""

    classes: dict[str, Class]
    methods: list[Function]
    variables: list[Variable] = []


class AtlasClass(msgspec.Struct, frozen=True, gc=False):
    """A class of a code atlas, public or private."""

    full_name: str
    methods: list[str]
    parent_classes: list[str] = []
    class_variables: list[str] = []


class Atlas(msgspec.Struct, frozen=True, gc=False):
    """One ``codeatlas`` file."""

    classes: dict[str, AtlasClass]
    methods: dict[str, Function]


class AtlasModule(msgspec.Struct, frozen=True, gc=False):
    """A module of a code atlas. ``aliases`` maps its names to the full names of definitions elsewhere."""

    aliases: dict[str, str] = {}


class AtlasModules(msgspec.Struct, frozen=True, gc=False):
    """The modules of a ``codeatlas`` file."""

    modules: dict[str, AtlasModule]


class Extension(msgspec.Struct, frozen=True, gc=False):
    """One extension of the database."""

    version: str
    title: str = ""
    description: str = ""
    long_description: str = ""
    category: str = ""
    keywords: list[str] = []
    dependencies: list[str] = []
    optional_dependencies: list[str] = []
    api_docs_path: str | None = None
    codeatlas_path: str | None = None
    python_modules: list[str] = []
    total_modules: int = 0
    total_classes: int = 0
    total_methods: int = 0


class Database(msgspec.Struct, frozen=True, gc=False):
    """``extensions_database.json``."""

    kit_version: str
    extensions: dict[str, Extension]


class Example(msgspec.Struct, frozen=True, gc=False):
    """One code example."""

    full_name: str
    source_code: str
    file_path: str = ""
    start_line: int = 0
    class_usages: list[str] = []


class Examples(msgspec.Struct, frozen=True, gc=False):
    """One ``example.json`` file."""

    methods: list[Example]


class Setting(msgspec.Struct, frozen=True, gc=False):
    """One setting; the default is kept as JSON text."""

    type: str
    default_value: msgspec.Raw
    extensions: list[str] = []
    documentation: str = ""
    description: str = ""
    found_in: list[str] = []
    usage_count: int = 0


class Settings(msgspec.Struct, frozen=True, gc=False):
    """``setting_summary.json``."""

    settings: dict[str, Setting]


class Port(msgspec.Struct, frozen=True, gc=False):
    """One input, output or state attribute of a node; the default is kept as JSON text."""

    type: str
    default: msgspec.Raw = msgspec.Raw(b"null")
    optional: bool = False
    description: str = ""


class Node(msgspec.Struct, frozen=True, gc=False):
    """One OmniGraph node."""

    extension: str
    node_version: int = 1
    description: str = ""
    language: str = ""
    ui_name: str | None = None
    categories: list[str] = []
    inputs: dict[str, Port] = {}
    outputs: dict[str, Port] = {}
    state: dict[str, Port] = {}


class Nodes(msgspec.Struct, frozen=True, gc=False):
    """``nodes_database.json``."""

    nodes: dict[str, Node]
