"""Comparisons of data sets with known differences."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import griffe
import pytest

from comparison.changes import Change, Comparison
from comparison.compare import compare
from comparison.data_set import DataSet, find_data_set
from comparison.markdown import markdown
from stages.failures import StageError
from tests.project import Project


@pytest.fixture(scope="module")
def found(compared_pair: tuple[Project, Project]) -> Comparison:
    old, new = compared_pair
    return compare(DataSet(old.data / "107.3"), DataSet(new.data / "107.3"))


def as_row(change: Change) -> tuple[str, str, str, str, tuple[str, ...]]:
    kinds = tuple(sorted(breakage.kind.name for breakage in change.breakages))
    return change.subject, change.action, change.name, change.new_name, kinds


GONE = ("OBJECT_REMOVED",)
KNOWN: dict[str, list[tuple[str, str, str, str, tuple[str, ...]]]] = {
    "made.api": [
        ("attribute", "changed", "made.api.Changed.color", "", ()),
        ("attribute", "changed", "made.api.Changed.size", "", ()),
        ("attribute", "removed", "made.api.Changed.gone_attribute", "", GONE),
        ("class", "added", "made.api.Added", "", ()),
        ("class", "moved", "made.api.Movable", "made.api.elsewhere.Movable", GONE),
        ("class", "removed", "made.api.Lost", "", GONE),
        ("example", "added", "made.api.example_gained", "", ()),
        ("example", "removed", "made.api.example_lost", "", ()),
        ("function", "added", "made.api.example_gained", "", ()),
        ("function", "removed", "made.api.example_lost", "", GONE),
        ("function", "changed", "made.api.to_class", "", ("OBJECT_CHANGED_KIND",)),
        (
            "function",
            "changed",
            "made.api.signature",
            "",
            (
                "PARAMETER_ADDED_REQUIRED",
                "PARAMETER_CHANGED_DEFAULT",
                "PARAMETER_MOVED",
                "PARAMETER_REMOVED",
                "RETURN_CHANGED_TYPE",
            ),
        ),
        ("function", "moved", "made.api.extra.reexported", "made.api.reexported", ()),
        ("method", "added", "made.api.Kept.lifted", "", ()),
        ("method", "added", "made.api.Kept.unused", "", ()),
        ("method", "changed", "made.api.Changed.area", "", ("OBJECT_CHANGED_KIND",)),
        ("method", "moved", "made.api.Changed.called_old", "made.api.Changed.called_new", GONE),
        ("method", "removed", "made.api.Changed.gone", "", GONE),
        ("setting", "added", "/exts/made.api/come", "", ()),
        ("setting", "changed", "/exts/made.api/kind", "", ("ATTRIBUTE_CHANGED_TYPE",)),
        ("setting", "changed", "/exts/made.api/value", "", ()),
        ("setting", "removed", "/exts/made.api/gone", "", GONE),
        ("variable", "removed", "made.api.GONE_CONSTANT", "", GONE),
    ],
    "made.gone": [
        ("extension", "removed", "made.gone", "", GONE),
        ("function", "moved", "made.gone.wanders", "made.new.wanders", GONE),
    ],
    "made.new": [],
}


def test_exactly_the_known_differences_are_found(found: Comparison) -> None:
    assert {one.id: sorted(map(as_row, one.changes)) for one in found.extensions} == {
        name: sorted(changes) for name, changes in KNOWN.items()
    }
    assert [(one.id, one.action, one.old_version, one.new_version) for one in found.extensions] == [
        ("made.api", "changed", "1.0.0", "1.1.0"),
        ("made.gone", "removed", "1.0.0", ""),
        ("made.new", "added", "", "1.1.0"),
    ]


def test_a_move_to_another_extension_names_it(found: Comparison) -> None:
    gone = next(one for one in found.extensions if one.id == "made.gone")
    assert [change.new_extension for change in gone.changes] == ["", "made.new"]


def test_breaking_changes_equal_those_that_griffe_finds_in_the_sources(
    compared_pair: tuple[Project, Project], found: Comparison
) -> None:
    old, new = (
        griffe.load("made.api", search_paths=[project.extensions / "made.api"], try_relative_path=False)
        for project in compared_pair
    )
    theirs = {(one.obj.path, one.kind.value) for one in griffe.find_breaking_changes(old, new)}
    # For griffe, a changed kind also removes the members, and a move is a removal. It does not compare settings.
    ours = {
        (change.name, breakage.kind.value)
        for one in found.extensions
        if one.id == "made.api"
        for change in one.changes
        for breakage in change.breakages
        if change.subject != "setting"
    }
    assert ours == theirs


def test_a_data_set_against_itself_has_no_changes(compared_pair: tuple[Project, Project], tmp_path: Path) -> None:
    data_set = compared_pair[0].data / "107.3"
    assert compare(DataSet(data_set), DataSet(data_set)).extensions == []
    # Without the manifest, every file is read.
    shutil.copytree(data_set, tmp_path / "copy")
    (tmp_path / "copy/MANIFEST.json").unlink()
    assert compare(DataSet(tmp_path / "copy"), DataSet(data_set)).extensions == []


def test_in_reverse_added_objects_are_removed(compared_pair: tuple[Project, Project], found: Comparison) -> None:
    back = compare(DataSet(compared_pair[1].data / "107.3"), DataSet(compared_pair[0].data / "107.3"))
    turned = {"added": "removed", "removed": "added", "moved": "moved", "changed": "changed"}
    whole = ("class", "function", "example", "setting", "variable")

    def whole_things(comparison: Comparison) -> set[tuple[str, str, str]]:
        return {
            (change.subject, change.action, change.name)
            for one in comparison.extensions
            for change in one.changes
            if change.subject in whole and change.action in ("added", "removed")
        }

    assert {(subject, turned[action], name) for subject, action, name in whole_things(back)} == whole_things(found)
    assert [turned[one.action] for one in back.extensions] == [one.action for one in found.extensions]


NODE = {"extension": "made.api", "version": "1.0.0", "node_version": 1, "outputs": {}, "state": {}}


def port(kind: str, default: Any = None, *, optional: bool = False) -> dict[str, Any]:
    return {"type": kind, "description": "", "default": default, "optional": optional}


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        ({"a": port("int")}, {"a": port("int")}, None),
        ({"a": port("int")}, {"a": port("float")}, ["ATTRIBUTE_CHANGED_TYPE"]),
        ({"a": port("int")}, {}, ["PARAMETER_REMOVED"]),
        ({}, {"a": port("int")}, ["PARAMETER_ADDED_REQUIRED"]),
        ({}, {"a": port("int", 3)}, []),
        ({}, {"a": port("int", optional=True)}, []),
        ({"a": port("int", 1)}, {"a": port("int", 2)}, ["PARAMETER_CHANGED_DEFAULT"]),
        ({"a": port("int", 1)}, {"a": port("int")}, ["PARAMETER_CHANGED_REQUIRED"]),
    ],
)
def test_nodes_and_their_ports(
    compared_pair: tuple[Project, Project],
    tmp_path: Path,
    before: dict[str, Any],
    after: dict[str, Any],
    kinds: list[str] | None,
) -> None:
    sides = []
    for name, inputs in (("old", before), ("new", after)):
        shutil.copytree(compared_pair[0].data / "107.3", tmp_path / name)
        nodes = {"made.api.Node": NODE | {"inputs": inputs}}
        (tmp_path / name / "nodes").mkdir(exist_ok=True)
        (tmp_path / name / "nodes/nodes_database.json").write_text(json.dumps({"nodes": nodes}))
        sides.append(DataSet(tmp_path / name))
    changes = [change for one in compare(*sides).extensions for change in one.changes]
    if kinds is None:
        assert changes == []
    else:
        assert [(change.subject, change.action, change.name) for change in changes] == [
            ("node", "changed", "made.api.Node")
        ]
        assert [breakage.kind.name for breakage in changes[0].breakages] == kinds


def test_a_removed_node(compared_pair: tuple[Project, Project], tmp_path: Path) -> None:
    shutil.copytree(compared_pair[0].data / "107.3", tmp_path / "old")
    (tmp_path / "old/nodes").mkdir(exist_ok=True)
    nodes = {"made.api.Node": NODE | {"inputs": {}}}
    (tmp_path / "old/nodes/nodes_database.json").write_text(json.dumps({"nodes": nodes}))
    changes = [
        change
        for one in compare(DataSet(tmp_path / "old"), DataSet(compared_pair[0].data / "107.3")).extensions
        for change in one.changes
    ]
    assert [as_row(change) for change in changes] == [("node", "removed", "made.api.Node", "", GONE)]


def test_narrowed_keeps_the_requested_changes(found: Comparison) -> None:
    assert [one.id for one in found.narrowed(extensions=["made.n*"]).extensions] == ["made.new"]
    breaking = found.narrowed(only_breaking=True)
    assert breaking.breaking == found.breaking == sum(len(one.changes) for one in breaking.extensions)
    assert all(change.breakages for one in breaking.extensions for change in one.changes)


def test_markdown_has_every_change_or_the_number_of_omitted_ones(found: Comparison) -> None:
    text = markdown(found)
    for one in found.extensions:
        for change in one.changes:
            assert f"`{change.name}`" in text
    assert "more changes" not in text
    short = markdown(found, most=1500)
    assert len(short) <= 1500
    shown = short.count("\n- ")
    total = sum(len(one.changes) for one in found.extensions)
    assert f"{total - shown:,} more changes are not shown here." in short


def test_markdown_of_hostile_names_stays_text(found: Comparison) -> None:
    one = found.extensions[0]
    hostile = Change(subject="setting", action="removed", name="/a`</code><script>|\n# b", old="`|")
    import msgspec

    hostile_one = msgspec.structs.replace(one, id="<script>|@everyone", changes=[hostile])
    text = markdown(msgspec.structs.replace(found, extensions=[hostile_one]))
    assert "| <script>" not in text
    assert "@everyone" not in text.replace("`<script>|@everyone`", "")
    assert "\n# b" not in text


def test_the_error_names_a_folder_without_a_data_set(compared_pair: tuple[Project, Project], tmp_path: Path) -> None:
    with pytest.raises(StageError, match="not a data set"):
        DataSet(tmp_path)
    with pytest.raises(StageError, match=r"99\.1: neither a folder with a data set nor a Kit version.*107\.3"):
        find_data_set("99.1", compared_pair[0].data, tmp_path)


def test_the_error_names_a_malformed_file(compared_pair: tuple[Project, Project], tmp_path: Path) -> None:
    shutil.copytree(compared_pair[0].data / "107.3", tmp_path / "old")
    (tmp_path / "old/MANIFEST.json").unlink()
    (tmp_path / "old/extensions/api_docs/made.api-1.0.0.api_docs.json").write_text('{"classes": []}')
    with pytest.raises(StageError, match=r"made\.api-1\.0\.0\.api_docs\.json: not in the form"):
        compare(DataSet(tmp_path / "old"), DataSet(compared_pair[1].data / "107.3"))


def test_a_version_a_folder_and_a_folder_of_versions_are_found(
    compared_pair: tuple[Project, Project], tmp_path: Path
) -> None:
    data = compared_pair[0].data
    assert find_data_set("107.3", data, tmp_path) == data / "107.3"
    assert find_data_set(str(data / "107.3"), tmp_path, tmp_path) == data / "107.3"
    shutil.copytree(data / "107.3", tmp_path / "two/99.12")
    shutil.copytree(data / "107.3", tmp_path / "two/99.2")
    assert find_data_set("two", data, tmp_path) == tmp_path / "two/99.12"
