"""The strings that expressions of a Python file can be, and which expressions are the settings interface.

Nothing is run: names are followed through the scopes of the file. Every expression has one answer for a scope and a
depth, and the work for one file is bounded in steps, so that the answer is the same on every machine.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

from stages.product_facts import KNOWN_CONSTANTS
from stages.setting_scan.scopes import Bindings, Scope

_SETTINGS_NAME = re.compile(r"(?:^|_)i?(?:carb_?)?settings?(?:_?i?(?:face|nterface))?(?:_iface)?\Z", re.IGNORECASE)
ACCESSORS = frozenset({"get_settings", "get_settings_interface", "acquire_settings_interface"})
_MAX_VALUES = 16
_MAX_DEPTH = 12
# Expressions that are evaluated for one file, each counted once for each depth; beyond them a value is unknown. Real
# files need a few for each node. Counted in steps, so that the answer is the same on every machine.
_MAX_STEPS = 1_000_000
# A longer string is no path and no command line.
_MAX_TEXT = 10_000


class Value(NamedTuple):
    """One possible string: its text with placeholders, and whether some part is unknown."""

    text: str
    dynamic: bool


class Evaluator:
    """Answers what the expressions of one file are.

    Attributes:
        names: The file's bindings.
        used: Ids of the string expressions that a call or a larger string already accounts for.
        whole: Ids of the constants' values that a call uses as they are.
        prefixes: Ids of those that another string begins with.
        steps: The expressions evaluated so far.
    """

    def __init__(self, names: Bindings) -> None:
        self.names = names
        self.used: set[int] = set()
        self.whole: set[int] = set()
        self.prefixes: set[int] = set()
        self.steps = 0
        # The nodes are kept, so that no identity is used twice.
        self._known_values: dict[tuple[int, int, int, bool], tuple[ast.AST, list[Value]]] = {}
        self._known_settings: dict[tuple[int, int, int], tuple[ast.AST, int]] = {}

    def complaint(self) -> str | None:
        """Return what to say of a file that took more steps than are allowed; None for any other."""
        if self.steps <= _MAX_STEPS:
            return None
        return f"The strings of the file take more than {_MAX_STEPS} steps to evaluate; some settings may be missing."

    def _dotted(self, node: ast.expr) -> str:
        """Return a dotted name with imports resolved (``carb.settings.get_settings``), or an empty string."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        parts.append(self.names.imports.get(node.id, node.id).replace(":", "."))
        return ".".join(reversed(parts))

    def is_settings(self, node: ast.AST, scope: Scope, depth: int = 0) -> int:
        """Return 2 where an expression certainly is the settings interface, 1 where its name says so, else 0."""
        key = (id(node), id(scope), depth)
        known = self._known_settings.get(key)
        if known is None:
            self.steps += 1
            if depth > _MAX_DEPTH or self.steps > _MAX_STEPS:
                return 0
            known = self._known_settings[key] = (node, self._evaluate_settings(node, scope, depth))
        return known[1]

    def _evaluate_settings(self, node: ast.AST, scope: Scope, depth: int) -> int:  # noqa: PLR0911 - one a kind
        if isinstance(node, ast.Call):
            return self._gives_settings(node, scope, depth)
        if isinstance(node, ast.arg):
            annotation = node.annotation
            text = annotation.value if isinstance(annotation, ast.Constant) else None
            text = text if isinstance(text, str) else self._dotted(annotation) if annotation is not None else ""
            return 2 if text.rpartition(".")[2] == "ISettings" else int(bool(_SETTINGS_NAME.search(node.arg)))
        if isinstance(node, ast.IfExp):
            return max(self.is_settings(node.body, scope, depth + 1), self.is_settings(node.orelse, scope, depth + 1))
        if isinstance(node, ast.BoolOp):
            return max(self.is_settings(value, scope, depth + 1) for value in node.values)
        if isinstance(node, ast.NamedExpr):
            return self.is_settings(node.value, scope, depth + 1)
        if isinstance(node, ast.Name):
            bound, name = scope.lookup(node.id), node.id
        elif isinstance(node, ast.Attribute):
            bound, name = self.names.attributes.get(node.attr, []) + self._class_constant(node), node.attr
        else:
            return 0
        best = max((self.is_settings(value, where, depth + 1) for value, where in bound[:_MAX_VALUES]), default=0)
        return best or int(bool(_SETTINGS_NAME.search(name)))

    def _gives_settings(self, call: ast.Call, scope: Scope, depth: int) -> int:
        function = call.func
        if isinstance(function, ast.Attribute) and function.attr in ACCESSORS:
            return 2 if "settings" in self._dotted(function.value).rpartition(".")[2] else 1
        if not isinstance(function, ast.Name):
            return 0
        if self._dotted(function).rpartition(".")[2] in ACCESSORS:
            return 2 if self.names.imports.get(function.id, "").startswith("carb.settings") else 1
        for value, where in scope.lookup(function.id)[:_MAX_VALUES]:
            if isinstance(value, ast.FunctionDef | ast.AsyncFunctionDef):
                returned = [
                    item.value for item in value.body if isinstance(item, ast.Return) and item.value is not None
                ]
                if any(self.is_settings(item, where, depth + 1) == 2 for item in returned):
                    return 2
            elif isinstance(value, ast.Attribute | ast.Name) and self._dotted(value).rpartition(".")[2] in ACCESSORS:
                return 2
        return 0

    def _class_constant(self, node: ast.Attribute) -> list[tuple[ast.AST, Scope]]:
        """Return what ``Keys.ENABLED``, ``self.ENABLED``, ``Keys.ENABLED.value`` was given in a class of this file."""
        owner = node.value
        if node.attr == "value" and isinstance(owner, ast.Attribute):
            return self._class_constant(owner)
        last = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
        if last in self.names.classes:
            return self.names.classes[last].names.get(node.attr, [])
        if last in {"self", "cls", "__class__"} or (isinstance(owner, ast.Call) and self._dotted(owner.func) == "type"):
            return [pair for inner in self.names.classes.values() for pair in inner.names.get(node.attr, [])]
        return []

    def values(self, node: ast.AST, scope: Scope, depth: int = 0, *, part: bool = False) -> list[Value]:
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
            return list(dict.fromkeys(either))[: _MAX_VALUES * 2]
        if isinstance(node, ast.BoolOp):
            either = [item for value in node.values for item in self.values(value, scope, depth + 1)]
            return list(dict.fromkeys(either))[: _MAX_VALUES * 2]
        if isinstance(node, ast.Call):
            return self._called_values(node, scope, depth)
        return []

    def _called_values(self, node: ast.Call, scope: Scope, depth: int) -> list[Value]:
        function = node.func
        if isinstance(function, ast.Name) and function.id == "str" and len(node.args) == 1:
            return self.values(node.args[0], scope, depth + 1)
        if (returned := self._returned_values(function, scope, depth)) is not None:
            return returned
        if not isinstance(function, ast.Attribute):
            return []
        if function.attr == "format":
            return self._formatted(function.value, node.args, r"\{[^{}]*\}", scope, depth)
        if function.attr == "join" and len(node.args) == 1 and isinstance(node.args[0], ast.List | ast.Tuple):
            glue = self.values(function.value, scope, depth + 1)
            if len(glue) == 1 and node.args[0].elts:
                parts: list[ast.expr] = []
                for item in node.args[0].elts:
                    parts += [ast.Constant(value=glue[0].text), item] if parts else [item]
                return self._joined(parts, scope, depth)
        return []

    def _returned_values(self, function: ast.expr, scope: Scope, depth: int) -> list[Value] | None:
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
                    values += self.values(statement.value, where, depth + 1)
        return values

    def _formatted(
        self, template: ast.expr, given: list[ast.expr], placeholder: str, scope: Scope, depth: int
    ) -> list[Value]:
        """Return what `%` or `str.format` makes of a template; what is filled in stays open, under its name."""
        self.used.add(id(template))
        results = []
        for value in self.values(template, scope, depth + 1):
            names = iter([last_name(item) for item in given])
            text = re.sub(placeholder, partial(_open_part, names), value.text)
            results.append(Value(text, value.dynamic or text != value.text or "{" in text))
        return results

    def _named_values(self, node: ast.Name | ast.Attribute, scope: Scope, depth: int, *, part: bool) -> list[Value]:
        if isinstance(node, ast.Name):
            bound = scope.lookup(node.id)
            reference = self.names.imports.get(node.id, "") if not bound else ""
            name = node.id
        else:
            bound = self._class_constant(node) or self.names.attributes.get(node.attr, [])
            reference = "" if bound else self._imported_attribute(node)
            name = node.attr
        values: list[Value] = []
        for value, where in bound[:_MAX_VALUES]:
            (self.prefixes if part else self.whole).add(id(value))
            values += self.values(value, where, depth + 1, part=part)
        if values:
            return list(dict.fromkeys(values))[:_MAX_VALUES]
        if name in KNOWN_CONSTANTS:
            return [Value(KNOWN_CONSTANTS[name], False)]
        if ":" in reference:
            return [Value(f"<{reference}>", False)]
        return []

    def _imported_attribute(self, node: ast.Attribute) -> str:
        """Return ``module:NAME`` of ``constants.NAME`` or ``Keys.NAME`` where its first part is imported."""
        dotted = self._dotted(node)
        base: ast.expr = node
        while isinstance(base, ast.Attribute):
            base = base.value
        if not dotted or not isinstance(base, ast.Name) or base.id not in self.names.imports:
            return ""
        origin = self.names.imports[base.id]
        rest = dotted[len(origin) + 1 :].removesuffix(".value")
        if ":" in origin:
            # What is imported can be a module (`from . import constants`) or a class: the reader of all files tells.
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
            results = [
                Value(result.text + option.text, result.dynamic or option.dynamic)
                for result in results
                for option in options
                if len(result.text) + len(option.text) <= _MAX_TEXT
            ][:_MAX_VALUES]
        return results

    def literal(self, node: ast.expr, scope: Scope, depth: int = 0) -> Any:
        """Return the JSON-able value of a literal or of a constant of this file; None where it is neither."""
        if isinstance(node, ast.Name) and depth < _MAX_DEPTH:
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


def _json_value(value: Any) -> Any:
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _json_value(item) for key, item in sorted(value.items(), key=lambda pair: str(pair[0]))}
    return None
