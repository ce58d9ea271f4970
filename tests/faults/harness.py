"""The common parts of the fault tests: a project to break, its undisturbed results, and counts of attempts."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from tests.project import Project, Run, children, digest_of, make_project

MAIN = "data_collection_pipeline.py"
KILLS = int(os.environ.get("KILLS", "10"))
# The full run of `make faults`; the ordinary test run takes a sample.
FULL = KILLS >= 100
# Internal files of a run in the work directory, which are not part of the result.
# The previous data set depends on the earlier runs.
_OWN = ("final_assembly/previous/", ".doit.db", ".pipeline_", "pipeline.log", "embeddings/cache", "logs/")

_T = TypeVar("_T")

# Kind of fault -> number of attempts, number of survived ones, and the outcomes of the disturbed runs.
figures: dict[str, Figure] = {}


@dataclass
class Figure:
    """How often a kind of fault was tried and survived.

    Attributes:
        tried: Faults injected.
        survived: Those after which a resume gave the undisturbed result.
        ended: How the runs that were hit ended, and how often.
    """

    tried: int = 0
    survived: int = 0
    ended: dict[str, int] = field(default_factory=lambda: defaultdict(int))


@contextlib.contextmanager
def counted(kind: str) -> Iterator[Figure]:
    """Count a fault as tried unless the test is skipped, and as survived if the block succeeds. Yields its counts."""
    figure = figures.setdefault(kind, Figure())
    figure.tried += 1
    try:
        yield figure
    except pytest.skip.Exception:
        figure.tried -= 1
        raise
    figure.survived += 1


def results_of(project: Project) -> dict[str, str]:
    """Return the digests of a run's results: the data set, and the stages' outputs in the work directory."""
    made = {f"data/{name}": digest for name, digest in digest_of(project.data).items()}
    work = {f"work/{name}": digest for name, digest in digest_of(project.work).items() if not name.startswith(_OWN)}
    return made | work


@dataclass
class Victim:
    """A project and the results of an undisturbed run.

    Attributes:
        project: The project; `fresh` gives it back as no run has touched it.
        undisturbed: What `results_of` says after an undisturbed run.
        seconds: How long that run took.
    """

    project: Project
    undisturbed: dict[str, str]
    seconds: float

    def fresh(self) -> Project:
        """Remove all outputs. The project keeps its location, because outputs may contain its path."""
        for folder in (self.project.work, self.project.data):
            shutil.rmtree(folder, ignore_errors=True)
        return self.project

    def check_results(self) -> None:
        """Require the undisturbed result, and name the files that differ."""
        found = results_of(self.project)
        names = sorted(found.keys() | self.undisturbed.keys())
        differ = [name for name in names if found.get(name) != self.undisturbed.get(name)]
        assert differ == [], differ

    def check_resume(self, *arguments: str) -> Run:
        """Resume, and require the undisturbed result, whole and with nothing beside it."""
        resumed = self.project.run(MAIN, "--resume", *arguments)
        assert resumed.code == 0, resumed.output
        assert "Traceback" not in resumed.output, resumed.output
        self.check_results()
        assert self.project.checkpoint() is None
        assert (self.project.data / "pipeline_completion_report.json").is_file()
        return resumed


def make_victim(path: Path, count: int = 8) -> Victim:
    """Create a project and run it undisturbed."""
    project = make_project(path, count=count)
    project.run(MAIN)  # loads the libraries' files into the system's cache
    shutil.rmtree(project.work)
    shutil.rmtree(project.data)
    begin = time.monotonic()
    first = project.run(MAIN)
    seconds = time.monotonic() - begin
    assert first.code == 0, first.output
    undisturbed = results_of(project)
    assert len(undisturbed) > 40
    return Victim(project, undisturbed, seconds)


def end(process: subprocess.Popen[str], number: int = signal.SIGKILL) -> int:
    """Send a signal to a run and all its processes, and wait for it; 0 seconds if it has ended already."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
    return process.wait(timeout=60)


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Return the worker processes of a run: the children of its child processes."""
    return [worker for server in children(process.pid) for worker in children(server)]


def one_clear_error(run: Run) -> None:
    """Assert that a failed run printed an error and no traceback."""
    assert run.code in (1, 2), run.output
    assert "Traceback" not in run.output, run.output
    assert "unexpected " not in run.output, run.output
    assert "ERROR: " in run.output, run.output


def rows() -> dict[str, str]:
    """Return the rows of the table by kind of fault."""
    made = {}
    for kind, figure in figures.items():
        ended = ", ".join(f"{how}: {count}" for how, count in sorted(figure.ended.items()))
        made[kind] = f"| {kind} | {figure.tried} | {figure.survived} | {ended} |"
    return made


def row_of(line: str) -> tuple[str, str]:
    """Return the kind of fault of a row, and the row."""
    return line.split(" | ")[0].removeprefix("| "), line


def as_table(lines: dict[str, str]) -> str:
    """Return rows as a table in Markdown."""
    head = ["| fault | tried | survived | outcome of the disturbed runs |", "|---|---:|---:|---|"]
    return "\n".join([*head, *(lines[kind] for kind in sorted(lines))]) + "\n"


def run_as(project: Project, command: list[str], seconds: float = 120, **environ: str) -> Run:
    """Run a command like `Project.run`, for special ways to start the pipeline."""
    return project.finish(project.start_command(command, **environ), seconds)


def sample(values: Sequence[_T], count: int) -> list[_T]:
    """Return all values in a full run, else the given number of them, evenly spread."""
    if FULL or count >= len(values):
        return list(values)
    return [values[(2 * number + 1) * len(values) // (2 * count)] for number in range(count)]
