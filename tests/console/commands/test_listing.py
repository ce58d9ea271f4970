"""``doit list`` and ``doit help`` in real runs of the commands."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

from console.commands.listing import GROUPS
from tasks.stage_names import STAGES
from tests.project import ROOT


def doit(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "doit", *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


def test_stages_are_listed_in_their_order() -> None:
    assert doit("list", "--quiet").stdout.split() == list(STAGES)
    assert doit("list", "--quiet", "--sort", "name").stdout.split() == sorted(STAGES)


def test_help_groups_all_commands() -> None:
    shown = doit("help").stdout
    commands = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["doit.COMMAND"]
    listed = re.findall(r"^  ([a-z-]+)  +\S", shown, re.MULTILINE)
    assert set(listed) >= set(commands) | {"info", "dumpdb"}
    assert len(listed) == len(set(listed))
    headings = [line for line in shown.splitlines() if line in GROUPS]
    assert headings == list(GROUPS)
    assert listed[:4] == ["run", "dry-run", "checkpoint", "config"]


def test_help_of_a_command_and_of_a_task_is_doits() -> None:
    assert "--force" in doit("help", "run").stdout
    assert "4/8 select code examples" in doit("help", "code_examples").stdout


def test_the_error_for_a_misspelt_word_names_the_closest_task_or_command() -> None:
    stage = doit("setings")
    assert stage.returncode in (2, 3)
    assert "Did you mean settings?" in stage.stderr
    assert "Did you mean doit search?" in doit("serch").stderr
    assert "Did you mean doit verify?" in doit("veriffy").stderr
