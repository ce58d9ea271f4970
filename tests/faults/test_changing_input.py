"""Input that changes while a stage reads it: this or the next run gives the result of a clean run."""

from __future__ import annotations

import re
import shutil
import threading
from pathlib import Path

import pytest

from tests.faults.harness import FULL, MAIN, Victim, counted, results_of, sample
from tests.project import Project, make_extension


def _touch_up(project: Project, number: int) -> None:
    source = project.extensions / "made.up03" / "made" / "up03" / "__init__.py"
    source.write_text(source.read_text().replace("Worker3", f"Worker3{number % 10}"))


def _manifest(project: Project, number: int) -> None:
    manifest = project.extensions / "made.up04" / "config" / "extension.toml"
    lines = manifest.read_text().splitlines()
    lines[1] = f'version = "1.4.{number}"'
    manifest.write_text("\n".join(lines) + "\n")


def _come_and_go(project: Project, number: int) -> None:
    if number % 2:
        make_extension(project.extensions, 77)
    else:
        shutil.rmtree(project.extensions / "made.up77", ignore_errors=True)


def _delete(project: Project, number: int) -> None:
    readme = project.extensions / "made.up05" / "docs" / "README.md"
    if number % 2:
        readme.unlink(missing_ok=True)
    else:
        readme.write_text(f"# Again {number}\n\nText.\n")


def _without_sizes(project: Project) -> dict[str, str]:
    """Return the results, with ``extensions.json`` without the sizes, which affect only the order of tasks."""
    found = results_of(project)
    content = (project.work / "extensions.json").read_text()
    found["work/extensions.json"] = re.sub(r'"size": \d+', "", content)
    return found


_CHANGES = {
    "a Python file is edited": _touch_up,
    "a manifest is edited": _manifest,
    "an extension appears and disappears": _come_and_go,
    "a file is deleted and restored": _delete,
}


@pytest.mark.parametrize("change", sample(list(_CHANGES), 1))
@pytest.mark.parametrize("attempt", range(5 if FULL else 1))
def test_input_that_changes_during_a_run(victim: Victim, tmp_path: Path, change: str, attempt: int) -> None:
    with counted(f"input changes during a run: {change}") as figure:
        project = Project(tmp_path.resolve() / "project")
        project.path.mkdir()
        shutil.copytree(victim.project.extensions, project.extensions)
        shutil.copy(victim.project.config, project.config)
        process = project.start(MAIN)
        number = 0
        pause = threading.Event()
        while process.poll() is None and number < 2000:
            number += 1
            _CHANGES[change](project, number)
            pause.wait(0.01 + 0.007 * attempt)
        run = project.finish(process, 120)
        assert "Traceback" not in run.output, run.output
        assert "unexpected " not in run.output, run.output
        assert run.code in (0, 1), run.output
        assert number > 3
        figure.ended["one clear error" if run.code else "completed"] += 1
        last = project.run(MAIN, "--resume")
        assert last.code == 0, last.output
        found = _without_sizes(project)

        for folder in (project.work, project.data):
            shutil.rmtree(folder)
        assert project.run(MAIN).code == 0
        clean = _without_sizes(project)
        assert [name for name in found.keys() | clean.keys() if found.get(name) != clean.get(name)] == []
