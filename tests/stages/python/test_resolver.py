"""The API of synthetic extensions with one difficulty each, compared with hand-written expectations."""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from stages import artifacts, extension_data, preparation
from stages.artifacts.preparation import EXTENSIONS, Extension, Extensions
from stages.python import renderer
from stages.python.grammar import Parsed
from stages.python.resolver import Api
from stages.python.visitor import visit
from stages.storage.jsonfile import read_json
from tests import records

FIXTURES = Path(__file__).parents[2] / "fixtures" / "python"
EXPECTED = sorted(FIXTURES.glob("*.expected.json"))
EXCLUDED = ["ogn", "pip_prebundle"]
VARIABLE_PARTS = ("type_annotation", "default_value", "docstring")


def collect(folder: Path, work_dir: Path, *, with_source: bool = False) -> dict[str, Extension]:
    """Run the preparation and the extraction on a folder of extensions. Return the extensions by id."""
    work_dir.mkdir(exist_ok=True)
    records.write_sources(work_dir, str(folder), exts=["."])
    preparation.prepare(work_dir, excluded=[], max_extensions=-1)
    extensions = artifacts.read(work_dir / EXTENSIONS, Extensions).extensions
    for extension in extensions:
        extension_data.extract(
            extension,
            work_dir=work_dir,
            excluded_modules=EXCLUDED,
            include_source_code=with_source,
            encoding="cl100k_base",
        )
    extension_data.merge(work_dir)
    return {extension.id: extension for extension in extensions}


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work directory after the extraction of all synthetic extensions."""
    folder = tmp_path_factory.mktemp("made-up")
    for path in FIXTURES.iterdir():
        if path.is_dir():
            shutil.copytree(path, folder / "exts" / path.name)
    collect(folder / "exts", folder / "work")
    return folder / "work"


def outcome(work_dir: Path, name: str) -> dict[str, Any]:
    """Return the facts about an extension in the form of an expectation file, without empty parts."""
    data = work_dir / "extension_data"
    codeatlas = read_json(next(data.glob(f"codeatlas/{name}-*.json")))
    api_docs = read_json(next(data.glob(f"api_docs/{name}-*.json")))
    report = read_json(data / "extraction_report.json")
    modules = {
        module: {
            "file": record["file_path"],
            "classes": record["class_names"],
            "functions": record["function_names"],
            "variables": record["variable_names"],
            "aliases": record["aliases"],
            "docstring": record["docstring"],
            "extension": record["extension_name"],
        }
        for module, record in codeatlas["modules"].items()
    }
    classes = {
        full_name: {
            "line": record["line_number"],
            "methods": record["methods"],
            "variables": record["class_variables"],
            "parents": record["parent_classes"],
            "decorators": record["decorators"],
            "overloads": record["overloads"],
            "docstring": record["docstring"],
        }
        for full_name, record in codeatlas["classes"].items()
    }
    documented = {
        method["full_name"]: method["signature"]
        for record in api_docs["classes"].values()
        for method in record["methods"]
    }
    methods = {
        full_name: {
            "line": record["line_number"],
            "arguments": [_argument(argument) for argument in record["arguments"]],
            "returns": record["return_type"],
            "decorators": record["decorators"],
            "usages": record["class_usages"],
            "overloads": record["overloads"],
            "docstring": record["docstring"],
            "is": [kind for kind in ("async", "class", "static") if record[f"is_{kind}_method"]],
        }
        for full_name, record in codeatlas["methods"].items()
    }
    found = {
        "modules": {key: _filled(value) for key, value in modules.items()},
        "classes": {key: _filled(value) for key, value in classes.items()},
        "methods": {key: _filled(value) for key, value in methods.items()},
        "api_classes": {key: record["full_name"] for key, record in api_docs["classes"].items()},
        "api_methods": documented,
        "api_functions": {record["full_name"]: record["signature"] for record in api_docs["methods"]},
        "api_variables": {
            record["full_name"]: [record["line_number"], *(record[part] for part in VARIABLE_PARTS)]
            for record in api_docs["variables"]
        },
        "left_out": {
            record["file"]: record["why"] for record in report["files"]["left_out"] if record["extension"] == name
        },
        "warnings": [
            f"{record['file']}:{record['line']} {record['kind']}: {record['message']}"
            for record in report["warnings"]
            if record["extension"] == name
        ],
    }
    return _filled(found)


def _argument(argument: dict[str, Any]) -> str:
    text = str(argument["name"])
    if argument["type_annotation"] is not None:
        text += f": {argument['type_annotation']}"
    if argument["default_value"] is not None:
        text += f" = {argument['default_value']}"
    short = {"positional_only": " (positional only)", "keyword_only": " (keyword only)"}
    return text + short.get(argument["kind"], "")


def _filled(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if value not in (None, [], {})}


@pytest.mark.parametrize("path", EXPECTED, ids=lambda path: path.name.removesuffix(".expected.json"))
def test_a_synthetic_extension_matches_the_handwritten_expectation(path: Path, made_up: Path) -> None:
    assert outcome(made_up, path.name.removesuffix(".expected.json")) == json.loads(path.read_text(encoding="utf-8"))


def test_every_synthetic_extension_has_an_expectation() -> None:
    assert [path.name.removesuffix(".expected.json") for path in EXPECTED] == sorted(
        path.name for path in FIXTURES.iterdir() if path.is_dir()
    )
    assert len(EXPECTED) >= 8


def linked(**sources: str) -> Api:
    """Link modules given as ``package__module=source``."""
    modules = []
    for name, source in sources.items():
        dotted = name.replace("__", ".").removesuffix(".init")
        is_package = name.endswith("__init")
        modules.append(visit(dotted, f"{name}.py", is_package=is_package, parsed=Parsed(ast.parse(source), source, {})))
    return Api(modules, [], ["a"])


def test_circular_wildcard_imports_end() -> None:
    api = linked(
        a__init="from .b import *\nfrom .c import *",
        a__b="from .c import *\nclass B: ...",
        a__c="from . import *\nfrom .b import *\nclass C: ...",
    )
    assert sorted(map(api.full_name, api.public())) == ["a.B", "a.C"]


def test_nested_wildcard_imports_are_fast() -> None:
    layers = {f"a__m{n}": f"from .m{n + 1} import *\nfrom .n{n + 1} import *" for n in range(30)}
    layers |= {f"a__n{n}": f"from .m{n + 1} import *\nfrom .n{n + 1} import *" for n in range(30)}
    api = linked(a__init="from .m0 import *", a__m30="class M: ...", a__n30="class N: ...", **layers)
    assert sorted(map(api.full_name, api.public())) == ["a.M", "a.N"]


def test_circular_imports_resolve_to_nothing() -> None:
    api = linked(a__init="from .b import x, C", a__b="from .c import x\nclass C: ...", a__c="from .b import x")
    assert list(map(api.full_name, api.public())) == ["a.C"]
    assert api.class_name("a.x") is None


def test_mutual_exports_end() -> None:
    api = linked(
        a__init="from . import b\nfrom .b import *\n__all__ = ['A', *b.__all__]\nclass A: ...",
        a__b="import a\n__all__ = ['B', *a.__all__]\nclass B: ...\nclass Hidden: ...",
    )
    assert list(map(api.full_name, api.public())) == ["a.A", "a.B"]


def test_a_second_name_does_not_replace_the_first() -> None:
    api = linked(a__init="from .b import *", a__b="class Zebra: ...\nAlias = Zebra\nclass _Own: ...\nOwn = _Own")
    assert sorted(map(api.full_name, api.public())) == ["a.Own", "a.Zebra"]
    assert renderer.codeatlas(api, "a", None)["modules"]["a"]["aliases"] == {"Alias": "a.Zebra"}


@pytest.mark.parametrize(
    ("dotted", "expected"),
    [
        ("omni.ui.Window", "omni.ui.Window"),
        ("omni.ui.Window.Flags.x", "omni.ui.Window"),
        ("omni.ui.WINDOW_FLAGS", None),
        ("pxr.Gf", None),
        ("pxr.Gf.Vec3d.x", "pxr.Gf.Vec3d"),
        ("pxr.UsdGeom.SetStageUpAxis", None),
        ("typing.Any", None),
        ("torch.nn.functional.relu", None),
        ("a.C", "a.C"),
        ("a.C.Inner.method", "a.C.Inner"),
        ("a.f", None),
        ("a.missing", None),
        ("a", None),
    ],
)
def test_what_is_a_class(dotted: str, expected: str | None) -> None:
    api = linked(a__init="class C:\n    class Inner:\n        def method(self): ...\ndef f(): ...")
    assert api.class_name(dotted) == expected
