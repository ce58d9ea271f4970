"""The checkpoint is removed last: a run that cannot write its report can be resumed."""

from __future__ import annotations

from pathlib import Path

from tests.project import REPORT, make_project


def test_the_checkpoint_stays_until_the_report_is_written(tmp_path: Path) -> None:
    project = make_project(tmp_path.resolve() / "project", count=1)
    (project.data / REPORT / "in the way").mkdir(parents=True)
    failed = project.run("doit", "quick=1")
    assert failed.code == 1, failed.output
    assert "Traceback" not in failed.output
    assert REPORT in failed.output
    assert project.checkpoint() is not None
    (project.data / REPORT / "in the way").rmdir()
    (project.data / REPORT).rmdir()
    assert project.run("doit", "quick=1").code == 0
    assert project.checkpoint() is None
    assert (project.data / REPORT).is_file()
