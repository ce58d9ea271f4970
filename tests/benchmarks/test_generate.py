"""The synthetic extensions of the benchmarks: reproducible, valid, and shaped like real ones."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import statistics
import sys
from pathlib import Path
from types import ModuleType

import pytest

from stages import kit_toml

FILE = Path(__file__).parents[2] / "benchmarks" / "generate.py"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["generate"] = module  # its worker processes look it up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def ten(generate: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ten")
    done = generate.generate(folder, 10, workers=1)
    assert (done.extensions, done.python_files) == (10, 160)
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_set_is_reproducible_and_part_of_a_larger_set(generate: ModuleType, ten: Path, tmp_path: Path) -> None:
    generate.generate(tmp_path / "larger", 12, workers=2)
    generate.generate(tmp_path / "other", 2, seed=1, workers=1)
    made, larger = contents(ten / "exts"), contents(tmp_path / "larger" / "exts")
    assert made.items() < larger.items()
    assert not set(made.values()) & set(contents(tmp_path / "other" / "exts").values())


def test_every_file_is_valid(ten: Path) -> None:
    for path in ten.rglob("*.py"):
        compile(path.read_text(), str(path), "exec", dont_inherit=True)
    for path in [*ten.rglob("*.toml"), *ten.rglob("*.kit")]:
        assert kit_toml.loads(path.read_bytes(), name=path.name)["package"]["version"]


def test_shapes_match_real_extensions(generate: ModuleType, tmp_path: Path) -> None:
    """Shares are within a third of the measured ones: bytes per file, nodes per byte, functions per kB, docstrings."""
    done = generate.generate(tmp_path, 40, workers=2)
    trees = [ast.parse(path.read_text()) for path in tmp_path.rglob("*.py")]
    functions = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    nodes = sum(1 for tree in trees for _ in ast.walk(tree))
    lengths = [function.end_lineno - function.lineno + 1 for function in functions if function.end_lineno]
    assert done.python_bytes / done.python_files == pytest.approx(10_500, rel=0.33)
    assert nodes / done.python_bytes == pytest.approx(0.105, rel=0.33)
    assert len(functions) / done.python_bytes * 1000 == pytest.approx(0.66, rel=0.33)
    assert statistics.median(lengths) == pytest.approx(16, rel=0.33)
    assert sum(bool(ast.get_docstring(f)) for f in functions) / len(functions) == pytest.approx(0.77, rel=0.1)
