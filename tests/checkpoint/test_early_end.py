"""Early cut-off: after an edit, tasks run only as long as outputs differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.stage_names import STAGES
from tests.project import Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = make_project(tmp_path.resolve() / "project")
    assert project.run("doit").code == 0
    return project


def after_appending(project: Project, text: str) -> list[str]:
    """Append to a module and run; return the tasks that ran."""
    log = project.work / "pipeline.log"
    before = len(log.read_text())
    with (project.extensions / "made.up02" / "made" / "up02" / "__init__.py").open("a") as module:
        module.write(text)
    run = project.run("doit")
    assert run.code == 0, run.output
    lines = log.read_text()[before:].splitlines()
    ran = [line.split(": ")[1].removesuffix(" runs") for line in lines if " DEBUG checkpoint.account: " in line]
    return [task for task in dict.fromkeys(ran) if task.split(":")[0] in STAGES]


def test_a_new_comment_runs_only_the_tasks_of_its_extension(project: Project) -> None:
    ran = after_appending(project, "# Nothing that matters.\n")
    assert ran == ["extension_data:made.up02", "code_examples:made.up02"]


def test_an_edit_outside_the_examples_embeds_no_example_again(project: Project) -> None:
    ran = after_appending(project, '\n\ndef short() -> int:\n    """Return it."""\n    return 1\n')
    assert "extension_data:@merge" in ran
    assert [task for task in ran if task.startswith("extension_data:made")] == ["extension_data:made.up02"]
    assert "embeddings:extensions" in ran
    assert "embeddings:code_examples" not in ran
    assert "faiss:code_examples" not in ran


def test_a_new_example_is_embedded(project: Project) -> None:
    body = "".join(f"    if {line}:\n        return {line}\n" for line in range(20))
    ran = after_appending(project, f"\n\ndef long() -> int:\n{body}")
    assert "embeddings:code_examples" in ran
    assert "faiss:code_examples" in ran
    assert "embeddings:settings" not in ran
