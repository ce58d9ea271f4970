"""Real-world source trees, from files to data: selection, reading and reports."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from stages import preparation, pull_repo_exts
from stages.failures import StageError
from stages.sources import fingerprint
from stages.sources.configured import PathSource
from tests.stages.made_trees import MadeRun, write_tree

SETTING = "import carb.settings\ndef go():\n    return carb.settings.get_settings().get('/exts/my.proj/speed')\n"


def manifest(*modules: str, package: str = "version = '1.0.0'\n") -> str:
    return f"[package]\n{package}" + "".join(f"[[python.module]]\nname = '{name}'\n" for name in modules)


def extension(id_: str, root: str = "") -> dict[str, str | bytes]:
    package = id_.replace(".", "/")
    return {
        f"{root}{id_}/config/extension.toml": manifest(id_),
        f"{root}{id_}/{package}/__init__.py": "def f(): ...\n",
    }


# --- recognition of extensions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["# This is not an extension\n", "", "\ufeff# no\n\n  # extension\n"])
@pytest.mark.parametrize("name", ["extension.toml", "config/extension.toml"])
def test_a_folder_with_an_empty_manifest_is_not_an_extension(tmp_path: Path, name: str, text: str) -> None:
    tree = write_tree(
        tmp_path / "tree",
        {
            **extension("acme.a", "source/"),
            "apps/isaacsim_4_5/lab.python.kit": "[package]\ntitle = 'Lab'\nversion = '2.0.0'\n"
            "[settings]\nexts.'acme.a'.speed = 3\n",
            f"apps/isaacsim_4_5/{name}": text,
            **extension("acme.below", "apps/isaacsim_4_5/more/"),
        },
    )
    run = MadeRun(tmp_path / "work", tree)
    assert run.ids == ["acme.a", "acme.below"]
    assert [app.id for app in run.prepared.apps] == ["lab.python"]
    assert [(warning["kind"], warning["file"]) for warning in run.warnings()] == [
        ("empty-manifest", f"apps/isaacsim_4_5/{name}")
    ]


TEMPLATES: dict[str, str | bytes] = {
    f"templates/{kit}/{name}": text
    for kit in ("108.0.0", "110.1.3")
    for name, text in {
        "apps/a/a.kit": "[package]\ntitle = '{{ application_display_name }}'\nversion = '{{ version }}'\n",
        "apps/b/b.kit": "[package]\ntitle = '{{ application_display_name }}'\nversion = '{{ version }}'\n",
        "cae/cae_editor.kit": "[package]\ntitle = 'CAE'\n[settings]\napp.window.title = '{{ display_name }}'\n",
    }.items()
}


def test_templates_give_one_line_per_folder(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", {**extension("acme.x", "source/extensions/"), **TEMPLATES})
    run = MadeRun(tmp_path / "work", tree)
    assert (run.ids, run.prepared.apps) == (["acme.x"], [])
    (warning,) = run.warnings()
    assert (warning["kind"], warning["file"]) == ("template", "templates")
    assert warning["message"].startswith("6 templates")


def test_if_all_are_templates_the_error_says_to_build_them(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", TEMPLATES)
    with pytest.raises(StageError, match=r"Only templates.*kind = \"git\".*build_command"):
        MadeRun(tmp_path / "work", tree)


def test_braces_in_the_settings_do_not_make_a_template(tmp_path: Path) -> None:
    files = extension("acme.mail")
    files["acme.mail/config/extension.toml"] = manifest("acme.mail") + "[settings]\nexts.'acme.mail'.t = '{{ name }}'\n"
    assert MadeRun(tmp_path / "work", write_tree(tmp_path / "tree", files)).ids == ["acme.mail"]


# --- one id and version, twice ---------------------------------------------------------------------------------------


def test_the_folder_of_the_newer_kit_wins_for_equal_versions(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path / "exts",
        {
            **extension("acme.assist", "isaac_5.1/"),
            **extension("acme.assist", "isaac_10.0/"),
            **extension("acme.same", "isaac_5.1/"),
            **extension("acme.same", "isaac_10.0/"),
            "isaac_10.0/acme.assist/acme/assist/new.py": "def new(): ...\n",
        },
    )
    run = MadeRun(tmp_path / "work", tree)
    assert set(run.atlas("acme.assist")["methods"]) == {"acme.assist.f", "acme.assist.new.new"}
    (warning,) = run.warnings()
    assert (warning["kind"], warning["extension"]) == ("extension-twice", "acme.assist")
    assert "Taken from isaac_10.0/acme.assist, not from isaac_5.1/acme.assist:" in warning["message"]


def test_for_equal_versions_the_first_source_wins_then_the_newer_kit(
    tmp_path: Path,
) -> None:
    names = ("acme.a-1.0.0+106.5.0.lx64", "acme.a-1.0.0+107.3.0.lx64")
    for name in names:
        write_tree(tmp_path / "cache", {f"{name}/config/extension.toml": "[package]\nversion = '1.0.0'\n"})
        write_tree(tmp_path / "cache", {f"{name}/x.py": f"NAME = {name!r}\n"})
    run = MadeRun(tmp_path / "one", tmp_path / "cache")
    assert run.prepared.extensions[0].folder.endswith(names[1])
    first = write_tree(tmp_path / "first", extension("acme.a"))
    run = MadeRun(tmp_path / "two", first, tmp_path / "cache")
    assert run.prepared.extensions[0].folder.endswith("first/acme.a")


# --- a build beside the source tree ----------------------------------------------------------------------------------

OUT = "_build/linux-x86_64/release/exts/"


def test_extensions_that_a_partial_build_lacks_come_from_the_source_tree(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path / "tree",
        {
            **extension("my.tool", "source/extensions/"),
            **extension("my.second", "source/extensions/"),
            **extension("my.third", "source/extensions/"),
            **extension("my.tool", OUT),
            f"{OUT}my.tool/my/tool/built.py": "def built(): ...\n",
        },
    )
    run = MadeRun(tmp_path / "work", tree)
    assert run.ids == ["my.second", "my.third", "my.tool"]
    assert set(run.atlas("my.tool")["methods"]) == {"my.tool.f", "my.tool.built.built"}
    (warning,) = run.warnings()
    assert warning["kind"] == "build-incomplete"
    assert "my.second, my.third." in warning["message"]


def test_a_complete_build_hides_the_source_tree_without_a_message(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", {**extension("my.tool", "source/extensions/"), **extension("my.tool", OUT)})
    run = MadeRun(tmp_path / "work", tree)
    assert (run.ids, run.warnings()) == (["my.tool"], [])
    assert OUT in run.prepared.extensions[0].folder


def test_an_empty_folder_of_extensions_is_not_a_build(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", extension("my.tool", "source/extensions/"))
    (tree / OUT).mkdir(parents=True)
    run = MadeRun(tmp_path / "work", tree)
    assert (run.ids, run.warnings()) == (["my.tool"], [])


# --- links and outputs -----------------------------------------------------------------------------------------------


def test_extensions_behind_a_link_out_of_the_source_are_reported(tmp_path: Path) -> None:
    write_tree(tmp_path / "isaac-sim", {**extension("omni.a", "exts/"), **extension("omni.b", "extscache/")})
    tree = write_tree(tmp_path / "proj", extension("my.proj", "source/"))
    (tree / "_isaac_sim").symlink_to("../isaac-sim")
    run = MadeRun(tmp_path / "work", tree)
    assert run.ids == ["my.proj", "omni.a", "omni.b"]
    (warning,) = run.warnings()
    assert (warning["kind"], warning["file"]) == ("link-followed", "_isaac_sim")
    assert "2 extensions" in warning["message"] and 'links = "inside"' in warning["message"]
    run = MadeRun(tmp_path / "inside", {"kind": "path", "path": str(tree), "links": "inside"})
    assert run.ids == ["my.proj"]
    assert [(warning["kind"], warning["file"]) for warning in run.warnings()] == [("link-outside", "_isaac_sim")]


def test_a_folder_full_of_links_gives_one_line(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "proj", extension("my.proj", "source/"))
    (tree / "exts").mkdir()
    for number in range(5):
        write_tree(tmp_path / "elsewhere", extension(f"omni.n{number}"))
        (tree / f"exts/omni.n{number}").symlink_to(tmp_path / f"elsewhere/omni.n{number}")
    run = MadeRun(tmp_path / "work", tree)
    assert len(run.ids) == 6
    (warning,) = run.warnings()
    assert (warning["kind"], warning["file"]) == ("link-followed", "exts")
    assert warning["message"].startswith("5 links in it lead out of the source, to 5 extensions")


def test_outputs_are_not_inputs_even_through_links(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", extension("my.tool", "exts/"))
    source = PathSource(path=str(tree))
    outputs = [tree / "data"]
    (tree / "shortcut").symlink_to("data")
    (tree / "deep").symlink_to("data/107.3")
    work_dir = tree / "work"

    def signature() -> str:
        return fingerprint.state_of([source], work_dir, outputs=outputs).signature

    before = signature()
    pull_repo_exts.pull([source], work_dir=work_dir, kit_version="107.3.3", outputs=outputs)
    write_tree(tree, {"data/107.3/app_templates/one/tpl.kit": "[package]\nversion = '1'\n", **extension("x", "data/")})
    write_tree(tree, {"exts/my.tool/y.py": ""})
    assert signature() != before
    (tree / "exts/my.tool/y.py").unlink()
    assert signature() == before
    preparation.prepare(work_dir, excluded=[], max_extensions=-1, outputs=outputs)
    assert '"tpl"' not in (work_dir / "extensions.json").read_text()
    assert '"id": "x"' not in (work_dir / "extensions.json").read_text()


def test_outputs_in_an_extension_that_is_the_source(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "my.tool", {"config/extension.toml": manifest("my.tool"), "my/tool/a.py": "A = 1\n"})
    outputs = [tree / "data"]
    write_tree(tree, {"data/107.3/extensions/x.py": "B = 2\n", "data/README.md": "made"})
    work_dir = tree / "work"
    pull_repo_exts.pull([PathSource(path=str(tree))], work_dir=work_dir, kit_version="1.2.3", outputs=outputs)
    preparation.prepare(work_dir, excluded=[], max_extensions=-1, outputs=outputs)
    assert "data/107.3" not in (work_dir / "extensions.json").read_text()


# --- the manifest ----------------------------------------------------------------------------------------------------


def test_a_readme_given_as_text(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path / "tree",
        {
            "c.inline/config/extension.toml": '[package]\nreadme = "# Inline readme\\n\\nSays how it is calibrated."\n',
            "c.inline/docs/OVERVIEW.md": "# Overview\nSomething else.\n",
            "c.long/config/extension.toml": '[package]\nreadme = """\n# Long one\nSays how it is homed.\n"""\n',
            "c.words/config/extension.toml": '[package]\nreadme = "Says how it is packed."\n',
        },
    )
    run = MadeRun(tmp_path / "work", tree)
    assert run.entry("c.inline")["long_description"] == "Inline readme\n\nSays how it is calibrated."
    assert run.entry("c.long")["long_description"] == "Long one\n\nSays how it is homed."
    assert run.entry("c.words")["long_description"] == "Says how it is packed."
    assert run.warnings() == []


