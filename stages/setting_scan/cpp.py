"""Settings in C++. tree-sitter distinguishes code from comments, strings, raw strings and macros.

Syntax that is unknown to the grammar only affects its own part of a file. The scan recognizes Carbonite's
``carb::settings::ISettings``, the functions of ``SettingsUtils.h``, and constants with paths: ``constexpr``, ``const``,
``#define``.

The module is long because every step of reading a C++ file uses the same table of constants.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from stages.artifacts.settings import SettingType, SettingUse, UseKind
from stages.setting_scan.paths import PATH, ROOTED, SPACED_PATH, arguments, canonical, has_unknown_root, value_type

if TYPE_CHECKING:
    from tree_sitter import Node, Parser, QueryCursor

# A file without any of these is not parsed.
_PREFILTER = re.compile(rb'"/\w|ISettings|getAs(?:Bool|Int|Float|String)|setDefault|subscribeTo(?:Node|Tree)|"--/')
_CPP_QUERY = """
(call_expression) @call
(string_literal) @string
(raw_string_literal) @string
(preproc_def) @define
(preproc_function_def) @macro
(init_declarator) @constant
(field_declaration default_value: (_)) @constant
(declaration type: (_)) @declaration
(field_declaration type: (_)) @declaration
"""
_CPP_METHOD = re.compile(
    r"""(?:
        (?P<read>get(?:As|Cached)?(?:Bool|Int|Int32|Int64|UInt|UInt32|UInt64|Float|Float64|Double|String|StringView|StringBuffer)?(?:Array|At)*
            |getString(?:From\w+|Array\w*|At)?|createStringBufferFrom\w+|getSettingOrDefault|getItemType|getArrayLength
            |getPreferredArrayType|getSettingsDictionary|createDictionaryFromSettings|isAccessibleAs\w*|getArray)
        |(?P<write>set(?:Bool|Int|Int32|Int64|UInt|UInt32|UInt64|Float|Float64|Double|String|Dictionary)?(?:Array|At)*|destroyItem|update
            |appendToStringArray|setArray)
        |(?P<default>setDefault(?:Bool|Int|Int64|UInt|UInt64|Float|Float64|Double|String)?(?:Array)?|setDefaultsFromDict)
        |(?P<subscribe>subscribeTo(?:Node|Tree)Change(?:Events)?|startTracking|ScopedSubscription)
    )\Z""",
    re.VERBOSE,
)
# Names that many classes have: only recognized on an object with "settings" in its name.
_CPP_COMMON = frozenset(
    {
        *(
            "get",
            "set",
            "update",
            "getAs",
            "getArray",
            "setArray",
            "getString",
            "getBool",
            "getInt",
            "getFloat",
            "getDouble",
        ),
        *("setString", "setBool", "setInt", "setFloat", "setDouble", "getStringAt", "getStringView", "getStringArray"),
        *("setDefault", "getArrayLength", "getItemType", "startTracking"),
    }
)
_CPP_TYPES: tuple[tuple[re.Pattern[str], SettingType], ...] = (
    (re.compile(r"Array(?!At)"), "array"),
    (re.compile(r"Bool|^bool"), "bool"),
    (re.compile(r"U?Int|^u?int|^size_t|^long|^unsigned"), "int"),
    (re.compile(r"Float|Double|^float|^double"), "float"),
    (re.compile(r"String|char|string"), "string"),
    (re.compile(r"Dict"), "object"),
)
_ITEM_TYPE: dict[str, SettingType] = {
    "eBool": "bool",
    "eInt": "int",
    "eFloat": "float",
    "eString": "string",
    "eDictionary": "object",
}
# A definition in a macro with parameters: `static constexpr char name##Default[] = PREFIX path;`.
_MACRO_CONSTANT = re.compile(
    r"\b([A-Za-z_]\w*)(?:\s*##\s*([A-Za-z_]\w*))?\s*(?:\[\s*\]\s*)?(?:=|\{)\s*([^;{}=]{1,300}?)\s*[;}]"
)
_MACRO_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[A-Za-z_]\w*')
_STRINGS = frozenset({"string_literal", "raw_string_literal", "concatenated_string"})
_ESCAPES = re.compile(r"\\(.)")
_NUMBER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)")
_MAX_DEPTH = 12
_REFERENCE = "cpp"


@cache
def _parser() -> tuple[Parser, QueryCursor]:
    import tree_sitter
    import tree_sitter_cpp

    language = tree_sitter.Language(tree_sitter_cpp.language())
    return tree_sitter.Parser(language), tree_sitter.QueryCursor(tree_sitter.Query(language, _CPP_QUERY))


def cpp_uses(data: bytes, *, file: str) -> list[SettingUse]:
    """Return every setting that a C++ source or header uses, defaults or names.

    Args:
        data: The file's content, in an encoding that extends ASCII.
        file: Its path relative to the extension's folder.

    Returns:
        Records as in `calls.python_uses`. A path in another file's constant is written ``<cpp:NAME>``. C++ names are
        looked up by their last part (``kEnabled`` for ``ns::kEnabled``).
    """
    if not _PREFILTER.search(data):
        return []
    parser, cursor = _parser()
    found = cursor.captures(parser.parse(data).root_node)
    reader = _CppFile(file)
    for node in found.get("define", []):
        reader.define(node)
    for node in found.get("constant", []):
        reader.constant(node)
    for node in found.get("macro", []):
        reader.macro(node)
    for node in found.get("call", []):
        reader.expand(node)
    for node in found.get("call", []):
        reader.call(node)
    for node in found.get("declaration", []):
        reader.declaration(node)
    reader.named()
    for node in found.get("string", []):
        reader.string(node)
    return reader.records()


class _CppFile:
    """The constants and uses of one C++ file.

    It is one class because every step of the walk reads the constants, macros and namespaces found so far.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.constants: dict[str, tuple[Any, int, bool]] = {}  # name -> value node or macro text, line, at file level
        self.macros: dict[str, tuple[list[str], str]] = {}  # name of a macro with parameters -> parameters, body
        self.accounted: set[int] = set()  # start bytes of the strings that another record already covers
        self.whole: set[str] = set()
        self.prefixes: set[str] = set()
        self.found: list[SettingUse] = []

    def define(self, node: Node) -> None:
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name is not None and value is not None:
            self.constants.setdefault(_text(name), (_text(value), node.start_point[0] + 1, True))

    def macro(self, node: Node) -> None:
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        parameters = node.child_by_field_name("parameters")
        if name is not None and value is not None and parameters is not None:
            names = [_text(child) for child in parameters.named_children]
            self.macros.setdefault(_text(name), (names, _text(value).replace("\\\n", " ")))

    def expand(self, call: Node) -> None:
        """Add the constants that a macro call defines: ``DEFINE_SETTING(kOn, "/on")``."""
        function, arguments = call.child_by_field_name("function"), call.child_by_field_name("arguments")
        if function is None or arguments is None or _text(function) not in self.macros:
            return
        parameters, body = self.macros[_text(function)]
        nodes = [node for node in arguments.named_children if node.type != "comment"]
        given = dict(zip(parameters, map(_text, nodes), strict=False))
        for match in _MACRO_CONSTANT.finditer(body):
            name = given.get(match[1])
            if name is not None and name.isidentifier():
                value = _MACRO_WORD.sub(lambda word: given.get(word[0], word[0]), match[3])
                self.constants.setdefault(name + (match[2] or ""), (value, call.start_point[0] + 1, True))
                self._account(arguments)

    def constant(self, node: Node) -> None:
        declarator = node.child_by_field_name("declarator")
        value = node.child_by_field_name("value") or node.child_by_field_name("default_value")
        if declarator is None or value is None:
            return
        while inner := declarator.child_by_field_name("declarator"):
            declarator = inner
        if value.type in {"initializer_list", "argument_list"}:
            if len(value.named_children) != 1:
                return
            value = value.named_children[0]
        parent: Node | None = node
        while parent is not None and parent.type != "compound_statement":
            parent = parent.parent
        name = _text(declarator)
        # Local variables do not hide constants here: the first constant with a name is kept.
        if name not in self.constants or not self.constants[name][2]:
            self.constants[name] = (value, node.start_point[0] + 1, parent is None)

    def call(self, node: Node) -> None:
        function, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
        if function is None or arguments is None:
            return
        name, receiver, template = _callee(function)
        match = _CPP_METHOD.match(name)
        if match is None:
            return
        settings = "etting" in receiver
        if name in _CPP_COMMON and not settings and not (template and receiver):
            # `carb::settings::getString(settings, path)` is a function: its first argument is the interface.
            first = arguments.named_children[:1]
            if function.type == "field_expression" or not first or first[0].type in _STRINGS:
                return
            if "etting" not in _text(first[0]):
                return
        kind = cast("UseKind", match.lastgroup)
        self._use(arguments.named_children, name, kind, template, certain=settings)

    def _use(self, arguments: list[Node], name: str, kind: UseKind, template: str, *, certain: bool) -> None:
        arguments = [item for item in arguments if item.type != "comment"]
        type_ = _cpp_type(template) or _cpp_type(name)
        if name.startswith("isAccessibleAs") and arguments:
            type_ = _ITEM_TYPE.get(_text(arguments[0]).rpartition("::")[2].strip())
        for index, argument in enumerate(arguments[:3]):
            path = self.text_of(argument)
            if path is None or not (SPACED_PATH if certain else PATH).match(path):
                continue
            if not path.strip("/") or has_unknown_root(path):
                continue
            if not (
                path.startswith("/") or (path.startswith("<") and _constant_name(argument)) or (certain and index == 0)
            ):
                continue
            self._account(argument)
            self._mark(argument)
            default = None
            if kind in {"default", "write"} and index + 1 < len(arguments):
                default = self.literal(arguments[index + 1])
                type_ = type_ or value_type(default)
                if type_ == "float" and isinstance(default, int) and not isinstance(default, bool):
                    default = float(default)
            self._add(
                path, kind, argument, type_=type_, default=default if kind == "default" else None, certain=certain
            )
            return

    def declaration(self, node: Node) -> None:
        """Collect a cached setting: ``ThreadSafeLocalCache<bool> m_on{ false, "/path" };``."""
        kind = node.child_by_field_name("type")
        text = _text(kind) if kind is not None else ""
        if "ThreadSafeLocalCache" not in text:
            return
        template = text.partition("<")[2].rpartition(">")[0]
        for child in node.named_children:
            holder = child.child_by_field_name("value") if child.type == "init_declarator" else child
            if holder is not None and holder.type in {"initializer_list", "argument_list"}:
                self._use(holder.named_children, "ThreadSafeLocalCache", "subscribe", template, certain=False)

    def named(self) -> None:
        for name, (value, line, shared) in self.constants.items():
            text = self._macro(value, 0) if isinstance(value, str) else self.text_of(value)
            if text is None or not text.startswith(("/", "<")) or not text.strip("/") or not PATH.match(text):
                continue
            if has_unknown_root(text):
                continue
            if not isinstance(value, str):
                self._account(value)
            kind: UseKind
            if name in self.whole or (ROOTED.match(text) and name not in self.prefixes):
                kind = "constant"
            elif name in self.prefixes:
                kind = "prefix"
            elif "etting" in name.lower() and text.count("/") > 1 and text.startswith("/"):
                kind = "constant"
            else:
                kind = "candidate"
            self._add(text, kind, line, name=name if shared else None)

    def string(self, node: Node) -> None:
        parent = node.parent
        if node.start_byte in self.accounted:
            return
        if parent is not None and parent.type == "concatenated_string":
            node = parent
            self._account(node)
        text = self.text_of(node)
        if text is None or parent is None or parent.type == "preproc_include":
            return
        if "--/" in text:
            self.found += arguments(text, file=self.file, line=node.start_point[0] + 1)
        elif ROOTED.match(text) and PATH.match(text) and not has_unknown_root(text):
            self._add(text, "constant", node)

    # ---- values -----------------------------------------------------------------------------------------------------

    def text_of(self, node: Node, depth: int = 0) -> str | None:  # noqa: PLR0911 - one a kind of expression
        """Return the value of a string expression; None if it is unknown or not a string."""
        if depth > _MAX_DEPTH:
            return None
        kind = node.type
        if kind == "string_literal":
            return _unescaped(_text(node))
        if kind == "raw_string_literal":
            return "".join(_text(child) for child in node.named_children if child.type == "raw_string_content")
        if kind == "concatenated_string":
            parts = [self.text_of(child, depth + 1) for child in node.named_children if child.type != "comment"]
            self.prefixes.update(_text(child) for child in node.named_children if child.type == "identifier")
            return None if None in parts else "".join(part for part in parts if part is not None)
        if kind in {"identifier", "qualified_identifier", "field_identifier"}:
            return self._constant_text(_text(node).rpartition("::")[2].strip(), depth)
        if kind == "binary_expression":
            return self._sum(node, depth)
        if kind in {"parenthesized_expression", "cast_expression", "initializer_list", "argument_list"}:
            inner = node.named_children[-1:]
            return self.text_of(inner[0], depth + 1) if inner else None
        if kind == "call_expression":
            function, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
            if function is None or arguments is None:
                return None
            if function.type == "field_expression" and not arguments.named_children:
                owner = function.child_by_field_name("argument")  # `.c_str()`, `.data()`
                return self.text_of(owner, depth + 1) if owner is not None else None
            if _text(function).rpartition("::")[2] in {"string", "string_view", "zstring_view", "RString", "Token"}:
                inner = arguments.named_children[:1]
                return self.text_of(inner[0], depth + 1) if inner else None
        return None

    def _sum(self, node: Node, depth: int) -> str | None:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        operator = node.child_by_field_name("operator")
        if left is None or right is None or operator is None or operator.type != "+":
            return None
        first, second = self.text_of(left, depth + 1), self.text_of(right, depth + 1)
        if first is None:
            return None
        for name in [_text(left), *re.findall(r"\w+", _text(left))]:
            if name in self.constants:
                self.prefixes.add(name)
        if second is None or second.startswith("<"):
            second = "{" + "".join(re.findall(r"\w+", _text(right))[-1:]) + "}"
        return first + second

    def _constant_text(self, name: str, depth: int) -> str | None:
        known = self.constants.get(name)
        if known is None:
            return f"<{_REFERENCE}:{name}>" if re.match(r"k[A-Z]|s_|g_|[A-Z][A-Z0-9_]{2,}\Z", name) else None
        value = known[0]
        return self._macro(value, depth) if isinstance(value, str) else self.text_of(value, depth + 1)

    def _macro(self, text: str, depth: int) -> str | None:
        """Return the value of a macro that consists of string literals and other macros."""
        if depth > _MAX_DEPTH:
            return None
        parts: list[str] = []
        rest = text.strip()
        while rest and not rest.startswith(("//", "/*")):
            if match := re.match(r'"((?:[^"\\]|\\.)*)"', rest):
                parts.append(_unescaped(match[0]))
            elif match := re.match(r"[A-Za-z_]\w*\b(?!\()", rest):
                inner = self._constant_text(match[0], depth + 1)
                if inner is None:
                    return None
                if len(rest) > len(match[0]):
                    self.prefixes.add(match[0])
                parts.append(inner)
            else:
                return None
            rest = rest[match.end() :].lstrip()
        return "".join(parts) if parts else None

    def literal(self, node: Node, depth: int = 0) -> Any:  # noqa: PLR0911 - one a kind of expression
        """Return the value of a C++ literal or of a constant of this file; None for other expressions."""
        text = _text(node)
        if node.type in {"true", "false"}:
            return node.type == "true"
        if node.type in {"number_literal", "unary_expression"}:
            return _cpp_number(text)
        if node.type in {"identifier", "qualified_identifier"} and depth < _MAX_DEPTH:
            known = self.constants.get(text.rpartition("::")[2])
            if known is None:
                return None
            if not isinstance(known[0], str):
                return self.literal(known[0], depth + 1)
            if known[0].strip() in {"true", "false"}:
                return known[0].strip() == "true"
            number = _cpp_number(known[0].strip())
            return number if number is not None else self._macro(known[0], 0)
        value = self.text_of(node)
        return None if value is None or "<" in value or "{" in value else value

    # ---- records ----------------------------------------------------------------------------------------------------

    def _account(self, node: Node) -> None:
        self.accounted.add(node.start_byte)
        stack = [node]
        while stack:
            current = stack.pop()
            if current.type in _STRINGS:
                self.accounted.add(current.start_byte)
            stack.extend(current.named_children)

    def _mark(self, argument: Node) -> None:
        name = _constant_name(argument)
        if name in self.constants:
            self.whole.add(name)

    def _add(
        self,
        path: str,
        kind: UseKind,
        where: Node | int,
        *,
        type_: SettingType | None = None,
        default: Any = None,
        name: str | None = None,
        certain: bool = True,
    ) -> None:
        line = where if isinstance(where, int) else where.start_point[0] + 1
        record = SettingUse(
            path=canonical(path),
            kind=kind,
            type=type_,
            default=default,
            line=line,
            file=self.file,
            dynamic="{" in path,
            name=name,
            certain=certain,
        )
        self.found.append(record)

    def records(self) -> list[SettingUse]:
        return sorted(self.found, key=lambda use: (use.line, use.path, use.kind, use.name or "", use.type or ""))


