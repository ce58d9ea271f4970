"""Patterns banned from the code: pickle, evaluation of text, shells, unpinned packages."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.project import ROOT, make_project

_FORBIDDEN_MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "torch", "yaml"}
_FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "system", "popen"}


def _sources() -> list[Path]:
    folders = ("stages", "comparison", "config", "checkpoint", "console", "serving", "tasks")
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [*found, *sorted(ROOT.glob("*.py"))]


def _faults(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt | ast.expr):
            continue
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "").split(".")[0]]
        found += [f"{node.lineno}: imports {name}" for name in names if name in _FORBIDDEN_MODULES]
        if isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else ""
            if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
                called = node.func.attr if node.func.value.id in ("os", "builtins") else ""
            if called in _FORBIDDEN_CALLS and "PyCF_ONLY_AST" not in ast.unparse(node):
                found.append(f"{node.lineno}: calls {called}")
            for keyword in node.keywords:
                true = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
                if keyword.arg in ("allow_pickle", "shell") and true:
                    found.append(f"{node.lineno}: {keyword.arg}=True")
    return found


@pytest.mark.parametrize("path", _sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_pickle_no_evaluation_no_shell(path: Path) -> None:
    # The messages between a run and its workers are pickles: sent, never stored.
    workers = ("tasks/workers/dask.py", "tasks/workers/failure.py")
    allowed = ["imports pickle"] if str(path.relative_to(ROOT)) in workers else []
    faults = _faults(ast.parse(path.read_text()))
    assert [fault for fault in faults if fault.partition(": ")[2] not in allowed] == []


def test_the_search_finds_what_it_looks_for() -> None:
    text = "import pickle\nfrom torch import load\neval('1')\nos.system('x')\nnp.load(f, allow_pickle=True)\n"
    assert len(_faults(ast.parse(text))) == 5


def test_no_pickle_in_the_outputs(tmp_path: Path) -> None:
    project = make_project(tmp_path.resolve() / "project", count=2)
    assert project.run("data_collection_pipeline.py").code == 0
    found = [path for folder in (project.work, project.data) for path in folder.rglob("*") if path.is_file()]
    assert len(found) > 40
    for path in found:
        assert path.suffix not in (".pkl", ".pickle", ".pt"), path
        content = path.read_bytes()
        assert not (content[:1] == b"\x80" and content[1:2] <= b"\x05" and content.endswith(b".")), path
        if path.suffix == ".npy":
            assert b"'descr': '<f4'" in content[:128], path


def test_every_package_is_pinned() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!_-]+", line)] == []
    pinned = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lines}
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", name)[0]).lower() for name in needed}
    assert names - pinned == set()


def test_the_installed_packages_are_compatible() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout
