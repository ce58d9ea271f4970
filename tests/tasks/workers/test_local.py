from __future__ import annotations

from pathlib import Path

import pytest

from tests.project import make_project


@pytest.mark.parametrize("length", [60, 90, pytest.param(200, marks=pytest.mark.long)])
def test_workers_start_whatever_the_length_of_the_temporary_folder(tmp_path: Path, length: int) -> None:
    project = make_project(tmp_path.resolve() / "project", count=2)
    temporary = Path("/tmp") / "t".ljust(length - len(str(tmp_path.name)) - 6, "t") / tmp_path.name
    temporary.mkdir(parents=True)
    try:
        run = project.run("doit", "quick=1", TMPDIR=str(temporary))
        assert run.code == 0, run.output
        assert "worker process died" not in run.output
        assert list(temporary.iterdir()) == []
    finally:
        temporary.rmdir()
        temporary.parent.rmdir()
