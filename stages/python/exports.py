"""Static evaluation of a module's ``__all__``."""

from __future__ import annotations

import ast
from typing import Any

from stages.python.model import Module


class ExportsReader:
    """Evaluates the statements on ``__all__`` of one module, in order."""

    def __init__(self, module: Module) -> None:
        self._module = module

    def assign(self, node: Any, *, added: bool) -> None:
        """Evaluate ``__all__ = …`` and ``__all__ += …``."""
        if node.value is None:  # ``__all__: list[str]``, a declaration without a value
            return
        names = self._names(node.value)
        self._module.exports_line = self._module.exports_line or node.lineno
        if names is None:
            self._module.dynamic_exports = node.lineno
        elif added:
            self._module.exports = (self._module.exports or []) + names
        else:
            self._module.exports = names

    def call(self, node: Any) -> None:
        """Evaluate ``__all__.extend(…)``, ``.append(…)`` and ``.remove(…)``."""
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

    def attach(self, node: ast.Assign) -> None:
        """Evaluate ``__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, …)``.

        The arguments are submodules and the names that each of them exports.
        """
        call = node.value
        if not (isinstance(call, ast.Call) and (dotted(call.func) or "").rpartition(".")[2] == "attach"):
            return
        given = dict(zip(("module", "submodules", "submod_attrs"), call.args, strict=False))
        given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        module, names = self._module, []
        package = module.name if module.is_package else module.name.rpartition(".")[0]
        if isinstance(given.get("submodules"), ast.List | ast.Tuple | ast.Set):
            names += self._names(given["submodules"]) or []
        table = given.get("submod_attrs")
        if isinstance(table, ast.Dict):
            for key, value in zip(table.keys, table.values, strict=True):
                if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
                    continue
                for name in self._names(value) or []:
                    module.bindings.setdefault(name, ".".join([package, key.value, name]))
                    names.append(name)
        module.exports = (module.exports or []) + names
        module.exports_line = module.exports_line or node.lineno

    def finish(self, tree: ast.Module) -> None:
        """Record the entries of ``__all__`` that no statement of the module binds."""
        module = self._module
        names = {name for name in module.exports or () if not name.endswith(".")}
        names -= {member.name for member in module.members}
        names.difference_update(module.bindings, module.variables)
        names = {name for name in names if not (name.startswith("__") and name.endswith("__"))}
        if not names:
            return
        names -= _stored(tree)
        if names:
            module.unbound = frozenset(names)
            module.hints = frozenset(
                node.value for node in ast.walk(tree) if type(node) is ast.Constant and type(node.value) is str
            )

    def _names(self, node: ast.expr) -> list[str] | None:
        """Return the entries of an expression assigned to ``__all__``; None if they are not static."""
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


def adds_to_exports(node: ast.AST) -> bool:
    """Return True if a function adds to ``__all__``, for example with ``__all__.append(f.__name__)``."""
    has_name = adds = False
    for item in ast.walk(node):
        kind = type(item)
        if kind is ast.Name:
            has_name = has_name or item.id == "__all__"  # type: ignore[attr-defined]
        elif kind is ast.Attribute:
            has_name = has_name or item.attr == "__all__"  # type: ignore[attr-defined]
            adds = adds or item.attr in ("append", "extend", "add")  # type: ignore[attr-defined]
        elif kind is ast.Constant:
            has_name = has_name or item.value == "__all__"  # type: ignore[attr-defined]
    return has_name and adds


def _stored(tree: ast.Module) -> set[str]:
    """Return the names bound by statements outside of functions and classes."""
    names: set[str] = set()
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            names.add(node.name)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.update(name for item in ast.walk(node) if isinstance(item, ast.Global) for name in item.names)
        elif not isinstance(node, ast.ClassDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))
    return names
