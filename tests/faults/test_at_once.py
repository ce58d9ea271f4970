"""Concurrent runs: in one work directory one run works and the others are refused; otherwise all work."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.faults.harness import FULL, MAIN, Victim, counted, results_of
from tests.project import ROOT, Project, digest_of


def _start(project: Project, number: int) -> subprocess.Popen[str]:
    with (project.path / f"output-{number}.txt").open("w") as output:
        return subprocess.Popen(
            project.command(MAIN),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )


def _ends(processes: list[subprocess.Popen[str]]) -> list[int]:
    try:
        return [process.wait(timeout=120) for process in processes]
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("runs", [2, 4] if FULL else [2])
@pytest.mark.parametrize("attempt", range(10 if FULL else 1))
def test_on_one_work_directory(victim: Victim, runs: int, attempt: int) -> None:
    with counted(f"{runs} runs at once on one work directory") as figure:
        project = victim.fresh()
        codes = _ends([_start(project, number) for number in range(runs)])
        outputs = [(project.path / f"output-{number}.txt").read_text() for number in range(runs)]
        assert all("Traceback" not in output for output in outputs), outputs
        assert set(codes) <= {0, 2}, outputs
        assert 0 in codes, outputs
        for code, output in zip(codes, outputs, strict=True):
            assert (code == 2) == ("another run is using this directory" in output), output
        victim.check_results()
        figure.ended["one succeeded, the others were refused"] += 1
        victim.check_resume()


@pytest.mark.parametrize("runs", [2, 4] if FULL else [2])
def test_on_different_work_directories(victim: Victim, tmp_path: Path, runs: int) -> None:
    with counted(f"{runs} runs at once on different work directories") as figure:
        projects = []
        for number in range(runs):
            project = Project(tmp_path.resolve() / f"project{number}")
            project.path.mkdir()
            shutil.copytree(victim.project.extensions, project.extensions)
            shutil.copy(victim.project.config, project.config)
            projects.append(project)
        codes = _ends([_start(project, 0) for project in projects])
        assert codes == [0] * runs, [(project.path / "output-0.txt").read_text() for project in projects]
        wanted = {name: digest for name, digest in victim.undisturbed.items() if name.startswith("data/")}
        for project in projects:
            assert {n: d for n, d in results_of(project).items() if n.startswith("data/")} == wanted
        figure.ended["all succeeded"] += 1


@pytest.mark.parametrize("runs", [2, 4] if FULL else [2])
def test_on_one_target_directory(victim: Victim, tmp_path: Path, runs: int) -> None:
    """The data set is the complete data set of one run, not a mixture."""
    with counted(f"{runs} work directories, one target directory") as figure:
        project = Project(tmp_path.resolve() / "project")
        project.path.mkdir()
        shutil.copytree(victim.project.extensions, project.extensions)
        variants, processes, wanted = [], [], []
        for number in range(runs):
            variant = Project(project.path)
            values = {"processing__include_source_code": bool(number % 2), "output__target_dir": "data"}
            variant.configure(output__work_dir=f"work{number}", **values)
            config = project.path / f"config{number}.toml"
            project.config.rename(config)
            variants.append([part.replace(str(project.config), str(config)) for part in project.command(MAIN)])
        for number in (0, 1):  # the result of each run alone
            assert (
                subprocess.run(variants[number], cwd=ROOT, capture_output=True, timeout=120, check=False).returncode
                == 0
            )
            wanted.append(digest_of(project.data))
            shutil.rmtree(project.data)
            shutil.rmtree(project.path / f"work{number}")
        assert wanted[0] != wanted[1]
        for number, command in enumerate(variants):
            with (project.path / f"output-{number}.txt").open("w") as output:
                processes.append(
                    subprocess.Popen(
                        command,
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=output,
                        text=True,
                        cwd=ROOT,
                        start_new_session=True,
                    )
                )
        codes = _ends(processes)
        assert codes == [0] * runs, [(project.path / f"output-{n}.txt").read_text() for n in range(runs)]
        assert digest_of(project.data) in wanted
        figure.ended["the complete data set of one"] += 1