def test_a_declared_readme_is_read_under_any_name_and_reported_if_missing(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path / "tree",
        {
            "c.named/config/extension.toml": '[package]\nreadme = "info/About us.text"\n',
            "c.named/info/About us.text": "About this.\nIt lifts.\n",
            "c.gone/config/extension.toml": '[package]\nreadme = "docs/GONE.md"\n',
            "c.gone/docs/README.md": "Gone.\nNot all.\n",
        },
    )
    run = MadeRun(tmp_path / "work", tree)
    assert run.entry("c.named")["long_description"] == "About this.\nIt lifts."
    assert run.entry("c.gone")["long_description"] == "Gone.\nNot all."
    (warning,) = run.warnings()
    assert (warning["kind"], warning["extension"]) == ("readme-missing", "c.gone")
    assert "'docs/GONE.md'" in warning["message"]


def test_ids_of_dependencies_without_quotes_and_with_versions(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path / "tree",
        {
            "c.bare/config/extension.toml": "[package]\nversion = '1'\n[dependencies]\nomni.kit.uiapp = {}\n"
            'omni.ui = {version = "1.0.0"}\nomni.opt.one = {optional = true}\n"omni.kit.window" = {}\nacme = {}\n'
            '"filter:platform"."linux-x86_64"."omni.linux" = {}\n',
            "c.pinned/config/extension.toml": "[package]\nversion = '1'\n[dependencies]\n"
            '"omni.kit.menu-1.2.3" = {}\n"omni.kit.menu.utils-1.0.1+106.0.lx64" = {}\n"omni.kit.loop-isaac" = {}\n',
            "c.meta/config/extension.toml": '[package]\ntitle = "  Spaces  "\nkeywords = "robot, arm, pick"\n'
            'category = ["Sim", "Other"]\ndescription = """\nFirst line\nSecond line\n"""\n',
        },
    )
    run = MadeRun(tmp_path / "work", tree)
    bare, meta, pinned = (run.entry(name) for name in ("c.bare", "c.meta", "c.pinned"))
    assert bare["dependencies"] == ["acme", "omni.kit.uiapp", "omni.kit.window", "omni.linux", "omni.ui"]
    assert bare["optional_dependencies"] == ["omni.opt.one"]
    assert pinned["dependencies"] == ["omni.kit.loop-isaac", "omni.kit.menu", "omni.kit.menu.utils"]
    assert (meta["title"], meta["category"]) == ("Spaces", "Sim, Other")
    assert (meta["keywords"], meta["description"]) == (["robot", "arm", "pick"], "First line\nSecond line")
    (warning,) = run.warnings()
    assert (warning["kind"], warning["extension"]) == ("dependency-unquoted", "c.bare")
    assert "omni.kit.uiapp, omni.opt.one, omni.ui." in warning["message"]


