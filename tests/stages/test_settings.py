"""The settings stage: synthetic extensions with one difficulty each, and an independent check on the wheel."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages import artifacts, extension_data, kit_toml, preparation, settings
from stages.artifacts.extension_data import SettingUses
from stages.artifacts.preparation import EXTENSIONS, Extensions, Owner
from stages.artifacts.settings import SettingUse, owner_name
from stages.failures import StageError
from stages.setting_scan.calls import python_uses
from stages.setting_scan.constants import referenced_texts
from stages.setting_scan.cpp import cpp_uses
from stages.setting_scan.precedence import describe, owner_value
from stages.setting_scan.strings import Where
from stages.setting_scan.toml import toml_settings
from stages.storage.jsonfile import read_json, to_json, write_json
from tests import records

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "settings"
SCHEMAS = ROOT / "stages" / "schemas"


def prepare(work_dir: Path, root: Path, exts: str = "exts", apps: str = "apps") -> Extensions:
    """Write the inputs from stages 1 to 3: the sources, the extensions, the settings in Python files."""
    records.write_sources(work_dir, str(root), exts=[exts], apps=[apps])
    preparation.prepare(work_dir, excluded=[], max_extensions=-1)
    chosen = artifacts.read(work_dir / EXTENSIONS, Extensions)
    for extension in chosen.extensions:
        uses: list[SettingUse] = []
        modules = {}
        for file in extension.files.python:
            text = (work_dir / extension.folder / file).read_text(encoding="utf-8")
            module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            where = Where(extension.id, module, file.endswith("__init__.py"))
            uses += python_uses(ast.parse(text), file=file, source=text, where=where)
            if extension.python_modules:
                modules[file] = module
        found = SettingUses(extension=extension.id, uses=referenced_texts(uses), modules=modules)
        write_json(work_dir / "extension_data" / "setting_uses" / f"{extension.id}.json", found)
    return chosen


def run(work_dir: Path) -> dict[str, Any]:
    for owner in artifacts.read(work_dir / EXTENSIONS, Extensions).owners():
        settings.scan(owner, work_dir=work_dir)
    settings.merge(work_dir)
    result: dict[str, Any] = read_json(work_dir / settings.SUMMARY)
    return result


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work_dir = tmp_path_factory.mktemp("made") / "work"
    prepare(work_dir, FIXTURES)
    run(work_dir)
    return work_dir


@pytest.fixture(scope="module")
def wheel(wheel_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work_dir = tmp_path_factory.mktemp("wheel") / "work"
    prepare(work_dir, wheel_root / "isaaclab", "source", "apps")
    run(work_dir)
    return work_dir


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def extension(root: Path, id_: str, toml: str, **files: str) -> None:
    write(root / "exts" / id_ / "config" / "extension.toml", f'[package]\nversion = "1.0.0"\n{toml}')
    for name, text in files.items():
        write(root / "exts" / id_ / name, text)


def small(tmp_path: Path) -> dict[str, Any]:
    prepare(tmp_path / "work", tmp_path)
    found: dict[str, Any] = run(tmp_path / "work")["settings"]
    return found


# ---- synthetic extensions -------------------------------------------------------------------------------------------


def test_synthetic_extensions_give_exactly_the_expected_settings(made: Path) -> None:
    expected = json.loads((FIXTURES / "expected.json").read_text(encoding="utf-8"))
    found = {
        path: [
            entry["default_value"],
            entry["type"],
            entry["usage_count"],
            entry["documentation"],
            entry["found_in"],
            *(["dynamic"] if entry["dynamic"] else []),
        ]
        for path, entry in read_json(made / settings.SUMMARY)["settings"].items()
    }
    assert found == expected


def test_several_defaults_keep_a_fixed_order(made: Path) -> None:
    found = read_json(made / settings.SUMMARY)["settings"]
    contested = found["/exts/made.owner/contested"]
    assert contested["default_value"] == 1
    assert contested["documentation"] == "The owner's word."
    assert contested["extensions"] == ["made.app", "made.other", "made.owner"]
    assert [item["value"] for item in contested["other_values"]] == [99, 2, 3]
    # A default in the owner's code comes before another extension's table, and any default before an app's choice.
    assert found["/exts/made.owner/from_code"]["default_value"] == "owner's code"
    assert found["/app/shared"]["default_value"] == "other"
    assert found["/app/only_in_code"]["default_value"] == "code"
    assert found["/app/only_in_app"]["default_value"] is True


def test_skipped_input_is_reported(made: Path) -> None:
    report = read_json(made / settings.REPORT)
    assert [(item["extension"], item["line"], item["expression"]) for item in report["unresolved"]] == [
        ("made.cpp", 22, "<cpp:kUnknown>"),
        ("made.python", 37, "<omni.far.away:DISTANT>"),
    ]
    assert [(item["kind"], item["extension"], item["line"]) for item in report["warnings"]] == [
        ("toml-encoding", "made.latin", 0),
        ("toml-duplicate", "made.toml", 31),
    ]
    assert report["files"] == {"toml": 8, "cpp": 2, "cpp_without_settings": 0, "skipped": []}


@pytest.mark.parametrize("name", ["setting_summary", "setting_summary_simple", "setting_statistics", "settings_report"])
@pytest.mark.parametrize("input_", ["made", pytest.param("wheel", marks=pytest.mark.long)])
def test_settings_outputs_conform_to_their_schemas(name: str, input_: str, request: pytest.FixtureRequest) -> None:
    work_dir = request.getfixturevalue(input_)
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(read_json(work_dir / "settings" / f"{name}.json"), schema)


@pytest.mark.parametrize("input_", ["made", "wheel"])
def test_the_files_agree_with_each_other(input_: str, request: pytest.FixtureRequest) -> None:
    work_dir = request.getfixturevalue(input_)
    summary = read_json(work_dir / settings.SUMMARY)
    simple = read_json(work_dir / settings.SIMPLE)
    assert not [path for path in simple if "{" in path]
    counted = read_json(work_dir / settings.STATISTICS)
    entries = summary["settings"]
    assert {path: (item["type"], item["default_value"]) for path, item in entries.items() if not item["dynamic"]} == {
        path: (item["type"], item["default_value"]) for path, item in simple.items()
    }
    total = summary["metadata"]["total_settings"]
    assert total == len(entries) == counted["total_settings"]
    assert sum(counted["by_type"].values()) == sum(counted["by_prefix"].values()) == total
    assert counted["documented"] + counted["undocumented"] == total
    assert sum(counted["by_extension"].values()) == sum(len(entry["extensions"]) for entry in entries.values())
    assert counted["total_usages"] == sum(entry["usage_count"] for entry in entries.values())
    # Writing the summary in pieces gives the same bytes as writing it at once.
    assert (work_dir / settings.SUMMARY).read_bytes() == to_json(summary)
    assert (work_dir / settings.SIMPLE).read_bytes() == to_json(simple)


def test_the_same_input_gives_the_same_bytes_in_any_folder(made: Path, tmp_path: Path) -> None:
    shutil.copytree(FIXTURES, tmp_path / "moved")
    prepare(tmp_path / "work", tmp_path / "moved")
    run(tmp_path / "work")
    for name in settings.MERGE_TARGETS:
        assert (tmp_path / "work" / name).read_bytes() == (made / name).read_bytes()
        assert str(tmp_path).encode() not in (tmp_path / "work" / name).read_bytes()


def test_a_second_run_leaves_every_file_untouched(made: Path) -> None:
    files = [path for path in (made / "settings").rglob("*") if path.is_file()]
    before = {path: path.stat().st_mtime_ns for path in files}
    run(made)
    assert {path: path.stat().st_mtime_ns for path in files} == before


def test_a_removed_owner_leaves_nothing_behind(tmp_path: Path) -> None:
    extension(tmp_path, "my.a", "[settings]\nexts.'my.a'.x = 1\n")
    extension(tmp_path, "my.b", "[settings]\nexts.'my.b'.x = 1\n")
    assert set(small(tmp_path)) == {"/exts/my.a/x", "/exts/my.b/x"}
    shutil.rmtree(tmp_path / "exts" / "my.b")
    assert set(small(tmp_path)) == {"/exts/my.a/x"}
    assert [path.name for path in (tmp_path / "work" / "settings" / "found").iterdir()] == ["my.a.json"]


def test_targets_and_dependencies_equal_the_written_and_read_files(made: Path) -> None:
    owners = {owner.id: owner for owner in artifacts.read(made / EXTENSIONS, Extensions).owners()}
    assert settings.dependencies(owners["made.cpp"]) == ["config/extension.toml", "include/Keys.h", "plugins/Start.cpp"]
    assert settings.dependencies(owners["made.app"]) == ["made.app.kit"]
    assert settings.targets(owners["made.app"]) == ["settings/found/@made.app.kit.json"]
    assert settings.intermediate_dependencies(owners["made.python"]) == ["extension_data/setting_uses/made.python.json"]
    assert settings.intermediate_dependencies(owners["made.cpp"]) == []
    written = {path.relative_to(made).as_posix() for path in (made / "settings").rglob("*") if path.is_file()}
    assert written == {
        *settings.MERGE_TARGETS,
        *(target for owner in owners.values() for target in settings.targets(owner)),
    }


# ---- errors ---------------------------------------------------------------------------------------------------------


def test_only_the_broken_table_is_lost_and_it_is_reported_once(tmp_path: Path) -> None:
    extension(tmp_path, "my.a", "[settings]\nexts.'my.a'.x = 1\nbroken = = 2\nexts.'my.a'.y = 2\n")
    write(tmp_path / "exts" / "my.a" / "config" / "extension.gen.toml", "[settings]\nexts.'my.a'.z = [1\n")
    assert set(small(tmp_path)) == {"/exts/my.a/x", "/exts/my.a/y"}
    # Warnings about the manifest are reported by the stage that reads it first.
    [warning] = read_json(tmp_path / "work" / settings.REPORT)["warnings"]
    assert (warning["kind"], warning["file"], warning["line"]) == ("toml-syntax", "config/extension.gen.toml", 2)


def test_a_file_that_cannot_be_read_is_reported_with_the_reason(tmp_path: Path) -> None:
    extension(tmp_path, "my.a", "", **{"big.cpp": 'settings->getAsBool("/app/x");', "gone.h": 'f("/app/y");'})
    chosen = prepare(tmp_path / "work", tmp_path)
    (tmp_path / "exts" / "my.a" / "gone.h").unlink()
    with (tmp_path / "exts" / "my.a" / "big.cpp").open("a") as stream:
        stream.truncate(settings.MAX_CPP_BYTES + 1)
    assert [item.id for item in chosen.extensions] == ["my.a"]
    assert run(tmp_path / "work")["settings"] == {}
    report = read_json(tmp_path / "work" / settings.REPORT)
    assert [item["file"] for item in report["files"]["skipped"]] == ["my.a/big.cpp", "my.a/gone.h"]
    assert "No such file" in report["files"]["skipped"][1]["why"]
    assert [item["kind"] for item in report["warnings"]] == ["too-large", "unreadable"]


def test_the_error_for_a_missing_extraction_names_the_stage_to_run(tmp_path: Path) -> None:
    extension(tmp_path, "my.a", "", **{"x.py": "pass\n"})
    chosen = prepare(tmp_path / "work", tmp_path)
    uses = tmp_path / "work" / "extension_data" / "setting_uses" / "my.a.json"
    uses.unlink()
    with pytest.raises(StageError, match=r"my\.a\.json: missing.*extension_data"):
        settings.scan(chosen.extensions[0], work_dir=tmp_path / "work")
    write_json(uses, {"something": "else"})
    with pytest.raises(StageError, match=r"my\.a\.json: not in the form that the pipeline writes"):
        settings.scan(chosen.extensions[0], work_dir=tmp_path / "work")


def test_a_foreign_file_in_place_of_an_owners_is_named(tmp_path: Path) -> None:
    extension(tmp_path, "my.a", "[settings]\nexts.'my.a'.x = 1\n")
    small(tmp_path)
    write_json(tmp_path / "work" / "settings" / "found" / "my.a.json", {"definitions": []})
    with pytest.raises(StageError, match=r"found/my\.a\.json: not in the form that the pipeline writes"):
        settings.merge(tmp_path / "work")


# ---- constants of other files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        # Through the package's __init__, which re-exports the constant.
        (
            {
                "a/__init__.py": "from .keys import *\n",
                "a/keys.py": 'P = "/my/p"\n',
                "b.py": "from a import P\nsettings.get(P)\n",
            },
            "/my/p",
        ),
        # Relative, one folder up.
        ({"a/keys.py": 'P = "/my/p"\n', "a/b/c.py": "from ..keys import P\nsettings.get(P)\n"}, "/my/p"),
        # By the importable name, which is not the path in a source tree.
        ({"python/keys.py": 'P = "/my/p"\n', "python/c.py": "from my.a.keys import P\nsettings.get(P)\n"}, "/my/p"),
        # A constant built from a constant of another file.
        (
            {
                "r.py": 'R = "/my"\n',
                "k.py": 'from .r import R\nP = f"{R}/p"\n',
                "c.py": "from .k import P\nsettings.get(P)\n",
            },
            "/my/p",
        ),
        # A class in a module that is imported.
        ({"k.py": 'class K:\n    P = "/my/p"\n', "c.py": "from . import k\nsettings.get(k.K.P)\n"}, "/my/p"),
        # Two constants of one name: the import distinguishes them.
        ({"k.py": 'P = "/my/p"\n', "l.py": 'P = "/my/q"\n', "c.py": "from .l import P\nsettings.get(P)\n"}, "/my/q"),
    ],
)  # fmt: skip
def test_constants_are_found_where_they_are_imported_from(files: dict[str, str], expected: str, tmp_path: Path) -> None:
    extension(tmp_path, "my.a", "", **files)
    found = small(tmp_path)
    assert set(found) == {expected}
    assert found[expected]["usage_count"] == 1


def test_a_name_with_two_candidate_constants_is_unresolved(tmp_path: Path) -> None:
    files = {"k.py": 'P = "/my/p"\n', "l.py": 'P = "/my/q"\n', "c.py": "from elsewhere import P\nsettings.get(P)\n"}
    extension(tmp_path, "my.a", "", **files)
    assert small(tmp_path) == {}
    [unresolved] = read_json(tmp_path / "work" / settings.REPORT)["unresolved"]
    assert unresolved == {"extension": "my.a", "file": "c.py", "line": 2, "expression": "<elsewhere:P>"}


def test_constants_of_other_extensions_are_found(tmp_path: Path) -> None:
    def declared(name: str) -> str:
        return f'[[python.module]]\nname = "{name}"\n'

    keys = {
        "my/keys/__init__.py": "from .impl import *\n",
        "my/keys/impl.py": 'PREFIX = "/exts/my.keys"\nON = f"{PREFIX}/on"\nclass Keys:\n    SIZE = "/my/size"\n',
    }
    extension(tmp_path, "my.keys", declared("my.keys"), **keys)
    uses = """
    import carb.settings
    from my.keys import PREFIX, impl as keys, Keys
    from my.keys.impl import ON
    from .impl import OWN
    from gone.keys import LOST
    s = carb.settings.get_settings()
    s.get(ON)
    s.set_default_int(Keys.SIZE, 3)
    s.get_as_bool(PREFIX + "/late")
    s.get(keys.ON)
    s.get(f"{OWN}/deep")
    s.get(LOST)
    """
    user = {
        "my/user/__init__.py": textwrap.dedent(uses),
        # Equal names that are not imported.
        "my/user/impl.py": 'from my.keys import PREFIX as BASE\nON = "/wrong/on"\nOWN = BASE + "/own"\n',
    }
    extension(tmp_path, "a.user", declared("my.user"), **user)
    found = small(tmp_path)
    assert {path: (entry["usage_count"], entry["extensions"]) for path, entry in found.items()} == {
        "/exts/my.keys/late": (1, ["a.user"]),
        "/exts/my.keys/on": (2, ["a.user", "my.keys"]),
        "/exts/my.keys/own/deep": (1, ["a.user"]),
        "/my/size": (0, ["a.user"]),
    }
    assert found["/my/size"]["default_value"] == 3
    assert found["/exts/my.keys/on"]["found_in"] == [
        *("a.user/my/user/__init__.py:8", "a.user/my/user/__init__.py:11", "my.keys/my/keys/impl.py:2"),
    ]
    [unresolved] = read_json(tmp_path / "work" / settings.REPORT)["unresolved"]
    assert unresolved == {
        **{"extension": "a.user", "file": "my/user/__init__.py", "line": 13, "expression": "<gone.keys:LOST>"},
    }


# ---- TOML -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "documentation"),
    [
        ("# One.\n# Two.\nx.y = 1", "One.\nTwo."),
        ("# Not this.\n\nx.y = 1", ""),
        ("# Not this.\nx.w = 0\nx.y = 1", ""),
        ("x.y = 1 # Behind.", "Behind."),
        ("# Above.\nx.y = 1 # Behind.", "Above."),
        ("# x.y = 2\n# Above.\nx.y = 1", "Above."),
        ("# ----\n# Above.\nx.y = 1", "Above."),
        ("#### Section ####\nx.y = 1", "Section"),
        ("# --- Section ---\n# Above.\nx.y = 1", "Above."),
        ("x.y = [\n  1, # inside\n]", ""),
        ("# 0 = off, 1 = on\nx.y = 1", "0 = off, 1 = on"),
        ("# mode = fast or slow\nx.y = 1", "mode = fast or slow"),
        ("# How many, e.g. Xyz.\nx.y = 1", "How many, e.g. Xyz."),
        ('# x.w = "off"\n# x.y = 2 # at most\n# Above.\nx.y = 1', "Above."),
        ("# list = [\n# Above.\nx.y = 1", "Above."),
    ],
)
def test_documentation_is_the_comment_of_the_key(lines: str, documentation: str) -> None:
    found = toml_settings(f"[settings]\n{lines}\n".encode(), file="a.kit", owner="a").definitions
    assert [item.documentation for item in found if item.path == "/x/y"] == [documentation]


def test_arguments_of_tests_have_lines_of_their_own() -> None:
    text = """[[test]]
