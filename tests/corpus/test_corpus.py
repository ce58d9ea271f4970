"""Real third-party Python: the standard library with its tests, and every installed package.

Each file is read as a module of an extension, as it is and with a line that reads a setting. ``make test`` takes a
small sample, ``make test-all`` a larger one, ``make corpus`` all of them. Nothing is timed: work is counted in steps.
"""

from __future__ import annotations

import ast
import hashlib
import os
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from stages import artifacts, extension_data, preparation
from stages.artifacts.preparation import EXTENSIONS, Extensions
from stages.python.files import UnreadableSource, decode
from stages.python.grammar import parse
from stages.python.model import Class, Function
from stages.python.resolver import definitions
from stages.python.visitor import visit
from stages.setting_scan import calls
from stages.setting_scan.scopes import Bindings
from stages.storage.jsonfile import read_json
from tests import records
from tests.definitions import importable

READS = "\nimport carb.settings\ncarb.settings.get_settings().get('/exts/corpus/read')\n"
# The worst of 26,000 files takes 1.6 steps a node. A file has to have a few before the two can be compared.
STEPS_PER_NODE = 8
FEW_NODES = 100
# The sample contains one file in this number, by the hash of its relative path, so it does not depend on the folder.
SAMPLE = int(os.environ.get("CORPUS_SAMPLE", "150"))
# Without a wish, the quick tests take every fourth of these.
_SAMPLES = [SAMPLE] if "CORPUS_SAMPLE" in os.environ else [4 * SAMPLE, pytest.param(SAMPLE, marks=pytest.mark.long)]
BATCH = 40


class Source(NamedTuple):
    """One file of the corpus: where it is, and its text."""

    path: Path
    text: str


def corpus(sample: int) -> list[Source]:
    """Return the files that can be decoded, one in ``sample``, sorted by path."""
    found: dict[str, Source] = {}
    library = Path(sysconfig.get_path("stdlib")).resolve()
    for root in [library, *sorted({Path(path).resolve() for path in sys.path if path.endswith("-packages")})]:
        for path in sorted(root.rglob("*.py")):
            name = path.relative_to(root).as_posix()
            if root == library and name.startswith("site-packages/"):
                continue
            if int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % sample:
                continue
            try:
                found[f"{root.name}/{name}"] = Source(path, decode(path.read_bytes()))
            except UnreadableSource:
                continue
    return [found[name] for name in sorted(found)]


@pytest.fixture(scope="module", params=_SAMPLES, ids="1 in {}".format)
def sources(request: pytest.FixtureRequest) -> list[Source]:
    found = corpus(request.param)
    assert len(found) > 5_000 / request.param
    return found


@pytest.fixture(autouse=True)
def _without_syntax_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def readable(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def test_definitions_equal_those_in_the_ast(sources: list[Source]) -> None:
    for source in sources:
        tree = readable(source.text)
        try:
            module = visit("m", "m.py", is_package=False, parsed=parse(source.text))
        except UnreadableSource:
            assert tree is None, source.path
            continue
        if tree is None:  # newer than this interpreter: `test_grammar` compares it with a newer interpreter
            continue
        try:
            expected = sorted((node.lineno, node.name) for node in importable(tree.body))
        except RecursionError:  # of the second route, on chains of hundreds of elif
            continue
        assert sorted((item.line, item.name) for item in definitions(module.members)) == expected, source.path


def test_no_file_costs_more_than_its_nodes_allow(sources: list[Source]) -> None:
    for source in sources:
        for text in (source.text, source.text + READS):
            try:
                tree = parse(text).tree
            except UnreadableSource:
                continue
            names = Bindings()
            names.collect(tree)
            uses = calls._Uses("m.py", names)
            found = uses.records()
            nodes = sum(1 for _ in ast.walk(tree))
            assert uses.strings.steps <= STEPS_PER_NODE * (nodes + FEW_NODES), source.path
            assert text is source.text or ("/exts/corpus/read", "read") in {(use.path, use.kind) for use in found}


@pytest.mark.parametrize("line", ["", READS], ids=["as it is", "with a line that reads a setting"])
def test_every_file_is_read_as_a_module_of_an_extension(sources: list[Source], line: str, tmp_path: Path) -> None:
    expected: dict[str, tuple[int, int, int, int]] = {}
    for number, start in enumerate(range(0, len(sources), BATCH)):
        batch, name = sources[start : start + BATCH], f"corpus{number}"
        package = tmp_path / "exts" / name / name
        package.mkdir(parents=True)
        manifest = f'[package]\nversion = "1.0.0"\n[[python.module]]\nname = "{name}"\n'
        (package.parent / "extension.toml").write_text(manifest)
        classes = functions = unreadable = 0
        for index, source in enumerate(batch):
            path = package / f"module{index}.py"
            path.write_bytes((source.text + line).encode("utf-8", "surrogatepass"))
            try:
                module = visit("m", "m.py", is_package=False, parsed=parse(decode(path.read_bytes())))
            except UnreadableSource:
                unreadable += 1
                continue
            classes += sum(isinstance(item, Class) for item in definitions(module.members))
            functions += sum(isinstance(item, Function) for item in definitions(module.members))
        expected[name] = classes, functions, unreadable, len(batch)
    work = tmp_path / "work"
    work.mkdir()
    records.write_sources(work, str(tmp_path), exts=["exts"])
    preparation.prepare(work, excluded=[], max_extensions=-1)
    extensions = artifacts.read(work / EXTENSIONS, Extensions).extensions
    assert len(extensions) == len(expected)
    for extension in extensions:
        extension_data.extract(
            extension, work_dir=work, excluded_modules=[], include_source_code=False, encoding="cl100k_base"
        )
        record = read_json(work / "extension_data" / "entries" / f"{extension.id}.json")
        classes, functions, unreadable, files = expected[extension.id]
        assert [item for item in record["warnings"] if item["kind"] == "internal"] == []
        assert [item["parsed"] for item in record["files"]].count(False) == unreadable
        assert (record["entry"]["total_classes"], record["entry"]["total_methods"]) == (classes, functions)
        uses = read_json(work / "extension_data" / "setting_uses" / f"{extension.id}.json")["uses"]
        read = {use["file"] for use in uses if (use["path"], use["kind"]) == ("/exts/corpus/read", "read")}
        assert len(read) == (files - unreadable if line else 0)
