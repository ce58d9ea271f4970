from __future__ import annotations

import json
import os
import shutil
import stat
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from stages import pull_repo_exts
from stages.failures import StageError
from stages.preparation import prepare
from stages.sources.configured import configured_sources

SCHEMAS = Path(__file__).parents[2] / "stages" / "schemas"


class Cache:
    """A synthetic Kit cache, and a run of the stage on it."""

    def __init__(self, tmp_path: Path) -> None:
        self.root = tmp_path / "cache"
        self.work_dir = tmp_path / "work"
        self.root.mkdir()

    def add(self, folder: str, manifest: str | None = "[package]\nversion = '1.0.0'\n", **files: str | bytes) -> Path:
        """Add an extension. The keywords are files, with ``__`` for ``/`` and ``_dot_`` for ``.``."""
        path = self.root / folder
        content = {name.replace("__", "/").replace("_dot_", "."): text for name, text in files.items()}
        if manifest is not None:
            content["config/extension.toml"] = manifest
        for name, text in content.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def run(self, excluded: list[str] | None = None, max_extensions: int = -1, **source: Any) -> dict[str, Any]:
        sources = [{"kind": "path", "path": str(self.root), **source}]
        return prepared(self.work_dir, sources, excluded or [], max_extensions)


def prepared(work_dir: Path, sources: list[dict[str, Any]], excluded: list[str], max_extensions: int) -> dict[str, Any]:
    limits = {"max_archive_bytes": 1_000_000}
    pull_repo_exts.pull(configured_sources(sources), work_dir=work_dir, kit_version="107.3.3", limits=limits)
    validate(work_dir / "sources.json", "sources")
    prepare(work_dir, excluded=excluded, max_extensions=max_extensions)
    return validate(work_dir / "extensions.json", "extensions")


def validate(path: Path, schema: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_bytes())
    jsonschema.Draft202012Validator(json.loads((SCHEMAS / f"{schema}.schema.json").read_bytes())).validate(value)
    return value


def ids(result: dict[str, Any]) -> list[str]:
    return [extension["id"] for extension in result["extensions"]]


def kinds(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(warning["kind"], warning["extension"]) for warning in result["warnings"]]


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path)


FULL_MANIFEST = """
[package]
version = "2.26.1"
title = "Kit's UI"
description = "Draws."
category = "Core"
keywords = ["ui", "kit", ""]
readme = "docs/README.md"
changelog = "docs/CHANGELOG.md"

[dependencies]
"omni.z" = {}
"omni.a" = {version = "1.0"}
"omni.maybe" = {optional = true}
"filter:platform"."windows-x86_64"."omni.win" = {}

[[python.module]]
name = "omni.ui"

[[python.module]]
name = "omni.ui.scene"
path = "extra"

[[python.module]]
name = "omni.ui"
path = "."

[[python.module]]
path = "pip_prebundle"

[settings]
exts."omni.ui".enabled = true
"""


