"""Shell completion: the script is loaded into a real shell, which lists the candidates."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.stage_names import STAGES as STAGE_NAMES
from tests.project import ROOT, Project, make_project

STAGES = list(STAGE_NAMES)
ASK_BASH = """
source "$1"
COMP_LINE=$2
COMP_POINT=${#COMP_LINE}
_doit 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""
# compadd works only inside a completion. Here it prints its arguments.
ASK_ZSH = """
compset() { :; }
_files() { ls; }
compadd() { while [[ $1 == -[QS]* ]]; do [[ $1 == -S ]] && shift; shift; done; print -l -- ${(P)2}; }
words=("${(@s: :)2}")
CURRENT=$#words
source "$1"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with two extensions, a program ``doit`` for it, and the scripts of both shells."""
    project = make_project(tmp_path_factory.mktemp("completion").resolve(), count=2)
    assert project.run("doit", "end=preparation").code == 0
    doit = project.path / "bin" / "doit"
    doit.parent.mkdir()
    doit.write_text(f'#!/bin/sh\ncd {ROOT}\nexec {sys.executable} -m doit "$@" config={project.config}\n')
    doit.chmod(0o755)
    for shell in ("bash", "zsh"):
        done = subprocess.run([doit, "tabcompletion", "--shell", shell], capture_output=True, text=True, check=True)
        (project.path / f"completion.{shell}").write_text(done.stdout)
    return project


def completed(project: Project, line: str, shell: str = "bash") -> list[str]:
    """Return the completions that the shell offers for a line."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    ask = {"bash": ASK_BASH, "zsh": ASK_ZSH}[shell]
    done = subprocess.run(
        [shell, "-c", ask, shell, project.path / f"completion.{shell}", line],
        cwd=project.path,
        env={**os.environ, "PATH": f"{project.path / 'bin'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found = [word for word in done.stdout.splitlines() if word]
    if shell == "zsh":  # zsh filters the offered words itself
        found = [word for word in found if word.startswith(line.rpartition(" ")[2])]
    return found


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_commands_and_stages(project: Project, shell: str) -> None:
    everything = completed(project, "doit ", shell)
    assert [word for word in everything if word in STAGES] == STAGES
    assert {"run", "search", "config", "dry-run"} <= set(everything)
    assert completed(project, "doit sea", shell) == ["search"]
    assert completed(project, "doit dry-run pre", shell) == ["preparation"]


def test_the_tasks_of_a_stage(project: Project) -> None:
    # bash replaces only the part after the colon.
    assert completed(project, "doit extension_data:made") == ["made.up01", "made.up02"]
    assert completed(project, "doit info extension_data:made.up02") == ["made.up02"]


def test_the_tasks_of_a_stage_in_zsh(project: Project) -> None:
    assert completed(project, "doit extension_data:made", "zsh") == [
        "extension_data:made.up01",
        "extension_data:made.up02",
    ]


def test_options_and_their_values(project: Project) -> None:
    assert completed(project, "doit run --sta") == ["--start="]
    assert completed(project, "doit --start=") == STAGES
    assert completed(project, "doit --end fa") == ["faiss"]
    assert completed(project, "doit search --in ") == ["extensions", "code", "settings", "nodes"]
    assert completed(project, "doit search --in=co") == ["code"]
    assert completed(project, "doit search --extension made.up01") == ["made.up01"]


def test_keys_and_their_values(project: Project) -> None:
    assert completed(project, "doit max_ext") == ["max_extensions="]
    assert completed(project, "doit backend=") == ["local", "openai"]
    assert completed(project, "doit settings processing.code_examples_scan_mode=t") == ["tests"]
    assert completed(project, "doit resume=") == ["1", "0"]


def test_files_and_the_words_of_commands(project: Project) -> None:
    assert completed(project, "doit config=pipe") == ["pipeline_config.toml"]
    assert completed(project, "doit config ") == ["show", "check", "migrate"]
    assert completed(project, "doit checkpoint s") == ["show"]


def test_both_scripts_complete_every_command(project: Project) -> None:
    for shell in ("bash", "zsh"):
        script = Path(project.path / f"completion.{shell}").read_text()
        assert "        verify) printf '%s\\n' --json;;" in script
        assert "@COMMANDS@" not in script
