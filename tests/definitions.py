"""The definitions of a Python file, found independently with `ast`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any


def importable(body: list[Any]) -> Iterator[Any]:
    """Yield every class and function that is not inside a function or a main guard."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
            yield from importable(node.orelse)
        else:
            if isinstance(node, ast.ClassDef):
                yield node
            if isinstance(node, ast.stmt | ast.excepthandler | ast.match_case):
                yield from importable(list(ast.iter_child_nodes(node)))