args = ["--/one/a=1", "--no-window",
    "--/one/b=1",
    # "--/one/off=1",
    '--/one/up="Z"',  # "--/one/b=12"
    ### more

    "--/one/b=12", "--/one/c", "--/one/\\u0064=1"
]
[[test]]
args.'++' = [
    "--/one/b=1"]
"""
    found = toml_settings(text.replace("\n", "\r\n").encode(), file="a.toml", owner="a").uses
    assert [(use.path, use.line) for use in found] == [
        *[("/one/a", 2), ("/one/b", 3), ("/one/up", 5), ("/one/b", 8), ("/one/c", 8), ("/one/d", 8), ("/one/b", 12)],
    ]


def test_a_preset_is_an_app_file_without_tables_of_an_app() -> None:
    data = b"rtx.a.b = 1\n"
    assert [item.path for item in toml_settings(data, file="a.kit", owner="a", choice=True).definitions] == ["/rtx/a/b"]
    assert toml_settings(data, file="a.kit", owner="a").definitions == []
    assert toml_settings(b"[package]\nversion = '1'\n" + data, file="a.kit", owner="a", choice=True).definitions == []


def test_an_app_inside_an_extension_does_not_override_a_default(tmp_path: Path) -> None:
    extension(tmp_path, "my.a", "[settings]\nexts.'my.a'.x = 1\n")
    folder = tmp_path / "exts" / "my.a" / "data"
    write(folder / "app.kit", "[package]\n[settings]\nexts.'my.a'.x = 2\nexts.'my.a'.y = 3\n")
    write(folder / "preset.kit", "rtx.z = 4\n")
    found = small(tmp_path)
    assert {path: entry["default_value"] for path, entry in found.items()} == {
        "/exts/my.a/x": 1,
        "/exts/my.a/y": 3,
        "/rtx/z": 4,
    }
    assert found["/exts/my.a/x"]["other_values"] == [{"found_in": "my.a/data/app.kit:3", "value": 2}]


# ---- C++ ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "type_", "default"),
    [
        ('settings->getAsBool("/a/b")', "read", "bool", None),
        ('settings->getAsInt64("/a/b")', "read", "int", None),
        ('s->getAsFloat64("/a/b")', "read", "float", None),
        ('s->getStringBuffer("/a/b")', "read", "string", None),
        ('s->getAsBoolArray("/a/b", array, size)', "read", "array", None),
        ('s->get<float>("/a/b")', "read", "float", None),
        ('settings->get<const char*>("/a/b")', "read", "string", None),
        ('carb::settings::getString(settings, "/a/b", "x")', "read", "string", None),
        ('carb::getCachedInterface<carb::settings::ISettings>()->getAsInt("/a/b")', "read", "int", None),
        ('s->isAccessibleAs(carb::dictionary::ItemType::eInt, "/a/b")', "read", "int", None),
        ('s->getSettingsDictionary("/a/b")', "read", "object", None),
        ('m_settings->set("/a/b", true)', "write", "bool", None),
        ('s->set<int>("/a/b", 1)', "write", "int", None),
        ('settings->setString("/a/b", "x")', "write", "string", None),
        ('s->destroyItem("/a/b")', "write", None, None),
        ('s->setDefaultBool("/a/b", false)', "default", "bool", False),
        ('s->setDefaultInt("/a/b", -1)', "default", "int", -1),
        ('s->setDefaultInt64("/a/b", 1\'000)', "default", "int", 1000),
        ('s->setDefaultFloat("/a/b", 2)', "default", "float", 2.0),
        ('s->setDefaultFloat("/a/b", .5f)', "default", "float", 0.5),
        ('s->setDefaultString("/a/b", "x\\"y")', "default", "string", 'x"y'),
        ('settings->setDefault<int>("/a/b", 0xFF)', "default", "int", 255),
        ('s->setDefaultBool("/a/b", compute())', "default", "bool", None),
        ('s->subscribeToNodeChangeEvents("/a/b", f, nullptr)', "subscribe", None, None),
        ('s->subscribeToTreeChangeEvents("/a/b", f, nullptr)', "subscribe", None, None),
        ('carb::settings::ThreadSafeLocalCache<bool> c(false, "/a/b")', "subscribe", "bool", None),
    ],
)
def test_each_call_of_cpp(call: str, kind: str, type_: str | None, default: Any) -> None:
    [use] = cpp_uses(f"void f() {{\n    {call};\n}}\n".encode(), file="a.cpp")
    assert (use.kind, use.path, use.type, use.default) == (kind, "/a/b", type_, default)
    assert (use.line, use.file, use.dynamic) == (2, "a.cpp", False)


@pytest.mark.parametrize(
    "source",
    [
        '// settings->getAsBool("/app/x");',
        '/* settings->getAsBool("/app/x"); */',
        'const char* s = "settings->getAsBool(\\"/app/x\\")";',
        'const char* s = R"x(settings->getAsBool("/app/x"))x";',
        '#include "/app/x/y.h"',
        'map.get("/a/b");',
        'settings->getAsBool("/World/../x y?");',
        "settings->getAsBool(path);",
    ],
)
def test_strings_in_cpp_that_are_not_settings(source: str) -> None:
    assert cpp_uses(f"void f() {{\n{source}\n}}\n".encode(), file="a.cpp") == []


def test_cpp_constants_and_macros() -> None:
    source = b"""
