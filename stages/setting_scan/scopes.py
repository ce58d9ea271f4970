"""What one walk over a Python file collects: names with the expressions they are given, calls and strings."""

from __future__ import annotations

import ast

# What the walk leaves out: fields without strings, calls or bindings in them, and children that have none.
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
    {type(None), str, int, ast.Name, ast.Pass, ast.Break, ast.Continue, ast.Global, ast.Nonlocal}
)
_CHILDREN: dict[type, tuple[str, ...]] = {
    kind: tuple(field for field in kind._fields if field not in _IDLE_FIELDS)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_SCOPES = (*_FUNCTIONS, ast.ClassDef)


class Scope:
    """Names bound in a module, class or function, each with the expressions that it was given."""

    __slots__ = ("enclosing", "is_class", "name", "names")

    def __init__(self, enclosing: Scope | None, *, is_class: bool = False, name: str = "") -> None:
        self.enclosing = enclosing
        self.is_class = is_class
        self.name = name
        self.names: dict[str, list[tuple[ast.AST, Scope]]] = {}

    def bind(self, name: str, value: ast.AST) -> None:
        """Add an expression that the name is given."""
        self.names.setdefault(name, []).append((value, self))

    def lookup(self, name: str) -> list[tuple[ast.AST, Scope]]:
        """Return the expressions that a name is given, each with the scope it stands in."""
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
        classes: The scope of each class, by its name alone.
        attributes: What is assigned to attributes of objects, by the attribute's name alone.
        imports: Local name -> ``module:NAME`` or ``module``.
        calls: Every call and the scope it stands in.
        strings: Every string expression and its scope; an outer expression comes before its parts.
        constants: Name, value and scope of what the module and its classes assign.
    """

    def __init__(self) -> None:
        self.module = Scope(None)
        self.classes: dict[str, Scope] = {}
        self.attributes: dict[str, list[tuple[ast.AST, Scope]]] = {}
        self.imports: dict[str, str] = {}
        self.calls: list[tuple[ast.Call, Scope]] = []
        self.strings: list[tuple[ast.expr, Scope]] = []
        self.constants: list[tuple[str, ast.expr, Scope]] = []

    def collect_constants(self, tree: ast.Module) -> None:
        """Take only the constants of the module and its classes; no call is looked at."""
        self._constants_of(tree.body, self.module, "")

    def _constants_of(self, body: list[ast.stmt], scope: Scope, prefix: str) -> None:
        for statement in body:
            if isinstance(statement, ast.Assign | ast.AnnAssign):
                self._assignment(statement, scope, prefix)
            elif isinstance(statement, ast.ClassDef):
                inner = Scope(scope, is_class=True, name=f"{prefix}{statement.name}.")
                self.classes.setdefault(statement.name, inner)
                self._constants_of(statement.body, inner, inner.name)
            elif isinstance(statement, ast.ImportFrom):
                self._import_from(statement)

    def collect(self, tree: ast.Module) -> None:  # noqa: PLR0912 - one loop over all kinds of nodes, for speed
        """Walk the whole file once."""
        stack: list[tuple[ast.AST, Scope]] = [(tree, self.module)]
        push = stack.append
        children, idle = _CHILDREN, _IDLE_CHILDREN
        while stack:
            node, scope = stack.pop()
            kind = type(node)
            if kind is ast.Call:
                self.calls.append((node, scope))  # type: ignore[arg-type]
            elif kind is ast.Constant:
                value = node.value  # type: ignore[attr-defined]
                if type(value) is str and ("/" in value):
                    self.strings.append((node, scope))  # type: ignore[arg-type]
                continue
            elif kind in (ast.JoinedStr, ast.BinOp):
                self.strings.append((node, scope))  # type: ignore[arg-type]
            elif kind is ast.Assign or kind is ast.AnnAssign:
                self._assignment(node, scope, scope.name if scope.is_class else "")  # type: ignore[arg-type]
            elif kind is ast.Expr:
                inner = node.value  # type: ignore[attr-defined]
                if type(inner) is ast.Constant:
                    continue  # a docstring, or a string that stands for nothing
            elif isinstance(node, _SCOPES):
                scope = self._enter(node, scope)
            elif kind is ast.ImportFrom:
                self._import_from(node)  # type: ignore[arg-type]
                continue
            elif kind is ast.Import:
                self._import(node)  # type: ignore[arg-type]
                continue
            elif kind is ast.For or kind is ast.comprehension:
                self._loop(node.target, node.iter, scope)  # type: ignore[attr-defined]
            elif kind is ast.NamedExpr:
                scope.bind(node.target.id, node.value)  # type: ignore[attr-defined]
            for field in children[kind]:
                child = getattr(node, field)
                if type(child) is list:
                    for item in child:
                        if type(item) not in idle:
                            push((item, scope))
                elif type(child) not in idle:
                    push((child, scope))

    def _enter(self, node: ast.AST, scope: Scope) -> Scope:
        if isinstance(node, ast.ClassDef):
            outer = scope.name if scope.is_class else ""
            inner = Scope(scope, is_class=True, name=f"{outer}{node.name}.")
            self.classes.setdefault(node.name, inner)
            return inner
        inner = Scope(scope)
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
                if default is not None:
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
                value, ast.Constant | ast.JoinedStr | ast.BinOp | ast.Call | ast.Name | ast.Attribute
            ):
                self.constants.append((prefix + target.id, value, scope))
        elif isinstance(target, ast.Attribute):
            self.attributes.setdefault(target.attr, []).append((value, scope))
        elif isinstance(target, ast.Tuple | ast.List):
            if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
                for one, item in zip(target.elts, value.elts, strict=True):
                    self._bind(one, item, scope, prefix)
            elif isinstance(value, ast.Call | ast.Name | ast.Attribute):
                for one in target.elts:
                    if isinstance(one, ast.Name):
                        scope.names.setdefault(one.id, [])

    def _loop(self, target: ast.expr, iterated: ast.expr, scope: Scope) -> None:
        """Bind a loop's variable to the elements it takes where these are written in the file."""
        if isinstance(iterated, ast.Name):
            bound = scope.lookup(iterated.id)
            iterated = bound[0][0] if len(bound) == 1 and isinstance(bound[0][0], ast.expr) else iterated
        elif isinstance(iterated, ast.Call) and isinstance(iterated.func, ast.Attribute) and not iterated.args:
            owner = iterated.func.value
            bound = scope.lookup(owner.id) if isinstance(owner, ast.Name) else [(owner, scope)]
            table = bound[0][0] if len(bound) == 1 else None
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

    def _import_from(self, node: ast.ImportFrom) -> None:
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            self.imports[alias.asname or alias.name] = f"{module}:{alias.name}"

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.asname:
                self.imports[alias.asname] = alias.name
