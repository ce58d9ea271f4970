"""Source text of expressions, annotations, docstrings and definitions in a Python file."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

# Longer values of class variables are tables and nested configurations, not useful in a list of attributes.
_LONGEST_VALUE = 200


class SourceText:
    """The lines of one file, for the text of its nodes.

    Args:
        text: The parsed text. The nodes' positions refer to it.
        written: Rewritten expression -> its source in the file; see `grammar.Parsed`.
    """

    def __init__(self, text: str, written: Mapping[str, str] | None = None) -> None:
        self._written = written or {}
        self._lines = text.split("\n")
        self._ascii = text.isascii()
        self._encoded: dict[int, bytes] = {}

    def of(self, node: ast.expr) -> str:
        """Return the source of an expression, joined to one line."""
        if type(node) is ast.Name:
            return node.id
        return self._as_written(self._source(node)) if self._written else self._source(node)

    def _as_written(self, text: str) -> str:
        for older, written in self._written.items():
            if "\n" not in older:
                text = text.replace(older, written)
        return text

    def _source(self, node: ast.expr) -> str:
        first, last = node.lineno, node.end_lineno
        if first == last:
            if self._ascii:
                return self._lines[first - 1][node.col_offset : node.end_col_offset]
            # Columns count UTF-8 bytes.
            line = self._encoded.get(first)
            if line is None:
                line = self._encoded[first] = self._lines[first - 1].encode("utf-8", "surrogatepass")
            return line[node.col_offset : node.end_col_offset].decode("utf-8", "surrogatepass")
        try:
            return ast.unparse(node)
        except RecursionError:
            return " ".join(" ".join(self._lines[first - 1 : last]).split())

    def annotation(self, node: ast.expr) -> str:
        """Return the source of an annotation, without enclosing quotes."""
        if type(node) is ast.Constant and isinstance(node.value, str):
            return node.value
        return self.of(node)

    def short(self, node: ast.expr) -> str:
        """Return the source of a value, or an ellipsis for a value that is long or has several lines."""
        if node.lineno != node.end_lineno or (node.end_col_offset or 0) - node.col_offset > _LONGEST_VALUE:
            return "..."
        return self.of(node)


def docstring(node: Any) -> str | None:
    """Return the docstring of a module, class or function, cleaned by `inspect.cleandoc`; None if there is none."""
    if not node.body or type(node.body[0]) is not ast.Expr:
        return None
    return string(node.body[0])


def string(statement: Any) -> str | None:
    """Return the string of an expression statement, cleaned by `inspect.cleandoc`; None if it is not a string."""
    if type(statement.value) is not ast.Constant:
        return None
    value = statement.value.value
    if type(value) is not str:
        return None
    if "\n" not in value and "\t" not in value:
        return value.lstrip(" ")
    lines = value.expandtabs().split("\n")
    # Only blanks count as indentation, as in inspect.cleandoc, which is slower.
    margin = min((len(line) - len(line.lstrip(" ")) for line in lines[1:] if line.strip(" ")), default=0)
    lines = [lines[0].lstrip(" "), *(line[margin:] for line in lines[1:])]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        lines.pop(0)
    return "\n".join(lines)


def dedent(lines: list[str]) -> str:
    """Return a definition's lines without the indentation of the first. Less indented lines lose theirs entirely."""
    first = lines[0] if lines else ""
    indentation = first[: len(first) - len(first.lstrip(" \t"))]
    if not indentation:
        return "\n".join(lines)
    width = len(indentation)
    return "\n".join(
        line[width:] if line.startswith(indentation) else line.lstrip(" \t") if not line.strip(" \t") else line
        for line in lines
    )
