"""``doit graph``, the command of doit's plugin, on this project's tasks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tasks.stage_names import STAGES
from tests.project import make_project

pytest.importorskip("doit_graph", reason="the extra `graph` is not installed (it needs Graphviz's headers)")


def test_doit_graph_draws_the_stages_in_order(tmp_path: Path) -> None:
    dot = tmp_path / "tasks.dot"
    done = make_project(tmp_path, 1).run("doit", "graph", "--reverse", "--output", str(dot))
    assert done.code == 0, done.output
    edges = re.findall(r"(\w+) -> (\w+)", dot.read_text())
    assert {name for edge in edges for name in edge} == set(STAGES)
    assert all(STAGES.index(before) < STAGES.index(after) for before, after in edges)


def test_doit_graph_draws_subtasks(tmp_path: Path) -> None:
    project = make_project(tmp_path, 2)
    assert project.run("data_collection_pipeline.py", "--end", "preparation").code == 0
    dot = tmp_path / "tasks.dot"
    done = project.run("doit", "graph", "--show-subtasks", "--output", str(dot), "settings")
    assert done.code == 0, done.output
    assert "settings:made.up02" in dot.read_text()
    assert "extension_data:made.up01" in dot.read_text()
