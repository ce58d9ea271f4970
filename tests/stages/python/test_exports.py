"""Names of ``__all__`` that no plain import binds, and colliding names."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from stages.python import renderer
from stages.python.grammar import parse
from stages.python.resolver import Api
from stages.python.visitor import visit
from tests import records

IMPL = '''
class Robot:
    """A robot that walks."""
    def step(self, dt: float) -> None:
        """Advance by dt."""

def reset_all(seed: int = 0) -> None:
    """Put all back."""
'''


def api_of(files: dict[str, str]) -> Api:
    """Return the linked modules. A key is the name of a module; a name that ends in a dot is a package."""
    modules = []
    for name, source in files.items():
        text, package = textwrap.dedent(source), name.endswith(".")
        name = name.rstrip(".")
        path = name.replace(".", "/") + ("/__init__.py" if package else ".py")
        modules.append(visit(name, path, is_package=package, parsed=parse(text)))
    return Api(modules, [], ["k"])


def documented(api: Api) -> dict[str, Any]:
    return renderer.api_docs(api, "k", "1.0.0", renderer.codeatlas(api, "k", None))


@pytest.mark.parametrize(
    "package",
    {
        "module __getattr__": """
            __all__ = ["Robot", "reset_all"]
            _WHERE = {"Robot": "impl", "reset_all": "impl"}
            def __getattr__(name):
                import importlib
                return getattr(importlib.import_module("." + _WHERE[name], __name__), name)
            """,
        "full names": """
            __all__ = ["Robot", "reset_all"]
            _LAZY = {"Robot": ("k.impl", "Robot"), "reset_all": ("k.impl", "reset_all")}
            from importlib import import_module
            def __getattr__(name):
                m, a = _LAZY[name]
                return getattr(import_module(m), a)
            """,
        "a loop over globals": """
            from . import impl
            __all__ = ["Robot", "reset_all"]
            for _n in __all__:
                globals()[_n] = getattr(impl, _n)
            """,
        "assignments": """
            from . import impl
            Robot = impl.Robot
            reset_all = impl.reset_all
            __all__ = ["Robot", "reset_all"]
            """,
        "assignments without __all__": """
            from . import impl
            Robot = impl.Robot
            reset_all = impl.reset_all
            """,
        "lazy_loader": """
            import lazy_loader as lazy
            __getattr__, __dir__, __all__ = lazy.attach(
                __name__, submodules=["impl"], submod_attrs={"impl": ["Robot", "reset_all"]}
            )
            """,
    }.items(),
    ids=lambda item: item[0],
)
def test_names_that_no_import_binds_are_public_in_the_package(package: tuple[str, str]) -> None:
    # Another class of that name, in a module that the package does not mention.
    api = api_of({"k.": package[1], "k.impl": IMPL, "k.aaa": "class Robot:\n    x: int\n"})
    docs = documented(api)
    assert docs["classes"]["Robot"]["full_name"] == "k.Robot"
    assert docs["classes"]["Robot"]["docstring"] == "A robot that walks."
    assert [method["full_name"] for method in docs["classes"]["Robot"]["methods"]] == ["k.Robot.step"]
    assert [method["full_name"] for method in docs["methods"] if not method["name"].startswith("_")] == ["k.reset_all"]
    assert list(api.missing_exports()) == []


@pytest.mark.parametrize(
    ("exporter", "module"),
    [
        ("", "__all__ = []\ndef export(f):\n    __all__.append(f.__name__)\n    return f\n@export\n"),
        (
            "import sys\ndef export(f):\n    module = sys.modules[f.__module__]\n"
            "    module.__dict__.setdefault('__all__', []).append(f.__name__)\n    return f\n",
            "from ._export import export\n@export\n",
        ),
        (
            "import sys\ndef export(f):\n    sys.modules[f.__module__].__all__.append(f.__name__)\n    return f\n",
            "from . import _export\n__all__ = []\n@_export.export\n",
        ),
    ],
    ids=["in the module", "imported", "of an imported module"],
)
def test_a_decorator_may_export(exporter: str, module: str) -> None:
    again = module.rpartition("@")[1] + module.rpartition("@")[2]
    impl = module + "class Robot:\n    pass\n" + again + "def reset_all():\n    pass\n\ndef hidden():\n    pass\n"
    api = api_of({"k.": "from .impl import *\n", "k.impl": impl, "k._export": exporter})
    docs = documented(api)
    assert [item["full_name"] for item in docs["classes"].values()] == ["k.Robot"]
    assert [item["full_name"] for item in docs["methods"]] == ["k.reset_all"]


def test_an_unresolved_entry_is_reported() -> None:
    source = """
    import logging
    from .gone import Here
    from carb import settings
    __version__ = "1"
    _logger = logger = logging.getLogger(__name__)
    for LOOPED in range(3):
        pass
    with open("x") as OPENED:
        pass
    if (WALRUS := 3):
        pass
    def _set():
        global LATE
        LATE = 3
    __all__ = ["Here", "settings", "__version__", "logger", "LOOPED", "OPENED", "WALRUS", "LATE", "sub", "Gone", "lost"]
    """
    api = api_of({"k.": source, "k.sub": "", "k.other.": "", "j": "class Gone:\n    pass\n"})
    assert [(module.name, name) for module, name in api.missing_exports()] == [("k", "Gone"), ("k", "lost")]
    api = api_of({"k.": "from carb import *\n__all__ = ['lost']\n"})
    assert list(api.missing_exports()) == []


def test_a_reference_to_a_variable_stays_a_variable() -> None:
    api = api_of({"k.": "from . import impl\nLIMIT = impl.LIMIT\n", "k.impl": "LIMIT = 3\n"})
    found = {item["full_name"]: item["default_value"] for item in documented(api)["variables"]}
    assert found == {"k.LIMIT": "impl.LIMIT", "k.impl.LIMIT": "3"}


def test_a_class_with_the_name_of_its_module_hides_no_function() -> None:
    window = """
    class Window:
        class Inner:
            def a(self): ...
        def show(self, visible=True): ...
    class Inner:
        def a(self, x): ...
    def show(title: str) -> Window: ...
    """
    api = api_of({"k.": "from .Window import Window\n", "k.Window": window})
    atlas = renderer.codeatlas(api, "k", None)
    assert sorted(atlas["modules"]) == ["k", "k.Window"]
    assert sorted(atlas["classes"]) == ["k.Window", "k.Window.Inner", "k.Window.Inner#2"]
    assert {
        name: [argument["name"] for argument in method["arguments"]] for name, method in atlas["methods"].items()
    } == {
        "k.Window.Inner.a": ["self"],
        "k.Window.Inner#2.a": ["self", "x"],
        "k.Window.show": ["self", "visible"],
        "k.Window.show#2": ["title"],
    }
    assert atlas["modules"]["k.Window"]["function_names"] == ["show#2"]
    docs = renderer.api_docs(api, "k", "1.0.0", atlas)
    assert [(method["name"], method["signature"]) for method in docs["methods"]] == [
        ("show", "show(title: str) -> Window")
    ]
    assert docs["classes"]["Window"]["methods"][0]["signature"] == "show(self, visible=True)"


def test_the_warning_of_the_stage_names_file_and_line(tmp_path: Path) -> None:
    from stages import extension_data

    folder = tmp_path / "k"
    (folder / "k").mkdir(parents=True)
    (folder / "k" / "__init__.py").write_text("\n__all__ = ['Lost']\n")
    extension = records.extension("k", files={"python": ["k/__init__.py"]}, modules=["k"], folder="k")
    extension_data.extract(
        extension, work_dir=tmp_path, excluded_modules=[], include_source_code=False, encoding="cl100k_base"
    )
    [warning] = json.loads((tmp_path / "extension_data" / "entries" / "k.json").read_text())["warnings"]
    assert (warning["kind"], warning["file"], warning["line"]) == ("python-all", "k/__init__.py", 2)
    assert "'Lost'" in warning["message"]
