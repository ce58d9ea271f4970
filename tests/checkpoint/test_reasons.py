"""The reasons of tasks and repeated faults: accurate, reported once, and in the pipeline's own terms."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.project import Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path.resolve() / "project", count=3)


def test_an_unreachable_service_is_reported_once_with_a_count(project: Project) -> None:
    project.configure(
        embeddings__backend="openai",
        embeddings__api_key="",
        embeddings__endpoint_url="http://127.0.0.1:9/v1",  # the port of "discard", without a service
        embeddings__batch_size=1,
        embeddings__max_tries=3,
        embeddings__max_wait_seconds=0.01,
    )
    run = project.run("doit")
    assert run.code == 1
    warnings = [line for line in run.output.splitlines() if line.startswith("WARNING")]
    assert len(warnings) == 2, run.output
    assert "cannot be reached" in warnings[0]
    assert " more warnings of this kind, all in the log file: embeddings:" in warnings[1]
    more = int(warnings[1].split()[1])
    log = (project.work / "pipeline.log").read_text()
    assert log.count(" WARNING stages.retrieval") == more + 1 > 4
    assert len([line for line in run.output.splitlines() if line.startswith("ERROR")]) == 1


def test_tasks_that_run_because_of_the_pre_stage_rule_give_it_as_the_reason(project: Project) -> None:
    assert project.run("doit", "end=pull_repo_exts").code == 0
    (project.extensions / "made.up01").rename(project.extensions / "made.up09")
    resumed = project.run("doit", "resume=1", "end=preparation")
    assert resumed.code == 0, resumed.output
    reason = "one of the pre-stages was not complete, so both run again"
    assert f"pull_repo_exts was complete and runs again: {reason}" in resumed.output
    log = (project.work / "pipeline.log").read_text()
    assert f"pull_repo_exts runs: {reason}" in log


def test_tasks_that_run_because_of_force_give_it_as_the_reason(project: Project) -> None:
    assert project.run("doit", "end=preparation").code == 0
    assert project.run("doit", "end=preparation", "force=1").code == 0
    assert "preparation runs: it was forced" in (project.work / "pipeline.log").read_text()


def test_the_error_names_an_extension_that_was_removed_during_the_run(project: Project) -> None:
    assert project.run("doit", "end=preparation").code == 0
    shutil.rmtree(project.extensions / "made.up02")
    run = project.run("doit", "start=extension_data")
    assert run.code == 1
    errors = [line for line in run.output.splitlines() if line.startswith("ERROR")]
    gone = project.extensions / "made.up02"
    assert errors == [
        f"ERROR: extension_data:made.up02: {gone} was removed during the run. Run again to collect the current files."
    ]
    again = project.run("doit")
    assert again.code == 0, again.output


def test_a_large_number_of_extensions_is_a_whole_number(project: Project) -> None:
    assert project.run("run_pipeline.py", "--max-extensions", "100000000000", "--dry-run").code == 0


@pytest.mark.parametrize(("option", "said"), [("-v", "requires argument"), ("--foo", "not recognized")])
def test_a_wrong_option_gives_one_short_line(project: Project, option: str, said: str) -> None:
    run = project.run("doit", option)
    assert run.code == 3
    (line,) = run.output.splitlines()
    assert said in line
    assert len(line) < 120