def test_an_entry_by_hand(cache: Cache) -> None:
    folder = cache.add(
        "omni.ui-2.26.1+8131b85d.lx64.r.cp311",
        FULL_MANIFEST,
        omni__ui__x_dot_py="x = 1\n",
        omni__ui___ui_dot_pyi="",
        docs__README_dot_md="read me",
        docs__CHANGELOG_dot_md="",
        docs__guide__how_dot_rst="",
        include__Ui_dot_h="",
        plugins__ui_dot_CPP="",
        data__icon_dot_png=b"\x89",
        data__notes_dot_md="",
        pyproject_dot_toml="",
        config__extension_dot_gen_dot_toml="",
        data__preset_dot_kit="",
        extra__omni__ui__scene_dot_py="y = 22\n",
    )
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/x.cpython-311.pyc").write_bytes(b"")
    (folder / ".hidden").mkdir()
    (folder / ".hidden/z.py").write_text("")
    (folder / "omni/ui/__init__.py").write_text("")
    result = cache.run()
    (entry,) = result["extensions"]
    assert entry == {
        "id": "omni.ui",
        "version": "2.26.1",
        "source": 0,
        "folder": str(folder),
        "manifest": "config/extension.toml",
        "metadata": {
            "title": "Kit's UI",
            "description": "Draws.",
            "category": "Core",
            "keywords": ["ui", "kit"],
            "dependencies": ["omni.a", "omni.win", "omni.z"],
            "optional_dependencies": ["omni.maybe"],
            "readme": "docs/README.md",
            "readme_text": "",
            "changelog": "docs/CHANGELOG.md",
        },
        "python_modules": [{"name": "omni.ui", "path": "."}, {"name": "omni.ui.scene", "path": "extra"}],
        "python_roots": {"": "", "extra": ""},
        "files": {
            "python": ["extra/omni/ui/scene.py", "omni/ui/__init__.py", "omni/ui/x.py"],
            "stubs": ["omni/ui/_ui.pyi"],
            "toml": ["config/extension.gen.toml", "config/extension.toml", "data/preset.kit"],
            "ogn": [],
            "cpp": ["include/Ui.h", "plugins/ui.CPP"],
            "docs": ["docs/CHANGELOG.md", "docs/README.md", "docs/guide/how.rst"],
        },
        "size": 13,
    }
    assert result["warnings"] == []
    assert result["files_seen"] == {
        "folders_found": 1,
        "files_python": 3,
        "files_stubs": 1,
        "files_toml": 3,
        "files_cpp": 2,
        "files_docs": 3,
        "files_other": 3,
    }


def test_the_selection_is_reproducible(cache: Cache) -> None:
    for number in range(60):
        cache.add(f"made.up.ext{number}-1.0.{number}")
    first = cache.run(max_extensions=25)
    assert ids(first) == sorted(f"made.up.ext{number}" for number in range(60))[:25]
    assert len(first["excluded"]) == 35
    assert set(first["excluded"].values()) == {"processing.max_extensions: 25"}
    before = (cache.work_dir / "extensions.json").read_bytes()
    shutil.rmtree(cache.work_dir)
    cache.run(max_extensions=25)
    assert (cache.work_dir / "extensions.json").read_bytes() == before
    assert len(cache.run(max_extensions=-1)["extensions"]) == 60
    assert len(cache.run(max_extensions=1000)["extensions"]) == 60


def test_output_does_not_depend_on_the_path_of_the_work_directory(cache: Cache, tmp_path: Path) -> None:
    inside = tmp_path / "one" / "sources" / "made"
    cache.add("omni.a", omni_dot_py="")
    shutil.copytree(cache.root, inside)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    outputs = []
    for work_dir in (tmp_path / "one", tmp_path / "two"):
        result = prepared(work_dir, [{"kind": "path", "path": str(work_dir / "sources/made")}], [], -1)
        assert result["extensions"][0]["folder"] == "sources/made/omni.a"
        outputs.append([(work_dir / name).read_bytes() for name in ("sources.json", "extensions.json")])
    assert outputs[0] == outputs[1]