def _text(node: Node) -> str:
    # UTF-8 first; Latin-1 decodes any byte, and the keys are ASCII.
    raw = node.text or b""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _constant_name(node: Node) -> str:
    if node.type in {"identifier", "qualified_identifier", "field_identifier"}:
        return _text(node).rpartition("::")[2].strip()
    if node.type == "call_expression":
        function = node.child_by_field_name("function")
        owner = function.child_by_field_name("argument") if function is not None else None
        return _constant_name(owner) if owner is not None else ""
    return ""


def _callee(function: Node) -> tuple[str, str, str]:
    """Return a called function's own name, the expression before it, and its template arguments."""
    template, receiver, node = "", "", function
    if node.type == "field_expression":
        owner, field = node.child_by_field_name("argument"), node.child_by_field_name("field")
        receiver = _text(owner) if owner is not None else ""
        node = field if field is not None else node
    while node.type == "qualified_identifier":
        scope, name = node.child_by_field_name("scope"), node.child_by_field_name("name")
        receiver += _text(scope) + "::" if scope is not None else ""
        if name is None:
            break
        node = name
    if node.type in {"template_method", "template_function"}:
        name, arguments = node.child_by_field_name("name"), node.child_by_field_name("arguments")
        template = _text(arguments).strip("<> ") if arguments is not None else ""
        node = name if name is not None else node
    return _text(node), receiver, template


def _cpp_type(text: str) -> SettingType | None:
    text = text.replace("const ", "").strip()
    return next((word for pattern, word in _CPP_TYPES if text and pattern.search(text)), None)


def _cpp_number(text: str) -> int | float | None:
    text = text.replace("'", "")
    stripped = text if text[:2].lower() == "0x" or text[:3].lower() == "-0x" else text.rstrip("fFlLuUzZ")
    if not _NUMBER.fullmatch(stripped.rstrip("uUlL") if "x" in stripped.lower() else stripped):
        return None
    try:
        if "x" in stripped.lower():
            return int(stripped.rstrip("uUlL"), 16)
        return float(stripped) if any(sign in stripped for sign in ".eE") or text[-1:] in "fF" else int(stripped)
    except ValueError:
        return None


def _unescaped(literal: str) -> str:
    return _ESCAPES.sub(
        lambda match: {"n": "\n", "t": "\t", "0": "\0"}.get(match[1], match[1]), literal.partition('"')[2][:-1]
    )
