"""A synthetic set of extensions with its own configuration, and real runs of the pipeline on it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
REPORT = "pipeline_completion_report.json"

MANIFEST = """\
[package]
version = "1.{number}.0"
title = "Extension {number}"
description = "Made up for the tests, number {number}."
category = "test"
keywords = ["made", "up"]

[dependencies]
"omni.kit.uiapp" = {{}}

[[python.module]]
name = "{module}"

[settings]
# Whether number {number} is enabled.
exts."{module}".enabled = true
exts."{module}".limit = {number}
"""

SOURCE = '''\
"""Module {module}."""

import carb.settings


class Worker{number}:
    """Works on number {number}."""

    limit: int = {number}

    def run(self, items: list[int]) -> int:
        """Add up what is worth it."""
        total = 0
        for item in items:
            if item > self.limit:
                total += item
            elif item < 0:
                total -= item
        carb.settings.get_settings().get_as_bool("/exts/{module}/enabled")
        return total


def long_function(values):
    """Go through values the long way."""
    result = {number}
{body}
    return result
'''


def make_extension(folder: Path, number: int) -> Path:
    """Write a small extension with a class, a long function, settings and a readme; return its folder."""
    module = f"made.up{number:02}"
    root = folder / module
    (root / "config").mkdir(parents=True)
    (root / "docs").mkdir()
    package = root.joinpath(*module.split("."))
    package.mkdir(parents=True)
    (root / "config" / "extension.toml").write_text(MANIFEST.format(number=number, module=module))
    body = "\n".join(f"    if {line} in values:\n        result += {line} * {number}" for line in range(30))
    (package / "__init__.py").write_text(SOURCE.format(number=number, module=module, body=body))
    (root / "docs" / "README.md").write_text(f"# Extension {number}\n\nIt does *nothing* useful, {number} times.\n")
    return root


@dataclass
class Project:
    """A folder with extensions, a configuration and the outputs of runs."""

    path: Path

    @property
    def extensions(self) -> Path:
        return self.path / "exts"

    @property
    def work(self) -> Path:
        return self.path / "work"

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def config(self) -> Path:
        return self.path / "pipeline_config.toml"

    @property
    def checkpoint_file(self) -> Path:
        return self.work / ".pipeline_checkpoint.json"

    def checkpoint(self) -> dict[str, Any] | None:
        """Return the checkpoint, or None if there is none."""
        if not self.checkpoint_file.exists():
            return None
        found: dict[str, Any] = json.loads(self.checkpoint_file.read_text())
        return found

    def configure(self, **values: Any) -> None:
        """Write the configuration. ``section__key`` sets a value."""
        sections: dict[str, dict[str, Any]] = {
            "input": {"kit_version": "107.3.3"},
            "output": {"work_dir": "work", "target_dir": "data"},
            "processing": {"code_examples_min_lines": 20, "parallel_workers": 2},
            "logging": {"level": "DEBUG"},
        }
        for name, value in values.items():
            section, key = name.split("__")
            sections.setdefault(section, {})[key] = value
        lines = []
        for section, table in sections.items():
            lines.append(f"[{section}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in table.items() if value is not None]
        lines += ["[[input.sources]]", 'kind = "path"', 'path = "exts"']
        self.config.write_text("\n".join(lines) + "\n")

    def command(self, script: str, *arguments: str) -> list[str]:
        if script == "doit":
            return [sys.executable, "-m", "doit", *arguments, f"config={self.config}"]
        return [sys.executable, str(ROOT / script), "--config", str(self.config), *arguments]

    def start(self, script: str, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Start a script (or ``doit``) in a new process group, with its output in ``output.txt``."""
        return self.start_command(self.command(script, *arguments), **environ)

    def start_command(self, command: list[str], **environ: str) -> subprocess.Popen[str]:
        """Start a command like `start`, for special ways to start the pipeline."""
        with (self.path / "output.txt").open("w") as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=ROOT,
                env={**os.environ, **environ},
                start_new_session=True,
            )

    def output(self) -> str:
        return (self.path / "output.txt").read_text()

    def run(self, script: str = "data_collection_pipeline.py", *arguments: str, **environ: str) -> Run:
        """Run a script (or ``doit``), and wait until it ends."""
        return self.finish(self.start(script, *arguments, **environ))

    def finish(self, process: subprocess.Popen[str], seconds: float = 300) -> Run:
        """Wait until a run ends. Its processes must end with it."""
        try:
            code = process.wait(timeout=seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        return Run(code, self.output())

    def data_digest(self) -> dict[str, str]:
        """Return a digest of each file of the data set, without the completion report."""
        return digest_of(self.data)


@dataclass(frozen=True)
class Run:
    """The result of a run: its exit code, standard output and standard error."""

    code: int
    output: str


def digest_of(folder: Path) -> dict[str, str]:
    """Return a digest of each file below a folder by relative path, without files that contain times."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (REPORT, "copies.json")
    }


def make_project(path: Path, count: int = 4, **values: Any) -> Project:
    """Create a project with ``count`` extensions."""
    project = Project(path)
    path.mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        make_extension(project.extensions, number)
    project.configure(**values)
    return project


def children(parent: int) -> list[int]:
    """Return the processes that a process has started, from ``/proc``."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            text = stat.read_text()
            if int(text[text.rindex(")") :].split()[2]) == parent:
                found.append(int(stat.parent.name))
    return sorted(found)
