"""Analysis of function bodies in one walk: complexity, mentioned classes, recursion, error handling."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from stages.python.model import Function

BUILTINS = frozenset(vars(builtins))
# The fields to visit in each kind of node: those that can contain names or decisions.
_FIELDS_WITHOUT_EITHER = frozenset(
    {"ctx", "op", "ops", "id", "attr", "arg", "name", "names", "module", "level", "kind", "lineno", "type_comment"}
    | {"conversion", "simple", "is_async", "type_ignores", "rest", "kwd_attrs", "type_params"}
)
_ONE, _SEVERAL, _DECISION, _DEFINITION, _IMPORT, _CALL, _CONTAINER = range(7)


def _plan() -> dict[type, tuple[int, Any]]:
    """Return the action and the getter of children for each node class."""
    plan: dict[type, tuple[int, Any]] = {}
    for kind in vars(ast).values():
        if isinstance(kind, type) and issubclass(kind, ast.AST) and kind is not ast.Constant:
            fields = [field for field in kind._fields if field not in _FIELDS_WITHOUT_EITHER]
            if fields:
                plan[kind] = (_ONE if len(fields) == 1 else _SEVERAL, attrgetter(*fields))
    for kind in (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.comprehension, ast.BoolOp, ast.Match):
        plan[kind] = (_DECISION, plan[kind][1])
    for kind in (ast.Try, ast.TryStar, ast.Assert):
        plan[kind] = (_DECISION, plan[kind][1])
    for kind in (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef):
        plan[kind] = (_DEFINITION, plan[kind][1])
    for kind in (ast.Import, ast.ImportFrom):
        plan[kind] = (_IMPORT, None)
    for kind in (ast.List, ast.Tuple, ast.Set, ast.Dict):
        plan[kind] = (_CONTAINER, plan[kind][1])
    plan[ast.Call] = (_CALL, plan[ast.Call][1])
    return plan


_PLAN = _plan()
_CONTAINERS = frozenset({ast.List, ast.Tuple, ast.Set, ast.Dict})
_LOOPS = (ast.For, ast.AsyncFor, ast.While)


def walk(  # noqa: PLR0912, PLR0915 - one loop, since a call for each of a million nodes costs more than the parse
    function: Function,
    node: ast.FunctionDef | ast.AsyncFunctionDef,
    own: set[str],
    imports_of: Callable[[Any], Iterable[tuple[str, str]]],
) -> None:
    """Analyze the body of a function.

    Args:
        function: The record to fill: ``complexity``, ``uses``, ``handles_errors``, ``is_recursive`` and
            ``literal_lines``.
        node: Its node.
        own: The names of the classes and functions of its module.
        imports_of: Returns (name, dotted target) for each name that an import statement binds.
    """
    stack: list[Any] = list(node.body)
    # Visited only for names: radon does not count them.
    uncounted: list[Any] = [node.args, node.returns, node.decorator_list]
    pop, push, extend = stack.pop, stack.append, stack.extend
    plan = _PLAN
    complexity = 1
    names: set[str] = set()
    stored: set[str] = set()
    chains: list[tuple[str, ast.Attribute]] = []
    imported: dict[str, str] = {}
    name, is_method = node.name, function.owner is not None
    counted = True
    literals: dict[int, bool] = {}
    documentation = getattr(node.body[0], "value", None) if function.docstring is not None else None
    constant_type = ast.Constant
    name_type, attribute_type, list_type, load = ast.Name, ast.Attribute, list, ast.Load
    while True:
        while stack:
            item = pop()
            kind = type(item)
            if kind is name_type:
                if type(item.ctx) is load:
                    names.add(item.id)
                else:
                    stored.add(item.id)
                continue
            if kind is attribute_type:
                value = item.value
                while type(value) is attribute_type:
                    value = value.value
                if type(value) is name_type:
                    chains.append((value.id, item))
                else:
                    push(value)
                continue
            if kind is list_type:
                extend(item)
                continue
            step = plan.get(kind)
            if step is None:
                if kind is constant_type and item.end_lineno != item.lineno and item is not documentation:
                    function.literal_lines += item.end_lineno - item.lineno
                continue
            action, get = step
            if action == _SEVERAL:
                extend(get(item))
            elif action == _ONE:
                push(get(item))
            elif action == _CONTAINER:
                if item.end_lineno > item.lineno + 1:
                    lines, code = _literal_lines(item, literals)
                    function.literal_lines += lines
                    extend(code)
                else:
                    extend(get(item))
            elif action == _CALL:
                extend(get(item))
                called = item.func
                if type(called) is name_type:
                    if called.id == name and not is_method:
                        function.is_recursive = True
                elif (
                    is_method
                    and type(called) is attribute_type
                    and called.attr == name
                    and type(called.value) is name_type
                    and called.value.id in ("self", "cls")
                ):
                    function.is_recursive = True
            elif action == _DECISION:
                if kind is ast.Assert:
                    # radon counts an assertion as one decision and does not visit its expression.
                    complexity += counted
                    uncounted += get(item)
                    continue
                if counted:
                    complexity += _decisions(item, kind)
                    if kind is ast.Try or kind is ast.TryStar:
                        function.handles_errors = True
                extend(get(item))
            elif action == _DEFINITION:
                uncounted += get(item)
                stored.add(item.name)
            else:
                imported.update(imports_of(item))
        if not uncounted:
            break
        counted = False
        extend(uncounted)
        uncounted.clear()
    function.complexity = complexity
    function.uses = _uses(function, names=names, stored=stored, chains=chains, imported=imported, own=own)


def _uses(
    function: Function,
    *,
    names: set[str],
    stored: set[str],
    chains: list[tuple[str, ast.Attribute]],
    imported: dict[str, str],
    own: set[str],
) -> list[str]:
    local = stored.union(argument[0].lstrip("*") for argument in function.arguments)
    module = function.module
    bindings, stars = module.bindings, bool(module.stars)

    def target(root: str) -> str | None:
        if root in imported:
            return imported[root]
        if root in local:
            return None
        if root in own:
            return f"{module.name}.{root}"
        found = bindings.get(root) or module.references.get(root)
        if found is None and stars and root not in BUILTINS:
            return f"{module.name}.{root}"
        return found

    uses = {found for found in map(target, names) if found}
    targets: dict[str, str | None] = {}
    for root, node in chains:
        if root not in targets:
            targets[root] = target(root)
        found = targets[root]
        if found:
            parts = []
            value: Any = node
            while type(value) is ast.Attribute:
                parts.append(value.attr)
                value = value.value
            parts.append(found)
            parts.reverse()
            uses.add(".".join(parts))
    return sorted(uses)


def _literal_lines(container: Any, known: dict[int, bool]) -> tuple[int, list[Any]]:
    """Return the number of lines with only literals in a list, tuple, set or dict, and its other items."""
    if _is_literal(container, known):
        return container.end_lineno - container.lineno, []
    items: list[Any] = [*container.keys, *container.values] if type(container) is ast.Dict else container.elts
    literal: set[int] = set()
    code: list[Any] = []
    shared = {container.lineno, container.end_lineno}
    for item in items:
        if item is None:
            continue
        if _is_constant(item) or known.get(id(item), False):
            literal.update(range(item.lineno, item.end_lineno + 1))
        else:
            code.append(item)
            shared |= {item.lineno, item.end_lineno}
    return len(literal - shared), code


def _is_literal(container: ast.AST, known: dict[int, bool]) -> bool:
    """Return True if a list, tuple, set or dict contains only constants. Visits its contents once."""
    waiting: list[tuple[Any, bool]] = [(container, False)]
    while waiting:
        node, seen = waiting.pop()
        if id(node) in known:
            continue
        items = [*node.keys, *node.values] if type(node) is ast.Dict else node.elts
        inner = [item for item in items if type(item) in _CONTAINERS]
        if not seen:
            waiting.append((node, True))
            waiting += [(item, False) for item in inner]
            continue
        known[id(node)] = all(known[id(item)] if type(item) in _CONTAINERS else _is_constant(item) for item in items)
    return known[id(container)]


def _is_constant(node: Any) -> bool:
    if type(node) is ast.UnaryOp:
        node = node.operand
    return type(node) is ast.Constant


def _decisions(node: Any, kind: type) -> int:
    """Return a node's contribution to the complexity, by radon's rules. ``except*`` counts like ``except``."""
    if kind is ast.BoolOp:
        return len(node.values) - 1
    if kind is ast.comprehension:
        return len(node.ifs) + 1
    if kind in _LOOPS:
        return 1 + bool(node.orelse)
    if kind is ast.Try or kind is ast.TryStar:
        return len(node.handlers) + bool(node.orelse)
    if kind is ast.Match:
        catches_all = any(getattr(case.pattern, "pattern", False) is None for case in node.cases)
        return len(node.cases) - catches_all
    return 1
