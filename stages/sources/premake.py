"""The files that an extension's build links and copies, read from its ``premake5.lua``. The file is never run.

In a source tree that is not built, a Python file often lies elsewhere than Kit would import it from, and its place says
little about its name: ``python/impl/stage.py`` may become ``isaacsim.core.utils.stage`` or
``isaacsim.core.nodes.impl.stage``. The build file tells, in these calls of Kit's build tools:

- ``repo_build.prebuild_link`` and ``repo_build.prebuild_copy``: pairs of source and target;
- ``project_ext_bindings``, whose ``*.py`` files come along with the bindings;
- ``add_ogn_dependencies(ogn, {"python/nodes"})``: folders of OmniGraph nodes, which go below ``ogn`` in the package;
- ``get_current_extension_info`` and ``get_ogn_project_information``, which give the paths that the others use.

The values of variables are followed: strings, tables, fields, concatenation, loops over tables, functions of the file.
What else a build file computes is unknown, and so is whatever contains an unknown value. All branches of an ``if`` are
read. The work is bounded in steps.

The module is long because one class is the interpreter: its statements, its expressions and the calls of the build
tools share the values of the variables.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

FILE = "premake5.lua"
# Three times the largest build file of an extension that was seen. The parser takes quadratic time on garbage.
MAX_BYTES = 32 * 1024

# Marks in a string for the built extension's folder, for the folder of the build file, and for unknown parts.
_TARGET = "\1"
_HERE = "\3"
_UNKNOWN = "\2"
_GLOBS = frozenset({"*", "*.*", "*.py", "**", "**.*", "**.py"})
_LONGEST = 4096
# A real build file takes a few hundred.
_MAX_STEPS = 100_000
_MAX_DEPTH = 64
_MAX_CALLS = 8
# The folder of fetched packages. Paths below it are not part of the source tree.
_FETCHED = re.compile(r"(?:^|/)_build/|(?:^|[/{$])(?:target|host)[-_]deps\b|\bkit_sdk|^%\{kit|\bextsbuild_dir\b")
_MAGIC = re.compile(r"[\^$()%.\[\]*+\-?]")


class BuildLink(NamedTuple):
    """A link or copy of the build.

    Attributes:
        source: A file or folder, relative to the extension's folder, with ``/``; empty for that folder itself.
        target: Where it is in the built extension, relative to it; empty for that itself.
        what: ``all`` contents of the folder, only its ``files``, or ``it``, one file or folder.
    """

    source: str
    target: str
    what: str


class FetchedLink(NamedTuple):
    """A link or copy of the build from a fetched package.

    Attributes:
        package: The path in the build, as far as known.
        target: Where it is in the built extension, relative to it; empty for that itself.
    """

    package: str
    target: str


class BuildPlan(NamedTuple):
    """The links and copies of a build file.

    Attributes:
        links: Those from the extension's own folder, in the file's order.
        fetched: Those from elsewhere.
        ogn_folders: Folders of OmniGraph nodes, relative to the extension; they are among the links as well.
    """

    links: list[BuildLink]
    fetched: list[FetchedLink]
    ogn_folders: list[str]


def build_links(data: bytes, extension: str) -> list[BuildLink]:
    """Return the links and copies of a build file; see `build_plan`."""
    return build_plan(data, extension).links


def build_plan(data: bytes, extension: str) -> BuildPlan:
    """Return the links and copies of a build file.

    Args:
        data: Its content.
        extension: The extension's id. Build files with explicit target paths contain it.
    """
    reader = _BuildFile(extension)
    reader.run(_parser().parse(data[:MAX_BYTES]).root_node)
    return BuildPlan(reader.links, reader.fetched, reader.ogn_folders)


@cache
def _parser() -> Parser:
    import tree_sitter
    import tree_sitter_lua

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_lua.language()))


class _Table:
    """A Lua table: its positional items and its named fields."""

    __slots__ = ("fields", "items")

    def __init__(self, items: list[_Value] | None = None, fields: dict[str, _Value] | None = None) -> None:
        self.items = items or []
        self.fields = fields or {}


class _Function:
    """A function that the file defines."""

    __slots__ = ("body", "parameters")

    def __init__(self, parameters: list[str], body: Node | None) -> None:
        self.parameters = parameters
        self.body = body


# None: unknown. A partly known string contains marks.
_Value = str | _Table | _Function | None


class _StepsSpent(Exception):
    """The file takes more steps than any real one."""


class _BuildFile:
    """One pass through a build file."""

    def __init__(self, extension: str) -> None:
        self.extension = extension
        self.links: list[BuildLink] = []
        self.fetched: list[FetchedLink] = []
        self.ogn_folders: list[str] = []
        self.steps = 0
        self.calls = 0
        self.extension_info = _Table(
            fields={
                "target_dir": _TARGET,
                "id": extension,
                "name": extension,
                "path": _HERE,
                "bin_dir": f"{_TARGET}/bin",
            }
        )
        # Names that Kit's build tools define for every build file.
        self.names: dict[str, _Value] = {
            "ext": self.extension_info,
            "root": "%{root}",
            "target_deps": "%{root}/_build/target-deps",
            "host_deps": "%{root}/_build/host-deps",
            "extsbuild_dir": "extsbuild_dir",
            "_SCRIPT_DIR": _HERE,
        }
        self.functions: dict[str, Callable[[list[_Value]], _Value]] = {
            "get_current_extension_info": lambda _: self.extension_info,
            "get_ogn_project_information": self.ogn_project,
            "create_ogn_project_information": self.ogn_project,
            "add_ogn_dependencies": self.ogn_dependencies,
            "project_ext_bindings": self.bindings,
            "path.join": _join,
            "path.getabsolute": lambda arguments: arguments[0] if arguments else None,
            "path.normalize": lambda arguments: arguments[0] if arguments else None,
            "path.getname": lambda arguments: _text(arguments[:1]).rpartition("/")[2],
            "os.target": lambda _: "linux",
            "os.host": lambda _: "linux",
            "string.format": _format,
            "string.gsub": _gsub,
            "tostring": lambda arguments: arguments[0] if arguments else None,
            "ipairs": lambda arguments: arguments[0] if arguments else None,
            "pairs": lambda arguments: arguments[0] if arguments else None,
        }

        self.readers: dict[str, Callable[[Node, int], _Value]] = {
            "string": lambda node, _: _string(node),
            "number": lambda node, _: _source(node),
            "identifier": lambda node, _: self.names.get(_source(node)),
            "dot_index_expression": self.index,
            "bracket_index_expression": self.index,
            "binary_expression": self.binary,
            "parenthesized_expression": self.inner,
            "table_constructor": self.table,
            "function_call": self.call,
        }

    def run(self, root: Node) -> None:
        try:
            self.block(root, 0)
        except _StepsSpent:
            return

    # --- statements ------------------------------------------------------------------------------------------------

    def block(self, node: Node, depth: int) -> None:
        for child in node.named_children:
            self.statement(child, depth)

    def statement(self, node: Node, depth: int) -> None:
        self.step()
        if depth > _MAX_DEPTH:
            return
        kind = node.type
        if kind == "variable_declaration":
            self.block(node, depth + 1)
        elif kind == "assignment_statement":
            self.assign(node, depth)
        elif kind == "function_call":
            self.value(node, depth)
        elif kind == "for_statement":
            self.loop(node, depth)
        elif kind == "function_declaration":
            self.define(node)
        elif kind in ("if_statement", "elseif_statement", "else_statement", "do_statement", "block", "ERROR"):
            self.block(node, depth + 1)
        elif kind in ("while_statement", "repeat_statement"):
            body = node.child_by_field_name("body")
            if body is not None:
                self.block(body, depth + 1)

    def assign(self, node: Node, depth: int) -> None:
        targets = _children(node, "variable_list")
        values = [self.value(child, depth) for child in _children(node, "expression_list")]
        for index, target in enumerate(targets):
            self.set(target, values[index] if index < len(values) else None, depth)

    def set(self, target: Node, value: _Value, depth: int) -> None:
        if target.type == "identifier":
            self.names[_source(target)] = value
            return
        table = target.child_by_field_name("table")
        owner = self.value(table, depth) if table is not None else None
        name = self.field_name(target, depth)
        if not isinstance(owner, _Table) or name is None:
            return
        if owner is self.extension_info and name == "target_dir":
            return  # another place for the same extension
        owner.fields[name] = value

    def loop(self, node: Node, depth: int) -> None:
        body = node.child_by_field_name("body")
        clause = node.child_by_field_name("clause")
        if body is None or clause is None:
            return
        names = [_source(child) for child in _children(clause, "variable_list")]
        values = [self.value(child, depth) for child in _children(clause, "expression_list")]
        table = values[0] if values else None
        pairs: list[tuple[_Value, _Value]] = [(None, None)]
        if isinstance(table, _Table):
            pairs = [(str(index), item) for index, item in enumerate(table.items, 1)]
            pairs += list(table.fields.items())
        for pair in pairs:
            self.names.update(zip(names, pair, strict=False))
            self.block(body, depth + 1)

    def define(self, node: Node) -> None:
        name, parameters = node.child_by_field_name("name"), node.child_by_field_name("parameters")
        if name is not None and parameters is not None:
            given = [_source(child) for child in parameters.named_children]
            self.names[_source(name)] = _Function(given, node.child_by_field_name("body"))

    # --- expressions -----------------------------------------------------------------------------------------------

    def value(self, node: Node, depth: int) -> _Value:
        self.step()
        if depth > _MAX_DEPTH:
            return None
        reader = self.readers.get(node.type)
        return reader(node, depth) if reader is not None else None

    def inner(self, node: Node, depth: int) -> _Value:
        return self.value(node.named_children[0], depth + 1) if node.named_children else None

    def index(self, node: Node, depth: int) -> _Value:
        table = node.child_by_field_name("table")
        owner = self.value(table, depth + 1) if table is not None else None
        name = self.field_name(node, depth)
        if not isinstance(owner, _Table) or name is None:
            return None
        if name.isdecimal() and name not in owner.fields:
            place = int(name[:9]) - 1
            return owner.items[place] if 0 <= place < len(owner.items) else None
        return owner.fields.get(name)

    def field_name(self, node: Node, depth: int) -> str | None:
        field = node.child_by_field_name("field")
        if field is None:
            return None
        if node.type == "dot_index_expression":
            return _source(field)
        name = self.value(field, depth + 1)
        return name if isinstance(name, str) and not _has_unknown(name) else None

    def binary(self, node: Node, depth: int) -> _Value:
        operator = next((child.type for child in node.children if not child.is_named), "")
        if operator == "..":
            return self.concatenation(node, depth)
        sides = (node.child_by_field_name("left"), node.child_by_field_name("right"))
        left, right = (self.value(side, depth + 1) if side is not None else None for side in sides)
        if operator == "or":
            return left if left is not None else right
        return right if operator == "and" else None

    def concatenation(self, node: Node, depth: int) -> str:
        # `..` binds to the right, so that a long sum is a long chain.
        parts: list[str] = []
        rest: Node | None = node
        while (
            rest is not None and rest.type == "binary_expression" and any(child.type == ".." for child in rest.children)
        ):
            self.step()
            left = rest.child_by_field_name("left")
            parts.append(_text([self.value(left, depth + 1)]) if left is not None else _UNKNOWN)
            rest = rest.child_by_field_name("right")
        parts.append(_text([self.value(rest, depth + 1)]) if rest is not None else _UNKNOWN)
        value = "".join(parts)
        return value if len(value) <= _LONGEST else _UNKNOWN

    def table(self, node: Node, depth: int) -> _Table:
        table = _Table()
        for field in node.named_children:
            if field.type != "field":
                continue
            name, value = field.child_by_field_name("name"), field.child_by_field_name("value")
            if value is None:
                continue
            found = self.value(value, depth + 1)
            if name is None:
                table.items.append(found)
            elif name.type == "identifier":
                table.fields[_source(name)] = found
            else:
                key = self.value(name, depth + 1)
                if isinstance(key, str):
                    table.fields[key] = found
        return table

    def call(self, node: Node, depth: int) -> _Value:
        name_node = node.child_by_field_name("name")
        arguments_node = node.child_by_field_name("arguments")
        if name_node is None or arguments_node is None:
            return None
        arguments = [self.value(child, depth + 1) for child in arguments_node.named_children]
        name = _source(name_node)
        if name_node.type == "method_index_expression":
            owner = name_node.child_by_field_name("table")
            arguments.insert(0, self.value(owner, depth + 1) if owner is not None else None)
            method = name_node.child_by_field_name("method")
            name = f"string.{_source(method)}" if method is not None else ""
        if name.endswith(("prebuild_link", "prebuild_copy")):
            self.pairs(arguments)
            return None
        known = self.functions.get(name)
        if known is not None:
            return known(arguments)
        defined = self.names.get(name)
        if isinstance(defined, _Function) and defined.body is not None and self.calls < _MAX_CALLS:
            self.calls += 1
            self.names.update(zip(defined.parameters, arguments, strict=False))
            self.block(defined.body, depth + 1)
            self.calls -= 1
        return None

    def step(self) -> None:
        self.steps += 1
        if self.steps > _MAX_STEPS:
            raise _StepsSpent

    # --- what the build tools do -----------------------------------------------------------------------------------

    def ogn_project(self, arguments: list[_Value]) -> _Value:
        path = arguments[1] if len(arguments) > 1 else None
        if not isinstance(path, str):
            path = _UNKNOWN
        path = path.strip("/")
        target = f"{_TARGET}/{path}"
        return _Table(
            fields={
                "import_path": path,
                "module": path.replace("/", "."),
                "python_root_path": _TARGET,
                "python_target_path": target,
                "python_tests_target_path": f"{target}/tests",
                "bindings_path": "bindings/python",
                "bindings_target_path": path,
                "nodes_path": "nodes",
            }
        )

    def ogn_dependencies(self, arguments: list[_Value]) -> None:
        project = arguments[0] if arguments else None
        folders = arguments[1] if len(arguments) > 1 else None
        if not isinstance(project, _Table):
            return
        package = _text([project.fields.get("python_target_path")])
        for folder in folders.items if isinstance(folders, _Table) else [folders]:
            if isinstance(folder, str) and not _has_unknown(folder):
                plain = posixpath.normpath(folder.strip("/") or ".")
                self.ogn_folders.append(plain)
                self.link(plain, f"{package}/ogn/{plain}")

    def pairs(self, arguments: list[_Value]) -> None:
        """Take the pairs of a table, or the one pair that it is."""
        waiting = [argument for argument in arguments if isinstance(argument, _Table)]
        while waiting:
            self.step()
            table = waiting.pop(0)
            inner = [item for item in table.items if isinstance(item, _Table)]
            if len(table.items) == 2 and not inner:
                self.link(_text(table.items[:1]), _text(table.items[1:]))
            waiting = inner + waiting

    def bindings(self, arguments: list[_Value]) -> None:
        given = arguments[0].fields if arguments and isinstance(arguments[0], _Table) else {}
        if "src" in given and "target_subdir" in given:
            self.link(f"{_text([given['src']])}/*.py", f"{_TARGET}/{_text([given['target_subdir']])}")

    def link(self, source: str, target: str) -> None:
        place = self.in_extension(target)
        if place is None:
            return
        source = source.removeprefix(f"{_HERE}/").replace("\\", "/")
        folder, _, last = source.rpartition("/")
        what = "it"
        if last in _GLOBS:
            source, what = folder, "all" if last.startswith("**") or last == "*" else "files"
        before, found, below = source.rpartition(f"/{self.extension}/")
        if found and before.endswith(("/source", "/extensions", "/exts", "/deprecated")):
            source = below  # spelled out from the repository's root
        if _FETCHED.search(source):
            package = "".join(character for character in source if character.isprintable())
            self.fetched.append(FetchedLink(package, place))
            return
        source = posixpath.normpath(source) if source else "."
        if source.startswith(("/", "..")) or any(mark in source for mark in "\1\2\3%$*\0"):
            return
        self.links.append(BuildLink("" if source == "." else source, place, what))

    def in_extension(self, target: str) -> str | None:
        """Return a path of the build relative to the built extension; None if it is elsewhere."""
        if target.startswith(_TARGET):
            place = target[1:]
        else:
            before, found, place = f"{target}/".rpartition(f"/{self.extension}/")
            if not found or not before:
                return None
        place = posixpath.normpath(place.strip("/") or ".")
        if place.startswith("..") or any(mark in place for mark in "\1\2\3%$*\0"):
            return None
        return "" if place == "." else place


def _children(node: Node, kind: str) -> list[Node]:
    return [inner for child in node.named_children if child.type == kind for inner in child.named_children]


def _source(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def _string(node: Node) -> str:
    content = node.child_by_field_name("content")
    text = _source(content) if content is not None else ""
    return text if _source(node).startswith("[") else re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def _text(values: list[_Value]) -> str:
    """Return a value converted to a string, as in a concatenation."""
    return values[0] if values and isinstance(values[0], str) else _UNKNOWN


def _has_unknown(text: str) -> bool:
    return any(mark in text for mark in (_UNKNOWN, _TARGET, _HERE))


def _join(arguments: list[_Value]) -> str:
    return "/".join(_text([argument]).rstrip("/") for argument in arguments)[:_LONGEST]


def _format(arguments: list[_Value]) -> _Value:
    if not arguments or not isinstance(arguments[0], str):
        return None
    rest = iter(arguments[1:])
    value = re.sub(r"%[sd%]", lambda match: "%" if match[0] == "%%" else _text([next(rest, None)]), arguments[0])
    return value if len(value) <= _LONGEST else None


def _gsub(arguments: list[_Value]) -> _Value:
    """Replace a plain text; patterns with a meaning of their own are not understood."""
    if len(arguments) < 3 or not all(isinstance(argument, str) for argument in arguments[:3]):
        return None
    text, pattern, replacement = (str(argument) for argument in arguments[:3])
    plain = re.sub(r"%(\W)", lambda match: "" if _MAGIC.match(match[1]) else match[0], pattern)
    if _MAGIC.search(plain) or "%" in replacement:
        return None
    value = text.replace(re.sub(r"%(\W)", r"\1", pattern), replacement) if pattern else text
    return value if len(value) <= _LONGEST else None
