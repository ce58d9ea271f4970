"""What a module says of its ``__all__``, as far as this can be told without running it."""

from __future__ import annotations

import ast
from typing import Any

from stages.python.model import Module


class ExportsReader:
    """Follows the statements on ``__all__`` of one module, in order."""

    def __init__(self, module: Module) -> None:
        self._module = module

    def assign(self, node: Any, *, added: bool) -> None:
        """Follow ``__all__ = …`` and ``__all__ += …``."""
        if node.value is None:  # ``__all__: list[str]``, a declaration alone
            return
        names = self._names(node.value)
        if names is None:
            self._module.dynamic_exports = node.lineno
        elif added:
            self._module.exports = (self._module.exports or []) + names
        else:
            self._module.exports = names

    def call(self, node: Any) -> None:
        """Follow ``__all__.extend(…)``, ``.append(…)`` and ``.remove(…)``."""
        call = node.value
        if not (type(call) is ast.Call and type(call.func) is ast.Attribute):
            return
        target = call.func.value
        if not (type(target) is ast.Name and target.id == "__all__" and len(call.args) == 1):
            return
        method, argument = call.func.attr, call.args[0]
        names = self._names(argument) if method == "extend" else self._names(ast.List([argument]))
        if names is None or method not in ("extend", "append", "remove"):
            self._module.dynamic_exports = node.lineno
        elif method == "remove":
            self._module.exports = [name for name in self._module.exports or [] if name not in names]
        else:
            self._module.exports = (self._module.exports or []) + names

    def _names(self, node: ast.expr) -> list[str] | None:
        """Return the entries an expression gives to ``__all__``; None if only running it can tell."""
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            names: list[str] = []
            for item in node.elts:
                if isinstance(item, ast.Constant) and isinstance(item.value, str):
                    names.append(item.value)
                    continue
                more = self._names(item.value) if isinstance(item, ast.Starred) else None
                if more is None:
                    return None
                names += more
            return names
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self._names(node.left), self._names(node.right)
            return None if left is None or right is None else left + right
        if isinstance(node, ast.Attribute) and node.attr == "__all__" and (name := dotted(node.value)):
            root, _, rest = name.partition(".")
            target = self._module.bindings.get(root, root)
            return [f"{target}.{rest}." if rest else f"{target}."]
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("list", "tuple", "sorted")
            and len(node.args) == 1
            and not node.keywords
        ):
            return self._names(node.args[0])
        return None


def dotted(node: Any) -> str | None:
    """Return a name with its attributes (``a.b.c``); None for any other expression."""
    parts: list[str] = []
    while type(node) is ast.Attribute:
        parts.append(node.attr)
        node = node.value
    if type(node) is not ast.Name:
        return None
    parts.append(node.id)
    return ".".join(reversed(parts))
