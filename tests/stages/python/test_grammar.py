"""Newer Python on an older interpreter gives the results of the newer interpreter."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stages.python import renderer
from stages.python.files import UnreadableSource, decode
from stages.python.grammar import _Translation, parse
from stages.python.model import Class, Definition, Function
from stages.python.resolver import Api
from stages.python.visitor import visit

NEWER = {
    "type parameters": (
        "class Box[T: (int, str), *Ts, **P](Base[T]):\n    def put[U](self, item: U, *, by: int = 1) -> T:\n"
        "        pass\n",
        "class Box" + " " * 25 + "(Base[T]):\n    def put   (self, item: U, *, by: int = 1) -> T:\n        pass\n",
    ),
    "type parameters with defaults": (
        "def f[T = int, *Ts = *tuple[int, ...]](x: T): pass\n",
        "def f                                 (x: T): pass\n",
    ),
    "type parameters on several lines": (
        "def f[\n    T,  # of all\n](x: T) -> T:\n    return x\n",
        "def f \\\n                \\\n (x: T) -> T:\n    return x\n",
    ),
    "a type alias": ("type Pair[T] = tuple[T, T]\n", "Pair         = tuple[T, T]\n"),
    "names that are keywords elsewhere": ("type = 3\ntype X = int\n", "type = 3\nX      = int\n"),
    "the same quotes": ('x = f"a{d["k"]}b"\n', "x = ('a' + (d[\"k\"]) + 'b')\n"),
    "a backslash": ("x = f'{\"\\n\".join(a)}'\n", "x = (('\\n'.join(a)))\n".replace("'\\n'", '"\\n"')),
    "lines and comments": (
        "x = f'{\n    a  # one\n    + b\n}'\ny = 1\n",
        "x = (\n(a  # one\n    + b)\n)\ny = 1\n",
    ),
    "a nested format": ('x = f"{v!r:>{o["w"]}}"\n', 'x = ((v)[(o["w"]),])\n'),
    "braces and raw strings": ('x = rf"\\d{{2}}{d["k"]}\\d"\n', None),
    "strings side by side": (
        'x = ("a" f"{d["k"]}"\n     "b")\n',
        "x = (('a' + (d[\"k\"]) + \n'b'))\n",
    ),
    "nested f-strings": ('x = f"{f"{f"{a}"}"}"\n', None),
    "two exceptions": ("try:\n    pass\nexcept A, B:\n    pass\n", "try:\n    pass\nexcept (A, B):\n    pass\n"),
}


@pytest.mark.parametrize(("newer", "older"), NEWER.values(), ids=NEWER)
def test_newer_syntax_is_rewritten_line_by_line(newer: str, older: str | None) -> None:
    found = _Translation(newer).translate({})
    assert found.count("\n") == newer.count("\n")
    ast.parse(found)
    if older is not None and sys.version_info < (3, 12):
        assert found == older


@pytest.mark.parametrize(
    "source",
    [
        "def f(x: int = 1) -> f'{a}': return f'{x!r:>{w}}'\n",
        "x = 'type X = int'\n# def f[T](): pass\nfoo[T](x)\n",
        "try:\n    pass\nexcept (A, B) as error:\n    pass\nexcept* C:\n    pass\n".replace("except*", "except"),
    ],
)
def test_older_syntax_is_unchanged(source: str) -> None:
    assert _Translation(source).translate({}) == source


SOURCE = '''
"""A module of Python 3.12."""
import carb.settings
from .base import Base, Thing

type Pair[T] = tuple[T, T]
"""Two of a kind."""

LABEL = f"{carb.a["b"]}-x"


class Box[T](Base):
    """Holds one."""

    limit: int = 3

    @property
    def first[U: int](self, other: U | None = None, *rest: T, by: str = "x") -> T:
        """Return the first."""
        return f"{Thing(other)["a"] if other else "b"}{
            by  # the last
        }"


async def load[**P](call: Callable[P, int], *args: P.args) -> int:
    if call:
        for item in args:
            print(f"{item["name"]}")
    return carb.settings.get_settings().get(f"/exts/{__name__}/{"rate"}")
'''


def test_a_file_of_newer_python_is_read_as_a_whole() -> None:
    parsed = parse(SOURCE)
    module = visit("k", "k/__init__.py", is_package=True, parsed=parsed)
    base = visit("k.base", "k/base.py", is_package=False, parsed=parse("class Base: ...\nclass Thing: ...\n"))
    api = Api([module, base], [], ["k"])
    atlas = renderer.codeatlas(api, "k", {"k/__init__.py": SOURCE.split("\n")})
    first, load = atlas["methods"]["k.Box.first"], atlas["methods"]["k.load"]
    assert module.docstring == "A module of Python 3.12."
    assert atlas["classes"]["k.Box"]["parent_classes"] == ["k.Base"]
    assert atlas["classes"]["k.Box"]["docstring"] == "Holds one."
    assert (first["line_number"], first["decorators"], first["docstring"]) == (18, ["property"], "Return the first.")
    assert renderer.signature(first) == 'first(self, other: U | None = None, *rest: T, by: str = "x") -> T'
    assert renderer.signature(load) == "async load(call: Callable[P, int], *args: P.args) -> int"
    assert first["source_code"].startswith("@property\ndef first[U: int](self")
    assert first["class_usages"] == ["k.Thing"]
    assert {name: variable.value for name, variable in module.variables.items()} == {
        "Pair": "tuple[T, T]",
        "LABEL": 'f"{carb.a["b"]}-x"',
    }
    assert module.variables["Pair"].docstring == "Two of a kind."
    assert {function.name: function.complexity for function in api.functions(tests=False)} == {"first": 2, "load": 3}


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("def f(:\n", 1, "is not valid Python 3"),
        ("x = 1\nprint 'a'\n", 2, "is not valid Python 3"),
        ("def f[T](x):\n    pass\nprint 'a'\n", 3, "is valid neither for Python 3."),
    ],
)
def test_unreadable_source_gives_a_correct_error(source: str, line: int, words: str) -> None:
    with pytest.raises(UnreadableSource, match=words) as caught:
        parse(source)
    assert caught.value.line == line


# ---- against a newer interpreter ------------------------------------------------------------------------------------

# Runs `ast` on a newer Python, and therefore uses no code of the project.
DUMP = """
import ast, json, sys, warnings
warnings.simplefilter("ignore")
def functions(body, prefix):
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            arguments = node.args
            names = [a.arg for a in [*arguments.posonlyargs, *arguments.args]]
            names += ["*" + arguments.vararg.arg] if arguments.vararg else []
            names += [a.arg for a in arguments.kwonlyargs]
            names += ["**" + arguments.kwarg.arg] if arguments.kwarg else []
            several = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            several += [arguments.vararg, arguments.kwarg]
            notes = sum(a is not None and a.annotation is not None for a in several)
            yield [prefix + node.name, node.lineno, node.end_lineno, names, notes, ast.get_docstring(node)]
        elif isinstance(node, ast.ClassDef):
            yield [prefix + node.name, node.lineno, len(node.bases), ast.get_docstring(node)]
            yield from functions(node.body, prefix + node.name + ".")
