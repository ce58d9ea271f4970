"""The names, assigned expressions, calls and strings of a Python file, collected in one traversal."""

from __future__ import annotations

import ast
import re
from collections import deque
from collections.abc import Iterator
from typing import Any

# Fields that the traversal skips: they contain no strings, calls or bindings.
_IDLE_FIELDS = frozenset(
    {
        *(
            "annotation",
            "arg",
            "asname",
            "attr",
            "conversion",
            "ctx",
            "id",
            "is_async",
            "kind",
            "level",
            "lineno",
            "module",
        ),
        *("name", "names", "op", "ops", "returns", "simple", "tag", "type_comment", "type_ignores", "type_params"),
    }
)
_IDLE_CHILDREN = frozenset(
    {type(None), str, int, bool, ast.Name, ast.Pass, ast.Break, ast.Continue, ast.Global, ast.Nonlocal}
)
_CHILDREN: dict[type, tuple[str, ...]] = {
    kind: tuple(field for field in kind._fields if field not in _IDLE_FIELDS)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
# The kinds of nodes that are more than the way to their children.
_NOTED = frozenset(
    {
        *(*_FUNCTIONS, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Call, ast.Constant, ast.JoinedStr, ast.BinOp),
        *(ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.For, ast.comprehension, ast.Expr),
    }
)
_ITSELF = frozenset({"self", "cls"})
# Kit calls these methods of an extension's class with the extension's id and version.
_STARTUP = "on_startup"
_ID_ARGUMENT = re.compile(r"_*(?:ext|extension)_?(?:full_?)?id\Z")


def _may_be_text(node: ast.BinOp) -> bool:
    """Return True if an operation can result in a text: a sum without numbers, or a format."""
    if type(node.op) is ast.Mod:
        return True
    return type(node.op) is ast.Add and not (_is_number(node.left) or _is_number(node.right))


def _is_number(node: ast.expr) -> bool:
    return type(node) is ast.Constant and type(node.value) in (int, float)


class OwnExtensionId(ast.expr):
    """Marks an argument that Kit passes: the id and version of the extension (``omni.ui-2.26.1``)."""

    _fields = ()


class Scope:
    """Names bound in a module, class or function, each with its assigned expressions.

    Attributes:
        enclosing: The enclosing scope.
        is_class: True for the body of a class.
        name: For a class, its dotted name with a dot at the end.
        names: Name -> each assigned value with its scope.
        attributes: Attribute -> each assigned value with its scope. For a class, assignments to ``self.x`` in its
            methods, as ``x``; for other scopes, assignments to attributes of other objects, as ``other.x``.
        bases: For a class, the last parts of its bases' names.
        has_own_id: True for a class that Kit starts with the extension's id.
    """

    __slots__ = ("attributes", "bases", "enclosing", "has_own_id", "is_class", "name", "names")

    def __init__(self, enclosing: Scope | None, *, is_class: bool = False, name: str = "") -> None:
        self.enclosing = enclosing
        self.is_class = is_class
        self.name = name
        self.names: dict[str, list[tuple[ast.AST, Scope]]] = {}
        self.attributes: dict[str, list[tuple[ast.AST, Scope]]] = {}
        self.bases: list[str] = []
        self.has_own_id = False

    def owner(self) -> Scope | None:
        """Return the class of ``self`` in this scope; None outside of classes."""
        scope: Scope | None = self
        while scope is not None and not scope.is_class:
            scope = scope.enclosing
        return scope

    def bind(self, name: str, value: ast.AST) -> None:
        """Add an expression assigned to a name."""
        self.names.setdefault(name, []).append((value, self))

    def lookup(self, name: str) -> list[tuple[ast.AST, Scope]]:
        """Return the expressions assigned to a name, each with its scope."""
        scope: Scope | None = self
        innermost = True
        while scope is not None:
            # A class's names are not visible in its methods, only in its own body.
            if (innermost or not scope.is_class) and name in scope.names:
                return scope.names[name]
            innermost = False
            scope = scope.enclosing
        return []


class Bindings:
    """The names, calls and strings of one file.

    Attributes:
        module: The scope of the module.
        classes: The scope of each class by its unqualified name; the first class if several have the name.
        imports: Local name -> ``module:NAME`` or ``module``.
        calls: Every call with its scope.
        strings: Every string expression with its scope; an outer expression comes before its parts.
        constants: Name, value and scope of each assignment in the module and its classes.
    """

    def __init__(self) -> None:
        self._scopes: list[Scope] = []
        self.module = self._scope(None)
        self.classes: dict[str, Scope] = {}
        self.imports: dict[str, str] = {}
        self.calls: list[tuple[ast.Call, Scope]] = []
        self.strings: list[tuple[ast.expr, Scope]] = []
        self.constants: list[tuple[str, ast.expr, Scope]] = []
        self._known_attributes: dict[tuple[int, str], list[tuple[ast.AST, Scope]]] = {}
        self._inheriting: dict[str, list[Scope]] = {}  # name of a class -> its direct subclasses
        self._loops: list[tuple[ast.expr, ast.expr, Scope]] = []

    def _scope(self, enclosing: Scope | None, *, is_class: bool = False, name: str = "") -> Scope:
        scope = Scope(enclosing, is_class=is_class, name=name)
        self._scopes.append(scope)
        return scope

    def release(self) -> None:
        """Break reference cycles, so that the file's tree is freed immediately. The object is unusable afterwards.

        Left to Python's cycle collector, the trees take it a tenth of the whole extraction.
        """
        for scope in self._scopes:
            scope.names.clear()
            scope.attributes.clear()

    def collect_constants(self, tree: ast.Module) -> None:
        """Collect only the constants of the module and its classes, without calls."""
        self._constants_of(tree.body, self.module, "")

    def _constants_of(self, body: list[ast.stmt], scope: Scope, prefix: str) -> None:
        for statement in body:
            if isinstance(statement, ast.Assign | ast.AnnAssign):
                self._assignment(statement, scope, prefix)
            elif isinstance(statement, ast.ClassDef):
                inner = self._scope(scope, is_class=True, name=f"{prefix}{statement.name}.")
                self.classes.setdefault(statement.name, inner)
                self._constants_of(statement.body, inner, inner.name)
            elif isinstance(statement, ast.ImportFrom):
                self._import_from(statement)

    def collect(self, tree: ast.Module) -> None:  # noqa: PLR0912, PLR0915 - one loop over all kinds, for speed
        """Walk the whole file once."""
        stack: list[tuple[ast.AST, Scope]] = [(tree, self.module)]
        pop, push = stack.pop, stack.append
        children, idle, noted, attribute = _CHILDREN, _IDLE_CHILDREN, _NOTED, ast.Attribute
        node: Any
        while stack:
            node, scope = pop()
            kind = type(node)
            if kind is attribute:
                while kind is attribute:
                    node = node.value
                    kind = type(node)
                if kind in idle:
                    continue
            if kind not in noted:
                pass
            elif kind is ast.Call:
                self.calls.append((node, scope))
            elif kind is ast.Constant:
                if type(node.value) is str and "/" in node.value:
                    self.strings.append((node, scope))
                continue
            elif kind is ast.JoinedStr:
                self.strings.append((node, scope))
            elif kind is ast.BinOp:
                if _may_be_text(node):
                    self.strings.append((node, scope))
            elif kind is ast.Assign or kind is ast.AnnAssign:
                self._assignment(node, scope, scope.name if scope.is_class else "")
            elif kind is ast.Expr:
                if type(node.value) is ast.Constant:
                    continue  # a docstring or an unused string
            elif kind is ast.ImportFrom:
                self._import_from(node)
                continue
            elif kind is ast.Import:
                self._import(node)
                continue
            elif kind is ast.For or kind is ast.comprehension:
                self._loops.append((node.target, node.iter, scope))
            elif kind is ast.NamedExpr:
                scope.bind(node.target.id, node.value)
            else:
                scope = self._enter(node, scope)
            for field in children[kind]:
                child = getattr(node, field)
                if type(child) is list:
                    for item in child:
                        if type(item) not in idle:
                            push((item, scope))
                elif type(child) not in idle:
                    push((child, scope))
        # Loops come last, because the tables they iterate over must be bound. An outer loop comes before inner loops.
        for target, iterated, scope in self._loops:
            self._loop(target, iterated, scope)

    def _enter(self, node: ast.AST, scope: Scope) -> Scope:
        if isinstance(node, ast.ClassDef):
            outer = scope.name if scope.is_class else ""
            inner = self._scope(scope, is_class=True, name=f"{outer}{node.name}.")
            inner.bases = [name for base in node.bases if (name := _last_part(base))]
            inner.has_own_id = any(getattr(item, "name", "") == _STARTUP for item in node.body)
            self.classes.setdefault(node.name, inner)
            return inner
        inner = self._scope(scope)
        if isinstance(node, _FUNCTIONS):
            if not isinstance(node, ast.Lambda):
                scope.bind(node.name, node)
            arguments = node.args
            positional = arguments.posonlyargs + arguments.args
            defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
            pairs = [
                *zip(positional, defaults, strict=True),
                *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
            ]
            for argument, default in pairs:
                if scope.has_own_id and _ID_ARGUMENT.match(argument.arg):
                    inner.bind(argument.arg, OwnExtensionId())
                elif default is not None:
                    inner.bind(argument.arg, default)
                elif argument.annotation is not None:
                    inner.bind(argument.arg, argument)
                else:
                    inner.names.setdefault(argument.arg, [])  # hides an outer name
        return inner

    def _assignment(self, node: ast.Assign | ast.AnnAssign, scope: Scope, prefix: str) -> None:
        value = node.value
        if value is None:
            return
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            self._bind(target, value, scope, prefix)

    def _bind(self, target: ast.expr, value: ast.expr, scope: Scope, prefix: str) -> None:
        if isinstance(target, ast.Name):
            scope.bind(target.id, value)
            if (scope is self.module or scope.is_class) and isinstance(
                value, ast.Constant | ast.JoinedStr | ast.BinOp | ast.Call | ast.Name | ast.Attribute | ast.Subscript
            ):
                self.constants.append((prefix + target.id, value, scope))
        elif isinstance(target, ast.Attribute):
            self._bind_attribute(target, value, scope)
        elif isinstance(target, ast.Tuple | ast.List):
            if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
                for one, item in zip(target.elts, value.elts, strict=True):
                    self._bind(one, item, scope, prefix)
            elif isinstance(value, ast.Call | ast.Name | ast.Attribute):
                for index, one in enumerate(target.elts):
                    if not isinstance(one, ast.Name):
                        continue
                    if isinstance(value, ast.Call):
                        scope.bind(one.id, ast.Subscript(value, ast.Constant(index), ast.Load()))
                    else:
                        scope.names.setdefault(one.id, [])

    def _bind_attribute(self, target: ast.Attribute, value: ast.expr, scope: Scope) -> None:
        parts = attribute_parts(target)
        if parts is None:
            return
        owner: Scope | None = scope
        if parts[0] in _ITSELF:
            owner, parts = scope.owner(), parts[1:]
        if owner is not None:
            owner.attributes.setdefault(".".join(parts), []).append((value, scope))

    def of_attribute(self, node: ast.Attribute, scope: Scope) -> list[tuple[ast.AST, Scope]]:
        """Return the values assigned to an attribute: for ``self``, in its class and bases, else in the outer scopes.

        For ``self``, the subclasses in the file come last.
        """
        parts = attribute_parts(node)
        if parts is None:
            return []
        name = ".".join(parts[1:])
        if parts[0] in _ITSELF:
            owner = scope.owner()
            return self._of_object(owner, name) if owner is not None else []
        dotted = ".".join(parts)
        around: Scope | None = scope
        while around is not None:
            if not around.is_class and (found := around.attributes.get(dotted)):
                return found
            around = around.enclosing
        return self._of_object(self.classes[parts[0]], name) if parts[0] in self.classes else []

    def _of_object(self, owner: Scope, name: str) -> list[tuple[ast.AST, Scope]]:
        """Return the values assigned to an attribute in a class and its bases, else in its subclasses."""
        key = (id(owner), name)
        known = self._known_attributes.get(key)
        if known is None:
            first = next((given for one in self._related(owner, above=True) if (given := _given(one, name))), [])
            below = [] if first else [pair for one in self._related(owner, above=False) for pair in _given(one, name)]
            known = self._known_attributes[key] = first or below
        return known

    def _related(self, owner: Scope, *, above: bool) -> Iterator[Scope]:
        """Yield a class and its base classes, or subclasses, in the file, the nearest first."""
        if not self._inheriting:
            for one in self.classes.values():
                for base in one.bases:
                    self._inheriting.setdefault(base, []).append(one)
        waiting, seen = deque([owner]), {id(owner)}
        while waiting:
            one = waiting.popleft()
            yield one
            near = self._inheriting.get(one.name.split(".")[-2], []) if not above else map(self.classes.get, one.bases)
            for other in near:
                if other is not None and id(other) not in seen:
                    seen.add(id(other))
                    waiting.append(other)

    def _loop(self, target: ast.expr, iterated: ast.expr, scope: Scope) -> None:
        """Bind a loop's variable to the elements of a literal in the file."""
        if isinstance(iterated, ast.Name | ast.Attribute):
            iterated = self._table(iterated, scope)
        elif isinstance(iterated, ast.Call) and isinstance(iterated.func, ast.Attribute) and not iterated.args:
            table = self._table(iterated.func.value, scope)
            if isinstance(table, ast.Dict):
                if iterated.func.attr == "items" and isinstance(target, ast.Tuple) and len(target.elts) == 2:
                    for key, value in zip(table.keys, table.values, strict=True):
                        if key is not None:
                            self._bind(target.elts[0], key, scope, "")
                            self._bind(target.elts[1], value, scope, "")
                    return
                chosen = table.values if iterated.func.attr == "values" else table.keys
                iterated = ast.List(elts=[item for item in chosen if item is not None])
        if isinstance(iterated, ast.Dict):
            iterated = ast.List(elts=[key for key in iterated.keys if key is not None])
        if isinstance(iterated, ast.Tuple | ast.List | ast.Set):
            for item in iterated.elts:
                self._bind(target, item, scope, "")
        elif isinstance(target, ast.Name):
            scope.names.setdefault(target.id, [])

    def _table(self, node: ast.expr, scope: Scope) -> ast.expr:
        """Return the value of a name with a single assignment; else the expression itself."""
        if isinstance(node, ast.Name):
            bound = scope.lookup(node.id)
        elif isinstance(node, ast.Attribute):
            bound = self.of_attribute(node, scope)
        else:
            return node
        return bound[0][0] if len(bound) == 1 and isinstance(bound[0][0], ast.expr) else node

    def _import_from(self, node: ast.ImportFrom) -> None:
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            self.imports[alias.asname or alias.name] = f"{module}:{alias.name}"

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.asname:
                self.imports[alias.asname] = alias.name


def attribute_parts(node: ast.expr) -> list[str] | None:
    """Return the parts of ``a.b.c``; ``type(self).c`` counts as ``self.c``. None if it does not start with a name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        if node.attr != "__class__":
            parts.append(node.attr)
        node = node.value
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "type"
        and len(node.args) == 1
    ):
        node = node.args[0]
    if not isinstance(node, ast.Name):
        return None
    parts.append(node.id)
    return parts[::-1]


def _given(owner: Scope, name: str) -> list[tuple[ast.AST, Scope]]:
    return owner.attributes.get(name, []) + owner.names.get(name, [])


def _last_part(node: ast.expr) -> str:
    while isinstance(node, ast.Subscript):
        node = node.value
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