#define ROOT "/exts/a" /* a comment */
#define FULL ROOT "/full" // settings->getAsBool("/no")
constexpr char kOne[] = "/exts/a/one";
static const char* const kTwo{ "/exts/a/two" };
const std::string_view kThree("/exts/a/three");
struct S { static constexpr const char* kFour = "/exts/a/four"; };
void f()
{
    s->getAsBool(FULL);
    s->getAsInt(ns::kOne);
    s->getAsInt((std::string(ROOT) + "/sum").c_str());
    s->getAsInt((std::string(ROOT) + name).c_str());
    s->getAsString(kElsewhere);
    s->getAsFloat(
        ROOT "/next");
}
"""
    found = [(use.line, use.kind, use.path, use.name) for use in cpp_uses(source, file="a.h")]
    assert found == [
        (2, "prefix", "/exts/a", "ROOT"),
        (3, "constant", "/exts/a/full", "FULL"),
        (4, "constant", "/exts/a/one", "kOne"),
        (5, "constant", "/exts/a/two", "kTwo"),
        (6, "constant", "/exts/a/three", "kThree"),
        (7, "constant", "/exts/a/four", "kFour"),
        (10, "read", "/exts/a/full", None),
        (11, "read", "/exts/a/one", None),
        (12, "read", "/exts/a/sum", None),
        (13, "read", "/exts/a{name}", None),
        (14, "read", "/<cpp:kElsewhere>", None),
        (16, "read", "/exts/a/next", None),
    ]


def test_cpp_constants_that_macros_with_parameters_define() -> None:
    source = rb"""
