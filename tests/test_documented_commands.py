"""Every command of the specification and of the README, typed literally in a clean shell.

The shell's ``PATH`` holds the system's programs and a Python without a single package. The project is a copy with an
environment in ``.venv`` as ``make`` leaves it, two made-up extensions, and the files that the commands name.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.project import ROOT, make_extension

# The usage examples in the specification of checkpoint and resume, and its test script.
SPECIFICATION = """\
python data_collection_pipeline.py
python data_collection_pipeline.py --resume
python data_collection_pipeline.py --force
python run_pipeline.py
python run_pipeline.py --resume
python run_pipeline.py --force
python data_collection_pipeline.py --resume --end settings
python run_pipeline.py --force --max-extensions 25
python test_checkpoint_system.py
"""
CONFIG = """\
[input]
kit_version = "107.3.3"
[processing]
code_examples_min_lines = 20
parallel_workers = 2
[[input.sources]]
kind = "path"
path = "${HOME}/.local/share/ov/data/exts/v2"
"""


def commands_of(page: str) -> list[str]:
    """Return the commands in the ``bash`` blocks of a page, without comments. All run in one shell."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    lines = [line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


README = commands_of((ROOT / "README.md").read_text())
ACTIVATE = "source .venv/bin/activate"


@dataclass(frozen=True)
class Copy:
    """A copy of the project, and a shell that runs commands in it."""

    path: Path
    environ: dict[str, str]

    def typed(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a shell, after the activation that the README shows."""
        line = f"{ACTIVATE} && {command}" if command.startswith("doit") else command
        return subprocess.run(
            ["/bin/bash", "-c", line],
            cwd=self.path,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


def make_environment(folder: Path, project: Path) -> None:
    """Create ``.venv`` like ``make``: the project, its packages, and the program ``doit``."""
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python3*/site-packages")
    packages = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (site / "project.pth").write_text("\n".join([str(project), *packages]) + "\n")
    program = folder / "bin" / "doit"
    program.write_text(
        f"#!{folder}/bin/python\nimport sys\n\nfrom doit.__main__ import main\n\n"
        'if __name__ == "__main__":\n    sys.exit(main())\n'
    )
    program.chmod(0o755)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy of the project after its first run, started with the command of the README."""
    folder = tmp_path_factory.mktemp("typed").resolve()
    project, home = folder / "kit-extension-pipeline", folder / "home"
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in names.splitlines():
        if not name.startswith(("tests/fixtures/", "docs/", "benchmarks/")) and (ROOT / name).exists():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, project / name)
    extensions = home / ".local" / "share" / "ov" / "data" / "exts" / "v2"
    make_extension(extensions, 1)
    make_extension(extensions, 2).rename(extensions / "isaaclab")
    for name in ("pipeline_config.toml", "other.toml"):
        (project / name).write_text(CONFIG)
    make_environment(project / ".venv", project)
    venv.create(folder / "bare", symlinks=True)
    (folder / "OLD.toml").write_text('[input]\nexts_path = "/opt/exts"\n')
    shutil.copy2(folder / "OLD.toml", project / "old.toml")
    copy = Copy(project, {"PATH": f"{folder}/bare/bin:/usr/bin:/bin", "HOME": str(home), "LC_ALL": "C.UTF-8"})
    first = copy.typed("python data_collection_pipeline.py")
    assert first.returncode == 0, first.stdout + first.stderr
    for name in ("_pipeline_output", "data"):
        shutil.copytree(project / name, folder / "kept" / name)
    return copy


@pytest.fixture
def shell(finished: Copy) -> Copy:
    """The shell, in a project in the state after the first run."""
    for name in ("_pipeline_output", "data"):
        shutil.rmtree(finished.path / name, ignore_errors=True)
        shutil.copytree(finished.path.parent / "kept" / name, finished.path / name)
    return finished


@pytest.mark.parametrize("command", SPECIFICATION.splitlines())
def test_a_command_of_the_specification(shell: Copy, command: str) -> None:
    done = shell.typed(command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("command", [command for command in README if command != ACTIVATE])
def test_a_command_of_the_readme(shell: Copy, command: str) -> None:
    done = shell.typed(command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_the_readme_has_commands() -> None:
    assert len(README) > 10
    assert ACTIVATE in README


def test_the_hint_after_a_failure_can_be_typed(shell: Copy) -> None:
    shutil.rmtree(shell.path / "_pipeline_output" / "faiss_databases")
    blocker = shell.path / "_pipeline_output" / "faiss_databases"
    blocker.write_text("in the way")
    failed = shell.typed("python run_pipeline.py --max-extensions 2")
    assert failed.returncode == 1, failed.stdout + failed.stderr
    (hint,) = re.findall(r"^Hint: (.*)$", failed.stdout, re.MULTILINE)
    blocker.unlink()
    resumed = shell.typed(hint)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert "Resuming from the checkpoint" in resumed.stdout


def test_without_an_environment_the_error_names_make(shell: Copy) -> None:
    aside = shell.path / "aside"
    (shell.path / ".venv").rename(aside)
    try:
        for script in ("data_collection_pipeline.py", "run_pipeline.py --quick", "test_checkpoint_system.py"):
            done = shell.typed(f"python {script}")
            assert (done.returncode, done.stdout) == (2, "")
            assert re.fullmatch(r"ERROR: the packages of the pipeline are not installed .*Run: make\n", done.stderr)
    finally:
        aside.rename(shell.path / ".venv")
    assert os.path.exists(shell.path / ".venv" / "bin" / "python")
