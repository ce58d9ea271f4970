"""Settings used in Python: setting paths that a parsed file reads, writes, defaults, subscribes to or names.

Nothing is imported or run. A file is skipped if its source has no sign of settings. The recognized API is
`carb.settings` as documented by Carbonite (`ISettings`: a path begins with an optional slash, its parts are separated
by slashes), Kit's additions to it (`SettingChangeSubscription`, the `ChangeSetting` command, setting models and
widgets), and `--/path=value` arguments of Kit's command line.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

from stages.artifacts.settings import SettingType, SettingUse, UseKind
from stages.product_facts import PRIM_ROOTS
from stages.setting_scan.interface import ACCESSORS, Interface
from stages.setting_scan.paths import (
    ARGUMENT,
    PATH,
    ROOT_PATTERN,
    ROOTED,
    SPACED_PATH,
    argument_value,
    canonical,
    has_unknown_root,
    value_type,
)
from stages.setting_scan.scopes import Bindings, Scope
from stages.setting_scan.strings import NOWHERE, Evaluator, Value, Where, last_name

VERSION = "2"

# Patterns of files worth parsing, see `prefilter`.
_API_WORDS = (
    *("get_settings", "settings_interface", "ISettings", "--/", "get_as_", "subscribe_to_"),
    *("SETTING", '"ChangeSetting', "'ChangeSetting"),
)
_SETTING_CODE = re.compile(r"etting(?:\w*\(|s?(?:_iface|_interface)?\.\w+\()")
# One pattern for each quote: a pattern with fixed first characters is several times faster.
_ROOTED_STRINGS = (re.compile(rf'"/(?:{ROOT_PATTERN})/'), re.compile(rf"'/(?:{ROOT_PATTERN})/"))
_CONSTANT_NAME = re.compile(r"setting", re.IGNORECASE)

# A constant that may be part of a path: the id of an extension, the name of a group.
_TEXT = re.compile(r"[\w.:@~+-]{1,100}\Z")

_FROM_ELSEWHERE = (ast.Call, ast.Name, ast.Attribute, ast.Subscript)

# Methods of ISettings: name -> (kind, type). The first argument is the path unless `_SECOND_ARGUMENT` says otherwise.
_METHODS: dict[str, tuple[UseKind, SettingType | None]] = {
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
# Methods that dictionaries and other objects also have. They do not identify the settings interface.
_COMMON_METHODS = frozenset({"get", "set", "update"})
_SECOND_ARGUMENT = frozenset({"is_accessible_as"})
_SETTING_TYPES: dict[str, SettingType] = {
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
_ITEM_TYPES: dict[str, SettingType] = {
    "BOOL": "bool",
    "INT": "int",
    "FLOAT": "float",
    "STRING": "string",
    "DICTIONARY": "object",
}


def python_uses(
    tree: ast.Module,
    *,
    file: str,
    source: str,
    where: Where = NOWHERE,
    warn: Callable[[str], None] | None = None,
) -> list[SettingUse]:
    """Return every setting that a Python file uses or names.

    Args:
        tree: The parsed file.
        file: Its path relative to the extension's folder, with ``/``.
        source: Its text, for the prefilter.
        where: Its extension and module, which paths may refer to.
        warn: Called once with a message if the file exceeds the limit of steps.

    Returns:
        One record per use, sorted by line and path:
        ``path`` in canonical form, with ``{name}`` for a part known only at run time and ``<module:NAME>``
        (``<.settings:ENABLED>``) for a constant of another file, which `constants.resolve` replaces;
        ``kind``: ``read``, ``write``, ``default``, ``subscribe``, ``argument`` (``--/path=value``), ``constant``
        (defined on that line, but not used), ``prefix`` (a constant that only begins other paths), ``candidate`` (a
        path-like constant, which is a setting only if another file uses it as one) or ``text`` (a constant that another
        file may use as part of a path; ``path`` is its unchanged text);
        ``type``: bool, int, float, string, array, object or null; ``default``: the literal of a ``set_default``, else
        null; ``line`` (from 1); ``file``; ``dynamic``: True if the path has a ``{name}``;
        ``name``: the name of a constant that other files can import (``ENABLED``, ``Keys.ENABLED``); else null;
        ``certain``: True if the path is an argument of the settings interface or of an object named like it.
    """
    names = Bindings()
    if prefilter(source):
        names.collect(tree)
    else:
        names.collect_constants(tree)
    uses = _Uses(file, names, where)
    found = uses.records()
    names.release()
    limit_warning = uses.strings.limit_warning()
    if limit_warning is not None and warn is not None:
        warn(limit_warning)
    return found


def prefilter(source: str) -> bool:
    """Return True if a file may use settings. Of other files only the constants are needed.

    Plain substring tests come first: for a source tree they take a hundredth of the parsing time.
    """
    if any(word in source for word in _API_WORDS) or _SETTING_CODE.search(source):
        return True
    return ('"/' in source or "'/" in source) and any(pattern.search(source) for pattern in _ROOTED_STRINGS)


class _Uses:
    """The uses of settings in one file."""

    def __init__(self, file: str, names: Bindings, where: Where = NOWHERE) -> None:
        self.file = file
        self.names = names
        self.strings = Evaluator(names, where)
        self.interface = Interface(self.strings)
        self.found: list[SettingUse] = []

    def records(self) -> list[SettingUse]:
        for call, scope in self.names.calls:
            self._call(call, scope)
        self._named_constants()
        # An outer expression is collected before its parts, and accounts for them.
        for node, scope in self.names.strings:
            self._string(node, scope)
        self._texts()
        return sorted(self.found, key=_key)

    def _add(
        self,
        kind: UseKind,
        value: Value,
        line: int,
        *,
        type_: SettingType | None = None,
        default: Any = None,
        name: str | None = None,
        certain: bool = True,
    ) -> None:
        self.found.append(
            SettingUse(
                path=value.text if kind == "text" else canonical(value.text),
                kind=kind,
                type=type_,
                default=default,
                line=line,
                file=self.file,
                dynamic=value.dynamic or "{" in value.text,
                name=name,
                certain=certain,
            )
        )

    def _call(self, call: ast.Call, scope: Scope) -> None:
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
                    and self.interface.is_settings(value.value, where)
                ):
                    name, receiver = value.attr, value.value
        else:
            return
        if name in _METHODS and receiver is not None:
            certainty = self.interface.is_settings(receiver, scope)
            if certainty or name not in _COMMON_METHODS:
                self._method(call, name, scope, certainty)
                return
        if name == "execute" and call.args and isinstance(call.args[0], ast.Constant):
            command = call.args[0].value
            if isinstance(command, str) and "Setting" in command:
                self._keyword_path(call, scope, "write")
        elif "etting" in name and name not in ACCESSORS:
            self._setting_call(call, name, scope)

    def _method(self, call: ast.Call, name: str, scope: Scope, certainty: int) -> None:
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
            literal = self.strings.literal(value, scope)
            type_ = type_ or value_type(literal)
            default = literal if kind == "default" else None
        elif name == "is_accessible_as" and call.args:
            type_ = _ITEM_TYPES.get(last_name(call.args[0]))
        for path in self._paths(argument, scope, certain=certainty == 2, spaced=certainty > 0):
            self._add(kind, path, argument.lineno, type_=type_, default=default, certain=certainty > 0)

    def _paths(self, node: ast.expr, scope: Scope, *, certain: bool, spaced: bool = False) -> list[Value]:
        """Return the possible setting paths of an argument.

        Args:
            node: The argument.
            scope: The scope of the call.
            certain: True if the call certainly takes a setting: then the leading slash is optional, as in Carbonite.
                Otherwise the path must have one, and its first part must not be a USD root.
            spaced: True if a path may have spaces.
        """
        paths = []
        for value in dict.fromkeys(self.strings.values(node, scope)):
            text = value.text
            if not (SPACED_PATH if spaced else PATH).match(text) or not text.strip("/") or has_unknown_root(text):
                continue
            first = text.lstrip("/").partition("/")[0]
            if certain or text.startswith("<") or (text.startswith("/") and first not in PRIM_ROOTS):
                paths.append(value)
        if paths:
            self.strings.used.add(id(node))
        return paths

    def _setting_call(self, call: ast.Call, name: str, scope: Scope) -> None:
        """Collect the uses in a call with "setting" in its name: wrappers, models and widgets."""
        lowered = name.lower()
        kind: UseKind
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
                literal = self.strings.literal(call.args[position + 1], scope)
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

    def _keyword_path(self, call: ast.Call, scope: Scope, kind: UseKind) -> None:
        named = {keyword.arg: keyword.value for keyword in call.keywords}
        argument = named.get("path") or (call.args[1] if len(call.args) > 1 else None)
        if argument is not None:
            literal = self.strings.literal(named["value"], scope) if "value" in named else None
            for path in self._paths(argument, scope, certain=True, spaced=True):
                self._add(kind, path, argument.lineno, type_=value_type(literal))

    def _named_constants(self) -> None:
        for name, node, scope in self.names.constants:
            if not isinstance(node, _FROM_ELSEWHERE):
                for value in self.strings.values(node, scope):
                    self._named_path(name, node, value)

    def _texts(self) -> None:
        """Collect constants that may be parts of paths. Runs last, because it marks the visited constants."""
        for name, node, scope in self.names.constants:
            for value in self.strings.values(node, scope):
                if _TEXT.match(value.text) and not value.dynamic:
                    self._add("text", value, node.lineno, name=name)

    def _named_path(self, name: str, node: ast.expr, value: Value) -> None:
        if not value.text.startswith(("/", "<")) or not value.text.strip("/") or has_unknown_root(value.text):
            return
        whole, prefix = id(node) in self.strings.whole, id(node) in self.strings.prefixes
        if not (SPACED_PATH if whole else PATH).match(value.text):
            return
        self.strings.used.add(id(node))
        kind: UseKind
        if whole or (ROOTED.match(value.text) and not prefix):
            kind = "constant"
        elif prefix:
            kind = "prefix"
        elif _CONSTANT_NAME.search(name) and value.text.count("/") > 1 and not value.text.startswith("<"):
            kind = "constant"
        else:
            kind = "candidate"
        self._add(kind, value, node.lineno, name=name)

    def _string(self, node: ast.expr, scope: Scope) -> None:
        if id(node) in self.strings.used:
            return
        values = self.strings.values(node, scope)
        if isinstance(node, ast.JoinedStr | ast.BinOp):
            if not any("/" in value.text for value in values):
                return
            for inner in ast.walk(node):
                self.strings.used.add(id(inner))
        for value in values:
            if "--/" in value.text:
                for match in ARGUMENT.finditer(value.text):
                    text = match[2]
                    literal = None if text is None or "{" in text or "<" in text else argument_value(text)
                    self._add("argument", Value(match[1], "{" in match[1]), node.lineno, type_=value_type(literal))
            elif ROOTED.match(value.text) and PATH.match(value.text) and not has_unknown_root(value.text):
                self._add("constant", value, node.lineno)


def _key(use: SettingUse) -> tuple[int, str, str, str, str]:
    return (use.line, use.path, use.kind, use.name or "", use.type or "")


def _is_setting_type(node: ast.expr) -> bool:
    """Return True if an expression is a type of settings (``SettingType.INT``), not a constant with a path."""
    return isinstance(node, ast.Attribute) and last_name(node.value) == "SettingType"