#define ROOT "/persistent"
#define DEFINE_SETTING(name, path) \\
    static constexpr char name[] = ROOT "/made" path; \\
    static constexpr char name##Default[] = "/defaults" path;
#define DEFINE_FLAG(name) bool name = false;
#define DEFINE_BRACED(name, path) constexpr const char* name{ path };
namespace made
{
DEFINE_SETTING(kFast, "/fast");
DEFINE_BRACED(kSettingSlow, "/slow/motion")
DEFINE_FLAG(kOther)
}
void f()
{
    s->getAsBool(made::kFast);
    s->setDefaultInt(kSettingSlow, 3);
}
"""
    found = [(use.line, use.kind, use.path, use.name) for use in cpp_uses(source, file="a.h")]
    assert found == [
        (2, "prefix", "/persistent", "ROOT"),
        (10, "constant", "/defaults/fast", "kFastDefault"),
        (10, "constant", "/persistent/made/fast", "kFast"),
        (11, "constant", "/slow/motion", "kSettingSlow"),
        (16, "read", "/persistent/made/fast", None),
        (17, "default", "/slow/motion", None),
    ]


def test_cpp_macros_of_any_size_end() -> None:
    body = "name = path " * 20_000 + '; name[] = "/a/b";'
    source = f"#define M(name, path) {body}\n" + 'M(kSettingX, "/app/x")\n' * 20
    begin = time.process_time()
    cpp_uses(source.encode(), file="a.h")
    assert time.process_time() - begin < 10


def test_the_rest_of_unparsable_cpp_is_read() -> None:
    source = b'FOO(BAR { ) class ; \nvoid f() { s->getAsBool("/a/b"); }\n@@ %% "\n'
    assert [use.path for use in cpp_uses(source, file="a.cpp")] == ["/a/b"]
    assert cpp_uses(b"\xff\xfe\x00\x01 settings->getAsBool(", file="a.cpp") == []


# ---- descriptions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "documentation", "description"),
    [
        ("/exts/omni.ui/windowMenu/entry_count", "", "omni.ui setting: window menu entry count"),
        ("/persistent/exts/omni.ui/useGPU", "", "persistent omni.ui setting: use GPU"),
        ("/app/window/width", "", "app setting: window width"),
        ("/alone", "", "Setting: alone"),
        ("/exts/{ext_id}/open", "", "{ext_id} setting: open"),
        ("/x/y", "Turns it on. By default it\nis off.", "Turns it on."),
        ("/x/y", "e.g. this one", "e.g. this one"),
        ("/x/y", "A name, e.g. Xyz, or i.e. Abc. No more.", "A name, e.g. Xyz, or i.e. Abc."),
        ("/x/y", "At least no. One (approx. Two vs. Three)! More.", "At least no. One (approx. Two vs. Three)!"),
        ("/x/y", "0 = off, 1 = on", "0 = off, 1 = on"),
    ],
)
def test_descriptions(path: str, documentation: str, description: str) -> None:
    assert describe(path, documentation) == description


# ---- the real wheel -------------------------------------------------------------------------------------------------

# Every setting of isaaclab.python.xr.openxr.kit with its value, worked out by hand from the file.
_ISAAC = "https://omniverse-content-production.s3-us-west-2.amazonaws.com/Assets/Isaac/5.1"
XR_APP = {
    "/app/versionFile": "${exe-path}/VERSION",
    "/app/folder": "${exe-path}/",
    "/app/name": "Isaac-Sim",
    "/app/version": "5.1.0",
    "/omni/replicator/asyncRendering": False,
    "/app/asyncRendering": True,
    "/app/asyncRenderingLowLatency": True,
    "/renderer/multiGpu/maxGpuCount": 16,
    "/renderer/gpuEnumeration/glInterop/enabled": True,
    "/app/useFabricSceneDelegate": True,
    "/rtx/hydra/readTransformsFromFabricInRenderDelegate": True,
    "/xr/skipInputDeviceUSDWrites": True,
    "/rtx-transient/resourcemanager/enableTextureStreaming": False,
    "/isaaclab/cameras_enabled": True,
    "/app/xr/enabled": True,
    "/app/profilerBackend": "nvtx",
    "/xr/ui/enabled": False,
    "/xr/depth/aov": "GBufferDepth",
    "/defaults/xr/profile/ar/anchorMode": "custom anchor",
    "/rtx/rendermode": "RaytracedLighting",
    "/persistent/xr/profile/ar/renderQuality": "performance",
    "/persistent/xr/profile/ar/render/nearPlane": 0.15,
    "/xr/openxr/components/omni.kit.xr.openxr.ext.hand_tracking/enabled": True,
    "/xr/openxr/components/isaacsim.xr.openxr.hand_tracking/enabled": True,
    "/app/python/interceptSysStdOutput": False,
    "/app/python/logSysStdOutput": False,
    "/app/exts/folders": [
        *("${exe-path}/exts", "${exe-path}/extscore", "${exe-path}/../exts", "${exe-path}/../extsDeprecated"),
        *("${exe-path}/../extscache", "${exe-path}/../extsPhysics", "${exe-path}/../isaacsim/exts"),
        *("${exe-path}/../isaacsim/extsDeprecated", "${exe-path}/../isaacsim/extscache"),
        *("${exe-path}/../isaacsim/extsPhysics", "${app}", "${app}/../source"),
    ],
    "/persistent/isaac/asset_root/default": _ISAAC,
    "/persistent/isaac/asset_root/cloud": _ISAAC,
    "/persistent/isaac/asset_root/nvidia": _ISAAC,
}


def test_all_settings_of_one_real_app(wheel: Path) -> None:
    found = read_json(wheel / "settings" / "found" / "@isaaclab.python.xr.openxr.kit.json")
    assert {item["path"]: item["value"] for item in found["definitions"]} == XR_APP
    assert found["uses"] == found["warnings"] == []


def test_the_apps_of_the_wheel_against_a_plain_text_search(wheel: Path) -> None:
    """An independent, line-based search for headers and ``key =``, compared with every found definition."""
    checked = 0
    for app in artifacts.read(wheel / EXTENSIONS, Extensions).apps:
        text = Path(app.path).read_text(encoding="utf-8")
        preset = not re.search(r"^\[", text, re.MULTILINE)
        table, depth, searched = "settings" if preset else "", 0, set()
        for number, line in enumerate(text.splitlines(), 1):
            code = re.sub(r"\s*#[^\"']*$", "", line).strip()
            if depth == 0 and (header := re.fullmatch(r"\[\[?([^\]]+)\]\]?", code)):
                table = header[1]
                continue
            key = re.match(r"([\w.\"'+:\- ]+?)\s*=", code)
            if depth == 0 and key and not code.startswith("#") and re.match(r"settings(\.|$)", table):
                parts = re.findall(r"\"[^\"]*\"|'[^']*'|[^.\s]+", f"{table}.{key[1]}")
                names = [part.strip("\"'") for part in parts[1:]]
                while any(name.startswith("filter:") for name in names):
                    index = next(i for i, name in enumerate(names) if name.startswith("filter:"))
                    del names[index : index + 2]
                searched.add((number, "/" + "/".join(name for name in names if name != "++")))
            depth += code.count("[") - code.count("]") if depth or (key and not code.startswith("[")) else 0
        found = read_json(wheel / settings.targets(app)[0])["definitions"]
        assert {(item["line"], item["path"]) for item in found} == searched, app.path
        checked += len(searched)
    assert checked > 300


def test_numbers_of_the_wheel(wheel: Path) -> None:
    summary = read_json(wheel / settings.SUMMARY)
    assert summary["metadata"]["total_extensions_scanned"] == 6
    assert summary["metadata"]["scan_directory"] == "made/source"
    offscreen = summary["settings"]["/isaaclab/render/offscreen"]
    assert (offscreen["type"], offscreen["default_value"], offscreen["usage_count"]) == ("bool", None, 2)
    assert offscreen["found_in"] == [
        "isaaclab/isaaclab/app/app_launcher.py:858",
        "isaaclab/isaaclab/sim/simulation_context.py:176",
    ]
    # No USD prim path and no file name became a setting.
    assert not [path for path in summary["settings"] if re.match(r"/(World|Visuals|Looks|Robot|tmp|user)\b", path)]


# ---- size -----------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_full_kit_stays_within_the_memory_limit(tmp_path: Path) -> None:
    """1,500 extensions with 60 settings each. The process that merges them stays below 400 MiB."""
    entries = [records.extension(f"big.ext{number:04}") for number in range(1500)]
    records.write_chosen(tmp_path, entries)
    records.write_sources(tmp_path, "x")
    for entry in entries:
        id_ = entry.id
        definitions = [
            {
                "path": f"/exts/{id_}/group{index % 7}/setting{index}",
                "type": "string",
                "value": f"a value of some length {index}",
                "line": index + 1,
                "file": "config/extension.toml",
                "documentation": "What this one does, told in a sentence of the usual length.",
                "filters": [],
                "append": False,
                "choice": False,
            }
            for index in range(60)
        ]
        uses = [
            {
                "path": item["path"],
                "kind": "read",
                "type": None,
                "default": None,
                "line": 9,
                "file": "a.py",
                "dynamic": False,
            }
            for item in definitions
        ]
        files = {"toml": 1, "cpp": 0, "cpp_without_settings": 0, "skipped": []}
        constants = {f"{id_}.keys": {f"KEY_{index}": item["path"] for index, item in enumerate(definitions)}}
        elsewhere = [
            {**item, "path": f"<{id_}.keys:KEY_1>", "expression": "x", "certain": True, "name": None}
            for item in uses[:9]
        ]
        found: dict[str, Any] = {"owner": id_, "definitions": definitions, "uses": uses, "unresolved": []}
        found |= {"constants": constants, "elsewhere": elsewhere}
        write_json(tmp_path / settings.targets(entry)[0], {**found, "files": files, "warnings": []})
    code = (
        "import re, sys; from pathlib import Path; from stages import settings;"
        "settings.merge(Path(sys.argv[1]));"
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 400 * 1024
    assert read_json(tmp_path / settings.STATISTICS)["total_settings"] == 90_000


def test_an_extension_and_an_app_of_one_name_are_distinct() -> None:
    owners: list[Owner] = [records.app("my", "my.kit"), records.app("my", "a/my.kit"), records.extension("my.kit")]
    names = {owner_name(owner) for owner in owners}
    assert names == {"@my.kit", "@a%2Fmy.kit", "my.kit"}


# ---- through the stages ---------------------------------------------------------------------------------------------


def extracted(tmp_path: Path) -> dict[str, Any]:
    """Return the settings of the extensions in ``exts``. The real extraction reads the Python files."""
    work_dir = tmp_path / "work"
    chosen = prepare(work_dir, tmp_path)
    for one in chosen.extensions:
        extension_data.extract(
            one, work_dir=work_dir, excluded_modules=[], include_source_code=False, encoding="cl100k_base"
        )
    found: dict[str, Any] = run(work_dir)["settings"]
    return found


def test_keys_built_from_own_names_and_imported_words(tmp_path: Path) -> None:
    module = """
    import carb.settings
    import omni.ext
    from .consts import EXTENSION_NAME
    class Ext(omni.ext.IExt):
        def on_startup(self, ext_id):
            s = carb.settings.get_settings()
            ext_name = ext_id.split("-")[0]
            s.get(f"/exts/{ext_name}/url")
            name = omni.ext.get_extension_name(ext_id)
            s.get_as_int(f"/exts/{name}/cache_size")
            s.get("/persistent/" + EXTENSION_NAME + "/last")
            if s.get("/persistent/app/drives") is None:
                carb.log_info("/persistent/app/drives setting not found")
    """
    files = {"my/s/__init__.py": textwrap.dedent(module), "my/s/consts.py": 'EXTENSION_NAME = "my.s"\nOTHER = "x"\n'}
    extension(tmp_path, "my.s", '[[python.module]]\nname = "my.s"\n[settings.exts."my.s"]\nurl = "/v1"\n', **files)
    start = (
        "import carb.settings\nclass Ext:\n    def on_startup(self, ext_id):\n        ext_name = ext_id.split('-')[0]\n"
    )
    start += '        carb.settings.get_settings().get(f"/exts/{ext_name}/url")\n'
    extension(tmp_path, "my.t", '[[python.module]]\nname = "my.t"\n', **{"my/t/__init__.py": start})
    found = extracted(tmp_path)
    assert {path: (entry["extensions"], entry["usage_count"]) for path, entry in found.items()} == {
        "/exts/my.s/cache_size": (["my.s"], 1),
        "/exts/my.s/url": (["my.s"], 1),
        "/exts/my.t/url": (["my.t"], 1),
        "/persistent/app/drives": (["my.s"], 1),
        "/persistent/my.s/last": (["my.s"], 1),
    }
    kept = read_json(tmp_path / "work" / "extension_data" / "setting_uses" / "my.s.json")["uses"]
    assert [use["name"] for use in kept if use["kind"] == "text"] == ["EXTENSION_NAME"]


def test_a_plain_word_does_not_start_a_path(tmp_path: Path) -> None:
    source = "import carb.settings\nfrom .consts import NAME\ncarb.settings.get_settings().get(NAME)\n"
    files = {"my/a/__init__.py": source, "my/a/consts.py": 'NAME = "word"\n'}
    extension(tmp_path, "my.a", '[[python.module]]\nname = "my.a"\n', **files)
    assert extracted(tmp_path) == {}


def test_a_key_known_only_at_run_time_is_only_in_the_full_summary(tmp_path: Path) -> None:
    source = (
        "import carb.settings\ndef rate(name):\n    return carb.settings.get_settings().get(f'/exts/{name}/rate')\n"
    )
    manifest = '[[python.module]]\nname = "my.dyn"\n[settings]\nexts."my.dyn".rate = 3\n'
    extension(tmp_path, "my.dyn", manifest, **{"my/dyn/__init__.py": source})
    found = extracted(tmp_path)
    assert {path: entry["dynamic"] for path, entry in found.items()} == {
        "/exts/my.dyn/rate": False,
        "/exts/{name}/rate": True,
    }
    assert list(read_json(tmp_path / "work" / settings.SIMPLE)) == ["/exts/my.dyn/rate"]


# ---- one rule for `++` and filters ----------------------------------------------------------------------------------

VALUES = ("[1]", '["x"]', '"y"', "3", "[]")
KEYS = (
    "a.b",
    'a.b."++"',
    'a.b."filter:platform"."linux-x86_64"',
    'a.b."filter:platform"."windows-x86_64"',
    'a.b."filter:config"."release"',
    'a.b."filter:platform"."linux-x86_64"."++"',
    'a.b."filter:platform"."windows-x86_64"."++"',
)


def test_values_appended_to_a_list_are_included(tmp_path: Path) -> None:
    toml = '[settings]\na.list = ["x"]\na.list."++" = "y"\na.new."++" = "z"\n'
    toml += 'a.both."filter:platform"."linux-x86_64"."++" = [2]\n'
    extension(tmp_path, "my.a", toml + "a.both = [1]\n")
    found = small(tmp_path)
    assert {path: entry["default_value"] for path, entry in found.items()} == {
        "/a/both": [1, 2],
        "/a/list": ["x", "y"],
        "/a/new": ["z"],
    }


@given(st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES)), min_size=1, max_size=5))
def test_the_manifest_reader_and_the_settings_agree(statements: list[tuple[str, str]]) -> None:
    data = "[settings]\n" + "".join(f"{key} = {value}\n" for key, value in statements)
    document = kit_toml.parse_lenient(data.encode(), name="a.toml")
    definitions = toml_settings(data.encode(), file="a.toml", owner="a").definitions
    value, decisive = owner_value(definitions)
    assert value == document.values["settings"]["a"]["b"]
    assert decisive in definitions
