"""Search in a real data set, as a function and as a command, and the benchmark of its quality."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import tomli

from benchmarks.search_quality import QUERIES, as_table, measure, quality
from search import Mode, SearchError, search
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
def test_the_extension_with_the_queried_title_comes_first(project: Project, mode: str) -> None:
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
def test_an_invalid_query_is_refused(project: Project, query: str, arguments: dict[str, object]) -> None:
    with pytest.raises(SearchError):
        search(query, data_dir=project.data, **arguments)  # type: ignore[arg-type]


def test_the_error_without_an_index(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match="no search index"):
        search("x", data_dir=tmp_path)


def test_another_model_than_the_indexs_is_refused(project: Project) -> None:
    with pytest.raises(SearchError, match="cannot be compared"):
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
    printed = command(project, "Extension 2 number 2", "--in", "extensions", "-k", "2", "--json")
    assert len(json.loads(printed.stdout)) == 2


def test_the_command_answers_an_invalid_query_with_one_line(project: Project) -> None:
    done = command(project, "x", "--in", "cars")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "cars" in done.stderr


def test_quality_of_known_ranks() -> None:
    found = quality([1, 2, 6, 0])
    assert (found.hit_1, found.hit_5) == (0.25, 0.5)
    assert found.mrr == pytest.approx((1 + 1 / 2 + 1 / 6) / 4)


def test_the_queries_of_the_benchmark_are_valid(project: Project) -> None:
    queries = tomli.loads(QUERIES.read_text())["query"]
    assert len(queries) >= 60
    assert len({(query["kind"], query["text"]) for query in queries}) == len(queries)
    few = [next(query for query in queries if query["kind"] == kind) for kind in ("extensions", "settings")]
    assert "hybrid" in as_table(few, measure(few, project.data))


@pytest.mark.parametrize("mode", ["vector", "lexical", "hybrid"])
def test_only_documents_of_the_extension_are_found(project: Project, mode: Mode) -> None:
    for kind in ("extensions", "code_examples", "settings"):
        everything = search("number", data_dir=project.data, kind=kind, k=50, mode="vector")
        hits = search("number 2", data_dir=project.data, kind=kind, k=50, mode=mode, extensions=["made.up03"])
        expected = {hit.id for hit in everything if "up03" in hit.id}
        assert {hit.id for hit in hits} <= expected
        if mode == "vector":
            assert {hit.id for hit in hits} == expected != set()


def test_a_pattern_and_several_extensions_are_accepted(project: Project) -> None:
    found = search("number", data_dir=project.data, kind="extensions", extensions=["*.up01", "made.up02"])
    assert {hit.id for hit in found} == {"made.up01", "made.up02"}


@pytest.mark.parametrize("prefix", ["/exts/made.up02", "exts/made.up02"])
def test_a_prefix_keeps_the_settings_below_it(project: Project, prefix: str) -> None:
    found = search("limit", data_dir=project.data, kind="settings", prefix=prefix, k=50)
    assert {hit.id for hit in found} == {"/exts/made.up02/enabled", "/exts/made.up02/limit"}


def test_a_prefix_applies_to_the_full_name_of_an_example(project: Project) -> None:
    found = search("function", data_dir=project.data, prefix="made.up01.long")
    assert [hit.id for hit in found] == ["made.up01:made.up01.long_function"]


def test_a_filtered_search_scores_as_the_vectors_do(project: Project) -> None:
    everything = search("is it enabled", data_dir=project.data, kind="settings", k=50, mode="vector")
    some = search(
        "is it enabled", data_dir=project.data, kind="settings", k=50, mode="vector", prefix="/exts/made.up01"
    )
    assert [hit.id for hit in some] == [hit.id for hit in everything if hit.id.startswith("/exts/made.up01")]
    scores = {hit.id: hit.score for hit in everything}
    assert [hit.score for hit in some] == pytest.approx([scores[hit.id] for hit in some], abs=1e-5)


def test_a_filtered_search_of_an_approximate_index_loses_nothing(tmp_path: Path) -> None:
    made = make_project(tmp_path / "project", count=3, embeddings__hnsw_above=1)
    run = made.run("data_collection_pipeline.py")
    assert run.code == 0, run.output
    described = json.loads((made.data / "107.3/settings/settings_faiss/metadata.json").read_text())
    assert described["index_type"] == "hnsw"
    found = search("x", data_dir=made.data, kind="settings", mode="vector", prefix="/exts/made.up02", k=9)
    assert {hit.id for hit in found} == {"/exts/made.up02/enabled", "/exts/made.up02/limit"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"extensions": ["made.up09"]}, 'No extension matches "made.up09"; did you mean made.up0'),
        ({"prefix": "/exst"}, 'No name begins with "/exst"; did you mean /exts'),
        (
            {"extensions": ["made.up01"], "prefix": "/exts/made.up02"},
            'No name in made.up01 begins with "/exts/made.up02".',
        ),
    ],
)
def test_the_error_for_filters_without_matches_names_the_closest_names(
    project: Project, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(SearchError, match=re.escape(message)):
        search("x", data_dir=project.data, **arguments)


def test_the_command_takes_filters_and_shows_code(project: Project) -> None:
    done = command(project, "--extension", "made.up02", "--prefix", "made.up02.long", "--mode", "lexical", "long", "-v")
    assert done.returncode == 0, done.stderr
    assert "example made.up02:made.up02.long_function" in done.stdout
    assert "      def long_function(values):\n" in done.stdout
    assert "made.up01" not in done.stdout
    brief = command(project, "long", "--in", "code", "-e", "made.up02")
    assert "def long_function" not in brief.stdout
    wrong = command(project, "long", "-e", "made.upp02")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("ERROR: ")
    assert "made.up02" in wrong.stderr
