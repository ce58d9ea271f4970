"""`verify` accepts valid data sets and reports each kind of damage in one line that names the file."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.publishing.verify import data_sets_in, verify
from stages.storage.jsonfile import read_json, to_json, write_bytes, write_json
from tests.project import ROOT, Project, make_project

DATABASE = "extensions/extensions_database.json"
ATLAS = "extensions/codeatlas/made.up01-1.1.0.codeatlas.json"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("verify").resolve() / "project", count=2)
    assert project.run("doit").code == 0, project.output()
    return project


@pytest.fixture
def copy(published: Project, tmp_path: Path) -> Path:
    """A copy in another folder, without a work directory or configuration, as a recipient has it."""
    return Path(shutil.copytree(published.data / "107.3", tmp_path / "received"))


def faults(folder: Path) -> list[tuple[str, str]]:
    return [(fault.file, fault.message) for fault in verify(folder).faults]


def replace(folder: Path, name: str, content: bytes) -> None:
    """Replace a file and its entry in the manifest, so that only a check of the contents finds the damage."""
    write_bytes(folder / name, content)
    manifest = read_json(folder / "MANIFEST.json")
    manifest["files"][name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    write_json(folder / "MANIFEST.json", manifest, indent=True)


def test_a_published_data_set_and_its_copy_are_complete(published: Project, copy: Path) -> None:
    assert faults(published.data / "107.3") == []
    (copy / "notes.txt").write_text("mine")
    found = verify(copy)
    assert (found.faults, found.foreign, found.kit_version) == ([], ["notes.txt"], "107.3.3")
    assert found.files == len([path for path in copy.rglob("*") if path.is_file()]) - 2


def test_each_missing_or_changed_file_is_named(copy: Path) -> None:
    (copy / DATABASE).unlink()
    atlas = (copy / ATLAS).read_bytes()
    (copy / ATLAS).write_bytes(atlas[::-1])
    (copy / "VERSION.md").write_text("1.2\n")
    os.unlink(copy / "settings/setting_summary.json")
    os.mkfifo(copy / "settings/setting_summary.json")
    assert [(name, message[:20]) for name, message in faults(copy)] == [
        ("VERSION.md", "has 4 bytes, the man"),
        (ATLAS, "has different conten"),
        (DATABASE, "is missing"),
        ("settings/setting_summary.json", "is not a regular fil"),
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "is missing"),
        (b"{", "not a manifest"),
        (b"[]", "not a manifest"),
        (b'{"manifest_version": 1}', "not a manifest"),
        (b"\xff\xfe", "not a manifest"),
        ({"files": {"../x": {"size": 1, "sha256": "0" * 64}}}, "not a path inside"),
        ({"manifest_version": 2}, "manifest_version 2"),
    ],
)
def test_an_unusable_manifest_is_one_fault(copy: Path, content: bytes | dict[str, Any] | None, says: str) -> None:
    path = copy / "MANIFEST.json"
    if isinstance(content, dict):
        content = to_json(read_json(path) | content)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    [(name, message)] = faults(copy)
    assert name == "MANIFEST.json"
    assert says in message


def test_a_schema_violation_is_named_with_its_path(copy: Path) -> None:
    atlas = read_json(copy / ATLAS)
    name, module = next(iter(atlas["modules"].items()))
    module["class_names"] = 3
    replace(copy, ATLAS, to_json(atlas))
    replace(copy, "settings/setting_statistics.json", b"{")
    found = dict(faults(copy))
    assert f"codeatlas.schema.json at modules/{name}/class_names: 3 is not of type 'array'" in found[ATLAS]
    assert found["settings/setting_statistics.json"] == "is not valid JSON"


def test_files_that_the_database_names_must_exist(copy: Path) -> None:
    database = read_json(copy / DATABASE)
    database["extensions"]["made.up01"]["codeatlas_path"] = "codeatlas/other.codeatlas.json"
    replace(copy, DATABASE, to_json(database))
    assert faults(copy) == [
        (DATABASE, "made.up01: codeatlas_path codeatlas/other.codeatlas.json is not in the data set")
    ]


def test_an_index_must_match_the_documents_beside_it(copy: Path) -> None:
    import faiss

    name = "extensions/extensions_faiss/index.faiss"
    index = faiss.IndexFlatL2(256)
    index.add(np.zeros((3, 256), dtype=np.float32))
    replace(copy, name, faiss.serialize_index(index).tobytes())
    [(file, message)] = faults(copy)
    assert (file, message[:13]) == (name, "has 3 vectors")
    replace(copy, name, b"no index at all")
    [(file, message)] = faults(copy)
    assert (file, message[:21]) == (name, "is not a FAISS index ")


def run(*words: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "doit", "verify", *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command(published: Project, copy: Path) -> None:
    code, out, err = run(f"config={published.config}")
    assert (code, err) == (0, "")
    assert (
        out == f"{published.data}/107.3: Kit 107.3.3, {verify(copy).files} files, {verify(copy).size:,} bytes: whole.\n"
    )
    (copy / "VERSION.md").write_text("108\n")
    code, out, err = run(str(copy))
    assert (code, out, err) == (1, f"{copy}/VERSION.md: has 4 bytes, the manifest says 8\n", "")
    code, out, err = run(str(copy.parent), "--json")
    result = json.loads(out)
    assert (code, result["whole"], [item["folder"] for item in result["data_sets"]]) == (1, False, [str(copy)])
    assert result["data_sets"][0]["faults"] == [{"file": "VERSION.md", "message": "has 4 bytes, the manifest says 8"}]


@pytest.mark.parametrize("name", ["nothing-here", "empty"])
def test_a_missing_data_set_gives_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    code, out, err = run(str(tmp_path / name))
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert str(tmp_path / name) in err


def test_a_folder_of_data_sets_is_all_of_them(copy: Path) -> None:
    other = copy.with_name("108.0")
    shutil.copytree(copy, other)
    (other / "MANIFEST.json").unlink()  # a version folder without a manifest is a fault
    assert data_sets_in(copy.parent) == [other, copy]
