"""The model of a file, compared with radon, griffe, inspect and counts of `ast` nodes on a thousand real files."""

from __future__ import annotations

import ast
import inspect
import textwrap
import warnings
from pathlib import Path
from typing import Any

import griffe
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from radon.visitors import ComplexityVisitor

from stages.python.files import decode
from stages.python.grammar import Parsed, parse
from stages.python.model import Class, Function, Module
from stages.python.resolver import definitions, functions_of
from stages.python.text import dedent, docstring
from stages.python.visitor import visit
from tests.definitions import importable


def module_of(source: str, name: str = "pkg.mod", *, is_package: bool = False) -> Module:
    text = textwrap.dedent(source)
    return visit(name, "pkg/mod.py", is_package=is_package, parsed=parse(text))


def function_of(source: str) -> Function:
    found = module_of(source).members[-1]
    assert isinstance(found, Function)
    return found


@pytest.fixture(scope="module", params=[8, pytest.param(1, marks=pytest.mark.long)], ids="1 in {}".format)
def real_files(wheel_root: Path, request: pytest.FixtureRequest) -> list[tuple[str, str, ast.Module]]:
    """Path, text and tree of the Python files of the wheel's extensions: of one in eight, or of all."""
    files = []
    paths = sorted(wheel_root.glob("isaaclab/source/**/*.py"))
    assert len(paths) == 969
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in paths[:: request.param]:
            text = decode(path.read_bytes())
            files.append((path.relative_to(wheel_root).as_posix(), text, ast.parse(text)))
    return files


def test_definitions_of_real_files_equal_a_plain_count(
    real_files: list[tuple[str, str, ast.Module]],
) -> None:
    classes = functions = 0
    for path, text, tree in real_files:
        module = visit("m", path, is_package=False, parsed=Parsed(tree, text, {}))
        found = sorted((item.line, item.name, isinstance(item, Class)) for item in definitions(module.members))
        expected = sorted((node.lineno, node.name, isinstance(node, ast.ClassDef)) for node in importable(tree.body))
        assert found == expected, path
        classes += sum(is_class for _, _, is_class in found)
        functions += sum(not is_class for _, _, is_class in found)
    # The files have more: the rest are inside functions.
    everything = [type(node) for _, _, tree in real_files for node in ast.walk(tree)]
    local_classes, local_functions = LOCAL[len(real_files)]
    assert everything.count(ast.ClassDef) - classes == local_classes
    assert everything.count(ast.FunctionDef) + everything.count(ast.AsyncFunctionDef) - functions == local_functions


# Classes and functions inside functions, by the number of files.
LOCAL = {969: (63, 118), 122: (0, 12)}
# Minimum numbers of functions, docstrings, and functions in every fifth file, by the number of files.
LEAST = {969: (4000, 3000, 500), 122: (500, 400, 61)}


def test_complexities_of_real_functions_equal_radons(real_files: list[tuple[str, str, ast.Module]]) -> None:
    compared = 0
    for path, text, tree in real_files:
        nodes = {node.lineno: node for node in importable(tree.body) if not isinstance(node, ast.ClassDef)}
        for function in functions_of(visit("m", path, is_package=False, parsed=Parsed(tree, text, {})).members):
            visitor = ComplexityVisitor.from_ast(nodes[function.line])
            assert function.complexity == visitor.functions[0].complexity, f"{path}:{function.line}"
            compared += 1
    assert compared > LEAST[len(real_files)][0]


def test_docstrings_of_real_definitions_are_as_inspect_cleans_them(
    real_files: list[tuple[str, str, ast.Module]],
) -> None:
    compared = 0
    for path, _, tree in real_files:
        for node in [tree, *importable(tree.body)]:
            assert docstring(node) == ast.get_docstring(node), path
            compared += docstring(node) is not None
    assert compared > LEAST[len(real_files)][1]


@given(st.text(alphabet="ab \t\n\\", max_size=60))
@settings(max_examples=300, deadline=None)
def test_a_docstring_is_cleaned_as_inspect_cleans_it(text: str) -> None:
    tree = ast.Module([ast.Expr(ast.Constant(text))], [])
    assert docstring(tree) == inspect.cleandoc(text)


