from __future__ import annotations

from pathlib import Path

import pytest

from tests.stages.made_trees import MadeRun, write_tree


def manifest(*modules: str) -> str:
    return "[package]\nversion = '1.0.0'\n" + "".join(f"[[python.module]]\nname = '{name}'\n" for name in modules)


def test_existing_packages_replace_a_missing_declared_one(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path / "exts",
        {
            "acme.robot/config/extension.toml": manifest("acme.lab.robot"),
            "acme.robot/acme_robot/__init__.py": "def make_robot(name: str) -> None: ...\n",
            "acme.robot/acme_robot/arm.py": "class Arm: ...\n",
            "acme.robot/src/acme_tools/__init__.py": "def tool(): ...\n",
            "acme.robot/tests/__init__.py": "def test(): ...\n",
            "acme.robot/setup.py": "def setup(): ...\n",
            "acme.robot/docs/__init__.py": "def documented(): ...\n",
        },
    )
    run = MadeRun(tmp_path / "work", tree)
    assert set(run.atlas("acme.robot")["methods"]) == {"acme_robot.make_robot", "acme_tools.tool"}
    assert run.entry("acme.robot")["has_python_api"]
    assert run.entry("acme.robot")["python_modules"] == ["acme_robot", "acme_tools"]
    (warning,) = run.warnings()
    assert warning["kind"] == "python-module-missing"
    assert "'acme.lab.robot' is missing; used instead: acme_robot, acme_tools." in warning["message"]


def test_an_existing_declared_module_is_enough(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path / "exts",
        {
            "acme.two/config/extension.toml": manifest("acme.two", "acme.three"),
            "acme.two/acme/two/__init__.py": "def two(): ...\n",
            "acme.two/other/__init__.py": "def other(): ...\n",
        },
    )
    run = MadeRun(tmp_path / "work", tree)
    assert set(run.atlas("acme.two")["methods"]) == {"acme.two.two"}
    assert [warning["message"] for warning in run.warnings()] == ["The declared Python module 'acme.three' is missing."]


@pytest.mark.parametrize("folder", ["python", "src", "lib/python"])
def test_a_declared_module_is_found_below_the_folder_it_could_be_imported_from(tmp_path: Path, folder: str) -> None:
    tree = write_tree(
        tmp_path / "exts",
        {
            "acme.deep/config/extension.toml": manifest("acme.deep"),
            f"acme.deep/{folder}/acme/deep/__init__.py": "def f(): ...\n",
            "acme.deep/build/lib/acme/deep/__init__.py": "def stale(): ...\n",
        },
    )
    run = MadeRun(tmp_path / "work", tree)
    assert set(run.atlas("acme.deep")["methods"]) == {"acme.deep.f"}
    assert run.warnings() == []


def test_a_link_onto_the_path_of_a_module(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path / "exts",
        {
            "acme.schema/config/extension.toml": "[package]\nversion = '1.0.0'\n[[python.module]]\n"
            "name = 'acme.OldSchema'\npath = './compat'\n[[python.module]]\nname = 'acme.schema'\n",
            "acme.schema/premake5.lua": "local ext = get_current_extension_info()\nproject_ext(ext)\n"
            'repo_build.prebuild_link {\n    { "python/impl", ext.target_dir .. "/acme/schema" },\n'
            '    { "python/compat", ext.target_dir .. "/compat" },\n}\n',
            "acme.schema/python/impl/__init__.py": "def new(): ...\n",
            "acme.schema/python/compat/acme/OldSchema/__init__.py": "class OldSensor:\n    def get(self): ...\n",
        },
    )
    run = MadeRun(tmp_path / "work", tree)
    assert set(run.atlas("acme.schema")["classes"]) == {"acme.OldSchema.OldSensor"}
    assert set(run.atlas("acme.schema")["methods"]) == {"acme.OldSchema.OldSensor.get", "acme.schema.new"}
    assert run.warnings() == []


def test_a_link_onto_the_extension_itself(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path / "exts",
        {
            "acme.flat/config/extension.toml": manifest("acme.flat"),
            "acme.flat/premake5.lua": 'repo_build.prebuild_link { { "code", ext.target_dir } }\n',
            "acme.flat/code/acme/flat/__init__.py": "def f(): ...\n",
        },
    )
    assert set(MadeRun(tmp_path / "work", tree).atlas("acme.flat")["methods"]) == {"acme.flat.f"}


@pytest.mark.parametrize("nodes_first", [True, False])
def test_a_folder_of_nodes_with_two_links_has_the_name_that_kit_uses(tmp_path: Path, nodes_first: bool) -> None:
    parts = [
        'add_ogn_dependencies(ogn, { "python/nodes" })\n',
        'repo_build.prebuild_link { { "python/nodes", ogn.python_target_path .. "/nodes" } }\n',
    ]
    text = 'local ogn = get_ogn_project_information(ext, "acme/nodes")\n'
    tree = write_tree(
        tmp_path / "exts",
        {
            "acme.nodes/config/extension.toml": manifest("acme.nodes"),
            "acme.nodes/premake5.lua": text + "".join(parts if nodes_first else parts[::-1]),
            "acme.nodes/python/nodes/OgnX.py": "class OgnX:\n    def compute(db): ...\n",
        },
    )
    found = set(MadeRun(tmp_path / "work", tree).atlas("acme.nodes")["methods"])
    assert found == {"acme.nodes.ogn.python.nodes.OgnX.OgnX.compute"}


def test_a_module_that_only_a_build_provides(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path / "exts",
        {
            "acme.usd/config/extension.toml": manifest("acme.usd.schema"),
            "acme.usd/premake5.lua": 'repo_build.prebuild_copy { { "%{root}/_build/target-deps/acme_usd/python",'
            ' ext.target_dir .. "/acme/usd" } }\n',
            "acme.usd/helpers/__init__.py": "def f(): ...\n",
        },
    )
    run = MadeRun(tmp_path / "work", tree)
    (warning,) = run.warnings()
    assert "the build copies it from %{root}/_build/target-deps/acme_usd/python" in warning["message"]
    assert run.entry("acme.usd")["python_modules"] == ["acme.usd.schema"]


def test_a_build_file_that_is_too_long(tmp_path: Path) -> None:
    text = 'repo_build.prebuild_link { { "python", ext.target_dir .. "/acme/long" } }\n' + "-- x\n" * 10_000
    tree = write_tree(
        tmp_path / "exts",
        {
            "acme.long/config/extension.toml": manifest("acme.long"),
            "acme.long/premake5.lua": text,
            "acme.long/python/__init__.py": "def f(): ...\n",
        },
    )
    run = MadeRun(tmp_path / "work", tree)
    assert [warning["kind"] for warning in run.warnings()] == ["build-file-size"]
    assert set(run.atlas("acme.long")["methods"]) == {"acme.long.f"}
