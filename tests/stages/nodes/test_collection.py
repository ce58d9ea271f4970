"""Nodes from ``.ogn`` files to the database, the documents, the search and the report."""

from __future__ import annotations

import base64
import json
import re
import shutil
import zlib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from search import search
from tests.project import ROOT, Project, make_project
from tests.stages.made_trees import MadeRun, write_tree

NODE = "class OgnCount:\n    @staticmethod\n    def compute(db) -> bool:\n        return True\n"
MANIFEST = "[package]\nversion = '1.2.0'\n[[python.module]]\nname = 'acme.nodes'\n"


def ogn(name: str = "Count", **node: Any) -> str:
    return json.dumps({name: {"version": 1, "description": f"{name} it.", **node}})


def nodes_of(tmp_path: Path, files: dict[str, str | bytes], excluded: list[str] | None = None) -> tuple[MadeRun, Any]:
    manifest: dict[str, str | bytes] = {"acme.nodes/config/extension.toml": MANIFEST}
    placed = {f"acme.nodes/{name}": text for name, text in files.items()}
    run = MadeRun(tmp_path / "work", write_tree(tmp_path / "exts", manifest | placed), excluded_modules=excluded)
    database = run.json("nodes/nodes_database.json")
    schema = json.loads((ROOT / "stages/schemas/nodes_database.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(database)
    assert database["total_nodes"] == len(database["nodes"])
    assert list(database["nodes"]) == sorted(database["nodes"])
    return run, database["nodes"]


def test_a_node_by_hand(tmp_path: Path) -> None:
    described = ogn(
        version=3,
        language="python",
        uiName="Counter",
        categories="function,math",
        inputs={"reset": {"type": "bool", "description": "Start again.", "default": False, "optional": True}},
        outputs={"count": {"type": ["int", "int64"], "description": ["So", "far."], "uiName": "Count So Far"}},
        state={"last": {"type": "any"}},
    )
    run, nodes = nodes_of(
        tmp_path,
        {"acme/nodes/ogn/nodes/OgnCount.ogn": described, "acme/nodes/ogn/nodes/OgnCount.py": NODE},
    )
    assert nodes == {
        "acme.nodes.Count": {
            "extension": "acme.nodes",
            "version": "1.2.0",
            "node_version": 3,
            "language": "python",
            "description": "Count it.",
            "ui_name": "Counter",
            "categories": ["function", "math"],
            "class_full_name": "acme.nodes.ogn.nodes.OgnCount.OgnCount",
            "file_path": "acme/nodes/ogn/nodes/OgnCount.ogn",
            "implementation_path": "acme/nodes/ogn/nodes/OgnCount.py",
            "inputs": {
                "reset": {
                    "type": "bool",
                    "types": ["bool"],
                    "description": "Start again.",
                    "default": False,
                    "optional": True,
                    "ui_name": None,
                }
            },
            "outputs": {
                "count": {
                    "type": "int | int64",
                    "types": ["int", "int64"],
                    "description": "So far.",
                    "default": None,
                    "optional": False,
                    "ui_name": "Count So Far",
                }
            },
            "state": {
                "last": {
                    "type": "any",
                    "types": ["any"],
                    "description": "",
                    "default": None,
                    "optional": False,
                    "ui_name": None,
                }
            },
        }
    }
    assert run.warnings() == []
    assert nodes["acme.nodes.Count"]["class_full_name"] in run.atlas("acme.nodes")["classes"]


@pytest.mark.parametrize(
    ("given", "files", "language", "implementation"),
    [
        ({}, ["nodes/OgnCount.cpp"], "cpp", "nodes/OgnCount.cpp"),
        ({}, ["nodes/OgnCount.cpp", "nodes/OgnCount.cu"], "cpp", "nodes/OgnCount.cpp"),
        ({"language": "cuda"}, ["nodes/OgnCount.cpp", "nodes/OgnCount.cu"], "cuda", "nodes/OgnCount.cu"),
        ({}, ["nodes/OgnCount.cu"], "cuda", "nodes/OgnCount.cu"),
        ({}, ["nodes/OgnCount.py"], "python", "nodes/OgnCount.py"),
        ({}, ["plugins/OgnCount.cpp"], "cpp", "plugins/OgnCount.cpp"),
        ({}, ["plugins/OgnCount.cpp", "other/OgnCount.cpp"], "cpp", None),
        ({}, [], "cpp", None),
        ({"language": "python"}, [], "python", None),
        ({"language": "C++"}, ["nodes/OgnCount.py"], "cpp", None),
    ],
)
def test_the_language_and_the_file_that_implements_a_node(
    tmp_path: Path, given: dict[str, Any], files: list[str], language: str, implementation: str | None
) -> None:
    texts: dict[str, str | bytes] = {name: NODE if name.endswith(".py") else "class OgnCount {};" for name in files}
    _, nodes = nodes_of(tmp_path, {"nodes/OgnCount.ogn": ogn(**given), **texts})
    node = nodes["acme.nodes.Count"]
    assert (node["language"], node["implementation_path"]) == (language, implementation)
    assert node["class_full_name"] is None  # the class is outside the declared module


def test_a_class_of_another_name_with_a_compute_method_implements_the_node(tmp_path: Path) -> None:
    folder = "acme/nodes/ogn/python/nodes"
    _, nodes = nodes_of(
        tmp_path,
        {
            f"{folder}/OgnOne.ogn": ogn("One", language="python"),
            f"{folder}/OgnOne.py": "class State:\n    pass\n\n\nclass Other:\n    def compute(db): ...\n",
            f"{folder}/OgnTwo.ogn": ogn("Two", language="python"),
            f"{folder}/OgnTwo.py": "class State:\n    pass\n",
        },
    )
    assert nodes["acme.nodes.One"]["class_full_name"] == "acme.nodes.ogn.python.nodes.OgnOne.Other"
    assert nodes["acme.nodes.Two"]["class_full_name"] is None


def test_an_equal_description_is_ignored_and_a_different_one_is_reported(tmp_path: Path) -> None:
    run, nodes = nodes_of(
        tmp_path,
        {
            "a/OgnCount.ogn": ogn(),
            "b/OgnCount.ogn": ogn(),
            "c/OgnCount.ogn": ogn(version=2),
            "d/OgnMany.ogn": json.dumps({"First": {}, "acme.other.Second": {}}),
        },
    )
    assert list(nodes) == ["acme.nodes.Count", "acme.nodes.First", "acme.other.Second"]
    assert nodes["acme.nodes.Count"]["file_path"] == "a/OgnCount.ogn"
    (warning,) = run.warnings("ogn-twice", "ogn-form")
    assert (warning["kind"], warning["file"]) == ("ogn-twice", "c/OgnCount.ogn")
    assert "a/OgnCount.ogn defines it differently" in warning["message"]


def test_a_broken_file_gives_one_warning_and_the_rest_is_read(tmp_path: Path) -> None:
    run, nodes = nodes_of(
        tmp_path,
        {
            "n/OgnGood.ogn": ogn("Good"),
            "n/OgnBroken.ogn": '{\n "A": {},\n}',
            "n/OgnHalf.ogn": ogn("Half", version="new", inputs={"x": 1, "y": 2}),
        },
    )
    assert list(nodes) == ["acme.nodes.Good", "acme.nodes.Half"]
    warnings = run.warnings("ogn-form")
    assert [(warning["kind"], warning["file"], warning["line"]) for warning in warnings] == [
        ("ogn-form", "n/OgnBroken.ogn", 3),
        ("ogn-form", "n/OgnHalf.ogn", 0),
    ]
    assert warnings[0]["message"].startswith("The file is left out: it is not JSON")


def test_nodes_in_excluded_modules_are_left_out(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "acme/nodes/ogn/nodes/OgnCount.ogn": ogn(),
        "third_party/OgnForeign.ogn": ogn("Foreign"),
        "nodes/OgnOwn.ogn": ogn("Own"),
    }
    assert list(nodes_of(tmp_path / "a", files, ["third_party"])[1]) == ["acme.nodes.Count", "acme.nodes.Own"]
    assert list(nodes_of(tmp_path / "b", files, ["third_party", "ogn"])[1]) == ["acme.nodes.Own"]


def test_the_first_of_two_extensions_with_one_node_name_wins_with_a_warning(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path / "exts",
        {
            "acme.b/config/extension.toml": "[package]\nversion = '1'\n",
            "acme.b/OgnShared.ogn": ogn("acme.Shared"),
            "acme.a/config/extension.toml": "[package]\nversion = '1'\n",
            "acme.a/OgnShared.ogn": ogn("acme.Shared"),
        },
    )
    run = MadeRun(tmp_path / "work", tree)
    assert run.json("nodes/nodes_database.json")["nodes"]["acme.Shared"]["extension"] == "acme.a"
    (warning,) = run.warnings("ogn-twice")
    assert (warning["extension"], warning["file"]) == ("acme.b", "OgnShared.ogn")


def test_without_nodes_the_database_is_empty(tmp_path: Path) -> None:
    assert nodes_of(tmp_path, {"acme/nodes/__init__.py": ""})[1] == {}


# --- a whole run -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("nodes").resolve() / "project", count=2)
    folder = project.extensions / "made.up01/made/up01/ogn/nodes"
    folder.mkdir(parents=True)
    inputs = {"wind": {"type": "float", "description": "How hard </script> it blows.", "default": 1.5}}
    (folder / "OgnKite.ogn").write_text(ogn("Kite", language="python", description="Flies a kite.", inputs=inputs))
    (folder / "OgnKite.py").write_text("class OgnKite:\n    def compute(db): ...\n")
    done = project.run("doit")
    assert done.code == 0, done.output
    return project


def test_the_data_set_has_the_nodes_and_their_index(project: Project) -> None:
    folder = project.data / "107.3/nodes"
    database = json.loads((folder / "nodes_database.json").read_text())
    assert list(database["nodes"]) == ["made.up01.Kite"]
    store = json.loads((folder / "nodes_faiss/index.json").read_text())
    document = store["docstore"]["made.up01.Kite"]
    assert document["page_content"].splitlines() == [
        "kite (made.up01.Kite)",
        "Flies a kite.",
        "OmniGraph node in Python",
        "inputs:",
        "wind (float): How hard </script> it blows.",
    ]
    assert document["metadata"] == {
        "node_type": "made.up01.Kite",
        "extension": "made.up01",
        "node_version": 1,
        "language": "python",
        "ui_name": "",
        "description": "Flies a kite.",
        "categories": "",
        "inputs": "wind: float",
        "outputs": "",
        "class_full_name": "made.up01.ogn.nodes.OgnKite.OgnKite",
        "file_path": "made/up01/ogn/nodes/OgnKite.ogn",
    }
    assert json.loads((project.data / "pipeline_completion_report.json").read_text())["counts"]["nodes"] == 1


def test_a_second_run_does_nothing_and_an_edit_of_a_node_rebuilds_one_extension(project: Project) -> None:
    assert "All stages are already complete" in project.run("doit").output
    path = project.extensions / "made.up01/made/up01/ogn/nodes/OgnKite.ogn"
    before = path.read_text()
    path.write_text(before.replace("Flies a kite.", "Flies a dragon."))
    try:
        output = project.run("doit").output
        assert "extension_data: done" in output and "(2 run" in output, output
        database = json.loads((project.data / "107.3/nodes/nodes_database.json").read_text())
        assert database["nodes"]["made.up01.Kite"]["description"] == "Flies a dragon."
    finally:
        path.write_text(before)
        project.run("doit")


def test_nodes_are_searched(project: Project) -> None:
    assert search("fly a kite", data_dir=project.data, kind="nodes")[0].id == "made.up01.Kite"
    assert "made.up01.Kite" in [hit.id for hit in search("fly a kite", data_dir=project.data)]
    found = search("fly a kite", data_dir=project.data, kind="nodes", extensions=["made.up01"])
    assert [hit.id for hit in found] == ["made.up01.Kite"]
    done = project.run("doit", "search", "kite", "--in", "nodes")
    assert done.output.strip().splitlines() == [
        "1. node made.up01.Kite",
        "      Flies a kite. — (wind: float) -> ()",
    ]


def test_a_data_set_from_before_there_were_nodes_is_searched_as_before(project: Project, tmp_path: Path) -> None:
    old = Path(shutil.copytree(project.data / "107.3", tmp_path / "data/107.3"))
    shutil.rmtree(old / "nodes")
    hits = search("kite", data_dir=tmp_path / "data")
    assert hits and "nodes" not in {hit.kind for hit in hits}


def test_the_report_shows_the_nodes(project: Project) -> None:
    done = project.run("doit", "report")
    text = Path(done.output.split("Report: ")[1].strip()).read_text()
    assert 'href="#/nodes"' in text and 'data-view="nodes"' in text
    packed = re.search(r'id="data-nodes">([^<]*)<', text)
    assert packed is not None
    (row,) = json.loads(zlib.decompress(base64.b64decode(packed[1])))
    assert (row["name"], row["language"], row["extension"]) == ("made.up01.Kite", "python", "made.up01")
    assert row["ports"] == [
        {
            "name": "inputs:wind",
            "type": "float",
            "default": "1.5",
            "optional": False,
            "description": "How hard </script> it blows.",
        }
    ]
