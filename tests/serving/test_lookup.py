"""Lookups in a data set with nodes and app templates, within the test's process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import lookup_tools, search_tools
from serving.arguments import WrongArgument
from serving.catalogue import Catalogue, NotFound
from stages.failures import StageError
from tests.project import make_project

NODE = {
    "Multiply": {
        "version": 2,
        "description": "Multiplies two numbers.",
        "language": "Python",
        "uiName": "Times",
        "categories": ["math:operator"],
        "inputs": {
            "a": {"type": "double", "description": "A number.", "default": 1.5},
            "b": {"type": "double", "description": "A number.", "optional": True},
        },
        "outputs": {"product": {"type": "double", "description": "The product."}},
    }
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_project(tmp_path_factory.mktemp("lookup").resolve() / "project", count=2)
    for number, name in ((1, "Multiply"), (2, "Other")):
        nodes = made.extensions / f"made.up0{number}/made/up0{number}/nodes"
        nodes.mkdir()
        (nodes / f"Ogn{name}.ogn").write_text(json.dumps({name: NODE["Multiply"] if number == 1 else {"version": 1}}))
    run = made.run("data_collection_pipeline.py")
    assert run.code == 0, run.output
    data_set = made.data / "107.3"
    template = data_set / "app_templates/apps/viewer"
    template.mkdir(parents=True)
    (template / "README.md").write_text("# Viewer\n\nStreams a stage to a browser.\n")
    (template / "viewer.kit").write_text('[dependencies]\n"made.up01" = {}\n')
    return data_set


@pytest.fixture
def catalogue(folder: Path) -> Iterator[Catalogue]:
    opened = Catalogue(folder)
    yield opened
    opened.close()


def test_the_details_of_a_node_include_its_ports(catalogue: Catalogue) -> None:
    answer = lookup_tools.get_kit_node_details(catalogue, "Multiply, made.up02.Other")
    assert "## made.up01.Multiply\nMultiplies two numbers." in answer
    assert "- shown as: Times" in answer
    assert "- a (double, default 1.5): A number." in answer
    assert "- b (double, optional): A number." in answer
    assert "## made.up02.Other" in answer
    with pytest.raises(NotFound, match=r"did you mean made\.up01\.Multiply"):
        lookup_tools.get_kit_node_details(catalogue, "made.up01.Multiplly")
    assert "nodes: made.up01.Multiply" in lookup_tools.get_kit_extension_details(catalogue, "made.up01")


def test_nodes_are_searched_and_filtered(catalogue: Catalogue) -> None:
    found = search_tools.search_kit_nodes(catalogue, "multiply two numbers", top_k=1)
    assert "## made.up01.Multiply" in found
    assert "- inputs: a (double), b (double)" in found
    assert "made.up01" not in search_tools.search_kit_nodes(catalogue, "multiply", extension="made.up02")
    assert "made.up01.Multiply" in search_tools.search_kit_nodes(catalogue, "number", category="math")
    assert "No nodes were found." in search_tools.search_kit_nodes(catalogue, "number", category="physics")
    assert "made.up01.Multiply" in search_tools.search_kit_knowledge(catalogue, "multiplies two numbers")


def test_the_answer_states_that_an_older_data_set_has_no_nodes(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy/nodes")
    older = Catalogue(tmp_path / "copy")
    assert search_tools.search_kit_nodes(older, "multiply") == "This data set has no OmniGraph nodes."
    older.close()


def test_an_app_template_is_found_and_shown(catalogue: Catalogue) -> None:
    found = search_tools.search_kit_app_templates(catalogue, "stream to a browser")
    assert "## apps/viewer\nviewer.kit" in found
    assert "No app templates were found." in search_tools.search_kit_app_templates(catalogue, "zebra")
    assert "No app templates" in search_tools.search_kit_app_templates(catalogue, "stream", category_filter="editor")
    answer = lookup_tools.get_kit_app_template_details(catalogue, "viewer")
    assert "Streams a stage to a browser." in answer
    assert '```toml\n[dependencies]\n"made.up01" = {}\n' in answer
    assert "- apps/viewer" in lookup_tools.get_kit_app_template_details(catalogue)
    with pytest.raises(NotFound, match="no app template"):
        lookup_tools.get_kit_app_template_details(catalogue, "../../../etc")


def test_an_app_template_is_not_guessed(folder: Path, tmp_path: Path) -> None:
    data_set = shutil.copytree(folder, tmp_path / "107.3")
    shutil.copytree(data_set / "app_templates/apps", data_set / "app_templates/samples")
    catalogue = Catalogue(data_set, mode="lexical")
    with pytest.raises(NotFound, match=r'"viewer"; it may be apps/viewer or samples/viewer\.'):
        catalogue.template("viewer")
    assert catalogue.template("samples/viewer").id == "samples/viewer"
    catalogue.close()


def test_instructions_name_the_existing_sets(catalogue: Catalogue) -> None:
    answer = lookup_tools.get_kit_instructions(catalogue, ["kit_system", "data_set"])
    assert "2 extensions, 4 settings, 2 nodes, 1 app templates" in answer
    assert "There is no instruction set kit_system here" in answer


def test_test_examples_come_only_from_tests(catalogue: Catalogue) -> None:
    assert "code_examples_scan_mode" in search_tools.search_kit_test_examples(catalogue, "anything")


@pytest.mark.parametrize("names", ["[1, 2]", '["a", ["b"]]', "[" * 10_000, '{"a": 1}', "[not json"])
def test_a_value_other_than_a_list_of_names_is_refused_or_used_as_a_name(catalogue: Catalogue, names: str) -> None:
    with pytest.raises((WrongArgument, NotFound)):
        lookup_tools.get_kit_extension_details(catalogue, names)


def test_an_incomplete_data_set_is_not_opened(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy/extensions/extensions_database.json").write_text("[]")
    with pytest.raises(StageError, match="not in the form"):
        Catalogue(tmp_path / "copy")