result = {}
for path in json.load(sys.stdin):
    try:
        tree = ast.parse(open(path, "rb").read())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        continue
    result[path] = list(functions(tree.body, ""))
json.dump(result, sys.stdout)
"""


def newer_interpreters() -> list[str]:
    """Return the newer interpreters on the search path or beside the running interpreter."""
    found = []
    for minor in range(sys.version_info.minor + 1, sys.version_info.minor + 5):
        beside = sorted(Path(sys.base_prefix).parent.glob(f"3.{minor}.*/bin/python3.{minor}"))
        for path in [shutil.which(f"python3.{minor}"), *map(str, beside)]:
            if path and subprocess.run([path, "-c", "pass"], capture_output=True, check=False).returncode == 0:
                found.append(path)
                break
    return found


def described(members: list[Definition], prefix: str = "") -> list[list[Any]]:
    """Return definitions as `DUMP` does."""
    found: list[list[Any]] = []
    for item in members:
        name = prefix + item.name
        if isinstance(item, Function):
            names = [argument[0] for argument in item.arguments]
            notes = sum(argument[1] is not None for argument in item.arguments)
            found.append([name, item.line, item.end, names, notes, item.docstring])
        elif isinstance(item, Class):
            found.append([name, item.line, len(item.bases), item.docstring])
            found += described(item.members, f"{name}.")
    return found


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.skipif(not newer_interpreters(), reason="no newer Python is installed")
def test_the_standard_library_of_a_newer_python_reads_as_with_that_python() -> None:
    for interpreter in newer_interpreters():
        code = "import sysconfig; print(sysconfig.get_path('stdlib'))"
        folder = Path(
            subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        )
        newer: dict[str, str] = {}
        for path in sorted(folder.rglob("*.py")):
            if "site-packages" in path.parts or "lib2to3" in path.parts:
                continue
            try:
                text = decode(path.read_bytes())
                if "[" in text:
                    ast.parse(text)
            except SyntaxError:
                newer[str(path)] = text
            except (UnreadableSource, ValueError, RecursionError, MemoryError):
                continue
        done = subprocess.run(
            [interpreter, "-c", DUMP], input=json.dumps(sorted(newer)), capture_output=True, text=True, check=True
        )
        expected = json.loads(done.stdout)
        assert len(expected) > 3, "a newer standard library without newer syntax"
        for path, definitions in expected.items():
            parsed = parse(newer[path])
            assert parsed.text.count("\n") == newer[path].count("\n")
            module = visit("m", path, is_package=False, parsed=parsed)
            found = described(module.members)
            assert [item for item in definitions if item not in found] == [], path
