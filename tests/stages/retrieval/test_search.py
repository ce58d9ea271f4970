"""Search over a real data set, as a function and as a command, and the benchmark of its quality."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import tomli

from benchmarks.search_quality import QUERIES, as_table, measure, quality
from search import SearchError, search
from tests.project import ROOT, Project, make_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("search").resolve() / "project", count=3)
    run = made.run("data_collection_pipeline.py")
    assert run.code == 0, run.output
    return made


def command(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        project.command("doit", "search", *arguments),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=120,
    )


@pytest.mark.parametrize("mode", ["vector", "lexical", "hybrid"])
def test_the_extension_whose_title_is_asked_for_comes_first(project: Project, mode: str) -> None:
    hits = search("Extension 2 number 2", data_dir=project.data, kind="extensions", mode=mode)  # type: ignore[arg-type]
    assert hits[0].id == "made.up02"


def test_a_setting_is_found_by_its_documentation(project: Project) -> None:
    hits = search("whether number 3 is enabled", data_dir=project.data, kind="settings", k=1)
    assert [hit.id for hit in hits] == ["/exts/made.up03/enabled"]


def test_all_kinds_are_searched_together_and_k_is_kept(project: Project) -> None:
    hits = search("number", data_dir=project.data, k=7)
    assert len(hits) == 7
    assert {hit.kind for hit in hits} > {"settings"}
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


@pytest.mark.parametrize(("query", "arguments"), [("", {}), ("x", {"k": 0}), ("x", {"kind": "cars"})])
def test_a_wrong_question_is_refused(project: Project, query: str, arguments: dict[str, object]) -> None:
    with pytest.raises(SearchError):
        search(query, data_dir=project.data, **arguments)  # type: ignore[arg-type]


def test_without_an_index_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match="no search index"):
        search("x", data_dir=tmp_path)


def test_another_model_than_the_indexs_is_refused(project: Project) -> None:
    with pytest.raises(SearchError, match="do not compare"):
        search("x", data_dir=project.data, options={"backend": "local", "dimensions": 64})


def test_files_that_do_not_belong_together_are_refused(project: Project, tmp_path: Path) -> None:
    shutil.copytree(project.data / "107.3", tmp_path / "107.3")
    index = tmp_path / "107.3/settings/settings_faiss/index.json"
    index.write_bytes(index.read_bytes() + b" ")
    with pytest.raises(SearchError, match="do not belong together"):
        search("x", data_dir=tmp_path, kind="settings")


def test_the_command_prints_hits_and_json(project: Project) -> None:
    shown = command(project, "Extension 2 number 2", "--in", "extensions", "-k", "1")
    assert shown.returncode == 0, shown.stderr
    assert "made.up02" in shown.stdout
    told = command(project, "Extension 2 number 2", "--in", "extensions", "-k", "2", "--json")
    assert len(json.loads(told.stdout)) == 2


def test_the_command_ends_a_wrong_question_with_one_line(project: Project) -> None:
    done = command(project, "x", "--in", "cars")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "cars" in done.stderr


def test_figures_of_known_ranks() -> None:
    found = quality([1, 2, 6, 0])
    assert (found.hit_1, found.hit_5) == (0.25, 0.5)
    assert found.mrr == pytest.approx((1 + 1 / 2 + 1 / 6) / 4)


def test_the_questions_of_the_benchmark_can_be_asked(project: Project) -> None:
    queries = tomli.loads(QUERIES.read_text())["query"]
    assert len(queries) >= 60
    assert len({(query["kind"], query["text"]) for query in queries}) == len(queries)
    few = [next(query for query in queries if query["kind"] == kind) for kind in ("extensions", "settings")]
    assert "hybrid" in as_table(few, measure(few, project.data))
