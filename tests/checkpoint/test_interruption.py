"""Kills, interrupts and concurrent starts: no completed work is lost, and the messages are accurate."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from checkpoint.database import records
from checkpoint.file import load
from tests.project import Project, children, make_project

MAIN = "data_collection_pipeline.py"
COUNT = 30


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path.resolve() / "project", count=COUNT)


def recorded(project: Project) -> set[str]:
    return set(records(str(project.work / ".doit.db")))


def wait_for(project: Project, process: subprocess.Popen[str], count: int, prefix: str) -> None:
    """Wait until the database contains the given number of tasks of a stage."""
    end = time.monotonic() + 60
    while sum(name.startswith(prefix) for name in recorded(project)) < count:
        assert process.poll() is None, project.output()
        assert time.monotonic() < end, project.output()
        time.sleep(0.005)


@pytest.mark.parametrize("how", ["-n 0", "-n 2"])
def test_tasks_completed_before_a_kill_do_not_run_again(project: Project, how: str) -> None:
    process = project.start("doit", *how.split())
    wait_for(project, process, 8, "extension_data:")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = recorded(project)
    assert 8 <= sum(name.startswith("extension_data:") for name in done) <= COUNT
    again = project.run("doit", *how.split())
    assert again.code == 0, again.output
    log = (project.work / "pipeline.log").read_text()
    second = log[log.rindex("[1/8] pull_repo_exts: complete") :]
    assert "(0 run, 1 up to date)" in second.splitlines()[0]
    repeated = {name for name in done if f" {name} runs: " in second}
    assert repeated == set()
    assert " extension_data:@merge runs: " in second


def test_worker_processes_end_with_a_killed_run(project: Project) -> None:
    process = project.start("doit", "-n", "2")
    wait_for(project, process, 3, "extension_data:")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    pytest.fail("a worker process outlived the run")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_reports_it_and_resumes(project: Project, number: signal.Signals, code: int) -> None:
    process = project.start(MAIN)
    wait_for(project, process, 3, "extension_data:")
    os.kill(process.pid, number)
    run = project.finish(process, 60)
    assert run.code == code, run.output
    assert "Traceback" not in run.output
    assert "Pipeline interrupted at stage: extension_data" in run.output
    assert "You can resume from this point using: --resume" in run.output
    found = load(project.work)
    assert found is not None
    assert found.status == "interrupted"
    assert found.failure is not None
    assert found.failure["message"] == f"interrupted by {number.name}"
    assert found.completed_stages == ["pull_repo_exts", "preparation"]
    resumed = project.run(MAIN, "--resume")
    assert resumed.code == 0, resumed.output


def test_interrupted_with_plain_doit(project: Project) -> None:
    process = project.start("doit", "-n", "0")
    wait_for(project, process, 3, "extension_data:")
    os.kill(process.pid, signal.SIGINT)
    run = project.finish(process, 60)
    assert run.code == 130, run.output
    assert "Traceback" not in run.output


def test_a_second_run_is_refused_and_names_the_first(project: Project) -> None:
    process = project.start(MAIN)
    wait_for(project, process, 1, "preparation")
    second = subprocess.run(
        project.command(MAIN), capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL
    )
    third = subprocess.run(
        project.command("doit", "clean"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=Path(__file__).parent.parent.parent,
        stdin=subprocess.DEVNULL,
    )
    first = project.finish(process, 60)
    assert first.code == 0, first.output
    assert second.returncode == 2
    assert f"process {process.pid}, since " in second.stderr
    assert third.returncode == 2
    assert "another run is using this directory" in third.stderr


def test_the_task_of_a_dead_worker_is_repeated(project: Project) -> None:
    process = project.start("doit", "-n", "2")
    wait_for(project, process, 3, "extension_data:")
    workers = [worker for server in children(process.pid) for worker in children(server)]
    assert workers
    os.kill(workers[-1], signal.SIGKILL)
    run = project.finish(process, 60)
    assert run.code == 0, run.output
    assert "A worker process died" in run.output