def test_signatures_of_real_functions_equal_griffes(wheel_root: Path) -> None:
    root = wheel_root / "isaaclab/source/isaaclab/isaaclab"
    compared = 0
    for path in sorted(root.glob("utils/*.py")):
        text = decode(path.read_bytes())
        module = visit("m", path.name, is_package=False, parsed=parse(text))
        other = griffe.visit("m", path, text)
        for function in module.members:
            if not isinstance(function, Function) or function.overloads or "#" in function.qualname:
                continue
            twin = other[function.name]
            assert [name.lstrip("*") for name, _, _, _ in function.arguments] == [
                parameter.name for parameter in twin.parameters
            ]
            assert [kind.replace("_", "-") for _, _, _, kind in function.arguments] == [
                GRIFFE_KINDS.get(parameter.kind.value, parameter.kind.value.replace(" ", "-").replace("_", "-"))
                for parameter in twin.parameters
            ]
            for (_, annotation, default, _), parameter in zip(function.arguments, twin.parameters, strict=True):
                assert _same(annotation, parameter.annotation)
                if not parameter.kind.value.startswith("variadic"):
                    assert _same(default, parameter.default)
            assert _same(function.returns, twin.returns)
            compared += 1
    assert compared > 100


GRIFFE_KINDS = {"variadic positional": "variadic", "variadic keyword": "variadic-keyword"}


def _same(text: str | None, other: Any) -> bool:
    """Return True if two expressions are equal. griffe keeps the quotes around an annotation."""
    if text is None or other is None:
        return text is None and other is None
    tree = ast.parse(str(other), mode="eval").body
    if isinstance(tree, ast.Constant) and tree.value == text:
        return True
    return ast.dump(ast.parse(text, mode="eval").body) == ast.dump(tree)


def test_dedented_source_of_real_functions_is_the_same_function(
    real_files: list[tuple[str, str, ast.Module]],
) -> None:
    compared = 0
    for path, text, tree in real_files[::5]:
        lines = text.split("\n")
        nodes = {node.lineno: node for node in importable(tree.body) if not isinstance(node, ast.ClassDef)}
        for function in functions_of(visit("m", path, is_package=False, parsed=Parsed(tree, text, {})).members):
            source = dedent(lines[function.start - 1 : function.end])
            # The indentation is also removed inside multi-line strings, as in a cleaned docstring.
            again = ast.parse(source).body[0]
            assert _shape(again) == _shape(nodes[function.line]), f"{path}:{function.line}"
            compared += 1
    assert compared > LEAST[len(real_files)][2]


def _shape(node: ast.AST) -> list[str]:
    return [
        "string" if isinstance(item, ast.Constant) and isinstance(item.value, str) else ast.dump(item)
        for item in ast.walk(node)
        if not list(ast.iter_child_nodes(item))
    ]


@pytest.mark.parametrize(
    ("body", "complexity"),
    [
        ("pass", 1),
        ("if a: pass\n    elif b: pass\n    else: pass", 3),
        ("return a and b or c", 3),
        ("for x in y: pass\n    else: pass", 3),
        ("while a: break", 2),
        ("try: pass\n    except A: pass\n    except B: pass\n    else: pass\n    finally: pass", 4),
        ("try: pass\n    except* A: pass", 2),
        ("return [x for x in y if x if z]", 4),
        ("return a if b else c", 2),
        ("assert a or b", 2),
        ("with a: pass", 1),
        ("return lambda: a and b", 2),
        ("match a:\n        case 1: pass\n        case _: pass", 2),
        ("match a:\n        case 1: pass\n        case 2: pass", 3),
        ("def g():\n        if a: pass\n    return g", 1),
        ("class C:\n        def g(self):\n            if a: pass\n    return C", 1),
    ],
)
def test_complexity_counts_decisions(body: str, complexity: int) -> None:
    assert function_of(f"def f(a=1 if 2 else 3):\n    {body}\n").complexity == complexity


def test_a_chain_of_elif_of_any_length_is_read() -> None:
    source = "if x == 0:\n    def first(): ...\n"
    source += "".join(f"elif x == {n}:\n    y = {n}\n" for n in range(1, 900))
    source += "else:\n    def last(): ...\n"
    assert [member.name for member in module_of(source).members] == ["first", "last"]


