"""The packages of the project and the imports allowed between them."""

from __future__ import annotations

import ast
import itertools
import re
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from tasks.stage_names import STAGES
from tests.project import ROOT

PACKAGES = ("checkpoint", "comparison", "config", "console", "serving", "stages", "tasks")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in PACKAGES:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("stages/settings.py", "import doit", "The stages do not import doit"),
        ("stages/faiss.py", "import stages.embeddings", "Stage modules import packages"),
        ("stages/storage/jsonfile.py", "import stages.python.files", "Stage modules import packages"),
        ("tasks/graph.py", "import checkpoint.file", "Packages import only from the layers below"),
        ("checkpoint/file.py", "import console.hint", "Packages import only from the layers below"),
        ("console/hint.py", "import checkpoint.reporter", "Only dodo.py and the entry points"),
        ("comparison/api.py", "import config", "Readers of data sets import neither doit"),
        ("serving/budget.py", "import doit", "Readers of data sets import neither doit"),
        ("checkpoint/account.py", "import doit", "The account and the resume do not import doit"),
    ],
)
def test_a_broken_contract_is_detected(copy: Path, module: str, line: str, contract: str) -> None:
    path = copy / module
    path.write_text(path.read_text() + f"\n{line}\n")
    done = lint(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(rf"^{re.escape(contract)}.* BROKEN", done.stdout, re.MULTILINE), done.stdout


def test_the_contracts_hold(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_import_cycle() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    for module in sorted(name for name in graph.modules if not graph.find_children(name)):
        for imported in graph.find_modules_directly_imported_by(module):
            if imported == module or graph.find_children(imported):
                continue
            back = graph.find_shortest_chain(importer=imported, imported=module)
            if back is None:
                continue
            details = graph.get_import_details(importer=module, imported=imported)
            only_types = all(_is_for_types(module, detail["line_number"]) for detail in details)
            assert only_types or _chain_is_for_types(graph, back), (module, back)


def _chain_is_for_types(graph: grimp.ImportGraph, chain: tuple[str, ...]) -> bool:
    return any(
        all(
            _is_for_types(first, detail["line_number"])
            for detail in graph.get_import_details(importer=first, imported=second)
        )
        for first, second in itertools.pairwise(chain)
    )


def _is_for_types(module: str, line: int) -> bool:
    """Return True if a line of a module is inside ``if TYPE_CHECKING``."""
    base = ROOT.joinpath(*module.split("."))
    package = base / "__init__.py"
    path = package if package.exists() else base.with_suffix(".py")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return node.lineno <= line <= (node.end_lineno or line)
    return False


def test_the_stages_are_the_task_creators_of_dodo() -> None:
    creators = [
        node.name.removeprefix("task_")
        for node in ast.parse((ROOT / "dodo.py").read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("task_")
    ]
    assert creators == list(STAGES)
    assert all((ROOT / "stages" / f"{stage}.py").exists() for stage in STAGES)
