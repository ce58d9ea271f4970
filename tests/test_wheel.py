"""A full run on the real extensions of the wheel, like ``make``, in two folders."""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomli

from tests.project import ROOT, Project, digest_of

pytestmark = [pytest.mark.network, pytest.mark.long]


def run(folder: Path) -> Project:
    """Run the pipeline on the default configuration, in a separate folder."""
    folder.mkdir(parents=True)
    project = Project(folder)
    text = (ROOT / "pipeline_config.toml").read_text()
    project.config.write_text(text.replace('work_dir = "_pipeline_output"', 'work_dir = "work"'))
    done = project.run("doit")
    assert done.code == 0, done.output
    return project


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory, wheel_file: Path) -> tuple[Project, Project]:
    """Two runs in different folders. ``wheel_file`` skips the test without a package index."""
    folder = tmp_path_factory.mktemp("wheel").resolve()
    return run(folder / "one"), run(folder / "a longer name" / "two")


def test_two_runs_in_two_folders_give_the_same_bytes(projects: tuple[Project, Project]) -> None:
    first, second = projects
    assert digest_of(first.data) == digest_of(second.data)
    assert (first.data / "107.3/VERSION.md").exists()


def test_exactly_the_six_extensions_with_their_versions(projects: tuple[Project, Project], wheel_root: Path) -> None:
    database = json.loads((projects[0].data / "107.3/extensions/extensions_database.json").read_text())
    expected = {
        manifest.parent.parent.name: tomli.loads(manifest.read_text())["package"]["version"]
        for manifest in wheel_root.glob("isaaclab/source/*/config/extension.toml")
    }
    assert len(expected) == 6
    assert {id_: entry["version"] for id_, entry in database["extensions"].items()} == expected


def test_every_class_is_in_the_code_atlas_once(projects: tuple[Project, Project], wheel_root: Path) -> None:
    """Counted again with ast: each class statement of each file that the atlas names."""
    data = projects[0].data / "107.3/extensions"
    database = json.loads((data / "extensions_database.json").read_text())["extensions"]
    for id_, entry in database.items():
        if not entry["codeatlas_path"]:
            continue
        atlas = json.loads((data / entry["codeatlas_path"]).read_text())
        root = wheel_root / "isaaclab/source" / id_
        counted = 0
        for file in {module["file_path"] for module in atlas["modules"].values()}:
            tree = ast.parse((root / file).read_bytes())
            inside_functions = {
                id(inner)
                for node in ast.walk(tree)
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                for inner in ast.walk(node)
            }
            counted += sum(isinstance(n, ast.ClassDef) and id(n) not in inside_functions for n in ast.walk(tree))
        assert entry["total_classes"] == counted, id_


def test_no_formerly_found_name_is_lost(projects: tuple[Project, Project]) -> None:
    """``wheel_names.json`` has a digest of each full name and setting that an earlier version found."""
    data = projects[0].data / "107.3"
    found: dict[str, set[str]] = {}
    for path in (data / "extensions/codeatlas").glob("*.json"):
        atlas = json.loads(path.read_text())
        names = [name for kind in ("modules", "classes", "methods") for name in atlas[kind]]
        found[path.name.partition("-")[0]] = set(names)
    found["settings"] = set(json.loads((data / "settings/setting_summary.json").read_text())["settings"])
    known: dict[str, str] = json.loads((ROOT / "tests/fixtures/wheel_names.json").read_text())
    assert known.keys() == found.keys()
    for group, digests in known.items():
        now = {hashlib.sha256(name.encode()).hexdigest()[:12] for name in found[group]}
        lost = set(digests.split()) - now
        assert not lost, f"{group}: {len(lost)} of {len(digests.split())} names are gone"


def test_a_query_finds_an_extension_in_the_index(projects: tuple[Project, Project]) -> None:
    import faiss

    from stages.retrieval.backends import LocalBackend, embed_query

    folder = projects[0].data / "107.3/extensions/extensions_faiss"
    index = faiss.read_index(str(folder / "index.faiss"))
    store = json.loads((folder / "index.json").read_text())
    query = embed_query(LocalBackend(), "reinforcement learning environment manager")[None]
    _, rows = index.search(query, 1)
    best = store["docstore"][store["index_to_docstore_id"][str(rows[0][0])]]
    assert best["metadata"]["extension_id"].startswith("isaaclab")


def test_a_second_run_does_nothing(projects: tuple[Project, Project]) -> None:
    run = projects[0].run("doit")
    assert run.code == 0
    assert "nothing to do" in run.output
    shutil.rmtree(projects[1].path)


# Eight bytes of the digest of each name that an earlier version found; the names themselves belong to the wheel.
FOUND_BEFORE = ROOT / "tests" / "fixtures" / "wheel_names.bin"
DIGEST_BYTES = 8


def names(version: Path) -> Iterator[str]:
    """Yield all names in a version's folder of a data set: modules, classes, methods, API, examples, settings."""
    for path in sorted((version / "extensions" / "codeatlas").glob("*.json")):
        atlas = json.loads(path.read_text())
        for kind in ("modules", "classes", "methods"):
            yield from (f"{kind} {name}" for name in atlas[kind])
    for path in sorted((version / "extensions" / "api_docs").glob("*.json")):
        documented = json.loads(path.read_text())
        yield from (f"api classes {item['full_name']}" for item in documented["classes"].values())
        for kind in ("methods", "variables"):
            yield from (f"api {kind} {item['full_name']}" for item in documented[kind])
    for path in sorted((version / "code_examples").glob("extracted_methods_*/*.json")):
        yield from (f"example {item['full_name']}" for item in json.loads(path.read_text())["methods"])
    settings = json.loads((version / "settings" / "setting_summary.json").read_text())["settings"]
    yield from (f"setting {name}" for name in settings)


def test_nothing_formerly_found_is_lost(projects: tuple[Project, Project]) -> None:
    """No name is lost. If this fails, ``doit diff`` with an earlier data set shows the lost names."""
    content = FOUND_BEFORE.read_bytes()
    before = {content[start : start + DIGEST_BYTES] for start in range(0, len(content), DIGEST_BYTES)}
    now = {
        hashlib.blake2b(name.encode(), digest_size=DIGEST_BYTES).digest(): name
        for name in names(projects[0].data / "107.3")
    }
    assert len(before) == 8_450
    assert len(before - now.keys()) == 0
    # Additional names are explained here.
    assert sorted(name for digest, name in now.items() if digest not in before) == []