# --- copies that setuptools makes ------------------------------------------------------------------------------------


def test_copies_that_setuptools_builds_are_not_read(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path / "tree",
        {
            "my_proj/config/extension.toml": manifest("my_proj"),
            "my_proj/my_proj/__init__.py": SETTING,
            "my_proj/my_proj/.ipynb_checkpoints/__init__-checkpoint.py": SETTING,
            "my_proj/build/lib/my_proj/__init__.py": SETTING,
            "my_proj/build/lib.linux-x86_64-cpython-311/my_proj/__init__.py": SETTING,
            "my_proj/setup.py": "from setuptools import setup\nsetup()\n",
        },
    )
    setting = MadeRun(tmp_path / "work", tree).settings()["/exts/my.proj/speed"]
    assert (setting["usage_count"], setting["found_in"]) == (1, ["my_proj/my_proj/__init__.py:3"])


def test_a_package_named_build_is_read(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path / "tree",
        {
            "my.b/config/extension.toml": manifest("my.b"),
            "my.b/my/b/build/__init__.py": "",
            "my.b/my/b/build/lib/__init__.py": "def f(): ...\n",
        },
    )
    assert set(MadeRun(tmp_path / "work", tree).atlas("my.b")["methods"]) == {"my.b.build.lib.f"}


