"""Many extensions with little memory and few open files."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.harness import FULL, MAIN, counted, one_clear_error, run_as
from tests.project import REPORT, ROOT, Project, make_project

_COUNT = 1500 if FULL else 40
_KIBIBYTES = 2 * 1024 * 1024
_FILES = 256


@pytest.mark.timeout(3600)
def test_a_cold_run_within_limits(tmp_path: Path) -> None:
    with counted(f"{_COUNT} extensions, cold, 2 GiB of address space per process and {_FILES} open files") as figure:
        project = Project(tmp_path.resolve() / "project")
        project.path.mkdir()
        project.configure(logging__level="INFO", processing__parallel_workers=None)
        generate = [sys.executable, str(ROOT / "benchmarks/generate.py"), str(project.extensions)]
        subprocess.run([*generate, "--extensions", str(_COUNT)], check=True, timeout=600, stdout=subprocess.DEVNULL)
        limited = f'ulimit -v {_KIBIBYTES}; ulimit -n {_FILES}; exec "$@"'
        begin = time.monotonic()
        run = run_as(project, ["bash", "-c", limited, "bash", *project.command(MAIN)], seconds=3000)
        seconds = time.monotonic() - begin
        assert run.code == 0, run.output
        assert "Traceback" not in run.output
        assert json.loads((project.data / REPORT).read_bytes())["counts"]["extensions"] == _COUNT
        figure.ended[f"complete in {seconds:.0f} s"] += 1


@pytest.mark.parametrize("megabytes", [300, 500, 700] if FULL else [500])
def test_too_little_memory_is_reported(tmp_path: Path, megabytes: int) -> None:
    """Without enough memory, the run reports it. With more memory, a resume succeeds."""
    with counted("too little memory") as figure:
        project = make_project(tmp_path.resolve() / "project", count=3)
        limited = f'ulimit -v {megabytes * 1024}; exec "$@"'
        run = run_as(project, ["bash", "-c", limited, "bash", *project.command(MAIN)], seconds=120)
        if run.code:
            one_clear_error(run)
        figure.ended["one clear error" if run.code else "enough memory"] += 1
        last = project.run(MAIN, "--resume")
        assert last.code == 0, last.output
