"""Parsing of newer Python syntax, independent of the interpreter that runs the pipeline.

`ast` only parses the grammar of its interpreter. Kit 109 and later run Python 3.12. This module finds newer syntax with
tree-sitter and rewrites it in older syntax, line by line, so that `ast` parses the file:

- type parameters (PEP 695, 696): ``def first[T](items: list[T]) -> T`` loses ``[T]``;
- type aliases: ``type Pair[T] = tuple[T, T]`` becomes an assignment;
- f-strings that nest quotes, backslashes, lines or comments (PEP 701), and t-strings (PEP 750), become sums;
- ``except A, B:`` (PEP 758) gets its parentheses.

Nothing is run. The rewriting preserves names, signatures, docstrings, decorators, lines, complexity and the classes
mentioned in a function.
"""

from __future__ import annotations

import ast
import sys
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from stages.python.files import UnreadableSource

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

_STRINGS = frozenset({"string", "concatenated_string"})
# Deeper trees are nested too deeply for `ast` as well.
_MAX_DEPTH = 200


class Parsed(NamedTuple):
    """A parsed file.

    Attributes:
        tree: Its syntax tree.
        text: The parsed text. The tree's positions refer to it. It has the same lines as the file.
        written: Rewritten expression -> its source in the file; empty if nothing was rewritten.
    """

    tree: ast.Module
    text: str
    written: dict[str, str]


def parse(text: str) -> Parsed:
    """Parse a Python file. Nothing is run.

    Raises:
        UnreadableSource: The text is not Python 3, or nested too deeply.
    """
    try:
        return Parsed(ast.parse(text), text, {})
    except SyntaxError as error:
        failure = error
    except (RecursionError, MemoryError) as error:
        raise UnreadableSource("python-nesting", 0, "is nested too deeply to be parsed") from error
    except ValueError as error:  # some Python releases raise it for a NUL byte, a lone surrogate or a huge number
        raise UnreadableSource("python-syntax", 0, f"is not valid Python 3 ({error})") from error
    # The error for a NUL byte has no line number, so the byte itself is located.
    line = failure.lineno or (text.count("\n", 0, text.index("\0")) + 1 if "\0" in text else 0)
    reason = f"is not valid Python 3 ({failure.msg})"
    if "\0" not in text:
        written: dict[str, str] = {}
        try:
            older = _Translation(text).translate(written)
            if older != text:
                reason = (
                    f"is valid neither for Python {sys.version_info.major}.{sys.version_info.minor}, which runs the "
                    f"pipeline, nor for Python 3.12 and later ({failure.msg})"
                )
                return Parsed(ast.parse(older), older, written)
        except SyntaxError as error:
            line = error.lineno or line
        except (ValueError, RecursionError, MemoryError):
            pass
    raise UnreadableSource("python-syntax", line, reason) from failure


@cache
def _parser() -> Parser:
    import tree_sitter
    import tree_sitter_python

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_python.language()))


