"""Settings used in Python: which setting paths a parsed file reads, writes, defaults, follows or names.

Nothing is imported or run; the file's `ast` is read once, and only when its source looks as if it could name a setting.
The API that is recognised is `carb.settings` as Carbonite documents it (`ISettings`: a path begins with an optional
slash, its parts are separated by slashes), what Kit builds on top of it (`SettingChangeSubscription`, the
`ChangeSetting` command, setting models and widgets), and `--/path=value` arguments of Kit's command line.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from stages.product_facts import KNOWN_CONSTANTS, PRIM_ROOTS, SETTING_ROOTS

VERSION = "2"

_ROOT_PATTERN = "|".join(re.escape(root) for root in SETTING_ROOTS)

# A path: parts of printable characters that appear in keys (ids, dots, dashes, `{placeholder}` of a dynamic part).
PATH = re.compile(r"/?[\w{}*<>:@.~+-]+(?:/+[\w{}*<>:@.~+ -]+)*/*\Z")
ROOTED = re.compile(rf"/(?:{_ROOT_PATTERN})/[\w{{]")
ARGUMENT = re.compile(r"(?:^|(?<=\s))--(/[\w{}.:@~+/<>-]*[\w}>])(?==|\s|\Z)(?:=(\S*))?")
# What makes a file worth a walk: see `_worth`.
_API_WORDS = (
    *("get_settings", "settings_interface", "ISettings", "--/", "get_as_", "subscribe_to_"),
    *("SETTING", '"ChangeSetting', "'ChangeSetting"),
)
_SETTING_CODE = re.compile(r"etting(?:\w*\(|s?(?:_iface|_interface)?\.\w+\()")
# One for each quote: a pattern that begins with fixed characters is searched several times faster.
_ROOTED_STRINGS = (re.compile(rf'"/(?:{_ROOT_PATTERN})/'), re.compile(rf"'/(?:{_ROOT_PATTERN})/"))
_SLASHED_CONSTANT = re.compile(r"""=\s*\(?\s*(?:f?["']/\w|f["']\{[\w.]+\}/|[\w.]+\s*\+\s*f?["']/)""")
_SETTINGS_NAME = re.compile(r"(?:^|_)i?(?:carb_?)?settings?(?:_?i?(?:face|nterface))?(?:_iface)?\Z", re.IGNORECASE)
_CONSTANT_NAME = re.compile(r"setting", re.IGNORECASE)

# Methods of ISettings: name -> (kind, type). The first argument is the path unless `_SECOND_ARGUMENT` says otherwise.
_METHODS: dict[str, tuple[str, str | None]] = {
    "get": ("read", None),
    "get_as_bool": ("read", "bool"),
    "get_as_int": ("read", "int"),
    "get_as_float": ("read", "float"),
    "get_as_string": ("read", "string"),
    "get_settings_dictionary": ("read", "object"),
    "create_dictionary_from_settings": ("read", "object"),
    "is_accessible_as": ("read", None),
    "set": ("write", None),
    "set_bool": ("write", "bool"),
    "set_int": ("write", "int"),
    "set_float": ("write", "float"),
    "set_string": ("write", "string"),
    "set_bool_array": ("write", "array"),
    "set_int_array": ("write", "array"),
    "set_float_array": ("write", "array"),
    "set_string_array": ("write", "array"),
    "set_default": ("default", None),
    "set_default_bool": ("default", "bool"),
    "set_default_int": ("default", "int"),
    "set_default_float": ("default", "float"),
    "set_default_string": ("default", "string"),
    "destroy_item": ("write", None),
    "update": ("write", None),
    "subscribe_to_node_change_events": ("subscribe", None),
    "subscribe_to_tree_change_events": ("subscribe", None),
}
# Names that dictionaries and many other objects have as well: they say nothing about what the object is.
_COMMON_METHODS = frozenset({"get", "set", "update"})
_SECOND_ARGUMENT = frozenset({"is_accessible_as"})
_ACCESSORS = frozenset({"get_settings", "get_settings_interface", "acquire_settings_interface"})
_SETTING_TYPES = {
    "BOOL": "bool",
    "INT": "int",
    "FLOAT": "float",
    "DOUBLE": "float",
    "STRING": "string",
    "ASSET": "string",
    "COLOR3": "array",
    "DOUBLE2": "array",
    "DOUBLE3": "array",
    "INT2": "array",
}
_ITEM_TYPES = {"BOOL": "bool", "INT": "int", "FLOAT": "float", "STRING": "string", "DICTIONARY": "object"}
_MAX_VALUES = 16
_MAX_DEPTH = 12
# Expressions that are evaluated for one file, each counted once for each depth; beyond them a value is unknown. Real
# files need a few for each node. Counted in steps, so that the answer is the same on every machine.
_MAX_STEPS = 1_000_000
# A longer string is no path and no command line.
_MAX_TEXT = 10_000
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


def canonical(path: str) -> str:
    """Return a setting path in its one form: a leading slash, no empty part, no slash at the end (``/exts/a.b/c``)."""
    return "/" + "/".join(part for part in path.split("/") if part)


def value_type(value: Any) -> str | None:
    """Return the contract's word for the type of a JSON-able value; None for None."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "bool"
    for types, word in ((int, "int"), (float, "float"), (str, "string"), (list | tuple, "array"), (dict, "object")):
        if isinstance(value, types):
            return word
    return None


def python_uses(
    tree: ast.Module, *, file: str, source: str, warn: Callable[[str], None] | None = None
) -> list[dict[str, Any]]:
    """Return every setting that a Python file uses or names.

    Args:
        tree: The parsed file.
        file: Its path relative to the extension's folder, with ``/``.
        source: Its text, looked at to skip the files that cannot name a setting.
        warn: Called once with a message if the file needs more steps than are allowed.

    Returns:
        One record a place, sorted by line and path:
        ``path`` in canonical form, a part that is only known at run time written ``{name}``; a part that another file's
        constant holds written ``<module:NAME>`` (``<.settings:ENABLED>``), for the reader of all files to resolve;
        ``kind``: ``read``, ``write``, ``default``, ``subscribe``, ``argument`` (``--/path=value``), ``constant`` (named
        there, but not used by that line), ``prefix`` (a constant that only begins other paths) or ``candidate`` (a
        path-like constant that is a setting only if another file uses it as one);
        ``type``: bool, int, float, string, array, object or null; ``default``: the literal of a ``set_default``, else
        null; ``line`` (from 1); ``file``; ``dynamic``: whether the path has a ``{name}``;
        ``name``: of constants, where they can be imported by it (``ENABLED``, ``Keys.ENABLED``); else null;
        ``certain``: whether the path is given to the settings interface, or to something that has its name.
    """
    worth = prefilter(source)
    if not worth:
        return []
    reader = _File(file)
    if worth == 2:
        reader.collect(tree)
    else:
        reader.collect_constants(tree)
    found = reader.records()
    if reader.steps > _MAX_STEPS and warn is not None:
        warn(f"The strings of the file take more than {_MAX_STEPS} steps to evaluate; some settings may be missing.")
    return found


def prefilter(source: str) -> int:
    """Return 2 for a file to walk whole, 1 where its constants are enough, 0 where nothing can be found.

    Plain substring tests come first: over a source tree they cost a hundredth of parsing it.
    """
    if any(word in source for word in _API_WORDS) or _SETTING_CODE.search(source):
        return 2
    if ('"/' in source or "'/" in source) and any(pattern.search(source) for pattern in _ROOTED_STRINGS):
        return 2
    return 1 if _SLASHED_CONSTANT.search(source) else 0


class _Value(NamedTuple):
    """One possible string: its text with placeholders, and whether some part is unknown."""

    text: str
    dynamic: bool


class _Scope:
    """Names bound in a module, class or function, each with the expressions that it was given."""

    __slots__ = ("enclosing", "is_class", "name", "names")

    def __init__(self, enclosing: _Scope | None, *, is_class: bool = False, name: str = "") -> None:
        self.enclosing = enclosing
        self.is_class = is_class
        self.name = name
        self.names: dict[str, list[tuple[ast.AST, _Scope]]] = {}

    def bind(self, name: str, value: ast.AST) -> None:
        self.names.setdefault(name, []).append((value, self))

    def lookup(self, name: str) -> list[tuple[ast.AST, _Scope]]:
        scope: _Scope | None = self
        innermost = True
        while scope is not None:
            # A class's names are not visible in its methods, only in its own body.
            if (innermost or not scope.is_class) and name in scope.names:
                return scope.names[name]
            innermost = False
            scope = scope.enclosing
        return []


class _File:
    """What one walk over a file collects, and the records made of it."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.module = _Scope(None)
        self.classes: dict[str, _Scope] = {}
        self.attributes: dict[str, list[tuple[ast.AST, _Scope]]] = {}  # of self, cls and other objects, by name alone
        self.imports: dict[str, str] = {}  # local name -> "module:NAME" or "module"
        self.calls: list[tuple[ast.Call, _Scope]] = []
        self.strings: list[tuple[ast.expr, _Scope]] = []
        self.constants: list[tuple[str, ast.expr, _Scope]] = []
        self.used: set[int] = set()  # ids of the string expressions that a call already accounts for
        self.whole: set[int] = set()  # ids of constants' values that a call uses as they are
        self.prefixes: set[int] = set()  # … that another string begins with
        self.found: list[dict[str, Any]] = []
        self.steps = 0
        # An expression has one answer for a scope and a depth. The nodes are kept, so that no identity is used twice.
        self._known_values: dict[tuple[int, int, int, bool], tuple[ast.AST, list[_Value]]] = {}
        self._known_settings: dict[tuple[int, int, int], tuple[ast.AST, int]] = {}

    # ---- collecting -------------------------------------------------------------------------------------------------

    def collect_constants(self, tree: ast.Module) -> None:
        """Take only the constants of the module and its classes; no call is looked at."""
        self._constants_of(tree.body, self.module, "")

    def _constants_of(self, body: list[ast.stmt], scope: _Scope, prefix: str) -> None:
        for statement in body:
            if isinstance(statement, ast.Assign | ast.AnnAssign):
                self._assignment(statement, scope, prefix)
            elif isinstance(statement, ast.ClassDef):
                inner = _Scope(scope, is_class=True, name=f"{prefix}{statement.name}.")
                self.classes.setdefault(statement.name, inner)
                self._constants_of(statement.body, inner, inner.name)
            elif isinstance(statement, ast.ImportFrom):
                self._import_from(statement)

    def collect(self, tree: ast.Module) -> None:  # noqa: PLR0912 - one loop over all kinds of nodes, for speed
        """Walk the whole file once."""
        stack: list[tuple[ast.AST, _Scope]] = [(tree, self.module)]
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

    def _enter(self, node: ast.AST, scope: _Scope) -> _Scope:
        if isinstance(node, ast.ClassDef):
            outer = scope.name if scope.is_class else ""
            inner = _Scope(scope, is_class=True, name=f"{outer}{node.name}.")
            self.classes.setdefault(node.name, inner)
            return inner
        inner = _Scope(scope)
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

    def _assignment(self, node: ast.Assign | ast.AnnAssign, scope: _Scope, prefix: str) -> None:
        value = node.value
        if value is None:
            return
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            self._bind(target, value, scope, prefix)

    def _bind(self, target: ast.expr, value: ast.expr, scope: _Scope, prefix: str) -> None:
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

    def _loop(self, target: ast.expr, iterated: ast.expr, scope: _Scope) -> None:
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

    # ---- what an expression is --------------------------------------------------------------------------------------

    def _dotted(self, node: ast.expr) -> str:
        """Return a dotted name with imports resolved (``carb.settings.get_settings``), or an empty string."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        parts.append(self.imports.get(node.id, node.id).replace(":", "."))
        return ".".join(reversed(parts))

    def _is_settings(self, node: ast.AST, scope: _Scope, depth: int = 0) -> int:
        """Return 2 where an expression certainly is the settings interface, 1 where its name says so, else 0."""
        key = (id(node), id(scope), depth)
        known = self._known_settings.get(key)
        if known is None:
            self.steps += 1
            if depth > _MAX_DEPTH or self.steps > _MAX_STEPS:
                return 0
            known = self._known_settings[key] = (node, self._evaluate_settings(node, scope, depth))
        return known[1]

    def _evaluate_settings(self, node: ast.AST, scope: _Scope, depth: int) -> int:  # noqa: PLR0911 - one a kind
        if isinstance(node, ast.Call):
            return self._gives_settings(node, scope, depth)
        if isinstance(node, ast.arg):
            annotation = node.annotation
            text = annotation.value if isinstance(annotation, ast.Constant) else None
            text = text if isinstance(text, str) else self._dotted(annotation) if annotation is not None else ""
            return 2 if text.rpartition(".")[2] == "ISettings" else int(bool(_SETTINGS_NAME.search(node.arg)))
        if isinstance(node, ast.IfExp):
            return max(self._is_settings(node.body, scope, depth + 1), self._is_settings(node.orelse, scope, depth + 1))
        if isinstance(node, ast.BoolOp):
            return max(self._is_settings(value, scope, depth + 1) for value in node.values)
        if isinstance(node, ast.NamedExpr):
            return self._is_settings(node.value, scope, depth + 1)
        if isinstance(node, ast.Name):
            bound, name = scope.lookup(node.id), node.id
        elif isinstance(node, ast.Attribute):
            bound, name = self.attributes.get(node.attr, []) + self._class_constant(node), node.attr
        else:
            return 0
        best = max((self._is_settings(value, where, depth + 1) for value, where in bound[:_MAX_VALUES]), default=0)
        return best or int(bool(_SETTINGS_NAME.search(name)))

    def _gives_settings(self, call: ast.Call, scope: _Scope, depth: int) -> int:
        function = call.func
        if isinstance(function, ast.Attribute) and function.attr in _ACCESSORS:
            return 2 if "settings" in self._dotted(function.value).rpartition(".")[2] else 1
        if not isinstance(function, ast.Name):
            return 0
        if self._dotted(function).rpartition(".")[2] in _ACCESSORS:
            return 2 if self.imports.get(function.id, "").startswith("carb.settings") else 1
        for value, where in scope.lookup(function.id)[:_MAX_VALUES]:
            if isinstance(value, ast.FunctionDef | ast.AsyncFunctionDef):
                returned = [
                    item.value for item in value.body if isinstance(item, ast.Return) and item.value is not None
                ]
                if any(self._is_settings(item, where, depth + 1) == 2 for item in returned):
                    return 2
            elif isinstance(value, ast.Attribute | ast.Name) and self._dotted(value).rpartition(".")[2] in _ACCESSORS:
                return 2
        return 0

    def _class_constant(self, node: ast.Attribute) -> list[tuple[ast.AST, _Scope]]:
        """Return what ``Keys.ENABLED``, ``self.ENABLED``, ``Keys.ENABLED.value`` was given in a class of this file."""
        owner = node.value
        if node.attr == "value" and isinstance(owner, ast.Attribute):
            return self._class_constant(owner)
        last = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
        if last in self.classes:
            return self.classes[last].names.get(node.attr, [])
        if last in {"self", "cls", "__class__"} or (isinstance(owner, ast.Call) and self._dotted(owner.func) == "type"):
            return [pair for inner in self.classes.values() for pair in inner.names.get(node.attr, [])]
        return []

    def _values(self, node: ast.AST, scope: _Scope, depth: int = 0, *, part: bool = False) -> list[_Value]:
        """Return the strings an expression can be; empty where nothing is known of it.

        Args:
            node: The expression.
            scope: Where it stands.
            depth: Guards against definitions that go round in circles.
            part: Whether it is a part of a larger string; a part that is not known becomes a placeholder there.
        """
        key = (id(node), id(scope), depth, part)
        known = self._known_values.get(key)
        if known is None:
            self.steps += 1
            if depth > _MAX_DEPTH or self.steps > _MAX_STEPS:
                return []
            known = self._known_values[key] = (node, self._evaluate(node, scope, depth, part=part))
        return known[1]

    def _evaluate(  # noqa: PLR0911 - one a kind of expression
        self, node: ast.AST, scope: _Scope, depth: int, *, part: bool
    ) -> list[_Value]:
        if isinstance(node, ast.Constant):
            return [_Value(node.value, False)] if isinstance(node.value, str) else []
        if isinstance(node, ast.Name | ast.Attribute):
            return self._named_values(node, scope, depth, part=part)
        if isinstance(node, ast.JoinedStr):
            return self._joined(node.values, scope, depth)
        if isinstance(node, ast.FormattedValue):
            return self._values(node.value, scope, depth + 1, part=part) if node.format_spec is None else []
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._joined([node.left, node.right], scope, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            given = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
            return self._formatted(node.left, given, r"%[-#0-9.]*[a-zA-Z]", scope, depth)
        if isinstance(node, ast.IfExp):
            either = self._values(node.body, scope, depth + 1) + self._values(node.orelse, scope, depth + 1)
            return list(dict.fromkeys(either))[: _MAX_VALUES * 2]
        if isinstance(node, ast.BoolOp):
            either = [item for value in node.values for item in self._values(value, scope, depth + 1)]
            return list(dict.fromkeys(either))[: _MAX_VALUES * 2]
        if isinstance(node, ast.Call):
            return self._called_values(node, scope, depth)
        return []

    def _called_values(self, node: ast.Call, scope: _Scope, depth: int) -> list[_Value]:
        function = node.func
        if isinstance(function, ast.Name) and function.id == "str" and len(node.args) == 1:
            return self._values(node.args[0], scope, depth + 1)
        if (returned := self._returned_values(function, scope, depth)) is not None:
            return returned
        if not isinstance(function, ast.Attribute):
            return []
        if function.attr == "format":
            return self._formatted(function.value, node.args, r"\{[^{}]*\}", scope, depth)
        if function.attr == "join" and len(node.args) == 1 and isinstance(node.args[0], ast.List | ast.Tuple):
            glue = self._values(function.value, scope, depth + 1)
            if len(glue) == 1 and node.args[0].elts:
                parts: list[ast.expr] = []
                for item in node.args[0].elts:
                    parts += [ast.Constant(value=glue[0].text), item] if parts else [item]
                return self._joined(parts, scope, depth)
        return []

    def _returned_values(self, function: ast.expr, scope: _Scope, depth: int) -> list[_Value] | None:
        """Return what a function of this file returns; None where it is none. Its arguments stay open."""
        if isinstance(function, ast.Name):
            bound = scope.lookup(function.id)
        elif isinstance(function, ast.Attribute):
            bound = self._class_constant(function)
        else:
            return None
        functions = [pair for pair in bound if isinstance(pair[0], ast.FunctionDef)]
        if not functions:
            return None
        values = []
        for node, where in functions[:1]:
            for statement in node.body if isinstance(node, ast.FunctionDef) else []:
                if isinstance(statement, ast.Return) and statement.value is not None:
                    self.used.add(id(statement.value))
                    values += self._values(statement.value, where, depth + 1)
        return values

    def _formatted(
        self, template: ast.expr, given: list[ast.expr], placeholder: str, scope: _Scope, depth: int
    ) -> list[_Value]:
        """Return what `%` or `str.format` makes of a template; what is filled in stays open, under its name."""
        self.used.add(id(template))
        results = []
        for value in self._values(template, scope, depth + 1):
            names = iter([_last_name(item) for item in given])
            text = re.sub(placeholder, partial(_open_part, names), value.text)
            results.append(_Value(text, value.dynamic or text != value.text or "{" in text))
        return results

    def _named_values(self, node: ast.Name | ast.Attribute, scope: _Scope, depth: int, *, part: bool) -> list[_Value]:
        if isinstance(node, ast.Name):
            bound = scope.lookup(node.id)
            reference = self.imports.get(node.id, "") if not bound else ""
            name = node.id
        else:
            bound = self._class_constant(node) or self.attributes.get(node.attr, [])
            reference = "" if bound else self._imported_attribute(node)
            name = node.attr
        values: list[_Value] = []
        for value, where in bound[:_MAX_VALUES]:
            (self.prefixes if part else self.whole).add(id(value))
            values += self._values(value, where, depth + 1, part=part)
        if values:
            return list(dict.fromkeys(values))[:_MAX_VALUES]
        if name in KNOWN_CONSTANTS:
            return [_Value(KNOWN_CONSTANTS[name], False)]
        if ":" in reference:
            return [_Value(f"<{reference}>", False)]
        return []

    def _imported_attribute(self, node: ast.Attribute) -> str:
        """Return ``module:NAME`` of ``constants.NAME`` or ``Keys.NAME`` where its first part is imported."""
        dotted = self._dotted(node)
        base: ast.expr = node
        while isinstance(base, ast.Attribute):
            base = base.value
        if not dotted or not isinstance(base, ast.Name) or base.id not in self.imports:
            return ""
        origin = self.imports[base.id]
        rest = dotted[len(origin) + 1 :].removesuffix(".value")
        if ":" in origin:
            # What is imported can be a module (`from . import constants`) or a class: the reader of all files tells.
            return f"{origin}.{rest}"
        return f"{origin}:{rest}"

    def _joined(self, parts: list[ast.expr], scope: _Scope, depth: int) -> list[_Value]:
        results = [_Value("", False)]
        for index, item in enumerate(parts):
            if isinstance(item, ast.Constant | ast.JoinedStr | ast.FormattedValue | ast.BinOp):
                self.used.add(id(item))
            options = self._values(item, scope, depth + 1, part=True)
            if not options:
                if index == 0 and isinstance(item, ast.Constant):
                    return []
                options = [_Value(_placeholder(_last_name(item)), True)]
            results = [
                _Value(result.text + option.text, result.dynamic or option.dynamic)
                for result in results
                for option in options
                if len(result.text) + len(option.text) <= _MAX_TEXT
            ][:_MAX_VALUES]
        return results

    # ---- records ----------------------------------------------------------------------------------------------------

    def records(self) -> list[dict[str, Any]]:
        for call, scope in self.calls:
            self._call(call, scope)
        self._named_constants()
        # An outer expression is collected before the ones it is made of, and accounts for them.
        for node, scope in self.strings:
            self._string(node, scope)
        return sorted(self.found, key=_key)

    def _add(
        self,
        kind: str,
        value: _Value,
        line: int,
        *,
        type_: str | None = None,
        default: Any = None,
        name: str | None = None,
        certain: bool = True,
    ) -> None:
        self.found.append(
            {
                "path": canonical(value.text),
                "kind": kind,
                "type": type_,
                "default": default,
                "line": line,
                "file": self.file,
                "dynamic": value.dynamic or "{" in value.text,
                "name": name,
                "certain": certain,
            }
        )

    def _call(self, call: ast.Call, scope: _Scope) -> None:
        function = call.func
        if isinstance(function, ast.Attribute):
            name, receiver = function.attr, function.value
        elif isinstance(function, ast.Name):
            name, receiver = function.id, None
            for value, where in scope.lookup(name)[:1]:
                # A method kept in a variable: `subscribe = settings.subscribe_to_node_change_events`.
                if (
                    isinstance(value, ast.Attribute)
                    and value.attr in _METHODS
                    and self._is_settings(value.value, where)
                ):
                    name, receiver = value.attr, value.value
        else:
            return
        if name in _METHODS and receiver is not None:
            certainty = self._is_settings(receiver, scope)
            if certainty or name not in _COMMON_METHODS:
                self._method(call, name, scope, certainty)
                return
        if name == "execute" and call.args and isinstance(call.args[0], ast.Constant):
            command = call.args[0].value
            if isinstance(command, str) and "Setting" in command:
                self._keyword_path(call, scope, "write")
        elif "etting" in name and name not in _ACCESSORS:
            self._setting_call(call, name, scope)

    def _method(self, call: ast.Call, name: str, scope: _Scope, certainty: int) -> None:
        kind, type_ = _METHODS[name]
        index = 1 if name in _SECOND_ARGUMENT else 0
        named = {keyword.arg: keyword.value for keyword in call.keywords}
        argument = named.get("path") or named.get("arg0")
        argument = call.args[index] if len(call.args) > index else argument
        if argument is None:
            return
        value = call.args[index + 1] if len(call.args) > index + 1 else named.get("value")
        default = None
        if kind in {"default", "write"} and name not in {"destroy_item", "update"} and value is not None:
            literal = self._literal(value, scope)
            type_ = type_ or value_type(literal)
            default = literal if kind == "default" else None
        elif name == "is_accessible_as" and call.args:
            type_ = _ITEM_TYPES.get(_last_name(call.args[0]))
        for path in self._paths(argument, scope, certain=certainty == 2):
            self._add(kind, path, argument.lineno, type_=type_, default=default, certain=certainty > 0)

    def _paths(self, node: ast.expr, scope: _Scope, *, certain: bool) -> list[_Value]:
        """Return the setting paths an argument can be.

        Args:
            node: The argument.
            scope: Where the call stands.
            certain: Whether the call certainly takes a setting: then the leading slash may be missing, as Carbonite
                allows. Otherwise there must be one, and a first part that is not USD's.
        """
        paths = []
        for value in dict.fromkeys(self._values(node, scope)):
            text = value.text
            if not PATH.match(text) or text.lstrip("/")[:1] in {"", "{"}:
                continue
            first = text.lstrip("/").partition("/")[0]
            if certain or text.startswith("<") or (text.startswith("/") and first not in PRIM_ROOTS):
                paths.append(value)
        if paths:
            self.used.add(id(node))
        return paths

    def _setting_call(self, call: ast.Call, name: str, scope: _Scope) -> None:
        """A call of something with "setting" in its name: wrappers, models and widgets."""
        lowered = name.lower()
        if "subscri" in lowered or "change" in lowered:
            kind = "subscribe"
        elif "default" in lowered:
            kind = "default"
        elif lowered.lstrip("_").startswith(
            ("set", "write", "toggle", "enable", "disable", "restore", "reset", "apply")
        ):
            kind = "read" if lowered.lstrip("_").startswith(("setting", "settings")) else "write"
        else:
            kind = "read"
        if (
            lowered.endswith(("model", "widget", "item"))
            or lowered.lstrip("_").startswith(("add_", "create_", "build_"))
            or lowered.lstrip("_").startswith("setting")
        ):
            kind = "subscribe" if kind == "read" else kind
        type_ = None
        arguments = list(call.args)
        for argument in call.args:
            if isinstance(argument, ast.Attribute) and _is_setting_type(argument):
                type_ = _SETTING_TYPES.get(argument.attr)
        arguments += [
            item.value
            for item in call.keywords
            if item.arg and ("path" in item.arg or "setting" in item.arg) and "prim" not in item.arg
        ]
        for position, argument in enumerate(arguments):
            paths = [
                path
                for path in (() if _is_setting_type(argument) else self._paths(argument, scope, certain=False))
                if path.text.count("/") > 1 or "<" in path.text
            ]
            default = None
            if kind in {"write", "default"} and paths and position + 1 < len(call.args):
                literal = self._literal(call.args[position + 1], scope)
                type_ = type_ or value_type(literal)
                default = literal if kind == "default" else None
            for path in paths:
                if path.text.startswith("<") and not isinstance(
                    argument, ast.Name | ast.Attribute | ast.JoinedStr | ast.BinOp
                ):
                    continue
                self._add(kind, path, argument.lineno, type_=type_, default=default, certain=False)
            if paths:
                break

    def _keyword_path(self, call: ast.Call, scope: _Scope, kind: str) -> None:
        named = {keyword.arg: keyword.value for keyword in call.keywords}
        argument = named.get("path") or (call.args[1] if len(call.args) > 1 else None)
        if argument is not None:
            literal = self._literal(named["value"], scope) if "value" in named else None
            for path in self._paths(argument, scope, certain=True):
                self._add(kind, path, argument.lineno, type_=value_type(literal))

    def _literal(self, node: ast.expr, scope: _Scope, depth: int = 0) -> Any:
        """Return the JSON-able value of a literal or of a constant of this file; None where it is neither."""
        if isinstance(node, ast.Name) and depth < _MAX_DEPTH:
            bound = scope.lookup(node.id)
            return (
                self._literal(bound[0][0], bound[0][1], depth + 1)
                if len(bound) == 1 and isinstance(bound[0][0], ast.expr)
                else None
            )
        if isinstance(node, ast.JoinedStr | ast.BinOp):
            values = self._values(node, scope)
            if len(values) == 1 and not values[0].dynamic and "<" not in values[0].text:
                return values[0].text
        try:
            value = ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return None
        return _json_value(value)

    def _named_constants(self) -> None:
        for name, node, scope in self.constants:
            values = self._values(node, scope) if not isinstance(node, ast.Call | ast.Name | ast.Attribute) else []
            for value in values:
                if not value.text.startswith(("/", "<")) or not value.text.strip("/") or not PATH.match(value.text):
                    continue
                self.used.add(id(node))
                whole, prefix = id(node) in self.whole, id(node) in self.prefixes
                if whole or (ROOTED.match(value.text) and not prefix):
                    kind = "constant"
                elif prefix:
                    kind = "prefix"
                elif _CONSTANT_NAME.search(name) and value.text.count("/") > 1 and not value.text.startswith("<"):
                    kind = "constant"
                else:
                    kind = "candidate"
                self._add(kind, value, node.lineno, name=name)

    def _string(self, node: ast.expr, scope: _Scope) -> None:
        if id(node) in self.used:
            return
        values = self._values(node, scope)
        if isinstance(node, ast.JoinedStr | ast.BinOp):
            if not any("/" in value.text for value in values):
                return
            for inner in ast.walk(node):
                self.used.add(id(inner))
        for value in values:
            if "--/" in value.text:
                for match in ARGUMENT.finditer(value.text):
                    text = match[2]
                    literal = None if text is None or "{" in text or "<" in text else argument_value(text)
                    self._add("argument", _Value(match[1], "{" in match[1]), node.lineno, type_=value_type(literal))
            elif ROOTED.match(value.text) and PATH.match(value.text):
                self._add("constant", value, node.lineno)


def argument_value(text: str) -> Any:
    """Return the value of ``--/path=value`` as Kit's command line reads it: a bool, a number, else a string."""
    text = text.strip("\"'") if len(text) > 1 and text[0] == text[-1] else text
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    if text.startswith("[") and text.endswith("]"):
        return [argument_value(item.strip()) for item in text[1:-1].split(",") if item.strip()]
    return text


def _key(record: dict[str, Any]) -> tuple[int, str, str, str, str]:
    return (record["line"], record["path"], record["kind"], record["name"] or "", record["type"] or "")


def _open_part(names: Iterator[str], match: re.Match[str]) -> str:
    named = match[0].strip("{}") if match[0].startswith("{") else ""
    return _placeholder(named if named and not named.isdecimal() else next(names, ""))


def _placeholder(name: str) -> str:
    return "{" + "".join(re.findall(r"\w+", name)[-1:]) + "}"


def _last_name(node: ast.AST) -> str:
    """Return the last name in an expression (``ext_id`` of ``self.ext_id`` and of ``get(ext_id)``), or nothing."""
    while True:
        if isinstance(node, ast.Attribute):
            return node.attr
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, ast.FormattedValue):
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.args[0] if node.args and isinstance(node.func, ast.Name) else node.func
        elif isinstance(node, ast.Subscript):
            node = node.value
        else:
            return ""


def _is_setting_type(node: ast.expr) -> bool:
    """Return whether an expression is a type of settings (``SettingType.INT``), not a constant with a path."""
    return isinstance(node, ast.Attribute) and _last_name(node.value) == "SettingType"


def _json_value(value: Any) -> Any:
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _json_value(item) for key, item in sorted(value.items(), key=lambda pair: str(pair[0]))}
    return None
