"""The data matches the configured sources, regardless of the origin of the work directory.

The trees have equal sizes and times, as a checkout or a CI cache gives them.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.project import Project, make_project

pytestmark = pytest.mark.long

NOTHING = "All stages are already complete: nothing to do."
WHEN = 1_700_000_000


def _same_times(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        os.utime(path, (WHEN, WHEN))


def _replace(folder: Path, before: str, after: str) -> None:
    assert len(before) == len(after)
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_text(path.read_text().replace(before, after))


def _two_checkouts(tmp_path: Path) -> tuple[Project, Path, Path]:
    """Return a project, and two folders of the same names, sizes and times with other titles."""
    project = make_project(tmp_path.resolve() / "project", count=2)
    one, two = tmp_path.resolve() / "one", tmp_path.resolve() / "two"
    project.extensions.rename(one)
    shutil.copytree(one, two)
    _replace(two, "Extension", "Extensivo")
    for folder in (one, two):
        _same_times(folder)
    return project, one, two


def _titles(project: Project) -> list[str]:
    database = json.loads((project.data / "107.3/extensions/extensions_database.json").read_text())
    return [entry["title"] for entry in database["extensions"].values()]


def _name_source(project: Project, path: str) -> None:
    project.config.write_text(project.config.read_text().replace('path = "exts"', f'path = "{path}"'))


def test_a_variable_that_names_another_checkout_is_another_source(tmp_path: Path) -> None:
    project, one, two = _two_checkouts(tmp_path)
    _name_source(project, "${EXTS}")
    assert project.run("doit", EXTS=str(one)).code == 0
    assert _titles(project) == ["Extension 1", "Extension 2"]
    assert NOTHING in project.run("doit", EXTS=str(one)).output
    run = project.run("doit", EXTS=str(two))
    assert run.code == 0
    assert f"sources {one} -> {two}" in run.output
    assert _titles(project) == ["Extensivo 1", "Extensivo 2"]


def test_a_link_that_leads_to_another_checkout_is_another_source(tmp_path: Path) -> None:
    project, one, two = _two_checkouts(tmp_path)
    project.extensions.symlink_to(one)
    assert project.run("doit").code == 0
    project.extensions.unlink()
    project.extensions.symlink_to(two)
    assert project.run("doit").code == 0
    assert _titles(project) == ["Extensivo 1", "Extensivo 2"]


def test_two_configurations_with_one_work_directory_each_get_their_own_data(tmp_path: Path) -> None:
    first = make_project(tmp_path.resolve() / "first", count=2)
    second = make_project(tmp_path.resolve() / "second", count=2)
    _replace(second.extensions, "Extension", "Extensivo")
    shared = tmp_path.resolve() / "shared"
    for project in (first, second):
        project.configure(output__work_dir=str(shared / "work"), output__target_dir=str(project.data))
        _same_times(project.extensions)
    for project, word in ((first, "Extension"), (second, "Extensivo"), (first, "Extension")):
        run = project.run("doit")
        assert run.code == 0
        assert _titles(project) == [f"{word} 1", f"{word} 2"]
    expected_notice = f"This work directory was made by another configuration ({second.config})"
    assert run.output.index(expected_notice) < run.output.index("[1/8] pull_repo_exts")


def test_a_new_kit_version_in_the_same_folder_is_collected(tmp_path: Path) -> None:
    project = make_project(tmp_path.resolve() / "project", count=2, input__kit_version=None)
    project.extensions.rename(project.path / "parts")
    kit = project.extensions / "kit"
    (project.extensions / "exts").mkdir(parents=True)
    for folder in (project.path / "parts").iterdir():
        folder.rename(project.extensions / "exts" / folder.name)
    (kit / "kernel").mkdir(parents=True)
    (kit / "VERSION").write_text("107.3.1+feature.1")
    assert project.run("doit").code == 0
    assert (project.data / "107.3/VERSION.md").read_text().strip() == "107.3.1"
    (kit / "VERSION").write_text("108.1.0+feature.1")
    assert project.run("doit").code == 0
    assert (project.data / "108.1/VERSION.md").read_text().strip() == "108.1.0"
    assert NOTHING in project.run("doit").output


def test_one_edit_of_a_manifest_causes_one_pull(tmp_path: Path) -> None:
    project = make_project(tmp_path.resolve() / "project", count=2)
    assert project.run("doit").code == 0
    manifest = project.extensions / "made.up01/config/extension.toml"
    manifest.write_text(manifest.read_text().replace("Extension 1", "Extension one"))
    assert "[1/8] pull_repo_exts: done" in project.run("doit").output
    assert NOTHING in project.run("doit").output


@pytest.mark.parametrize("how", ["moved", "copied", "copied with new times"])
def test_a_moved_project_is_up_to_date(tmp_path: Path, how: str) -> None:
    project = make_project(tmp_path.resolve() / "here", count=2)
    assert project.run("doit").code == 0
    there = Project(tmp_path.resolve() / "there")
    if how == "moved":
        project.path.rename(there.path)
    else:
        shutil.copytree(project.path, there.path, copy_function=shutil.copy2 if how == "copied" else shutil.copyfile)
    run = there.run("doit")
    assert run.code == 0
    assert f"{there.work}: this work directory was moved or copied from {project.work}." in run.output
    assert NOTHING in run.output
    assert "moved or copied" not in there.run("doit").output
    assert not project.path.exists() or NOTHING in project.run("doit").output


def test_an_edit_in_a_copied_project_is_detected(tmp_path: Path) -> None:
    project = make_project(tmp_path.resolve() / "here", count=2)
    _same_times(project.extensions)
    assert project.run("doit").code == 0
    there = Project(tmp_path.resolve() / "there")
    shutil.copytree(project.path, there.path)
    _replace(there.extensions, "Extension", "Extensivo")
    _same_times(there.extensions)
    assert there.run("doit").code == 0
    assert _titles(there) == ["Extensivo 1", "Extensivo 2"]


def test_a_failed_run_is_resumed_in_a_copy_of_its_work_directory(tmp_path: Path) -> None:
    project = make_project(tmp_path.resolve() / "project", count=2, embeddings__backend="openai")
    text = project.config.read_text().replace('"openai"', '"openai"\nendpoint_url = "http://127.0.0.1:9/v1"')
    project.config.write_text(text)
    assert project.run(NVIDIA_API_KEY="canary").code == 1
    shutil.copytree(project.work, project.path / "other")
    project.configure(output__work_dir="other")
    run = project.run("data_collection_pipeline.py", "--resume")
    assert run.code == 0
    assert "not a usable checkpoint" not in run.output
    assert "moved or copied from" in run.output
    assert "[3/8] extension_data: up to date" in run.output


def test_changed_values_are_reported_in_one_line_before_anything_runs(tmp_path: Path) -> None:
    project = make_project(tmp_path.resolve() / "project", count=2)
    assert project.run("doit").code == 0
    run = project.run("doit", "max_extensions=1")
    expected_notice = "This work directory was made with other values: processing.max_extensions -1 -> 1."
    assert run.output.index(expected_notice) < run.output.index("[1/8] pull_repo_exts")
    assert expected_notice not in project.run("doit", "max_extensions=1").output
