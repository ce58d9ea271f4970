"""The page on adding a stage, followed literally on a copy of the project."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import ROOT, Project, make_project

PAGE = (ROOT / "docs" / "howto-stage.md").read_text()
NINTH = "largest_classes"


def block(title: str) -> str:
    """Return the code block of the page with a title."""
    (found,) = re.findall(rf'^```python title="{re.escape(title)}"\n(.*?)^```', PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the page's additions: a file in ``stages/``, and a task and import in ``dodo.py``."""
    copy = tmp_path_factory.mktemp("copy")
    for name in ("checkpoint", "config", "console", "stages", "tasks"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (
        "bootstrap.py",
        "dodo.py",
        "data_collection_pipeline.py",
        "run_pipeline.py",
        "search.py",
        "pipeline_config.toml",
    ):
        shutil.copy(ROOT / name, copy)
    (copy / f"stages/{NINTH}.py").write_text(block(f"stages/{NINTH}.py"))
    names = copy / "tasks/stage_names.py"
    assert names.read_text().count('    "final_assembly",\n') == 1
    names.write_text(names.read_text().replace('    "final_assembly",\n', f'    "final_assembly",\n    "{NINTH}",\n'))
    dodo = copy / "dodo.py"
    text = dodo.read_text()
    assert text.count("    final_assembly,\n") == 1
    dodo.write_text(
        text.replace("    final_assembly,\n", f"    final_assembly,\n    {NINTH},\n") + "\n\n" + block("dodo.py")
    )
    return copy


class Copy(Project):
    """A project that is run by a copy of the pipeline."""

    root: Path

    def run_there(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments], cwd=self.root, capture_output=True, text=True, check=False, timeout=300
        )

    def doit(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run_there("-m", "doit", *arguments, f"config={self.config}")

    def script(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run_there("data_collection_pipeline.py", "--config", str(self.config), *arguments)


@pytest.fixture
def project(copy: Path, tmp_path: Path) -> Copy:
    project = Copy(make_project(tmp_path.resolve() / "project", count=2).path)
    project.root = copy
    return project


def test_the_stage_runs_resumes_and_is_up_to_date(project: Copy) -> None:
    target = project.work / NINTH / f"{NINTH}.json"
    target.mkdir(parents=True)
    failed = project.script()
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert f"Pipeline failed at stage: {NINTH}" in failed.stdout
    found = project.checkpoint()
    assert found is not None
    assert found["completed_stages"][-1] == "final_assembly"
    assert found["failure"]["stage"] == NINTH

    target.rmdir()
    resumed = project.script("--resume")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert re.findall(r"^\[(\d)/9\] (\w+)$", resumed.stdout, re.MULTILINE) == [("9", NINTH)]
    assert project.checkpoint() is None
    (largest,) = json.loads(target.read_text())["made.up01"]
    assert largest == {"class": "made.up01.Worker1", "methods": 1}

    assert f"[9/9] {NINTH}: up to date" in project.doit().stdout
    project.doit("clean", NINTH)
    assert not target.exists()


def test_every_command_accepts_the_stage(project: Copy) -> None:
    assert f"9. {NINTH}\n" in project.script("--list-stages").stdout
    assert f"{NINTH}" in project.doit("list").stdout
    assert project.script("--end", "preparation").returncode == 0
    dry_run = project.script("--dry-run", "--end", NINTH)
    assert f"[9/9] {NINTH}: 1 of 1 would run" in dry_run.stdout, dry_run.stdout + dry_run.stderr
    assert re.search(rf"^{NINTH} .*1 to run", project.script("--show-checkpoint").stdout, re.MULTILINE)
    assert project.script("--end", NINTH).returncode == 0
    assert project.doit("report").returncode == 0
    assert NINTH in (project.work / "report.html").read_text()


def test_the_stage_keeps_its_output_if_intermediates_are_removed(project: Copy) -> None:
    project.configure(output__keep_intermediates=False)
    assert project.script().returncode == 0
    assert (project.work / NINTH / f"{NINTH}.json").exists()
    assert (project.data / "107.3/VERSION.md").exists()
    assert not (project.work / "extension_data").exists()
