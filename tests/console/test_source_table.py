"""The table of sources of stage 2: short for any number of folders, and complete."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from console.source_table import SourceFolder, SourceTable, source_table
from tests.project import Project, make_extension, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = make_project(tmp_path.resolve() / "project", count=3)
    text = project.config.read_text()
    text = text.replace("[input]\n", '[input]\nexcluded_extensions = ["made.up03"]\n')
    # A second source with two folders, the first of which holds an older version and a link that leads out.
    second = project.path / "second"
    (make_extension(second / "a", 2) / "config" / "extension.toml").write_text(
        '[package]\nversion = "0.9.0"\n[[python.module]]\nname = "made.up02"\n'
    )
    make_extension(second / "b" / "deep", 7)
    make_extension(project.path / "outside", 8)
    os.symlink(project.path / "outside" / "made.up08", second / "b" / "made.up08")
    project.config.write_text(f'{text}[[input.sources]]\nkind = "path"\npath = "second"\nexts_path = ["a", "b"]\n')
    return project


def test_a_run_prints_the_table(project: Project) -> None:
    run = project.run("doit", "end=preparation")
    assert run.code == 0, run.output
    table = source_table(project.work)
    found = {(row.folder, row.extensions) for row in table.folders}
    assert found >= {(".", 2), ("a", 0)}
    assert {(description, tuple(names)) for _, description, names in table.left_out} >= {
        ("lower versions of selected extensions", ("made.up02",)),
        ("left out by input.excluded_extensions: made.up03", ("made.up03",)),
    }
    shown = run.output.splitlines()
    begin = shown.index(table.lines()[0])
    assert shown[begin : begin + len(table.lines())] == table.lines()
    again = project.run("doit", "end=preparation")
    assert table.lines()[0] not in again.output


def test_the_folders_add_up_to_all_selected_extensions(project: Project) -> None:
    assert project.run("doit", "end=extension_data").code == 0
    total = sum(row.extensions for row in source_table(project.work).folders)
    assert total == len(list((project.work / "extension_data" / "api_docs").iterdir()))


def test_the_report_has_the_table(project: Project) -> None:
    assert project.run("doit", "end=preparation").code == 0
    assert project.run("doit", "report", "-o", str(project.path / "report.html")).code == 0
    page = (project.path / "report.html").read_text()
    assert "Lower versions of selected extensions: 1" in page
    assert "<h2>Sources</h2>" in page


def test_many_folders_give_a_short_table() -> None:
    folders = [SourceFolder("cache", f"f{number:02}", number, 1) for number in range(40)]
    lines = SourceTable(folders, [(120, "templates", [f"t{number}" for number in range(120)])]).lines()
    assert len(lines) == 1 + 8 + 1
    assert lines[-2].split() == ["33", "more", "folders", str(sum(range(7, 40))), "33"]
    assert lines[-1] == "  templates: 120 (t0, t1, t2, …)"
    assert len({len(line) for line in lines[:-1]}) == 1


def test_the_table_is_empty_before_a_run(tmp_path: Path) -> None:
    assert source_table(tmp_path).lines() == []
    (tmp_path / "sources.json").write_text('{"sources": 3}')
    (tmp_path / "extensions.json").write_text("{}")
    assert source_table(tmp_path).lines() == []
