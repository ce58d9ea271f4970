"""Recognition of expressions that are the settings interface (``carb.settings.get_settings()``)."""

from __future__ import annotations

import ast
import re

from stages.setting_scan.scopes import Scope
from stages.setting_scan.strings import MAX_DEPTH, MAX_STEPS, MAX_VALUES, Evaluator

ACCESSORS = frozenset({"get_settings", "get_settings_interface", "acquire_settings_interface"})
_SETTINGS_NAME = re.compile(r"(?:^|_)i?(?:carb_?)?settings?(?:_?i?(?:face|nterface))?(?:_iface)?\Z", re.IGNORECASE)


class Interface:
    """A recognizer of the settings interface in one file. Its steps count towards the evaluator's limit."""

    def __init__(self, strings: Evaluator) -> None:
        self._strings = strings
        self._names = strings.names
        # Keeps the nodes alive, because their ids are the keys.
        self._known: dict[tuple[int, int, int], tuple[ast.AST, int]] = {}

    def is_settings(self, node: ast.AST, scope: Scope, depth: int = 0) -> int:
        """Return 2 if an expression certainly is the settings interface, 1 if only its name suggests it, else 0."""
        key = (id(node), id(scope), depth)
        known = self._known.get(key)
        if known is None:
            self._strings.steps += 1
            if depth > MAX_DEPTH or self._strings.steps > MAX_STEPS:
                return 0
            known = self._known[key] = (node, self._evaluate(node, scope, depth))
        return known[1]

    def _evaluate(self, node: ast.AST, scope: Scope, depth: int) -> int:  # noqa: PLR0911 - one a kind
        if isinstance(node, ast.Call):
            return self._call_certainty(node, scope, depth)
        if isinstance(node, ast.arg):
            annotation = node.annotation
            text = annotation.value if isinstance(annotation, ast.Constant) else None
            text = text if isinstance(text, str) else self._strings.dotted(annotation) if annotation is not None else ""
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
            bound, name = self._strings.given(node, scope), node.attr
        else:
            return 0
        best = max((self.is_settings(value, where, depth + 1) for value, where in bound[:MAX_VALUES]), default=0)
        return best or int(bool(_SETTINGS_NAME.search(name)))

    def _call_certainty(self, call: ast.Call, scope: Scope, depth: int) -> int:
        function = call.func
        if isinstance(function, ast.Attribute) and function.attr in ACCESSORS:
            return 2 if "settings" in self._strings.dotted(function.value).rpartition(".")[2] else 1
        if not isinstance(function, ast.Name):
            return 0
        if self._strings.dotted(function).rpartition(".")[2] in ACCESSORS:
            return 2 if self._names.imports.get(function.id, "").startswith("carb.settings") else 1
        for value, where in scope.lookup(function.id)[:MAX_VALUES]:
            if isinstance(value, ast.FunctionDef | ast.AsyncFunctionDef):
                returned = [
                    item.value for item in value.body if isinstance(item, ast.Return) and item.value is not None
                ]
                if any(self.is_settings(item, where, depth + 1) == 2 for item in returned):
                    return 2
            elif (
                isinstance(value, ast.Attribute | ast.Name)
                and self._strings.dotted(value).rpartition(".")[2] in ACCESSORS
            ):
                return 2
        return 0
