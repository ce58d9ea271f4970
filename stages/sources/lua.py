"""Partial evaluation of a Lua file, without running it.

The evaluation covers strings, tables, fields, concatenation, loops over tables, and functions of the file. All other
values are unknown, and so are values computed from them. All branches of an ``if`` are evaluated. The number of steps
is limited.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

# Marks an unknown part of a string. The caller may use the other two marks for parts that it defines.
UNKNOWN = "\2"
MARKS = "\1\2\3"
LONGEST = 4096
# A real build file takes a few hundred.
_MAX_STEPS = 100_000
_MAX_DEPTH = 64
_MAX_CALLS = 8
_MAGIC = re.compile(r"[\^$()%.\[\]*+\-?]")


@cache
def _parser() -> Parser:
    import tree_sitter
    import tree_sitter_lua

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_lua.language()))


class Table:
    """A Lua table.

    Attributes:
        items: Its positional items.
        fields: Its named fields.
        constant: Names of fields that assignments do not change.
    """

    __slots__ = ("constant", "fields", "items")

    def __init__(
        self,
        items: list[Value] | None = None,
        fields: dict[str, Value] | None = None,
        constant: frozenset[str] = frozenset(),
    ) -> None:
        self.items = items or []
        self.fields = fields or {}
        self.constant = constant


class Function:
    """A function that the file defines.

    Attributes:
        parameters: Names of its parameters.
        body: Its statements; None if it has none.
    """

    __slots__ = ("body", "parameters")

    def __init__(self, parameters: list[str], body: Node | None) -> None:
        self.parameters = parameters
        self.body = body


# None: unknown. A partly known string contains marks.
Value = str | Table | Function | None
Builtin = Callable[[list[Value]], Value]


class _StepLimitReached(Exception):
    """The evaluation reached the limit of steps."""


class Evaluation:
    """One pass through a file.

    Args:
        names: The initial values of variables.
        builtin: Returns the implementation of a named function; None for an unknown name.
    """

    def __init__(self, names: dict[str, Value], builtin: Callable[[str], Builtin | None]) -> None:
        self._names = dict(names)
        self._builtin = builtin
        self._steps = 0
        self._calls = 0
        self._readers: dict[str, Callable[[Node, int], Value]] = {
            "string": lambda node, _: _string(node),
            "number": lambda node, _: _source(node),
            "identifier": lambda node, _: self._names.get(_source(node)),
            "dot_index_expression": self._index,
            "bracket_index_expression": self._index,
            "binary_expression": self._binary,
            "parenthesized_expression": self._inner,
            "table_constructor": self._table,
            "function_call": self._call,
        }

    def run(self, code: bytes) -> None:
        """Evaluate the statements of a file, up to the limit of steps."""
        try:
            self._block(_parser().parse(code).root_node, 0)
        except _StepLimitReached:
            return

    def step(self) -> None:
        """Count a step. A builtin calls this in its loops. The evaluation ends at the limit."""
        self._steps += 1
        if self._steps > _MAX_STEPS:
            raise _StepLimitReached

    # --- statements ------------------------------------------------------------------------------------------------

    def _block(self, node: Node, depth: int) -> None:
        for child in node.named_children:
            self._statement(child, depth)

    def _statement(self, node: Node, depth: int) -> None:
        self.step()
        if depth > _MAX_DEPTH:
            return
        kind = node.type
        if kind == "variable_declaration":
            self._block(node, depth + 1)
        elif kind == "assignment_statement":
            self._assign(node, depth)
        elif kind == "function_call":
            self._value(node, depth)
        elif kind == "for_statement":
            self._loop(node, depth)
        elif kind == "function_declaration":
            self._define(node)
        elif kind in ("if_statement", "elseif_statement", "else_statement", "do_statement", "block", "ERROR"):
            self._block(node, depth + 1)
        elif kind in ("while_statement", "repeat_statement"):
            body = node.child_by_field_name("body")
            if body is not None:
                self._block(body, depth + 1)

    def _assign(self, node: Node, depth: int) -> None:
        targets = _children(node, "variable_list")
        values = [self._value(child, depth) for child in _children(node, "expression_list")]
        for index, target in enumerate(targets):
            self._set(target, values[index] if index < len(values) else None, depth)

    def _set(self, target: Node, value: Value, depth: int) -> None:
        if target.type == "identifier":
            self._names[_source(target)] = value
            return
        table = target.child_by_field_name("table")
        owner = self._value(table, depth) if table is not None else None
        name = self._field_name(target, depth)
        if not isinstance(owner, Table) or name is None:
            return
        if name not in owner.constant:
            owner.fields[name] = value

    def _loop(self, node: Node, depth: int) -> None:
        body = node.child_by_field_name("body")
        clause = node.child_by_field_name("clause")
        if body is None or clause is None:
            return
        names = [_source(child) for child in _children(clause, "variable_list")]
        values = [self._value(child, depth) for child in _children(clause, "expression_list")]
        table = values[0] if values else None
        pairs: list[tuple[Value, Value]] = [(None, None)]
        if isinstance(table, Table):
            pairs = [(str(index), item) for index, item in enumerate(table.items, 1)]
            pairs += list(table.fields.items())
        for pair in pairs:
            self._names.update(zip(names, pair, strict=False))
            self._block(body, depth + 1)

    def _define(self, node: Node) -> None:
        name, parameters = node.child_by_field_name("name"), node.child_by_field_name("parameters")
        if name is not None and parameters is not None:
            given = [_source(child) for child in parameters.named_children]
            self._names[_source(name)] = Function(given, node.child_by_field_name("body"))

    # --- expressions -----------------------------------------------------------------------------------------------

    def _value(self, node: Node, depth: int) -> Value:
        self.step()
        if depth > _MAX_DEPTH:
            return None
        reader = self._readers.get(node.type)
        return reader(node, depth) if reader is not None else None

    def _inner(self, node: Node, depth: int) -> Value:
        return self._value(node.named_children[0], depth + 1) if node.named_children else None

    def _index(self, node: Node, depth: int) -> Value:
        table = node.child_by_field_name("table")
        owner = self._value(table, depth + 1) if table is not None else None
        name = self._field_name(node, depth)
        if not isinstance(owner, Table) or name is None:
            return None
        if name.isdecimal() and name not in owner.fields:
            place = int(name[:9]) - 1
            return owner.items[place] if 0 <= place < len(owner.items) else None
        return owner.fields.get(name)

    def _field_name(self, node: Node, depth: int) -> str | None:
        field = node.child_by_field_name("field")
        if field is None:
            return None
        if node.type == "dot_index_expression":
            return _source(field)
        name = self._value(field, depth + 1)
        return name if isinstance(name, str) and is_known(name) else None

    def _binary(self, node: Node, depth: int) -> Value:
        operator = next((child.type for child in node.children if not child.is_named), "")
        if operator == "..":
            return self._concatenation(node, depth)
        sides = (node.child_by_field_name("left"), node.child_by_field_name("right"))
        left, right = (self._value(side, depth + 1) if side is not None else None for side in sides)
        if operator == "or":
            return left if left is not None else right
        return right if operator == "and" else None

    def _concatenation(self, node: Node, depth: int) -> str:
        # `..` is right-associative: a long concatenation is a deeply nested tree.
        parts: list[str] = []
        rest: Node | None = node
        while (
            rest is not None and rest.type == "binary_expression" and any(child.type == ".." for child in rest.children)
        ):
            self.step()
            left = rest.child_by_field_name("left")
            parts.append(text_of([self._value(left, depth + 1)]) if left is not None else UNKNOWN)
            rest = rest.child_by_field_name("right")
        parts.append(text_of([self._value(rest, depth + 1)]) if rest is not None else UNKNOWN)
        value = "".join(parts)
        return value if len(value) <= LONGEST else UNKNOWN

    def _table(self, node: Node, depth: int) -> Table:
        table = Table()
        for field in node.named_children:
            if field.type != "field":
                continue
            name, value = field.child_by_field_name("name"), field.child_by_field_name("value")
            if value is None:
                continue
            found = self._value(value, depth + 1)
            if name is None:
                table.items.append(found)
            elif name.type == "identifier":
                table.fields[_source(name)] = found
            else:
                key = self._value(name, depth + 1)
                if isinstance(key, str):
                    table.fields[key] = found
        return table

    def _call(self, node: Node, depth: int) -> Value:
        name_node = node.child_by_field_name("name")
        arguments_node = node.child_by_field_name("arguments")
        if name_node is None or arguments_node is None:
            return None
        arguments = [self._value(child, depth + 1) for child in arguments_node.named_children]
        name = _source(name_node)
        if name_node.type == "method_index_expression":
            owner = name_node.child_by_field_name("table")
            arguments.insert(0, self._value(owner, depth + 1) if owner is not None else None)
            method = name_node.child_by_field_name("method")
            name = f"string.{_source(method)}" if method is not None else ""
        known = self._builtin(name) or _STANDARD.get(name)
        if known is not None:
            return known(arguments)
        defined = self._names.get(name)
        if isinstance(defined, Function) and defined.body is not None and self._calls < _MAX_CALLS:
            self._calls += 1
            self._names.update(zip(defined.parameters, arguments, strict=False))
            self._block(defined.body, depth + 1)
            self._calls -= 1
        return None


def _children(node: Node, kind: str) -> list[Node]:
    return [inner for child in node.named_children if child.type == kind for inner in child.named_children]


def _source(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def _string(node: Node) -> str:
    content = node.child_by_field_name("content")
    text = _source(content) if content is not None else ""
    return text if _source(node).startswith("[") else re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def text_of(values: list[Value]) -> str:
    """Return the first value if it is a string, else `UNKNOWN`."""
    return values[0] if values and isinstance(values[0], str) else UNKNOWN


def is_known(text: str) -> bool:
    """Return True if a string has no marks."""
    return not any(mark in text for mark in MARKS)


def first(arguments: list[Value]) -> Value:
    """Return the first argument: the implementation of builtins whose effect does not matter here."""
    return arguments[0] if arguments else None


def _format(arguments: list[Value]) -> Value:
    if not arguments or not isinstance(arguments[0], str):
        return None
    rest = iter(arguments[1:])
    value = re.sub(r"%[sd%]", lambda match: "%" if match[0] == "%%" else text_of([next(rest, None)]), arguments[0])
    return value if len(value) <= LONGEST else None


def _gsub(arguments: list[Value]) -> Value:
    """Replace a plain text; Lua patterns are not supported."""
    if len(arguments) < 3 or not all(isinstance(argument, str) for argument in arguments[:3]):
        return None
    text, pattern, replacement = (str(argument) for argument in arguments[:3])
    plain = re.sub(r"%(\W)", lambda match: "" if _MAGIC.match(match[1]) else match[0], pattern)
    if _MAGIC.search(plain) or "%" in replacement:
        return None
    value = text.replace(re.sub(r"%(\W)", r"\1", pattern), replacement) if pattern else text
    return value if len(value) <= LONGEST else None


# The functions of Lua's standard library. ``ipairs`` and ``pairs`` return the table itself.
_STANDARD: dict[str, Builtin] = {
    "string.format": _format,
    "string.gsub": _gsub,
    "tostring": first,
    "ipairs": first,
    "pairs": first,
}
