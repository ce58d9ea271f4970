"""The display of a run: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pyte
import pytest

from tasks.stage_names import STAGES
from tests.project import ROOT, Project, make_project
from tests.terminal import run_on_terminal

MAIN = "data_collection_pipeline.py"
ESCAPE = "\x1b"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path.resolve() / "project", count=6)


def terminal_environ(**more: str) -> dict[str, str]:
    environ = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "CI", "GITHUB_ACTIONS")}
    return {**environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", **more}


def test_a_terminal_shows_the_eight_stages_live_and_a_closing_table(project: Project) -> None:
    seen: list[str] = []

    def look(screen: pyte.Screen) -> None:
        seen.append("\n".join(screen.display))

    code, screen = run_on_terminal(project.command(MAIN), cwd=ROOT, environ=terminal_environ(), look=look)
    last = "\n".join(screen.display)
    assert code == 0, last
    assert any(all(stage in text for stage in STAGES) and "waiting" in text for text in seen)
    assert any(re.search(r"extension_data.*\d of 6 extensions", text) for text in seen)
    assert all(stage in last for stage in STAGES)
    assert "completed successfully" in last


def test_a_failure_on_a_terminal_shows_the_stage_and_the_resume_command(project: Project) -> None:
    project.work.mkdir()
    (project.work / "faiss_databases").write_text("in the way")
    code, screen = run_on_terminal(project.command(MAIN), cwd=ROOT, environ=terminal_environ(), lines=60)
    last = "\n".join(screen.display)
    assert code == 1
    assert "Pipeline failed at stage: faiss" in last
    assert "--resume" in last


def test_nothing_to_do_on_a_terminal_is_short(project: Project) -> None:
    assert project.run(MAIN).code == 0
    code, screen = run_on_terminal(project.command(MAIN), cwd=ROOT, environ=terminal_environ())
    assert code == 0
    assert "nothing to do" in "\n".join(screen.display)


def test_no_color_has_no_colour_on_a_terminal(project: Project) -> None:
    code, screen = run_on_terminal(project.command(MAIN), cwd=ROOT, environ=terminal_environ(NO_COLOR="1"))
    assert code == 0
    assert {cell.fg for row in screen.buffer.values() for cell in row.values()} <= {"default"}


@pytest.mark.parametrize("environ", [{}, {"NO_COLOR": "1"}, {"TERM": "xterm-256color"}])
def test_a_pipe_gets_plain_lines_and_at_most_one_for_an_extension(project: Project, environ: dict[str, str]) -> None:
    run = project.run(MAIN, **environ)
    assert run.code == 0
    assert ESCAPE not in run.output
    assert "\r" not in run.output
    for number in range(1, 7):
        assert sum(f"made.up{number:02}" in line for line in run.output.splitlines()) <= 1


def test_quiet_prints_only_warnings_and_errors(project: Project) -> None:
    assert project.run(MAIN, "--quiet").output == ""
    (project.extensions / "made.up02/made/up02/__init__.py").write_text("changed = 1\n")
    folder = project.work / "code_examples/extension_analysis_summary.json"
    folder.unlink()
    folder.mkdir()
    (folder / "file").touch()
    failed = project.run(MAIN, "--quiet")
    assert failed.code == 1
    assert "Pipeline failed at stage: code_examples" in failed.output
    assert "[1/8]" not in failed.output


def test_verbose_prints_each_task_that_runs(project: Project) -> None:
    output = project.run(MAIN, "--verbose", "--end", "extension_data").output
    for number in range(1, 7):
        assert f"extension_data:made.up{number:02}" in output


def test_warnings_are_shown_with_file_and_line(project: Project) -> None:
    (project.extensions / "made.up03/made/up03/broken.py").write_text("def wrong(:\n")
    output = project.run(MAIN, "--end", "extension_data").output
    assert re.search(r"made\.up03.*broken\.py:1", output)


def test_the_log_file_has_everything_with_times(project: Project) -> None:
    assert project.run(MAIN, "--quiet", "--end", "extension_data").code == 0
    log = (project.work / "pipeline.log").read_text()
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO .*\[3/8\] extension_data", log, re.MULTILINE)
    assert " extension_data:made.up01 runs: it has no recorded result" in log
