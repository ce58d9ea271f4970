"""Static evaluation of string expressions in a Python file.

Nothing is run: names are looked up in the scopes of the file. The result depends only on the expression, its scope and
the depth, and the number of steps per file is limited. So it is the same on every machine.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from stages.product_facts import KNOWN_CONSTANTS
from stages.setting_scan.scopes import Bindings, OwnExtensionId, Scope

_NAME_OF_ID = "get_extension_name"
_ID_OF_MODULE = "get_extension_id_by_module"
_SPLITS = frozenset({"split", "rsplit", "partition", "rpartition"})
_CHANGES = frozenset(
    {"strip", "lstrip", "rstrip", "lower", "upper", "replace", "removeprefix", "removesuffix", "title", "capitalize"}
)
MAX_VALUES = 64
MAX_DEPTH = 12
# The limit of evaluated expressions per file, each counted once per depth. Beyond it values are unknown. Real files
# need a few per node. A limit in steps, not in time, gives the same result on every machine.
MAX_STEPS = 1_000_000
# A longer string is neither a path nor a command line.
_MAX_TEXT = 10_000


class Value(NamedTuple):
    """A possible string value: its text with placeholders, and a flag for unknown parts."""

    text: str
    dynamic: bool


class Where(NamedTuple):
    """The extension and module of a file.

    Attributes:
        extension: The id of its extension; empty if unknown.
        module: Its import name; empty if it has none.
        is_package: True for an ``__init__`` file.
    """

    extension: str = ""
    module: str = ""
    is_package: bool = False

    def package(self) -> str:
        """Return the value of ``__package__`` in the file."""
        return self.module if self.is_package else self.module.rpartition(".")[0]


NOWHERE = Where()


class Evaluator:
    """An evaluator of string expressions in one file.

    It is one class because every kind of expression shares the memo and the step count.

    Attributes:
        names: The file's bindings.
        where: The file's extension and module.
        used: Ids of the string expressions that belong to a call or a larger string.
        whole: Ids of the values of constants that a call uses unchanged.
        prefixes: Ids of the values of constants that begin another string.
        steps: The expressions evaluated so far.
    """

    def __init__(self, names: Bindings, where: Where = NOWHERE) -> None:
        self.names = names
        self.where = where
        self.used: set[int] = set()
        self.whole: set[int] = set()
        self.prefixes: set[int] = set()
        self.steps = 0
        # Keeps the nodes alive, because their ids are the keys.
        self._known_values: dict[tuple[int, int, int, bool], tuple[ast.AST, list[Value]]] = {}
        self._known_ids: dict[tuple[int, int], tuple[ast.AST, bool]] = {}

    def limit_warning(self) -> str | None:
        """Return a message if the file exceeded the limit of steps, else None."""
        if self.steps <= MAX_STEPS:
            return None
        return f"The strings of the file take more than {MAX_STEPS} steps to evaluate; some settings may be missing."

    def dotted(self, node: ast.expr) -> str:
        """Return a dotted name with imports resolved (``carb.settings.get_settings``), or an empty string."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        parts.append(self.names.imports.get(node.id, node.id).replace(":", "."))
        return ".".join(reversed(parts))

    def given(self, node: ast.Attribute, scope: Scope) -> list[tuple[ast.AST, Scope]]:
        """Return the values of an attribute: ``self.path``, ``Keys.ON``, ``Keys.ON.value``, ``module.Keys.ON``."""
        if found := self.names.of_attribute(node, scope):
            return found
        owner = node.value
        if not isinstance(owner, ast.Attribute):
            return []
        if node.attr == "value":
            return self.given(owner, scope)
        inner = self.names.classes.get(owner.attr)
        return inner.names.get(node.attr, []) if inner is not None else []

    def _bound(self, node: ast.AST, scope: Scope) -> list[tuple[ast.AST, Scope]]:
        """Return the values of a name or an attribute; empty for other expressions."""
        if isinstance(node, ast.Name):
            return scope.lookup(node.id)
        return self.given(node, scope) if isinstance(node, ast.Attribute) else []

    def values(self, node: ast.AST, scope: Scope, depth: int = 0, *, part: bool = False) -> list[Value]:
        """Return the possible strings of an expression; empty if they are unknown.

        Args:
            node: The expression.
            scope: Its scope.
            depth: Recursion depth. Guards against circular definitions.
            part: True for a part of a larger string. An unknown part becomes a placeholder.
        """
        key = (id(node), id(scope), depth, part)
        known = self._known_values.get(key)
        if known is None:
            self.steps += 1
            if depth > MAX_DEPTH or self.steps > MAX_STEPS:
                return []
            known = self._known_values[key] = (node, self._evaluate(node, scope, depth, part=part))
        return known[1]

    def _evaluate(  # noqa: PLR0911 - one a kind of expression
        self, node: ast.AST, scope: Scope, depth: int, *, part: bool
    ) -> list[Value]:
        if isinstance(node, ast.Constant):
            return [Value(node.value, False)] if isinstance(node.value, str) else []
        if isinstance(node, ast.Name | ast.Attribute):
            return self._named_values(node, scope, depth, part=part)
        if isinstance(node, ast.JoinedStr):
            return self._joined(node.values, scope, depth)
        if isinstance(node, ast.FormattedValue):
            return self.values(node.value, scope, depth + 1, part=part) if node.format_spec is None else []
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._joined([node.left, node.right], scope, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            given = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
            return self._formatted(node.left, given, r"%[-#0-9.]*[a-zA-Z]", scope, depth)
        if isinstance(node, ast.IfExp):
            either = self.values(node.body, scope, depth + 1) + self.values(node.orelse, scope, depth + 1)
            return list(dict.fromkeys(either))[: MAX_VALUES * 2]
        if isinstance(node, ast.BoolOp):
            either = [item for value in node.values for item in self.values(value, scope, depth + 1)]
            return list(dict.fromkeys(either))[: MAX_VALUES * 2]
        if isinstance(node, ast.Call):
            return self._called_values(node, scope, depth)
        if isinstance(node, ast.Subscript):
            return self._element_values(node, scope, depth)
        return []

    def _called_values(  # noqa: PLR0911 - one a function
        self, node: ast.Call, scope: Scope, depth: int
    ) -> list[Value]:
        function = node.func
        if isinstance(function, ast.Name) and function.id == "str" and len(node.args) == 1:
            return self.values(node.args[0], scope, depth + 1)
        if last_name(function) == _NAME_OF_ID and node.args and self._is_own_id(node.args[0], scope, depth + 1):
            return [Value(self.where.extension, False)]
        if (returned := self._returned_values(function, scope, depth)) is not None:
            return returned
        if not isinstance(function, ast.Attribute):
            return []
        if function.attr == "format":
            return self._formatted(function.value, node.args, r"\{[^{}]*\}", scope, depth)
        if function.attr in _CHANGES:
            return self._changed_values(function, node, scope, depth)
        if function.attr == "join" and len(node.args) == 1 and (pieces := self._pieces(node.args[0], scope, depth)):
            glue = self.values(function.value, scope, depth + 1)
            return [Value(glue[0].text.join(parts), False) for parts in pieces] if len(glue) == 1 else []
        if function.attr == "join" and len(node.args) == 1 and isinstance(node.args[0], ast.List | ast.Tuple):
            glue = self.values(function.value, scope, depth + 1)
            if len(glue) == 1 and node.args[0].elts:
                parts: list[ast.expr] = []
                for item in node.args[0].elts:
                    parts += [ast.Constant(value=glue[0].text), item] if parts else [item]
                return self._joined(parts, scope, depth)
        return []

    def _changed_values(self, function: ast.Attribute, call: ast.Call, scope: Scope, depth: int) -> list[Value]:
        """Return the results of string methods, such as ``text.strip("/")``. Keeps texts with unknown parts."""
        given = [_text_argument(item) for item in call.args]
        if None in given or call.keywords:
            return []
        results = []
        for value in self.values(function.value, scope, depth + 1):
            if not _is_whole(value):
                return []
            try:
                results.append(Value(getattr(value.text, function.attr)(*given), False))
            except TypeError:  # too many arguments, or too few
                return []
        return results

    def _pieces(self, node: ast.expr, scope: Scope, depth: int) -> list[list[str]]:
        """Return the possible results of ``text.split(".")``, ``text.partition("-")`` or a slice of one."""
        if depth > MAX_DEPTH:
            return []
        if isinstance(node, ast.Name):
            bound = scope.lookup(node.id)
            single = bound[0] if len(bound) == 1 and isinstance(bound[0][0], ast.Call | ast.Subscript) else None
            return self._pieces(single[0], single[1], depth + 1) if single is not None else []  # type: ignore[arg-type]
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
            chosen = _slice(node.slice)
            return [parts[chosen] for parts in self._pieces(node.value, scope, depth + 1)] if chosen else []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _SPLITS:
            return self._split(node.func, node.args, scope, depth)
        return []

    def _split(self, function: ast.Attribute, given: list[ast.expr], scope: Scope, depth: int) -> list[list[str]]:
        separator = _text_argument(given[0]) if given else None
        count = [_integer(item) for item in given[1:]]
        if not separator or None in count or len(count) > ("split" in function.attr):
            return []
        if self._is_own_id(function.value, scope, depth + 1):
            texts = [f"{self.where.extension}-{{version}}"]
        else:
            values = self.values(function.value, scope, depth + 1)
            texts = [value.text for value in values] if all(map(_is_whole, values)) else []
        return [list(getattr(text, function.attr)(separator, *count)) for text in texts]

    def _element_values(self, node: ast.Subscript, scope: Scope, depth: int) -> list[Value]:
        index = _integer(node.slice)
        if index is None:
            return []
        pieces = self._pieces(node.value, scope, depth)
        return [Value(parts[index], "{" in parts[index]) for parts in pieces if -len(parts) <= index < len(parts)]

    def _is_own_id(self, node: ast.AST, scope: Scope, depth: int) -> bool:
        """Return True if an expression is the id and version of the file's extension."""
        key = (id(node), id(scope))
        known = self._known_ids.get(key)
        if known is None:
            self.steps += 1
            if depth > MAX_DEPTH or self.steps > MAX_STEPS or not self.where.extension:
                return False
            self._known_ids[key] = (node, False)  # prevents endless recursion
            known = self._known_ids[key] = (node, self._gives_own_id(node, scope, depth))
        return known[1]

    def _gives_own_id(self, node: ast.AST, scope: Scope, depth: int) -> bool:
        if isinstance(node, OwnExtensionId):
            return True
        if isinstance(node, ast.Call) and last_name(node.func) == _ID_OF_MODULE and node.args:
            names = self.values(node.args[0], scope, depth + 1)
            return bool(names) and all(value.text in (self.where.module, self.where.extension) for value in names)
        # The first value of an attribute is often None or an empty string.
        given = [(value, where) for value, where in self._bound(node, scope)[:MAX_VALUES] if not _is_empty(value)]
        return bool(given) and all(self._is_own_id(value, where, depth + 1) for value, where in given)

    def _returned_values(self, function: ast.expr, scope: Scope, depth: int) -> list[Value] | None:
        """Return the results of a function of this file; None for other calls. Arguments stay unresolved."""
        functions = [pair for pair in self._bound(function, scope) if isinstance(pair[0], ast.FunctionDef)]
        if not functions:
            return None
        values = []
        for node, where in functions[:1]:
            for statement in node.body if isinstance(node, ast.FunctionDef) else []:
                if isinstance(statement, ast.Return) and statement.value is not None:
                    self.used.add(id(statement.value))
                    values += self.values(statement.value, where, depth + 1)
        return values

    def _formatted(
        self, template: ast.expr, given: list[ast.expr], placeholder: str, scope: Scope, depth: int
    ) -> list[Value]:
        """Return the result of `%` or `str.format` on a template. Arguments become named placeholders."""
        self.used.add(id(template))
        results = []
        for value in self.values(template, scope, depth + 1):
            names = iter([last_name(item) for item in given])
            text = re.sub(placeholder, partial(_open_part, names), value.text)
            results.append(Value(text, value.dynamic or text != value.text or "{" in text))
        return results

    def _named_values(self, node: ast.Name | ast.Attribute, scope: Scope, depth: int, *, part: bool) -> list[Value]:
        bound = self._bound(node, scope)
        if isinstance(node, ast.Name):
            reference = self.names.imports.get(node.id, "") if not bound else ""
            name = node.id
        else:
            reference = "" if bound else self._imported_attribute(node)
            name = node.attr
        values: list[Value] = []
        for value, where in bound[:MAX_VALUES]:
            (self.prefixes if part else self.whole).add(id(value))
            values += self.values(value, where, depth + 1, part=part)
        if values:
            return list(dict.fromkeys(values))[:MAX_VALUES]
        if not bound and isinstance(node, ast.Name) and self.where.module:
            if name == "__name__":
                return [Value(self.where.module, False)]
            if name == "__package__":
                return [Value(self.where.package(), False)]
        if name in KNOWN_CONSTANTS:
            return [Value(KNOWN_CONSTANTS[name], False)]
        if ":" in reference:
            return [Value(f"<{reference}>", False)]
        return []

    def _imported_attribute(self, node: ast.Attribute) -> str:
        """Return ``module:NAME`` for ``constants.NAME`` or ``Keys.NAME`` if its first part is imported."""
        dotted = self.dotted(node)
        base: ast.expr = node
        while isinstance(base, ast.Attribute):
            base = base.value
        if not dotted or not isinstance(base, ast.Name) or base.id not in self.names.imports:
            return ""
        origin = self.names.imports[base.id]
        rest = dotted[len(origin) + 1 :].removesuffix(".value")
        if ":" in origin:
            # An imported name can be a module (`from . import constants`) or a class. The merge step decides.
            return f"{origin}.{rest}"
        return f"{origin}:{rest}"

    def _joined(self, parts: list[ast.expr], scope: Scope, depth: int) -> list[Value]:
        results = [Value("", False)]
        for index, item in enumerate(parts):
            if isinstance(item, ast.Constant | ast.JoinedStr | ast.FormattedValue | ast.BinOp):
                self.used.add(id(item))
            options = self.values(item, scope, depth + 1, part=True)
            if not options:
                if index == 0 and isinstance(item, ast.Constant):
                    return []
                options = [Value(_placeholder(last_name(item)), True)]
            joined = (
                Value(result.text + option.text, result.dynamic or option.dynamic)
                for result in results
                for option in options
                if len(result.text) + len(option.text) <= _MAX_TEXT
            )
            results = list(islice(joined, MAX_VALUES))
            self.steps += len(results)
        return results

    def literal(self, node: ast.expr, scope: Scope, depth: int = 0) -> Any:
        """Return the JSON-able value of a literal or of a constant of this file; None for other expressions."""
        if isinstance(node, ast.Name) and depth < MAX_DEPTH:
            bound = scope.lookup(node.id)
            return (
                self.literal(bound[0][0], bound[0][1], depth + 1)
                if len(bound) == 1 and isinstance(bound[0][0], ast.expr)
                else None
            )
        if isinstance(node, ast.JoinedStr | ast.BinOp):
            values = self.values(node, scope)
            if len(values) == 1 and not values[0].dynamic and "<" not in values[0].text:
                return values[0].text
        try:
            value = ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return None
        return _json_value(value)


def _open_part(names: Iterator[str], match: re.Match[str]) -> str:
    named = match[0].strip("{}") if match[0].startswith("{") else ""
    return _placeholder(named if named and not named.isdecimal() else next(names, ""))


def _placeholder(name: str) -> str:
    return "{" + "".join(re.findall(r"\w+", name)[-1:]) + "}"


def last_name(node: ast.AST) -> str:
    """Return the last name in an expression, else an empty string: ``ext_id`` for ``self.ext_id.lower()``."""
    while True:
        if isinstance(node, ast.Attribute):
            return node.attr
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, ast.FormattedValue):
            node = node.value
        elif isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Attribute) and function.attr in _SPLITS | _CHANGES:
                node = function.value
            else:
                node = node.args[0] if node.args and isinstance(function, ast.Name) else function
        elif isinstance(node, ast.Subscript):
            node = node.value
        else:
            return ""


def _is_whole(value: Value) -> bool:
    """Return True if a text has no unresolved part, including references to other files."""
    return not value.dynamic and "<" not in value.text


def _text_argument(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _slice(node: ast.Slice) -> slice | None:
    """Return a slice with literal bounds; None for other slices."""
    written = [item for item in (node.lower, node.upper, node.step) if item is not None]
    bounds = [None if item is None else _integer(item) for item in (node.lower, node.upper, node.step)]
    if len([item for item in bounds if item is not None]) < len(written) or bounds[2] == 0:
        return None
    return slice(*bounds)


def _is_empty(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value in (None, "")


def _integer(node: ast.AST | None) -> int | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        operand = _integer(node.operand)
        return None if operand is None else -operand
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _json_value(value: Any) -> Any:
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _json_value(item) for key, item in sorted(value.items(), key=lambda pair: str(pair[0]))}
    return None
