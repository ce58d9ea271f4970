"""What one Python file defines, binds and uses, read from its tree in a single walk.

Why not a library: `griffe` builds the same model at 2.5 times the cost of ``ast.parse`` and `radon` measures the
complexity at another 1.5 times (969 files, 7.1 MB), and a full Kit must not take that long on every machine it is
collected on. This walk costs about a third of the parse. The tests hold its complexities against radon's and its
definitions against both griffe's and a plain count of `ast` nodes.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

POSITIONAL_ONLY = "positional_only"
POSITIONAL = "positional_or_keyword"
VARIADIC = "variadic"
KEYWORD_ONLY = "keyword_only"
VARIADIC_KEYWORD = "variadic_keyword"

_BUILTINS = frozenset(vars(builtins))

# How the walk through a function goes on at each kind of node: the fields that can hold names or decisions.
_FIELDS_WITHOUT_EITHER = frozenset(
    {"ctx", "op", "ops", "id", "attr", "arg", "name", "names", "module", "level", "kind", "lineno", "type_comment"}
    | {"conversion", "simple", "is_async", "type_ignores", "rest", "kwd_attrs", "type_params"}
)
_ONE, _SEVERAL, _DECISION, _DEFINITION, _IMPORT, _CALL = range(6)


def _plan() -> dict[type, tuple[int, Any]]:
    """Return for each node class what to do with it and the getter of its children."""
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
    plan[ast.Call] = (_CALL, plan[ast.Call][1])
    return plan


_PLAN = _plan()
# Longer values of class variables are tables and nested configurations, which say little in a list of attributes.
_LONGEST_VALUE = 200
_LOGGER = re.compile(r"(?:logging\.)?getLogger\(")
_LOOPS = (ast.For, ast.AsyncFor, ast.While)


class Definition:
    """What a class and a function have in common.

    Attributes:
        name: As written after ``class`` or ``def``.
        qualname: Dotted path inside the module, with ``#<n>`` where one name is defined several times; see `Module`.
        line: Line of ``class`` or ``def``.
        docstring: As `inspect.cleandoc` gives it; None if there is none.
        decorators: Source text without ``@``.
        conditional: Whether it stands in a branch, so that another definition may be the one that counts.
        module: Where it is defined.
        owner: The class it is defined in, if any.
        overloads: Other definitions of the same name, in order.
    """

    __slots__ = (
        "conditional",
        "decorators",
        "docstring",
        "line",
        "module",
        "name",
        "overloads",
        "owner",
        "qualname",
    )

    def __init__(self, node: Any, module: Module, owner: Class | None, conditional: bool) -> None:
        self.name: str = node.name
        self.qualname: str = f"{owner.qualname}.{node.name}" if owner else node.name
        self.line: int = node.lineno
        self.docstring = docstring(node)
        self.decorators: list[str] = [module.text(item) for item in node.decorator_list] if node.decorator_list else []
        self.conditional = conditional
        self.module = module
        self.owner = owner
        self.overloads: list[Definition] = []


class Class(Definition):
    """A class.

    Attributes:
        bases: Base classes as dotted names, resolved through the module's imports, without type parameters.
        variables: Names assigned in its body: name -> (annotation or None, value or None; ``...`` for a long value,
            the string that documents it below it, or None).
        members: Definitions in its body, in order.
    """

    __slots__ = ("bases", "members", "variables")

    def __init__(self, node: ast.ClassDef, module: Module, owner: Class | None, conditional: bool) -> None:
        super().__init__(node, module, owner, conditional)
        self.bases: list[ast.expr] | list[str] = node.bases
        self.variables: dict[str, tuple[str | None, str | None, str | None]] = {}
        self.members: list[Definition] = []


class Function(Definition):
    """A function or method.

    Attributes:
        start: First line, that of its first decorator if it has one.
        signature_end: Last line of the signature.
        code: First line below signature and docstring; beyond ``end`` if all is on the lines above.
        end: Last line.
        arguments: (name with its stars, annotation or None, default or None, kind) of each, in order.
        returns: The return annotation or None.
        is_async: Whether it is ``async def``.
        complexity: McCabe's, as radon counts it: closures and classes inside it count for themselves.
        uses: Dotted names it mentions, resolved through imports, that may be classes.
        handles_errors: Whether its body has a ``try``.
        is_recursive: Whether it calls itself by name or on ``self`` or ``cls``.
    """

    __slots__ = (
        "arguments",
        "code",
        "complexity",
        "end",
        "handles_errors",
        "is_async",
        "is_recursive",
        "returns",
        "signature_end",
        "start",
        "uses",
    )

    def __init__(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef, module: Module, owner: Class | None, conditional: bool
    ) -> None:
        super().__init__(node, module, owner, conditional)
        self.start: int = node.decorator_list[0].lineno if node.decorator_list else node.lineno
        self.end: int = node.end_lineno or node.lineno
        first = node.body[0]
        decorated = getattr(first, "decorator_list", None)
        self.signature_end: int = max(node.lineno, (decorated[0] if decorated else first).lineno - 1)
        self.code: int = self.signature_end + 1 if self.docstring is None else (first.end_lineno or first.lineno) + 1
        self.arguments = _arguments(node.args, module)
        self.returns = module.annotation(node.returns) if node.returns else None
        self.is_async = type(node) is ast.AsyncFunctionDef
        self.complexity = 1
        self.uses: list[str] = []
        self.handles_errors = False
        self.is_recursive = False


class Variable:
    """A name that a module assigns a value: a constant, a type, a configuration.

    Attributes:
        name: As assigned.
        module: Where it is assigned.
        line: Line of the assignment; of several, that of the last.
        annotation: Its annotation or None.
        value: Source text; ``...`` for a long value, None if there is none of its own.
        docstring: The string below the assignment, as `inspect.cleandoc` gives it; None if there is none.
    """

    __slots__ = ("annotation", "docstring", "line", "module", "name", "value")

    def __init__(self, module: Module, name: str, line: int, annotation: str | None, value: str | None) -> None:
        self.name = name
        self.module = module
        self.line = line
        self.annotation = annotation
        self.value = value
        self.docstring: str | None = None


class Module:
    """One file's definitions and bindings.

    A name that is defined more than once keeps all its definitions. The one that the name refers to is, of the getter
    of a property, the implementation behind overloads, and the last unconditional definition, or else the first, that
    which applies; every other has ``#<n>`` after its name, where ``n`` counts the definitions of the name from 1.

    Attributes:
        name: Dotted name that imports it.
        path: File, relative to the extension's folder.
        is_package: Whether it is an ``__init__`` file.
        docstring: The module's docstring, or None.
        members: Classes and functions at module level, in order, including those in branches.
        bindings: Name -> dotted target of an import or of ``Name = Other``.
        variables: Other names that are assigned at module level, without special ones (``__version__``) and loggers.
        redundant: Names imported as themselves (``import x as x``), the mark of a re-export in a stub.
        stars: Modules of ``from … import *``.
        exports: Entries of ``__all__``; one that ends in a dot stands for that module's ``__all__``. None if there is
            none.
        dynamic_exports: Line of an ``__all__`` that is computed at run time; 0 if there is none.
    """

    def __init__(self, name: str, path: str, *, is_package: bool, text: str, tree: ast.Module) -> None:
        self.name = name
        self.path = path
        self.is_package = is_package
        self.docstring = docstring(tree)
        self.members: list[Definition] = []
        self.bindings: dict[str, str] = {}
        self.variables: dict[str, Variable] = {}
        self.redundant: set[str] = set()
        self.stars: list[str] = []
        self.exports: list[str] | None = None
        self.dynamic_exports = 0
        self._lines = text.split("\n")
        self._ascii = text.isascii()
        self._encoded: dict[int, bytes] = {}
        self._functions: list[tuple[Function, ast.FunctionDef | ast.AsyncFunctionDef]] = []
        self._classes: list[Class] = []
        self._block(tree.body, None, self.members, conditional=False)
        _settle(self.members)
        own = {member.name for member in self.members}
        # Only now are all of the module's names known, also those bound below the function that uses them.
        for function, node in self._functions:
            self._walk(function, node, own)
        for item in self._classes:
            item.bases = [base for base in (self._base(base, own) for base in item.bases) if base]
        del self._lines, self._encoded, self._functions, self._classes

    # -- definitions and bindings ------------------------------------------------------------------------------------

    def _block(
        self, body: list[ast.stmt], owner: Class | None, members: list[Definition], *, conditional: bool
    ) -> None:
        for index, node in enumerate(body):
            kind = type(node)
            if kind is ast.FunctionDef or kind is ast.AsyncFunctionDef:
                function = Function(node, self, owner, conditional)  # type: ignore[arg-type]
                members.append(function)
                self._functions.append((function, node))  # type: ignore[arg-type]
            elif kind is ast.ClassDef:
                item = Class(node, self, owner, conditional)  # type: ignore[arg-type]
                members.append(item)
                self._classes.append(item)
                self._block(node.body, item, item.members, conditional=False)  # type: ignore[attr-defined]
                _settle(item.members)
            elif kind is ast.Assign or kind is ast.AnnAssign or kind is ast.AugAssign:
                following = body[index + 1] if index + 1 < len(body) else None
                text = _string(following) if type(following) is ast.Expr else None
                if owner is not None:
                    self._class_variable(node, owner, text)
                else:
                    self._assignment(node, text)
            elif owner is None and (kind is ast.Import or kind is ast.ImportFrom):
                for name, target in self._imported(node, top=True):
                    self.bindings[name] = target
            elif owner is None and kind is ast.Expr:
                self._exports_call(node)
            else:
                self._branches(node, owner, members)

    def _branches(self, node: Any, owner: Class | None, members: list[Definition]) -> None:
        """Go into the blocks of a compound statement."""
        while True:
            kind = type(node)
            if kind is ast.If and _is_main_guard(node.test):
                # What is defined there exists only in a script, never in an import.
                blocks = [node.orelse]
            else:
                blocks = [getattr(node, field, []) for field in ("body", "orelse", "finalbody")]
                blocks += [handler.body for handler in getattr(node, "handlers", ())]
                blocks += [case.body for case in getattr(node, "cases", ())]
            # A chain of elif is nested as deep as it is long: go down it in this loop, not by recursion.
            chain = kind is ast.If and len(node.orelse) == 1 and type(node.orelse[0]) is ast.If
            for block in blocks:
                if block and not (chain and block is node.orelse):
                    self._block(block, owner, members, conditional=kind is not ast.With)
            if not chain:
                return
            node = node.orelse[0]

    def _class_variable(self, node: Any, owner: Class, text: str | None) -> None:
        if type(node) is ast.AnnAssign:
            if type(node.target) is ast.Name:
                value = self._short(node.value) if node.value is not None else None
                owner.variables[node.target.id] = (self.annotation(node.annotation), value, text)
            return
        if type(node) is ast.AugAssign:
            return
        value = self._short(node.value)
        for target in node.targets:
            if type(target) is ast.Name:
                owner.variables[target.id] = (None, value, text)
            else:
                owner.variables.update((name, (None, None, text)) for name in _unpacked(target))

    def _assignment(self, node: Any, text: str | None) -> None:
        kind = type(node)
        targets = node.targets if kind is ast.Assign else [node.target]
        for target in targets:
            if type(target) is not ast.Name:
                if kind is ast.Assign:
                    for name in _unpacked(target):
                        self._variable(name, node, None, None, text)
            elif target.id == "__all__":
                self._exports_assignment(node, added=kind is ast.AugAssign)
            elif kind is ast.Assign and type(node.value) is ast.Name and node.value.id not in _BUILTINS:
                # ``Name = Other`` makes a public name of a class or function that may have a private one.
                self.bindings[target.id] = f"{self.name}.{node.value.id}"
            elif kind is ast.Assign:
                self._variable(target.id, node, None, self._short(node.value), text)
            elif kind is ast.AnnAssign and (node.value is not None or self.path.endswith(".pyi")):
                value = self._short(node.value) if node.value is not None else None
                self._variable(target.id, node, self.annotation(node.annotation), value, text)

    def _variable(self, name: str, node: Any, annotation: str | None, value: str | None, text: str | None) -> None:
        if not (name.startswith("__") and name.endswith("__")) and not (value and _LOGGER.match(value)):
            variable = self.variables[name] = Variable(self, name, node.lineno, annotation, value)
            variable.docstring = text

    def _imported(self, node: Any, *, top: bool = False) -> Iterable[tuple[str, str]]:
        """Yield (name, dotted target) for what an import statement binds."""
        if type(node) is ast.Import:
            for alias in node.names:
                if alias.asname:
                    yield alias.asname, alias.name
                    if top and alias.asname == alias.name:
                        self.redundant.add(alias.name)
                else:
                    first = alias.name.partition(".")[0]
                    yield first, first
            return
        base = self._absolute(node.module, node.level)
        if base is None:
            return
        for alias in node.names:
            if alias.name == "*":
                if top:
                    self.stars.append(base)
            else:
                yield alias.asname or alias.name, f"{base}.{alias.name}" if base else alias.name
                if top and alias.asname == alias.name:
                    self.redundant.add(alias.name)

    def _absolute(self, module: str | None, level: int) -> str | None:
        if not level:
            return module or ""
        parts = self.name.split(".")
        up = level - 1 if self.is_package else level
        if up >= len(parts) + (1 if self.is_package else 0) or up > len(parts):
            return None
        base = ".".join(parts[: len(parts) - up])
        return ".".join(part for part in (base, module) if part)

    # -- __all__ -----------------------------------------------------------------------------------------------------

    def _exports_assignment(self, node: Any, *, added: bool) -> None:
        if node.value is None:  # ``__all__: list[str]``, a declaration alone
            return
        names = self._export_names(node.value)
        if names is None:
            self.dynamic_exports = node.lineno
        elif added:
            self.exports = (self.exports or []) + names
        else:
            self.exports = names

    def _exports_call(self, node: Any) -> None:
        """Follow ``__all__.extend(…)``, ``.append(…)`` and ``.remove(…)``."""
        call = node.value
        if not (type(call) is ast.Call and type(call.func) is ast.Attribute):
            return
        target = call.func.value
        if not (type(target) is ast.Name and target.id == "__all__" and len(call.args) == 1):
            return
        method, argument = call.func.attr, call.args[0]
        names = self._export_names(argument) if method == "extend" else self._export_names(ast.List([argument]))
        if names is None or method not in ("extend", "append", "remove"):
            self.dynamic_exports = node.lineno
        elif method == "remove":
            self.exports = [name for name in self.exports or [] if name not in names]
        else:
            self.exports = (self.exports or []) + names

    def _export_names(self, node: ast.expr) -> list[str] | None:
        """Return the entries an expression gives to ``__all__``; None if only running it can tell."""
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            names: list[str] = []
            for item in node.elts:
                if isinstance(item, ast.Constant) and isinstance(item.value, str):
                    names.append(item.value)
                    continue
                more = self._export_names(item.value) if isinstance(item, ast.Starred) else None
                if more is None:
                    return None
                names += more
            return names
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self._export_names(node.left), self._export_names(node.right)
            return None if left is None or right is None else left + right
        if isinstance(node, ast.Attribute) and node.attr == "__all__" and (dotted := _dotted(node.value)):
            root, _, rest = dotted.partition(".")
            target = self.bindings.get(root, root)
            return [f"{target}.{rest}." if rest else f"{target}."]
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("list", "tuple", "sorted")
            and len(node.args) == 1
            and not node.keywords
        ):
            return self._export_names(node.args[0])
        return None

    # -- text --------------------------------------------------------------------------------------------------------

    def text(self, node: ast.expr) -> str:
        """Return the source of an expression: as written where it is on one line, else on one line."""
        if type(node) is ast.Name:
            return node.id
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
        """Return the source of an annotation; of one that is quoted, what stands in the quotes."""
        if type(node) is ast.Constant and isinstance(node.value, str):
            return node.value
        return self.text(node)

    def _short(self, node: ast.expr) -> str:
        """Return the source of a value, or an ellipsis for one that is long or goes over several lines."""
        if node.lineno != node.end_lineno or (node.end_col_offset or 0) - node.col_offset > _LONGEST_VALUE:
            return "..."
        return self.text(node)

    # -- functions ---------------------------------------------------------------------------------------------------

    def _base(self, node: Any, own: set[str]) -> str:
        while type(node) is ast.Subscript:
            node = node.value
        dotted = _dotted(node)
        if dotted is None:
            return self.text(node)
        root, dot, rest = dotted.partition(".")
        if root in own:
            return f"{self.name}.{dotted}"
        target = self.bindings.get(root)
        if target:
            return f"{target}{dot}{rest}"
        if self.stars and root not in _BUILTINS:
            return f"{self.name}.{dotted}"
        return dotted

    def _walk(  # noqa: PLR0912, PLR0915 - one loop, since a call for each of a million nodes costs more than the parse
        self, function: Function, node: ast.FunctionDef | ast.AsyncFunctionDef, own: set[str]
    ) -> None:
        """Go once through a function: complexity, names of classes it mentions, calls of itself, error handling."""
        stack: list[Any] = list(node.body)
        # Visited for names alone: what radon does not count.
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
                    continue
                action, get = step
                if action == _SEVERAL:
                    extend(get(item))
                elif action == _ONE:
                    push(get(item))
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
                        # radon counts an assertion as one and does not look into it.
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
                    imported.update(self._imported(item))
            if not uncounted:
                break
            counted = False
            extend(uncounted)
            uncounted.clear()
        function.complexity = complexity
        function.uses = self._uses(function, names=names, stored=stored, chains=chains, imported=imported, own=own)

    def _uses(
        self,
        function: Function,
        *,
        names: set[str],
        stored: set[str],
        chains: list[tuple[str, ast.Attribute]],
        imported: dict[str, str],
        own: set[str],
    ) -> list[str]:
        local = stored.union(argument[0].lstrip("*") for argument in function.arguments)
        bindings, stars = self.bindings, bool(self.stars)

        def target(root: str) -> str | None:
            if root in imported:
                return imported[root]
            if root in local:
                return None
            if root in own:
                return f"{self.name}.{root}"
            found = bindings.get(root)
            if found is None and stars and root not in _BUILTINS:
                return f"{self.name}.{root}"
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


def _unpacked(target: Any) -> list[str]:
    """Return the names in ``a, (b, *c) = …``."""
    names, targets = [], [target]
    while targets:
        item = targets.pop()
        if type(item) is ast.Name:
            names.append(item.id)
        elif type(item) is ast.Starred:
            targets.append(item.value)
        elif type(item) is ast.Tuple or type(item) is ast.List:
            targets += item.elts
    return names


def docstring(node: Any) -> str | None:
    """Return the docstring of a module, class or function as `inspect.cleandoc` gives it; None if there is none."""
    if not node.body or type(node.body[0]) is not ast.Expr:
        return None
    return _string(node.body[0])


def _string(statement: Any) -> str | None:
    """Return the string that an expression statement is, as `inspect.cleandoc` gives it; None if it is none."""
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


def _dotted(node: Any) -> str | None:
    parts: list[str] = []
    while type(node) is ast.Attribute:
        parts.append(node.attr)
        node = node.value
    if type(node) is not ast.Name:
        return None
    parts.append(node.id)
    return ".".join(reversed(parts))


def _is_main_guard(test: Any) -> bool:
    return (
        type(test) is ast.Compare
        and type(test.left) is ast.Name
        and test.left.id == "__name__"
        and type(test.ops[0]) is ast.Eq
        and type(test.comparators[0]) is ast.Constant
        and test.comparators[0].value == "__main__"
    )


def _decisions(node: Any, kind: type) -> int:
    """Return what a node adds to the complexity, by radon's rules and, for ``except*``, by its rule for ``except``."""
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