@pytest.mark.parametrize(
    ("source", "exports"),
    [
        ("__all__ = ['a', 'b']", ["a", "b"]),
        ("__all__ = ('a',) + ('b',)", ["a", "b"]),
        ("__all__: list[str] = ['a']", ["a"]),
        ("__all__ = ['a']\n__all__ += ['b']", ["a", "b"]),
        ("__all__ = ['a']\n__all__.append('b')\n__all__.extend(('c',))\n__all__.remove('a')", ["b", "c"]),
        ("from . import sub\n__all__ = [*sub.__all__, 'a']", ["pkg.sub.", "a"]),
        ("from . import sub\n__all__ = list(sub.__all__)", ["pkg.sub."]),
        ("import pkg.sub\n__all__ = pkg.sub.__all__", ["pkg.sub."]),
        ("__all__: list[str]", None),
        ("", None),
    ],
)
def test_literal_exports_are_read(source: str, exports: list[str] | None) -> None:
    module = module_of(source)
    assert module.exports == exports
    assert module.dynamic_exports == 0


@pytest.mark.parametrize(
    "source",
    [
        "__all__ = [name for name in dir()]",
        "__all__ = compute()",
        "__all__ = []\n__all__.sort(key)",
        "__all__ = ['a', *more]",
    ],
)
def test_computed_exports_are_marked(source: str) -> None:
    assert module_of(source).dynamic_exports == source.count("\n") + 1


@pytest.mark.parametrize(
    ("statement", "is_package", "bindings"),
    [
        ("import a.b.c", False, {"a": "a"}),
        ("import a.b as c", False, {"c": "a.b"}),
        ("from a import b as c, d", False, {"c": "a.b", "d": "a.d"}),
        ("from . import a", False, {"a": "pkg.a"}),
        ("from . import a", True, {"a": "pkg.mod.a"}),
        ("from ..a import b", True, {"b": "pkg.a.b"}),
        ("from ....a import b", False, {}),
        ("try:\n    import a\nexcept ImportError:\n    import b as a", False, {"a": "b"}),
    ],
)
def test_imports_bind_absolute_names(statement: str, is_package: bool, bindings: dict[str, str]) -> None:
    assert module_of(statement, is_package=is_package).bindings == bindings


def test_recursion_and_error_handling_are_detected() -> None:
    assert function_of("def f(): f()").is_recursive
    assert not function_of("def f(): g.f()").is_recursive
    module = module_of("class C:\n    def f(self): self.f()\n    def g(self): f()\n    def h(self): self.x.h()")
    assert [function.is_recursive for function in functions_of(module.members)] == [True, False, False]
    assert function_of("def f():\n    try: pass\n    finally: pass").handles_errors
    assert not function_of("def f():\n    def g():\n        try: pass\n        finally: pass").handles_errors


@pytest.mark.parametrize(
    ("source", "signature", "code"),
    [
        ("def f(a, b=lambda x: x) -> Callable[[int], str]:  # a: b\n    return a", 1, ["    return a"]),
        ("def f():\n    # a comment first\n\n    'A docstring.'\n    return 1", 3, ["    return 1"]),
        (
            'def f(\n    a: int = 1,  # first:\n    b: str = """b:\n""",\n):\n    """A.\n\n    B.\n    """\n    pass',
            5,
            ["    pass"],
        ),
        ('@decorated(lambda: 1)\n@other\nasync def f(self):\n    r"""Raw \\d."""', 3, []),
        ("def f(): return 1", 1, []),
        ('def f(): "Doc."', 1, []),
        ("def f(): 'Doc.'; return 1", 1, []),
        (
            "def f():\n    @wraps(f)\n    def g():\n        pass\n    return g",
            1,
            ["    @wraps(f)", "    def g():", "        pass", "    return g"],
        ),
        ("def f():\n    f'not a docstring {1}'\n    return 2", 1, ["    f'not a docstring {1}'", "    return 2"]),
        ("def f():\n    b'neither'\n    return 2", 1, ["    b'neither'", "    return 2"]),
        ("def f():\n    'one' \\\n    'two'\n    return 2", 1, ["    return 2"]),
        ("def f():\n    'not one'.strip()\n    return 2", 1, ["    'not one'.strip()", "    return 2"]),
        ("def f():\n    (\n        'in brackets'\n    )\n    return 2", 1, ["    return 2"]),
        ("def f(a:\n      int):\n    return a[1:\n        2]", 2, ["    return a[1:", "        2]"]),
    ],
)
def test_a_function_records_the_end_of_its_signature_and_docstring(
    source: str, signature: int, code: list[str]
) -> None:
    for above in (0, 3):
        function = function_of("\n" * above + source)
        lines = source.split("\n")
        assert function.signature_end == above + signature
        assert lines[function.code - above - 1 :] == code
