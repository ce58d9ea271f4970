"""A foreign work directory: its records cannot make a run read, publish or remove other files.

The attacker may write every file of the work directory, doit's database among them.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.file_state import state_of
from tests.project import Project, Run, make_project

SECRET = "canary-7311"
NOTHING = "All stages are already complete: nothing to do."
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path.resolve() / "project", count=2)
    secret = tmp_path.resolve() / "secret"
    (secret / "docs").mkdir(parents=True)
    (secret / "docs/README.md").write_text(f"# {SECRET}\n\n{SECRET}\n")
    (secret / "victim-1.0.0.codeatlas.json").write_text("{}")
    assert made.run("doit", "max_extensions=2").code == 0
    return made


NO_FILES: dict[str, list[str]] = {"python": [], "stubs": [], "toml": [], "cpp": [], "docs": [], "ogn": []}


def _forge(project: Project, name: str, change: Change) -> None:
    """Change a file of the work directory, and record the change in doit's database as the output of the task."""
    path = project.work / name
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with sqlite3.connect(project.work / ".doit.db") as connection:
        for task, encoded in connection.execute("SELECT name, record FROM task").fetchall():
            record = json.loads(encoded)
            for states in (record, record["_values_:"].get("targets", {})):
                for key in states:
                    if key.endswith(f"/{name}"):
                        states[key] = state_of(str(path), racy_check=False)
            connection.execute("UPDATE task SET record = ? WHERE name = ?", (json.dumps(record), task))
    connection.close()


def _healed(project: Project, run: Run, why: str, *arguments: str) -> None:
    """The run gives the reason for the rejection, rebuilds the file, and publishes no part of the secret."""
    assert run.code == 0
    assert any(line.startswith("WARNING: ") and why in line for line in run.output.splitlines())
    assert "[2/8] preparation: done" in run.output
    assert NOTHING in project.run("doit", *arguments).output
    _nothing_told(project)


def _nothing_told(project: Project) -> None:
    assert not any(SECRET in path.read_text(errors="replace") for path in project.path.rglob("*.json"))


def _first(key: str, value: Any) -> Change:
    def change(content: dict[str, Any]) -> None:
        content["extensions"][0][key] = value

    return change


@pytest.mark.long
@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("folder", "../../secret", "lies outside of its source"),
        ("files", {**NO_FILES, "docs": ["../../../secret/docs/README.md"]}, "lies outside of its folder"),
        ("manifest", "/etc/passwd", "lies outside of its folder"),
        ("id", "../../../../secret/victim", "cannot be part of a file name"),
        ("version", "1.0.0/../x", "cannot be part of a file name"),
        ("source", 7, "there is no source 7"),
        ("files", 5, "Expected `object`, got `int` - at `$.extensions[0].files`"),
    ],
)
def test_a_forged_entry_is_rejected(project: Project, tmp_path: Path, key: str, value: Any, why: str) -> None:
    _forge(project, "extensions.json", _first(key, value))
    for option in ("-s", "--start"):
        run = project.run("doit", "max_extensions=2", option, "settings")
        assert run.code == 2
        assert why in run.output
        assert "Traceback" not in run.output
    _healed(project, project.run("doit", "max_extensions=2"), why, "max_extensions=2")
    _forge(project, "extensions.json", _first(key, value))
    for command in ("clean", "forget", "--force"):
        assert project.run("doit", command, "max_extensions=2").code == 0
        assert (tmp_path / "secret/victim-1.0.0.codeatlas.json").exists()
    _nothing_told(project)


def test_a_forged_root_is_rejected(project: Project, tmp_path: Path) -> None:
    """The currently configured sources are pulled again, even if the database says otherwise."""
    other = make_project(tmp_path.resolve() / "other", count=2)
    for readme in other.extensions.rglob("README.md"):
        readme.write_text(f"# {SECRET}\n\n{SECRET}\n")

    def change(content: dict[str, Any]) -> None:
        content["sources"][0]["root"] = content["kit_cache_path"] = str(other.extensions)

    before = project.data_digest()
    _forge(project, "sources.json", change)

    def move(content: dict[str, Any]) -> None:
        for extension in content["extensions"]:
            extension["folder"] = str(other.extensions / extension["id"])

    _forge(project, "extensions.json", move)
    run = project.run("doit", "max_extensions=2")
    assert run.code == 0
    assert "pull_repo_exts: done" in run.output
    assert project.data_digest() == before


@pytest.mark.parametrize("kind", ["file", pytest.param("folder", marks=pytest.mark.long)])
def test_a_link_that_was_planted_in_a_clone_is_not_followed(tmp_path: Path, kind: str) -> None:
    project = make_project(tmp_path.resolve() / "project", count=1)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/README.md").write_text(SECRET)
    project.config.write_text(project.config.read_text().replace('"path"\npath = "exts"', '"git"\nurl = "exts"'))
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "one"]):
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", *identity, "-C", str(project.extensions), *arguments], check=True)
    assert project.run("doit").code == 0
    (readme,) = (project.work / "sources").rglob("README.md")
    readme.unlink()
    if kind == "file":
        readme.symlink_to(tmp_path / "docs/README.md")
    else:
        readme.parent.rmdir()
        readme.parent.symlink_to(tmp_path / "docs")
    _healed(project, project.run("doit"), "docs/README.md is behind a link that leads out of its source")