def _arguments(node: ast.arguments, module: Module) -> list[tuple[str, str | None, str | None, str]]:
    result: list[tuple[str, str | None, str | None, str]] = []
    text, annotation = module.text, module.annotation
    positional = [(item, POSITIONAL_ONLY) for item in node.posonlyargs] if node.posonlyargs else []
    positional += [(item, POSITIONAL) for item in node.args]
    without_default = len(positional) - len(node.defaults)
    for index, (item, kind) in enumerate(positional):
        default = text(node.defaults[index - without_default]) if index >= without_default else None
        result.append((item.arg, annotation(item.annotation) if item.annotation else None, default, kind))
    if node.vararg:
        item = node.vararg
        result.append(("*" + item.arg, annotation(item.annotation) if item.annotation else None, None, VARIADIC))
    for item, value in zip(node.kwonlyargs, node.kw_defaults, strict=True):
        default = text(value) if value is not None else None
        result.append((item.arg, annotation(item.annotation) if item.annotation else None, default, KEYWORD_ONLY))
    if node.kwarg:
        item = node.kwarg
        note = annotation(item.annotation) if item.annotation else None
        result.append(("**" + item.arg, note, None, VARIADIC_KEYWORD))
    return result


def _settle(members: list[Definition]) -> None:
    """Number the definitions of each name, and say which one the name refers to; see `Module`."""
    by_name: dict[str, list[Definition]] = {}
    for member in members:
        by_name.setdefault(member.name, []).append(member)
    if len(by_name) == len(members):
        return
    for name, several in by_name.items():
        if len(several) == 1:
            continue
        chosen = _effective(several)
        chosen.overloads = [item for item in several if item is not chosen]
        for number, item in enumerate(several, 1):
            if item is not chosen:
                _rename(item, f"{name}#{number}")


def _effective(several: list[Definition]) -> Definition:
    if accessors := [item for item in several if _is_property(item)]:
        return accessors[-1]
    implementations = [item for item in several if not _is_overload(item) and not _is_accessor(item)] or several
    unconditional = [item for item in implementations if not item.conditional]
    return unconditional[-1] if unconditional else implementations[0]


def _is_property(item: Definition) -> bool:
    return any(text == "property" or text.endswith("_property") for text in item.decorators)


def _is_accessor(item: Definition) -> bool:
    return any(text in (f"{item.name}.setter", f"{item.name}.deleter") for text in item.decorators)


def _is_overload(item: Definition) -> bool:
    return any(text.rpartition(".")[2] == "overload" for text in item.decorators)


def _rename(item: Definition, name: str) -> None:
    before = item.qualname
    prefix = before.rpartition(".")[0]
    item.qualname = f"{prefix}.{name}" if prefix else name
    if isinstance(item, Class):
        for member in item.members:
            _move(member, before, item.qualname)


def _move(item: Definition, before: str, after: str) -> None:
    item.qualname = after + item.qualname[len(before) :]
    if isinstance(item, Class):
        for member in item.members:
            _move(member, before, after)