def test_the_highest_version_wins(cache: Cache, tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0-rc.1", "1.10.0", "1.2"):
        cache.add(f"omni.a-{version}+abc.lx64", f"[package]\nversion = '{version}'\n")
    cache.add("omni.b", "[package]\nversion = '2.0'")
    (tmp_path / "other").mkdir()
    other = Cache(tmp_path / "other")
    other.add("omni.a", "[package]\nversion = '1.10.0'")
    other.add("omni.b", "[package]\nversion = '2.0.1'")
    sources = [{"kind": "path", "path": str(root)} for root in (cache.root, other.root)]
    result = prepared(cache.work_dir, sources, [], -1)
    assert [(entry["id"], entry["version"], entry["source"]) for entry in result["extensions"]] == [
        ("omni.a", "1.10.0", 0),  # for equal versions, the first source wins
        ("omni.b", "2.0.1", 1),
    ]
    assert result["other_versions"] == {"omni.a": ["1.10.0", "1.10.0-rc.1", "1.9.0", "1.2"], "omni.b": ["2.0"]}
    swapped = prepared(cache.work_dir, sources[::-1], [], -1)
    assert [(entry["id"], entry["version"], entry["source"]) for entry in swapped["extensions"]] == [
        ("omni.a", "1.10.0", 0),
        ("omni.b", "2.0.1", 0),
    ]


def test_versions_come_from_the_manifest_or_else_the_folder(cache: Cache) -> None:
    cache.add("omni.a-1.2.3+abc.lx64.r", "[package]\n")
    cache.add("omni.b-1.0.0", "[package]\nversion = '2.0.0'")
    cache.add("omni.c", "[package]\nversion = 1.5")
    cache.add("omni.d", "[package]\n")
    cache.add("omni.e-3.0.0", "[package]\nversion = '../../evil'")
    cache.add("omni.f", "[package]\nversion = ['1']")
    cache.add("omni.kit.loop-isaac", "[package]\nversion = '1.3.6'")
    result = cache.run()
    assert {entry["id"]: entry["version"] for entry in result["extensions"]} == {
        "omni.a": "1.2.3",
        "omni.b": "2.0.0",
        "omni.c": "1.5",
        "omni.d": "0.0.0",
        "omni.e": "3.0.0",
        "omni.f": "0.0.0",
        "omni.kit.loop-isaac": "1.3.6",
    }
    assert kinds(result) == [
        ("no-package", "omni.a"),
        ("no-package", "omni.d"),
        ("extension-version", "omni.e"),
        ("extension-version", "omni.f"),
    ]


def test_exclusions(cache: Cache) -> None:
    for name in ("omni.kit.test", "omni.kit.test_suite", "omni.ui", "isaacsim.core"):
        cache.add(name)
    result = cache.run(excluded=["omni.kit.test*", "omni.nothing", "isaacsim.core"])
    assert ids(result) == ["omni.ui"]
    assert result["excluded"] == {
        "omni.kit.test": "input.excluded_extensions: omni.kit.test*",
        "omni.kit.test_suite": "input.excluded_extensions: omni.kit.test*",
        "isaacsim.core": "input.excluded_extensions: isaacsim.core",
    }
    assert [warning["message"] for warning in result["warnings"]] == [
        "input.excluded_extensions: no extension matches 'omni.nothing'."
    ]
    with pytest.raises(StageError, match="excludes all 4 extensions"):
        cache.run(excluded=["*"])


def test_no_extension_at_all(cache: Cache) -> None:
    (cache.root / "something").mkdir()
    with pytest.raises(StageError, match="No extension was found") as caught:
        cache.run()
    assert str(cache.root) in str(caught.value)
    assert "Correct `path` or `exts_path`" in str(caught.value)
    cache.add("..bad")
    with pytest.raises(StageError, match="No extension was found"):
        cache.run()


def test_names_that_cannot_be_ids(cache: Cache) -> None:
    good = ["omni ui", "omni.ünïcode", "o" * 200]
    bad = ["new\nline", "a..b", "-dash", "q?", "star*", "semi:colon", "o" * 255, "back\\slash", "trailing.", "tab\t"]
    for name in good + bad:
        cache.add(name)
    os.makedirs(os.fsencode(cache.root) + b"/bad\xff/config")
    Path(os.fsdecode(os.fsencode(cache.root) + b"/bad\xff/config/extension.toml")).write_text("[package]\n")
    result = cache.run()
    assert ids(result) == sorted(good)
    assert sorted(kinds(result)) == [("extension-id", "")] * len(bad) + [("file-name", "")]
    messages = [warning["message"] for warning in result["warnings"]]
    assert (
        "'new\\nline' is not a valid extension id: it has characters that a file name cannot have; left out."
        in messages
    )


def test_templates_are_not_extensions(cache: Cache) -> None:
    cache.add("templates/a/template", '[package]\nversion = "{{ version }}"\ntitle = "A"\n')
    cache.add("templates/b/template", "[package]\nversion = '1'\ntitle = '{{ name }} UI'\n")
    cache.add("c", "[package]\nversion = '1'\n[[python.module]]\nname = '{{ name }}.ui'\n")
    cache.add("{{ extension_name }}", "[package]\nversion = '1'\n")
    app = cache.root / "templates/apps/viewer/made.viewer.kit"
    app.parent.mkdir(parents=True)
    app.write_text('[package]\ntitle = "{{ application_display_name }}"\n[settings]\napp.x = 1\n')
    cache.add("real", "[package]\nversion = '1'\ndescription = 'Replaces {{ name }} in templates'\n")
    result = cache.run()
    assert ids(result) == ["real"]
    assert result["apps"] == []
    assert [(warning["kind"], warning["file"]) for warning in result["warnings"]] == [
        ("template", "c/config/extension.toml"),
        ("template", "templates"),
        ("template", "{{ extension_name }}/config/extension.toml"),
    ]
    assert "3 templates" in result["warnings"][1]["message"]
    assert "'{{ version }}'" in result["warnings"][1]["message"]


def test_ids_that_differ_in_case(cache: Cache) -> None:
    cache.add("Omni.ui")
    cache.add("omni.ui")
    result = cache.run()
    assert ids(result) == ["Omni.ui"]
    assert kinds(result) == [("extension-id", "omni.ui")]


def test_strange_files_in_an_extension(cache: Cache) -> None:
    folder = cache.add("omni.a", a_dot_py="")
    os.mkfifo(folder / "pipe.py")
    (folder / "up").symlink_to("..")
    (folder / "loop").symlink_to(".")
    (folder / "new\nline.py").write_text("")
    (folder / ("l" * 252 + ".py")).write_text("")
    result = cache.run()
    assert result["extensions"][0]["files"]["python"] == ["a.py", "l" * 252 + ".py", "new\nline.py"]
    assert [(warning["kind"], warning["file"]) for warning in result["warnings"]] == [
        ("not-a-file", "pipe.py"),
        ("link-loop", "up"),
    ]


def test_a_pipe_or_a_folder_is_not_a_manifest(cache: Cache) -> None:
    cache.add("omni.good")
    (cache.root / "omni.pipe/config").mkdir(parents=True)
    os.mkfifo(cache.root / "omni.pipe/config/extension.toml")
    (cache.root / "omni.folder/config/extension.toml").mkdir(parents=True)
    assert ids(cache.run()) == ["omni.good"]


@pytest.mark.parametrize(
    ("manifest", "kind"),
    [
        ("version = '1'", "no-package"),
        ("[package\nversion='1'", "toml-syntax"),
        (b"\0\0", "toml-syntax"),
    ],
)
def test_an_unusable_manifest_does_not_lose_the_extension(cache: Cache, manifest: str | bytes, kind: str) -> None:
    folder = cache.add("omni.a-1.1.0", "", a_dot_py="")
    (folder / "config/extension.toml").write_bytes(manifest if isinstance(manifest, bytes) else manifest.encode())
    result = cache.run()
    (entry,) = result["extensions"]
    assert (entry["id"], entry["version"], entry["files"]["python"]) == ("omni.a", "1.1.0", ["a.py"])
    assert (kind, "omni.a") in kinds(result)


def test_the_readable_parts_of_a_broken_manifest_are_used(cache: Cache) -> None:
    cache.add(
        "omni.a", "[package]\ntitle = 'A'\nversion = '1.0\n[[python.module]]\nname = 'omni.a'\n", omni__a_dot_py=""
    )
    result = cache.run()
    (entry,) = result["extensions"]
    assert (entry["version"], entry["metadata"]["title"]) == ("0.0.0", "A")
    assert entry["python_modules"] == [{"name": "omni.a", "path": "."}]
    (warning,) = result["warnings"]
    assert (warning["kind"], warning["file"], warning["line"]) == ("toml-syntax", "config/extension.toml", 3)


def test_wrong_types_in_a_manifest(cache: Cache) -> None:
    cache.add(
        "omni.a",
        "package = {title = 5, description = [], keywords = 'one', readme = 3}\ndependencies = 4\npython = 'x'\n",
    )
    cache.add(
        "omni.b",
        "[package]\nkeywords = [1, {}, 'x']\n"
        "[python]\nmodule = [1, {name = ''}, {name = 3}, {name = 'b', path = '../..'}]",
    )
    result = cache.run()
    first, second = result["extensions"]
    assert first["metadata"]["title"] == "5" and first["metadata"]["keywords"] == ["one"]
    assert first["metadata"]["description"] == "" and first["metadata"]["dependencies"] == []
    assert second["metadata"]["keywords"] == ["1", "x"]
    assert second["python_modules"] == [{"name": "b", "path": "."}]


def test_single_file_extensions_and_apps(cache: Cache) -> None:
    (cache.root / "exts").mkdir()
    (cache.root / "exts/my.bundle-1.2.0.kit").write_text(
        "[package]\ntitle = 'Bundle'\n[dependencies]\n'omni.ui' = {}\n"
    )
    for name, version in (
        ("apps/my.app.kit", "1.0"),
        ("apps/old/my.app.kit", "0.9"),
        ("apps/same/my.app.kit", "1.0.0"),
    ):
        (cache.root / name).parent.mkdir(parents=True, exist_ok=True)
        (cache.root / name).write_text(f"[package]\ntitle = '{name}'\nversion = '{version}'\n")
    result = cache.run(apps_path=["apps"], exts_path=["exts"])
    (entry,) = result["extensions"]
    assert (entry["id"], entry["version"], entry["manifest"]) == ("my.bundle", "1.2.0", "my.bundle-1.2.0.kit")
    assert entry["folder"] == str(cache.root / "exts")
    assert entry["files"] == {
        "python": [],
        "stubs": [],
        "toml": ["my.bundle-1.2.0.kit"],
        "cpp": [],
        "docs": [],
        "ogn": [],
    }
    assert entry["metadata"]["dependencies"] == ["omni.ui"]
    assert result["apps"] == [
        {
            "id": "my.app",
            "version": "1.0",
            "title": "apps/my.app.kit",
            "file": "my.app.kit",
            "source": 0,
            "path": str(cache.root / "apps/my.app.kit"),
        }
    ]
    assert [(warning["kind"], warning["file"]) for warning in result["warnings"]] == [
        ("app-shadowed", "old/my.app.kit"),
        ("app-shadowed", "same/my.app.kit"),
    ]
    # In a search of the whole source, the folder `apps` is recognized by its name.
    assert [app["version"] for app in cache.run()["apps"]] == ["1.0"]


def test_nested_extensions_have_their_own_files(cache: Cache) -> None:
    cache.add("omni.outer", outer_dot_py="", exts__omni_dot_inner__inner_dot_py="", data__exts__x_dot_py="")
    (cache.root / "omni.outer/exts/omni.inner/extension.toml").write_text("[package]\nversion = '3'")
    cache.add("omni.plain", exts__only_dot_py="")
    result = cache.run()
    assert {entry["id"]: entry["files"]["python"] for entry in result["extensions"]} == {
        "omni.inner": ["inner.py"],
        "omni.outer": ["data/exts/x.py", "outer.py"],
        "omni.plain": ["exts/only.py"],
    }


def test_unbuilt_source_trees(cache: Cache) -> None:
    cache.add(
        "isaacsim.core.cloner",
        "[package]\nversion = '1'\n[[python.module]]\nname = 'isaacsim.core.cloner'\n"
        "[[python.module]]\nname = 'isaacsim.core.cloner.tests'\n[[python.module]]\nname = 'isaacsim.gone'\n",
        python__impl__cloner_dot_py="",
        python__tests__test_cloner_dot_py="",
    )
    cache.add(
        "omni.built",
        "[package]\nversion = '1'\n[[python.module]]\nname = 'omni.built'\n"
        "[[python.module]]\nname = 'omni.built._native'\n",
        omni__built__x_dot_py="",
        python__tool_dot_py="",
    )
    (cache.root / "omni.built/omni/built/_native.cpython-311-x86_64-linux-gnu.so").write_bytes(b"")
    result = cache.run()
    cloner, built = result["extensions"]
    assert cloner["python_roots"] == {"": "", "python": "isaacsim.core.cloner"}
    assert built["python_roots"] == {"": ""}
    (warning,) = result["warnings"]
    assert (warning["kind"], warning["extension"]) == ("python-module-missing", "isaacsim.core.cloner")
    assert "'isaacsim.gone'" in warning["message"]


BUILD_FILE = """
local ext = get_current_extension_info()
local ogn = get_ogn_project_information(ext, "made/tools")
repo_build.prebuild_link {
    { "docs", ext.target_dir.."/docs" },
    { "python/impl/numpy", ext.target_dir.."/made/tools/numpy" },
    { "python/gone", ext.target_dir.."/made/tools/gone" },
    { "python/tests", ogn.python_tests_target_path },
}
repo_build.prebuild_copy {
    { "python/impl/*.py", ext.target_dir.."/made/tools" },
    { "python/main.py", ogn.python_target_path },
    { "python/extra.py", ext.target_dir.."/made/tools/more.py" },
}
project_ext_bindings { ext = ext, src = "bindings", target_subdir = "made/tools/bindings" }
"""


def test_the_build_file_locates_the_modules_of_a_source_tree(cache: Cache) -> None:
    cache.add(
        "made.tools",
        "[package]\nversion = '1'\n[[python.module]]\nname = 'made.tools'\n"
        "[[python.module]]\nname = 'made.tools.tests'\n[[python.module]]\nname = 'made.tools.numpy'\n"
        "[[python.module]]\nname = 'made.tools.gone'\n",
        premake5_dot_lua=BUILD_FILE,
        docs__conf_dot_py="",
        python__impl____init___dot_py="",
        python__impl__numpy__arrays_dot_py="",
        python__tests__test_all_dot_py="",
        python__nodes__node_dot_py="",
        python__main_dot_py="",
        python__extra_dot_py="",
        bindings__helper_dot_py="",
    )
    result = cache.run()
    (entry,) = result["extensions"]
    assert entry["python_roots"] == {
        "": "",
        "bindings/*": "made.tools.bindings",
        "python/extra.py": "made.tools.more",
        "python/impl/*": "made.tools",
        "python/impl/numpy": "made.tools.numpy",
        "python/main.py": "made.tools.main",
        "python/tests": "made.tools.tests",
    }
    (warning,) = result["warnings"]
    assert warning["kind"] == "python-module-missing"
    assert "'made.tools.gone'" in warning["message"]


def test_modules_missing_from_the_build_file_are_read_from_the_usual_folder(cache: Cache) -> None:
    cache.add(
        "made.carried",
        "[package]\nversion = '1'\n[[python.module]]\nname = 'made.carried'\n",
        premake5_dot_lua='stage(ext)\nprebuild_link { { "python/tests", ext.target_dir.."/made/carried/tests" } }',
        python__tests__test_all_dot_py="",
        python__main_dot_py="",
    )
    result = cache.run()
    assert result["extensions"][0]["python_roots"] == {
        "": "",
        "python": "made.carried",
        "python/tests": "made.carried.tests",
    }
    assert result["warnings"] == []


def test_a_source_tree_with_bindings_and_without_a_build_file(cache: Cache) -> None:
    cache.add(
        "made.bound",
        "[package]\nversion = '1'\n[[python.module]]\nname = 'made.bound'\n",
        bindings__python__made_dot_bound____init___dot_py="",
        python__impl__ext_dot_py="",
    )
    result = cache.run()
    assert result["extensions"][0]["python_roots"] == {
        "": "",
        "bindings/python/made.bound/*": "made.bound",
        "python": "made.bound",
    }
    assert result["warnings"] == []


def test_zipped_extensions(cache: Cache) -> None:
    def zipped(name: str, entries: dict[str, str], mode: int = stat.S_IFREG) -> None:
        with zipfile.ZipFile(cache.root / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for entry, text in entries.items():
                info = zipfile.ZipInfo(entry)
                info.external_attr = (mode | 0o644) << 16
                archive.writestr(info, text)

    zipped("omni.a-1.5.0+abc.lx64.zip", {"config/extension.toml": "[package]\ntitle = 'A'", "omni/a.py": "x"})
    zipped("omni.b-2.0.0.zip", {"omni.b/extension.toml": "[package]\nversion = '2.1'", "omni.b/b.py": "x"})
    zipped("omni.evil.zip", {"config/extension.toml": "[package]", "../../evil.py": "x"})
    zipped("omni.link.zip", {"config/extension.toml": "/etc/passwd"}, mode=stat.S_IFLNK)
    zipped("omni.bomb.zip", {"config/extension.toml": "[package]", "zeros.py": "0" * 1_000_001})
    before = sorted(str(path) for path in cache.root.rglob("*"))
    result = cache.run()
    assert [(entry["id"], entry["version"], entry["files"]["python"]) for entry in result["extensions"]] == [
        ("omni.a", "1.5.0", ["omni/a.py"]),
        ("omni.b", "2.1", ["b.py"]),
    ]
    for entry in result["extensions"]:
        assert entry["folder"].startswith("sources/unpacked/omni.")
        assert (cache.work_dir / entry["folder"] / entry["manifest"]).is_file()
    assert [(warning["kind"], warning["file"]) for warning in result["warnings"] if warning["kind"] == "archive"] == [
        ("archive", "omni.bomb.zip"),
        ("archive", "omni.evil.zip"),
        ("archive", "omni.link.zip"),
    ]
    assert sorted(str(path) for path in cache.root.rglob("*")) == before
    assert not list(cache.work_dir.rglob("evil.py"))
    assert cache.run() == result  # reuses the unpacked archive


def test_archives_of_several_extensions(cache: Cache) -> None:
    def zipped(name: str, *entries: str) -> None:
        with zipfile.ZipFile(cache.root / name, "w") as archive:
            for entry in entries:
                archive.writestr(entry, "[package]\nversion = '1'" if entry.endswith(".toml") else "")

    manifest = "config/extension.toml"
    zipped(
        "bundle.zip", f"made.a/{manifest}", "made.a/a.py", f"made.b-2.0.0/{manifest}", f"made.a/exts/made.c/{manifest}"
    )
    zipped("repository.zip", f"repository-1.0/exts/made.d/{manifest}", "repository-1.0/README.md")
    zipped("made.e-1.0.zip", f"any/{manifest}")
    zipped("nested.zip", "made.f-1.0.zip", "made.g.ZIP")
    zipped("data.zip", "scene.usd")
    result = cache.run()
    assert [(entry["id"], entry["files"]["python"]) for entry in result["extensions"]] == [
        *[("made.a", ["a.py"]), ("made.b", []), ("made.c", []), ("made.d", []), ("made.e", [])],
    ]
    assert [(warning["kind"], warning["file"]) for warning in result["warnings"]] == [("archive", "nested.zip")]
    assert result["files_seen"]["folders_found"] == 4
    assert result["files_seen"]["archives_found"] == 3
    assert cache.run() == result


def test_the_source_may_be_one_extension(cache: Cache) -> None:
    (cache.root / "config").mkdir()
    (cache.root / "config/extension.toml").write_text("[package]\nname = 'my.tool'\nversion = '1'")
    assert ids(cache.run()) == ["my.tool"]
    (cache.root / "config/extension.toml").write_text("[package]\nversion = '1'")
    assert ids(cache.run()) == ["cache"]


def test_links_out_of_fetched_sources_are_not_followed(cache: Cache, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key.py").write_text("KEY = 1")
    folder = cache.add("omni.a", a_dot_py="")
    (folder / "linked").symlink_to(secret)
    (folder / "key.py").symlink_to(secret / "key.py")
    result = cache.run()
    assert result["extensions"][0]["files"]["python"] == ["a.py", "key.py", "linked/key.py"]
    sources = json.loads((cache.work_dir / "sources.json").read_bytes())
    sources["sources"][0]["links"] = "inside"
    (cache.work_dir / "sources.json").write_text(json.dumps(sources))
    prepare(cache.work_dir, excluded=[], max_extensions=-1)
    result = validate(cache.work_dir / "extensions.json", "extensions")
    assert result["extensions"][0]["files"]["python"] == ["a.py"]
    assert kinds(result) == [("link-outside", "omni.a")] * 2


def test_the_work_directory_is_not_searched(cache: Cache) -> None:
    cache.add("omni.a")
    cache.work_dir = cache.root / "_pipeline_output"
    shutil.copytree(cache.root / "omni.a", cache.work_dir / "sources/omni.copied")
    assert ids(cache.run()) == ["omni.a"]


def test_a_removed_source(cache: Cache) -> None:
    cache.add("omni.a")
    cache.run()
    shutil.rmtree(cache.root)
    with pytest.raises(StageError, match="is missing; run pull_repo_exts again"):
        prepare(cache.work_dir, excluded=[], max_extensions=-1)


def test_a_read_only_cache_is_enough(cache: Cache) -> None:
    cache.add("omni.a", a_dot_py="")
    for path in [cache.root, *cache.root.rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o222)
    state = {path: (path.stat().st_mtime_ns, path.stat().st_mode) for path in [cache.root, *cache.root.rglob("*")]}
    cache.run()
    assert {
        path: (path.stat().st_mtime_ns, path.stat().st_mode) for path in [cache.root, *cache.root.rglob("*")]
    } == state


def test_a_real_wheel(wheel_root: Path, tmp_path: Path) -> None:
    source = {"kind": "path", "path": str(wheel_root), "exts_path": ["isaaclab/source"], "apps_path": ["isaaclab/apps"]}
    result = prepared(tmp_path, [source], [], -1)
    assert [(entry["id"], entry["version"], len(entry["files"]["python"])) for entry in result["extensions"]] == [
        ("isaaclab", "0.54.2", 428),
        ("isaaclab_assets", "0.2.4", 32),
        ("isaaclab_contrib", "0.0.2", 25),
        ("isaaclab_mimic", "1.0.16", 55),
        ("isaaclab_rl", "0.4.7", 24),
        ("isaaclab_tasks", "0.11.12", 405),
    ]
    # An independent count: every Python file below the six folders.
    for entry in result["extensions"]:
        counted = sorted(path.relative_to(entry["folder"]).as_posix() for path in Path(entry["folder"]).rglob("*.py"))
        assert entry["files"]["python"] == counted
        assert entry["size"] == sum((Path(entry["folder"]) / name).stat().st_size for name in counted)
    assert result["files_seen"]["apps_found"] == 19
    assert [app["id"] for app in result["apps"]] == [
        "balanced",
        "isaaclab.python",
        "isaaclab.python.headless",
        "isaaclab.python.headless.rendering",
        "isaaclab.python.rendering",
        "isaaclab.python.xr.openxr",
        "isaaclab.python.xr.openxr.headless",
        "performance",
        "quality",
        "xr",
    ]
    # The manifests name readmes that are missing in the wheel.
    assert {warning["kind"] for warning in result["warnings"]} == {"app-shadowed", "readme-missing"}
    assert len(result["warnings"]) == 11
    assert result["extensions"][1]["metadata"] == {
        "title": "Isaac Lab Assets",
        "description": "Extension containing configuration instances of different assets and sensors",
        "category": "robotics",
        "keywords": ["kit", "robotics", "assets", "isaaclab"],
        "dependencies": ["isaaclab", "isaaclab_contrib"],
        "optional_dependencies": [],
        "readme": "docs/README.md",
        "readme_text": "",
        "changelog": "docs/CHANGELOG.rst",
    }
