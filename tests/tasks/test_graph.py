"""The paths of files as the tasks name them."""

from pathlib import Path

import pytest

from tasks.graph import Graph, short_path


def test_a_path_below_the_current_folder_is_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert short_path(tmp_path / "here" / "a" / ".." / "b") == "b"
    assert short_path(tmp_path / "here") == "."
    assert short_path(tmp_path / "here too") == str(tmp_path / "here too")
    assert short_path(tmp_path / "here" / ".." / "there") == str(tmp_path / "there")
    assert short_path(Path("a/../b")) == "b"


def test_files_of_the_work_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    graph = Graph(tmp_path / "work")
    assert graph.path("a/b.json") == "work/a/b.json"
    assert graph.path("../exts/my.a") == "exts/my.a"
    assert graph.path("") == "work"
    assert graph.path("/elsewhere/my.a") == "/elsewhere/my.a"
    assert Graph(tmp_path.parent / "other").path("a.json") == str(tmp_path.parent / "other" / "a.json")