def test_hard_to_read_trees_give_no_traceback(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", extension("acme.a"))
    (tree / "loop").symlink_to(".")
    os.mkfifo(tree / "extension.toml")
    assert MadeRun(tmp_path / "work", tree).ids == ["acme.a"]


# --- OmniGraph nodes -------------------------------------------------------------------------------------------------

DEFAULT_EXCLUDED: list[str] = json.loads(
    (Path(__file__).parents[2] / "config/pipeline_config.schema.json").read_text()
)["properties"]["processing"]["properties"]["excluded_modules"]["default"]
NODE = '''"""Counts."""
import carb


class OgnCount:
    """Counts the passing items."""

    @staticmethod
    def compute(db) -> bool:
        """Count one tick."""
        limit = carb.settings.get_settings().get_as_int("/exts/acme.nodes/limit")
        if db.inputs.reset:
            db.outputs.count = 0
        elif db.outputs.count < limit:
            db.outputs.count += 1
        return True
'''
NODE_TREE: dict[str, str | bytes] = {
    "acme.nodes/config/extension.toml": manifest("acme.nodes"),
    "acme.nodes/acme/nodes/__init__.py": "def g(): ...\n",
    "acme.nodes/acme/nodes/ogn/nodes/OgnCount.py": NODE,
    "acme.nodes/acme/nodes/ogn/OgnCountDatabase.py": "class OgnCountDatabase:\n    def made(self): ...\n",
    "acme.nodes/acme/nodes/ogn/tests/TestOgnCount.py": "class TestOgn:\n    def test_generated(self): ...\n",
    "acme.srcnodes/config/extension.toml": manifest("acme.srcnodes"),
    "acme.srcnodes/premake5.lua": "local ext = get_current_extension_info()\n"
    'local ogn = get_ogn_project_information(ext, "acme/srcnodes")\n'
    "project_ext(ext, { generate_ext_project = true })\n"
    'add_ogn_dependencies(ogn, { "python/nodes" })\n'
    'repo_build.prebuild_copy {\n    { "python/__init__.py", ogn.python_target_path },\n}\n',
    "acme.srcnodes/python/__init__.py": "def h(): ...\n",
    "acme.srcnodes/python/nodes/OgnCount.py": NODE,
}


def test_handwritten_nodes_are_read_under_the_name_that_kit_uses(tmp_path: Path) -> None:
    run = MadeRun(tmp_path / "work", write_tree(tmp_path / "tree", NODE_TREE), excluded_modules=DEFAULT_EXCLUDED)
    built, source = "acme.nodes.ogn.nodes.OgnCount", "acme.srcnodes.ogn.python.nodes.OgnCount"
    assert set(run.atlas("acme.nodes")["methods"]) == {"acme.nodes.g", f"{built}.OgnCount.compute"}
    assert set(run.atlas("acme.srcnodes")["methods"]) == {"acme.srcnodes.h", f"{source}.OgnCount.compute"}
    assert {built, source} == {
        name for id_ in run.ids for name in run.atlas(id_)["modules"] if name.endswith("OgnCount")
    }
    for id_, module in (("acme.nodes", built), ("acme.srcnodes", source)):
        candidates = run.json(f"extension_data/examples/{id_}.json")["functions"]
        assert f"{module}.OgnCount.compute" in [function["full_name"] for function in candidates]
    setting = run.settings()["/exts/acme.nodes/limit"]
    assert (setting["usage_count"], setting["found_in"]) == (
        2,
        ["acme.nodes/acme/nodes/ogn/nodes/OgnCount.py:11", "acme.srcnodes/python/nodes/OgnCount.py:11"],
    )
    assert run.warnings() == []


@pytest.mark.parametrize("excluded", ["ogn", "*.ogn", "acme.*.ogn"])
def test_a_configured_exclusion_leaves_nodes_out(tmp_path: Path, excluded: str) -> None:
    tree = write_tree(tmp_path / "tree", NODE_TREE)
    run = MadeRun(tmp_path / "work", tree, excluded_modules=[*DEFAULT_EXCLUDED, excluded])
    assert [list(run.atlas(id_)["methods"]) for id_ in run.ids] == [["acme.nodes.g"], ["acme.srcnodes.h"]]
    assert "/exts/acme.nodes/limit" not in run.settings()


# --- extensions with only tests --------------------------------------------------------------------------------------


def test_an_extension_that_has_only_tests(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path / "tree",
        {
            "acme.phys.tests/config/extension.toml": manifest("acme.phys.tests"),
            "acme.phys.tests/acme/phys/tests/__init__.py": "from .base import PhysicsBase\n",
            "acme.phys.tests/acme/phys/tests/base.py": "class PhysicsBase:\n    def setup_stage(self): ...\n",
            "acme.phys.tests/acme/phys/tests/test_it.py": "class TestIt:\n    def test(self): ...\n",
        },
    )
    run = MadeRun(tmp_path / "work", tree)
    assert set(run.atlas("acme.phys.tests")["classes"]) == {"acme.phys.tests.PhysicsBase"}
    assert run.entry("acme.phys.tests")["has_python_api"]
