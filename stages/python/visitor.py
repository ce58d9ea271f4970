"""Visitor of one Python file that fills its records: definitions, bindings, variables, exports."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import Any

from stages.python.exports import ExportsReader, adds_to_exports, dotted
from stages.python.function_body import BUILTINS, walk
from stages.python.grammar import Parsed
from stages.python.model import (
    KEYWORD_ONLY,
    POSITIONAL,
    POSITIONAL_ONLY,
    VARIADIC,
    VARIADIC_KEYWORD,
    Class,
    Definition,
    Function,
    Module,
    Variable,
)
from stages.python.overloads import resolve_overloads
from stages.python.text import SourceText, docstring, string

# ``type Name = …``, if the interpreter supports it; otherwise `grammar` rewrites it as an assignment.
_TYPE_ALIAS = getattr(ast, "TypeAlias", None)
_LOGGER = re.compile(r"(?:logging\.)?getLogger\(")


def visit(name: str, path: str, *, is_package: bool, parsed: Parsed) -> Module:
    """Return the records of one file.

    Args:
        name: Dotted import name.
        path: File, relative to the extension's folder.
        is_package: True if it is an ``__init__`` file.
        parsed: Its tree and text.
    """
    module = Module(name, path, is_package=is_package)
    _Visitor(module, parsed).read(parsed.tree)
    return module


class _Visitor:
    """Fills the records of one module."""

    def __init__(self, module: Module, parsed: Parsed) -> None:
        self._module = module
        self._text = SourceText(parsed.text, parsed.written)
        self._names_exports = "__all__" in parsed.text
        self._exports = ExportsReader(module)
        self._functions: list[tuple[Function, ast.FunctionDef | ast.AsyncFunctionDef]] = []
        self._classes: list[tuple[Class, list[ast.expr]]] = []

    def read(self, tree: ast.Module) -> None:
        """Fill the module."""
        module = self._module
        module.docstring = docstring(tree)
        self._block(tree.body, None, module.members, conditional=False)
        resolve_overloads(module.members)
        own = {member.name for member in module.members}
        # Functions come last, because they may use names that are bound below them.
        for function, node in self._functions:
            walk(function, node, own, self._imported)
        self._exports.finish(tree)
        for item, bases in self._classes:
            item.bases = [base for base in (self._base(base, own) for base in bases) if base]

    def _block(
        self, body: list[ast.stmt], owner: Class | None, members: list[Definition], *, conditional: bool
    ) -> None:
        for index, node in enumerate(body):
            kind = type(node)
            if kind is ast.FunctionDef or kind is ast.AsyncFunctionDef:
                function = self._function(node, owner, conditional)  # type: ignore[arg-type]
                members.append(function)
                self._functions.append((function, node))  # type: ignore[arg-type]
                if self._names_exports and owner is None and adds_to_exports(node):
                    self._module.exporters.add(function.name)
            elif kind is ast.ClassDef:
                item = self._class(node, owner, conditional)  # type: ignore[arg-type]
                members.append(item)
                self._classes.append((item, node.bases))  # type: ignore[attr-defined]
                self._block(node.body, item, item.members, conditional=False)  # type: ignore[attr-defined]
                resolve_overloads(item.members)
            elif kind is ast.Assign or kind is ast.AnnAssign or kind is ast.AugAssign:
                following = body[index + 1] if index + 1 < len(body) else None
                text = string(following) if type(following) is ast.Expr else None
                if owner is not None:
                    self._class_variable(node, owner, text)
                else:
                    self._assignment(node, text)
            elif owner is None and kind is _TYPE_ALIAS:
                following = body[index + 1] if index + 1 < len(body) else None
                assignment = ast.Assign([node.name], node.value)  # type: ignore[attr-defined]
                text = string(following) if type(following) is ast.Expr else None
                self._assignment(ast.copy_location(assignment, node), text)
            elif owner is None and (kind is ast.Import or kind is ast.ImportFrom):
                for name, target in self._imported(node, top=True):
                    self._module.bindings[name] = target
            elif owner is None and kind is ast.Expr:
                self._exports.call(node)
            else:
                self._branches(node, owner, members)

    def _class(self, node: ast.ClassDef, owner: Class | None, conditional: bool) -> Class:
        return Class(
            module=self._module,
            owner=owner,
            name=node.name,
            line=node.lineno,
            docstring=docstring(node),
            decorators=[self._text.of(item) for item in node.decorator_list],
            conditional=conditional,
        )

    def _function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef, owner: Class | None, conditional: bool
    ) -> Function:
        text = docstring(node)
        first = node.body[0]
        decorated = getattr(first, "decorator_list", None)
        signature_end = max(node.lineno, (decorated[0] if decorated else first).lineno - 1)
        after_docstring = (first.end_lineno or first.lineno) + 1
        return Function(
            module=self._module,
            owner=owner,
            name=node.name,
            line=node.lineno,
            docstring=text,
            decorators=[self._text.of(item) for item in node.decorator_list],
            conditional=conditional,
            start=node.decorator_list[0].lineno if node.decorator_list else node.lineno,
            signature_end=signature_end,
            code=signature_end + 1 if text is None else after_docstring,
            end=node.end_lineno or node.lineno,
            arguments=_arguments(node.args, self._text),
            returns=self._text.annotation(node.returns) if node.returns else None,
            is_async=type(node) is ast.AsyncFunctionDef,
        )

    def _branches(self, node: Any, owner: Class | None, members: list[Definition]) -> None:
        """Visit the blocks of a compound statement."""
        while True:
            kind = type(node)
            if kind is ast.If and _is_main_guard(node.test):
                # Definitions under ``__main__`` do not exist in an imported module.
                blocks = [node.orelse]
            else:
                blocks = [getattr(node, field, []) for field in ("body", "orelse", "finalbody")]
                blocks += [handler.body for handler in getattr(node, "handlers", ())]
                blocks += [case.body for case in getattr(node, "cases", ())]
            # Each elif is nested in the one before it. A loop avoids deep recursion.
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
                value = self._text.short(node.value) if node.value is not None else None
                owner.variables[node.target.id] = (self._text.annotation(node.annotation), value, text)
            return
        if type(node) is ast.AugAssign:
            return
        value = self._text.short(node.value)
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
                    if self._names_exports and "__all__" in _unpacked(target):
                        self._exports.attach(node)
                    for name in _unpacked(target):
                        self._variable(name, node, None, None, text)
            elif target.id == "__all__":
                self._exports.assign(node, added=kind is ast.AugAssign)
            elif kind is ast.Assign and type(node.value) is ast.Name and node.value.id not in BUILTINS:
                # ``Name = Other`` may give a public name to a private class or function.
                self._module.bindings[target.id] = f"{self._module.name}.{node.value.id}"
            elif kind is ast.Assign:
                if type(node.value) is ast.Attribute:
                    self._reference(target.id, node.value)
                self._variable(target.id, node, None, self._text.short(node.value), text)
            elif kind is ast.AnnAssign and (node.value is not None or self._module.path.endswith(".pyi")):
                value = self._text.short(node.value) if node.value is not None else None
                self._variable(target.id, node, self._text.annotation(node.annotation), value, text)

    def _reference(self, name: str, value: ast.Attribute) -> None:
        root, _, rest = (dotted(value) or "").partition(".")
        target = self._module.bindings.get(root)
        if target is not None and root != name:
            self._module.references[name] = f"{target}.{rest}"

    def _variable(self, name: str, node: Any, annotation: str | None, value: str | None, text: str | None) -> None:
        if not (name.startswith("__") and name.endswith("__")) and not (value and _LOGGER.match(value)):
            variable = self._module.variables[name] = Variable(self._module, name, node.lineno, annotation, value)
            variable.docstring = text

    def _imported(self, node: Any, *, top: bool = False) -> Iterable[tuple[str, str]]:
        """Yield (name, dotted target) for each name that an import statement binds."""
        if type(node) is ast.Import:
            for alias in node.names:
                if alias.asname:
                    yield alias.asname, alias.name
                    if top and alias.asname == alias.name:
                        self._module.redundant.add(alias.name)
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
                    self._module.stars.append(base)
            else:
                yield alias.asname or alias.name, f"{base}.{alias.name}" if base else alias.name
                if top and alias.asname == alias.name:
                    self._module.redundant.add(alias.name)

    def _absolute(self, module: str | None, level: int) -> str | None:
        if not level:
            return module or ""
        parts = self._module.name.split(".")
        up = level - 1 if self._module.is_package else level
        if up >= len(parts) + (1 if self._module.is_package else 0) or up > len(parts):
            return None
        base = ".".join(parts[: len(parts) - up])
        return ".".join(part for part in (base, module) if part)

    def _base(self, node: Any, own: set[str]) -> str:
        while type(node) is ast.Subscript:
            node = node.value
        name = dotted(node)
        if name is None:
            return self._text.of(node)
        root, dot, rest = name.partition(".")
        if root in own:
            return f"{self._module.name}.{name}"
        target = self._module.bindings.get(root) or self._module.references.get(root)
        if target:
            return f"{target}{dot}{rest}"
        if self._module.stars and root not in BUILTINS:
            return f"{self._module.name}.{name}"
        return name


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


def _is_main_guard(test: Any) -> bool:
    return (
        type(test) is ast.Compare
        and type(test.left) is ast.Name
        and test.left.id == "__name__"
        and type(test.ops[0]) is ast.Eq
        and type(test.comparators[0]) is ast.Constant
        and test.comparators[0].value == "__main__"
    )


def _arguments(node: ast.arguments, source: SourceText) -> list[tuple[str, str | None, str | None, str]]:
    result: list[tuple[str, str | None, str | None, str]] = []
    text, annotation = source.of, source.annotation
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