class _Translation:
    """Translation of one file to older syntax."""

    def __init__(self, text: str) -> None:
        self._source = text.encode("utf-8", "surrogatepass")
        self._text = text
        self._written: dict[str, str] = {}

    def translate(self, written: dict[str, str]) -> str:
        """Return the text in older syntax. Adds rewritten expressions to ``written``, each with its source."""
        self._written = written
        root = _parser().parse(self._source).root_node
        return self._older(root, 0).decode("utf-8", "surrogatepass")

    def _slice(self, start: int, end: int) -> bytes:
        return self._source[start:end]

    def _older(self, node: Node, depth: int) -> bytes:
        """Return a node in older syntax."""
        if depth > _MAX_DEPTH:
            raise RecursionError
        edits: list[tuple[int, int, bytes]] = []
        waiting = [node]
        while waiting:
            item = waiting.pop()
            kind = item.type
            if kind == "type_parameter" and item.parent is not None and item.parent.type in _DEFINITIONS:
                edits.append((item.start_byte, item.end_byte, _blank(self._slice(item.start_byte, item.end_byte))))
            elif kind == "type_alias_statement":
                edits += self._alias(item)
            elif kind in _STRINGS:
                older = self._string(item, depth)
                if older is not None:
                    edits.append((item.start_byte, item.end_byte, older))
            else:
                if kind == "except_clause":
                    edits += _parenthesized(item)
                waiting.extend(item.children)
        edits.sort()
        pieces, position = [], node.start_byte
        if node.parent is None:  # the file: its tree begins at the first token
            position = 0
        for start, end, replacement in edits:
            pieces += [self._slice(position, start), replacement]
            position = end
        pieces.append(self._slice(position, node.end_byte if node.parent is not None else len(self._source)))
        return b"".join(pieces)

    def _alias(self, node: Node) -> list[tuple[int, int, bytes]]:
        """Rewrite ``type Pair[T] = tuple[T, T]`` to ``Pair         = tuple[T, T]``. The value keeps its position."""
        name = node.child_by_field_name("left")
        sign = next((child for child in node.children if child.type == "="), None)
        while name is not None and name.type != "identifier":
            name = name.named_children[0] if name.named_children else None
        if name is None or sign is None:
            return []
        kept = self._slice(name.start_byte, name.end_byte)
        rest = _blank(self._slice(node.start_byte, name.start_byte)) + _blank(
            self._slice(name.end_byte, sign.start_byte)
        )
        return [(node.start_byte, sign.start_byte, kept + rest)]

    # ---- f-strings --------------------------------------------------------------------------------------------------

    def _string(self, node: Node, depth: int) -> bytes | None:
        """Return a string that the interpreter cannot parse as a sum of its parts; None for other strings."""
        source = self._slice(node.start_byte, node.end_byte)
        if b"{" not in source:
            return None
        try:
            ast.parse(b"(" + source + b"\n)")
            return None
        except (SyntaxError, ValueError):
            pass
        parts = [child for child in node.children if child.type == "string"] if node.type != "string" else [node]
        output = _Lines(node.start_point[0])
        output.add(b"(", node.start_point[0])
        for index, part in enumerate(parts):
            if index:
                output.add(b" + ", output.line)
            self._sum(part, output, depth)
        output.add(b"", node.end_point[0])
        output.add(b")", node.end_point[0])
        result = output.content()
        older, written = (text.decode("utf-8", "surrogatepass") for text in (result, source))
        self._written[older] = self._written[older[1:-1]] = written  # an expression's own text has no brackets
        return result

    def _sum(self, node: Node, output: _Lines, depth: int) -> None:
        start = next(child for child in node.children if child.type == "string_start")
        prefix = self._slice(start.start_byte, start.end_byte)
        quote = prefix.lstrip(b"fFrRtTbBuU")
        raw = b"r" in prefix.lower()[: len(prefix) - len(quote)]
        formatted = any(letter in prefix.lower()[: len(prefix) - len(quote)] for letter in b"ft")
        terms = 0
        for child in node.children:
            if child.type == "string_content":
                text = self._slice(child.start_byte, child.end_byte)
                output.add(b" + " if terms else b"", child.start_point[0])
                output.add(_literal(text, quote, raw=raw, formatted=formatted), child.start_point[0])
            elif child.type == "interpolation":
                output.add(b" + " if terms else b"", child.start_point[0])
                self._interpolation(child, output, depth)
            else:
                continue
            terms += 1
        if not terms:
            output.add(b"''", node.start_point[0])

    def _interpolation(self, node: Node, output: _Lines, depth: int) -> None:
        """Rewrite ``{value:>{width}}`` to ``(value)[(width),]``, which has the same names and decisions."""
        value = node.child_by_field_name("expression")
        if value is None:
            output.add(b"''", node.start_point[0])
            return
        output.add(b"(", value.start_point[0])
        output.add(self._older(value, depth + 1), value.start_point[0])
        output.add(b")", output.line)
        inner = []
        waiting = [child for child in node.children if child.type == "format_specifier"]
        while waiting:
            item = waiting.pop(0)
            if item.type in ("format_expression", "interpolation"):
                inner.append(item)
            else:
                waiting.extend(item.children)
        if inner:
            output.add(b"[", output.line)
            for item in inner:
                self._interpolation(item, output, depth + 1)
                output.add(b",", output.line)
            output.add(b"]", output.line)


_DEFINITIONS = frozenset({"function_definition", "class_definition"})


class _Lines:
    """Text within brackets that keeps each piece on its original line."""

    def __init__(self, line: int) -> None:
        self.line = line
        self._pieces: list[bytes] = []

    def add(self, piece: bytes, line: int) -> None:
        """Add a piece that begins on a line, or on the current one if that is later."""
        if line > self.line:
            self._pieces.append(b"\n" * (line - self.line))
            self.line = line
        self._pieces.append(piece)
        self.line += piece.count(b"\n")

    def content(self) -> bytes:
        """Return the whole text."""
        return b"".join(self._pieces)


def _blank(source: bytes) -> bytes:
    """Replace a text with spaces. Line ends become line continuations."""
    return b"\\\n".join(b" " * len(line) for line in source.split(b"\n"))


def _literal(content: bytes, quote: bytes, *, raw: bool, formatted: bool) -> bytes:
    """Return the text between the expressions of an f-string as a literal on one line."""
    prefix = b"r" if raw else b""
    if formatted:
        content = content.replace(b"{{", b"{").replace(b"}}", b"}")
    try:
        value = ast.literal_eval((prefix + quote + content + quote).decode("utf-8", "surrogatepass"))
    except (SyntaxError, ValueError):
        value = content.decode("utf-8", "surrogatepass")
    return repr(value).encode("utf-8", "surrogatepass")


def _parenthesized(clause: Node) -> list[tuple[int, int, bytes]]:
    """Rewrite ``except A, B:`` to ``except (A, B):``."""
    values = clause.children_by_field_name("value")
    if len(values) < 2:
        return []
    first, last = values[0].start_byte, values[-1].end_byte
    return [(first, first, b"("), (last, last, b")")]
