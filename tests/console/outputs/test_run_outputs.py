"""The machine-readable outputs of a run: a JSON summary, a JUnit file, annotations."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from junitparser import JUnitXml

from tasks.stage_names import STAGES
from tests.project import ROOT, Project, make_project

MAIN = "data_collection_pipeline.py"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path.resolve() / "project", count=2)


def run(project: Project, *arguments: str, script: str = MAIN) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        project.command(script, *arguments), capture_output=True, text=True, check=False, cwd=ROOT, timeout=120
    )


def break_a_module(project: Project) -> None:
    (project.extensions / "made.up01/made/up01/broken.py").write_text("x = 1\ndef wrong(:\n")


def test_json_prints_one_summary_and_nothing_else(project: Project) -> None:
    done = run(project, "--json")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["result"] == "complete"
    assert [stage["name"] for stage in outcome["stages"]] == list(STAGES)
    again = json.loads(run(project, "--json").stdout)
    assert again["result"] == "nothing-to-do"


def test_json_of_a_failure_and_of_a_run_that_could_not_start(project: Project) -> None:
    project.work.mkdir()
    (project.work / "settings").write_text("in the way")
    failed = run(project, "--json")
    assert failed.returncode == 1
    outcome = json.loads(failed.stdout)
    assert outcome["result"] == "failed"
    assert outcome["failures"][0]["stage"] == "settings"
    refused = run(project, "--json", "max_extensions=many")
    assert refused.returncode == 2
    assert json.loads(refused.stdout)["result"] == "not-started"


def test_junit_has_a_case_per_stage_with_the_failure(project: Project, tmp_path: Path) -> None:
    report = tmp_path / "junit.xml"
    project.work.mkdir()
    (project.work / "settings").write_text("in the way")
    assert run(project, "--junit", str(report)).returncode == 1
    (suite,) = JUnitXml.fromfile(str(report))
    cases = {case.name.rpartition(" ")[2]: case for case in suite}
    assert list(cases) == list(STAGES)
    assert [name for name, case in cases.items() if case.is_failure or case.is_error] == ["settings"]
    assert cases["faiss"].is_skipped
    assert suite.tests == len(STAGES)


def test_doit_takes_the_same_as_variables(project: Project, tmp_path: Path) -> None:
    report = tmp_path / "junit.xml"
    done = run(project, "json=1", f"junit={report}", script="doit")
    assert done.returncode == 0
    assert json.loads(done.stdout)["result"] == "complete"
    assert report.exists()


def test_annotations_name_file_and_line(project: Project) -> None:
    break_a_module(project)
    done = run(project, "--annotations", "--end", "extension_data")
    (line,) = [text for text in done.stdout.splitlines() if text.startswith("::warning ")]
    assert "broken.py" in line
    assert "line=2" in line


def test_annotations_are_on_only_for_github(project: Project) -> None:
    break_a_module(project)
    assert "::warning" in project.run(MAIN, "--end", "extension_data", GITHUB_ACTIONS="true").output
    assert "::warning" not in project.run(MAIN, "--end", "extension_data", GITHUB_ACTIONS="false").output
