"""The folder of the data set: copied, kept and removed files, and the completion report."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from stages import code_examples, extension_data, final_assembly, settings
from stages import faiss as faiss_index
from stages.artifacts.final_assembly import COMPLETION_REPORT
from stages.artifacts.preparation import Extension
from stages.failures import StageError, StageWarning
from stages.storage.jsonfile import read_json, write_bytes, write_json
from tests import records

SCHEMAS = Path(__file__).parents[2] / "stages" / "schemas"
KINDS = ("extensions", "code_examples", "settings", "nodes")


def entry(id_: str, *, python: bool = True) -> Extension:
    return records.extension(id_, files={"python": ["a/__init__.py"] if python else []})


def warning(kind: str, extension: str = "", file: str = "", line: int = 0) -> StageWarning:
    return {"kind": kind, "extension": extension, "file": file, "line": line, "message": f"What is wrong: {kind}."}


class Work:
    """A work directory with an output of every stage, and the result of the final assembly."""

    def __init__(self, folder: Path, *, kit_version: str = "107.3.3") -> None:
        self.work, self.data = folder / "work", folder / "data"
        self.extensions = [entry("my.a"), entry("my.b"), entry("my.pure.cpp", python=False)]
        self.kit_version = kit_version
        self.templates: str | None = None
        self.mode = "regular"
        self.write()

    def write(self) -> None:
        records.write_chosen(
            self.work,
            self.extensions,
            [records.app("my.app")],
            kit_version=self.kit_version,
            other_versions={"my.a": ["1.0.0"]},
            excluded={"my.z": "input.excluded_extensions: my.z"},
            warnings=[warning("extension-id", "", "odd")],
            files_seen={"files_python": 2},
        )
        records.write_sources(
            self.work,
            "sources/made",
            app_template_path=self.templates,
            kit_version=self.kit_version,
            warnings=[warning("source", "", "x")],
        )
        for item in self.extensions:
            for target in extension_data.targets(item):
                write_json(self.work / target, {"of": target})
        *examples, summary = code_examples.merge_targets(self.extensions, self.mode)
        for target in examples:
            write_json(self.work / target, records.example_file(target, count=2))
        write_json(self.work / summary, records.example_summary(count=2 * len(examples)))
        for name in settings.MERGE_TARGETS:
            write_json(self.work / name, {"of": name})
        records.write_extraction(self.work, self.extensions, [warning("python-syntax", "my.b", "b.py", 3)])
        same = warning("python-syntax", "my.b", "b.py", 3)
        records.write_settings(self.work, total=7, documented=4, warnings=[same, warning("too-large", "my.a", "a.h")])
        records.write_nodes(self.work, total=2)
        for kind in KINDS:
            for target in faiss_index.targets(kind):
                write_bytes(self.work / target, f"{target} \0 bytes".encode())

    def assemble(self, *, with_search: bool = True) -> None:
        final_assembly.assemble(self.work, self.data, mode=self.mode, with_search=with_search)

    def targets(self, *, with_search: bool = True) -> list[str]:
        return final_assembly.targets(self.work, mode=self.mode, with_search=with_search)

    def made(self) -> list[str]:
        return sorted(path.relative_to(self.data).as_posix() for path in self.data.rglob("*") if path.is_file())


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path)


def test_the_layout_of_the_data_set(work: Work) -> None:
    work.assemble()
    assert work.made() == work.targets()
    expected = {
        "107.3/VERSION.md",
        "107.3/extensions/extensions_database.json",
        "107.3/extensions/extensions_summary.json",
        "107.3/code_examples/extension_analysis_summary.json",
        "107.3/settings/setting_summary.json",
        "107.3/settings/setting_summary_simple.json",
        "107.3/settings/setting_statistics.json",
        "107.3/nodes/nodes_database.json",
    }
    for id_ in ("my.a", "my.b"):
        expected |= {
            f"107.3/extensions/codeatlas/{id_}-1.2.3.codeatlas.json",
            f"107.3/extensions/api_docs/{id_}-1.2.3.api_docs.json",
            f"107.3/code_examples/extracted_methods_regular/{id_}.example.json",
        }
    for kind in KINDS:
        expected |= {f"107.3/{kind}/{kind}_faiss/{name}" for name in ("index.faiss", "index.json", "metadata.json")}
    assert expected <= set(work.made())
    # An extension without Python has no code atlas. Internal files of the pipeline are not copied.
    assert not [name for name in work.made() if "my.pure.cpp" in name and "extensions/" in name.split("107.3/")[1][:11]]
    assert not [name for name in work.made() if "report" in name or "entries" in name or "found" in name]
    assert (work.data / "107.3/VERSION.md").read_text() == "107.3.3\n"
    for name in ("settings/settings_faiss/index.faiss", "extensions/extensions_database.json"):
        source = (
            name.replace("settings/", "faiss_databases/") if "faiss" in name else f"extension_data/{Path(name).name}"
        )
        assert (work.data / "107.3" / name).read_bytes() == (work.work / source).read_bytes()


def test_dependencies_equal_the_copied_files(work: Work) -> None:
    dependencies = final_assembly.dependencies(work.work, mode="regular", with_search=True)
    assert all((work.work / name).is_file() for name in dependencies)
    assert {"extensions.json", "sources.json"} < set(dependencies)
    # VERSION.md and MANIFEST.json are made, not copied; extensions.json and sources.json are read, not copied.
    assert len(dependencies) - 2 == len(work.targets()) - 2


def test_before_the_preparation_there_are_no_dependencies(tmp_path: Path) -> None:
    assert final_assembly.targets(tmp_path) == final_assembly.dependencies(tmp_path) == []
    with pytest.raises(StageError, match=r"extensions\.json: missing"):
        final_assembly.assemble(tmp_path, tmp_path / "data", mode="regular", with_search=True)


@pytest.mark.parametrize("kit_version", ["", "kit", "107"])
def test_without_a_kit_version_the_error_names_the_key_to_set(tmp_path: Path, kit_version: str) -> None:
    work = Work(tmp_path, kit_version=kit_version)
    with pytest.raises(StageError, match=r"kit_version in the \[input\] section"):
        work.assemble()
    assert work.targets() == []
    assert not work.data.exists()


def test_a_missing_output_is_named_before_anything_is_copied(work: Work) -> None:
    (work.work / "extension_data/extensions_summary.json").unlink()
    with pytest.raises(StageError, match=r"extensions_summary\.json: missing"):
        work.assemble()
    assert not work.data.exists()


def test_unchanged_files_keep_their_times(work: Work) -> None:
    work.assemble()
    changed = work.data / "107.3/extensions/extensions_summary.json"
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in work.data.rglob("*") if path.is_file()}
    write_json(work.work / "extension_data/extensions_summary.json", {"summary": "another"})
    # Written again with the same bytes: another time, the same content.
    os.utime(work.work / "extension_data/extensions_database.json", ns=(1, 1))
    work.assemble()
    after = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in before}
    assert {path for path in before if before[path] != after[path]} == {changed, work.data / "107.3/MANIFEST.json"}
    assert read_json(changed) == {"summary": "another"}


def test_a_changed_file_is_restored(work: Work) -> None:
    work.assemble()
    version, atlas = work.data / "107.3/VERSION.md", work.data / "107.3/extensions/codeatlas/my.a-1.2.3.codeatlas.json"
    right = atlas.read_bytes()
    version.write_text("1.2.3\n")
    atlas.write_bytes(right[::-1])
    work.assemble()
    assert (version.read_text(), atlas.read_bytes()) == ("107.3.3\n", right)


def test_unchanged_files_are_not_compared_but_an_edit_with_a_restored_time_is_detected(work: Work) -> None:
    work.assemble()
    time.sleep(0.05)  # after this, another change also changes their times
    work.assemble()
    known = read_json(work.work / "final_assembly/copies.json")["files"]
    atlas = work.data / "107.3/extensions/codeatlas/my.a-1.2.3.codeatlas.json"
    assert known.keys() == {name.removeprefix("107.3/") for name in work.targets()} - {"VERSION.md", "MANIFEST.json"}
    right, before = atlas.read_bytes(), atlas.stat()
    atlas.write_bytes(right[::-1])
    os.utime(atlas, ns=(before.st_atime_ns, before.st_mtime_ns))
    work.assemble()
    assert atlas.read_bytes() == right


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"files": 3}', '{"key": "../../data/107.3", "files": {"extensions/codeatlas/x": [1, [], 2]}}'],
)
def test_a_malformed_record_of_copies_has_no_effect(work: Work, content: str) -> None:
    work.assemble()
    (work.work / "final_assembly/copies.json").write_text(content)
    atlas = work.data / "107.3/extensions/codeatlas/my.a-1.2.3.codeatlas.json"
    right = atlas.read_bytes()
    atlas.write_bytes(right[::-1])
    work.assemble()
    assert atlas.read_bytes() == right


def test_only_files_of_a_removed_extension_are_removed(work: Work) -> None:
    work.assemble()
    own = [
        *("107.3/extensions/codeatlas/my.own.codeatlas.json", "107.3/notes.txt", "106.0/VERSION.md", "readme.md"),
        "107.3/code_examples/extracted_methods_tests/my.b.example.json",
    ]
    for name in own:
        (work.data / name).parent.mkdir(parents=True, exist_ok=True)
        (work.data / name).write_text("a person's")
    work.extensions = [item for item in work.extensions if item.id != "my.b"]
    work.write()
    work.assemble()
    assert work.made() == sorted([*work.targets(), *own])
    assert not [name for name in work.targets() if "my.b" in name]


def test_another_mode_replaces_the_examples(work: Work) -> None:
    work.assemble()
    work.mode = "all"
    work.write()
    work.assemble()
    assert work.made() == work.targets()
    assert not (work.data / "107.3/code_examples/extracted_methods_regular").exists()


def test_without_search_the_indexes_are_left_out_and_older_ones_removed(work: Work) -> None:
    work.assemble()
    work.assemble(with_search=False)
    assert work.made() == work.targets(with_search=False)
    assert not list(work.data.rglob("*faiss*"))
    shutil.rmtree(work.work / "faiss_databases")
    work.assemble(with_search=False)
    assert final_assembly.dependencies(work.work, with_search=False)


def test_another_kit_version_gets_a_separate_data_set(work: Work) -> None:
    work.assemble()
    first = work.made()
    work.kit_version = "108.0.0"
    work.write()
    work.assemble()
    assert work.made() == sorted([*first, *work.targets()])
    # With the first Kit version again, its files are still tracked.
    work.kit_version, work.extensions = "107.3.3", work.extensions[:1]
    work.write()
    work.assemble()
    assert [name for name in work.made() if name.startswith("107.3/")] == work.targets()


def test_two_target_directories_do_not_disturb_each_other(work: Work) -> None:
    work.assemble()
    first, work.data = work.data, work.data.with_name("other")
    work.extensions = work.extensions[:1]
    work.write()
    work.assemble()
    assert (first / "107.3/extensions/codeatlas/my.b-1.2.3.codeatlas.json").exists()
    assert work.made() == work.targets()


@pytest.mark.parametrize("name", ["../../precious.txt", "/precious.txt", "extensions/../../../precious.txt", "a//b"])
def test_a_manifest_that_names_files_outside_is_not_trusted(work: Work, name: str) -> None:
    work.assemble()
    listed = read_json(work.data / "107.3/MANIFEST.json")
    listed["files"][name] = {"size": 1, "sha256": "0" * 64}
    write_json(work.data / "107.3/MANIFEST.json", listed)
    outside = work.data.parent / "precious.txt"
    outside.write_text("precious")
    work.assemble()
    assert outside.read_text() == "precious"
    assert work.made() == work.targets()


def test_the_manifest_lists_every_file_and_the_sources(work: Work) -> None:
    work.assemble()
    manifest = read_json(work.data / "107.3/MANIFEST.json")
    jsonschema.validate(manifest, json.loads((SCHEMAS / "manifest.schema.json").read_text()))
    names = {name.removeprefix("107.3/") for name in work.targets()} - {"MANIFEST.json"}
    assert manifest["files"].keys() == names
    for name, entry in manifest["files"].items():
        content = (work.data / "107.3" / name).read_bytes()
        assert entry == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert manifest["kit_version"] == "107.3.3"
    assert manifest["sources"] == [{"kind": "path", "name": "made", "revision": "0" * 32, "kit_version": None}]


def test_the_manifest_is_the_same_from_another_work_directory(tmp_path: Path) -> None:
    first, second = Work(tmp_path / "one"), Work(tmp_path / "two/deeper")
    first.assemble()
    second.assemble()
    assert (first.data / "107.3/MANIFEST.json").read_bytes() == (second.data / "107.3/MANIFEST.json").read_bytes()


def test_only_configuration_that_affects_the_data_changes_its_digest() -> None:
    values: dict[str, Any] = {
        "input": {"kit_version": "1.2"},
        "output": {"work_dir": "a"},
        "processing": {"max_extensions": 3, "parallel_workers": 2, "scheduler": "local"},
        "embeddings": {"model": "m", "api_key": "${A}"},
    }
    before = final_assembly.configuration_digest(values)
    values["output"]["work_dir"] = "b"
    values["processing"] |= {"parallel_workers": 8, "scheduler": "tcp://x"}
    values["embeddings"]["api_key"] = "${B}"
    assert final_assembly.configuration_digest(values) == before
    values["processing"]["max_extensions"] = 4
    assert final_assembly.configuration_digest(values) != before


def test_another_work_directory_removes_stale_files(work: Work, tmp_path: Path) -> None:
    work.assemble()
    other = Work(tmp_path / "other")
    other.data, other.extensions = work.data, other.extensions[:1]
    shutil.rmtree(other.work)
    other.write()
    other.assemble()
    assert other.made() == other.targets()
    assert not [name for name in other.made() if "my.b" in name]


def test_a_data_set_without_a_manifest_is_replaced(work: Work) -> None:
    work.assemble()
    names = [name.removeprefix("107.3/") for name in work.targets()]
    (work.data / "107.3/MANIFEST.json").unlink()
    write_json(work.work / "final_assembly/manifest.json", {"../data:107.3": names})
    (work.data / "107.3/notes.txt").write_text("mine")
    work.extensions = work.extensions[:1]
    work.write()
    work.assemble()
    assert work.made() == sorted([*work.targets(), "107.3/notes.txt"])
    assert not (work.work / "final_assembly/manifest.json").exists()


def test_the_replaced_data_set_is_kept_until_the_next_replacement(work: Work) -> None:
    previous = work.work / "final_assembly/previous/107.3"
    work.assemble()
    assert not previous.exists()
    first = {name: (work.data / name).read_bytes() for name in work.made()}
    work.assemble()
    assert not previous.exists()  # nothing changed, nothing was replaced
    (work.data / "107.3/notes.txt").write_text("mine")
    work.extensions = work.extensions[:1]
    work.write()
    work.assemble()
    kept = {f"107.3/{path.relative_to(previous)}": path.read_bytes() for path in previous.rglob("*") if path.is_file()}
    assert kept == first
    # The repair of a file does not replace the previous data set.
    (work.data / "107.3/VERSION.md").unlink()
    work.assemble()
    assert read_json(previous / "MANIFEST.json")["files"].keys() == {name.removeprefix("107.3/") for name in first} - {
        "MANIFEST.json"
    }
    assert (work.data / "107.3/notes.txt").read_text() == "mine"
    assert sorted(os.listdir(work.data)) == ["107.3"]


def test_a_user_file_in_place_of_an_output_is_named_and_nothing_changes(work: Work) -> None:
    work.assemble()
    blocked = work.data / "107.3/extensions/codeatlas/my.b-1.2.3.codeatlas.json"
    blocked.unlink()
    blocked.mkdir(parents=True)
    (blocked / "x").write_text("in the way")
    before = {name: (work.data / name).read_bytes() for name in work.made()}
    write_json(work.work / "extension_data/extensions_summary.json", {"summary": "another"})
    with pytest.raises(StageError, match=r"my\.b.*Move it"):
        work.assemble()
    assert {name: (work.data / name).read_bytes() for name in work.made()} == before
    shutil.rmtree(blocked)
    work.assemble()
    assert work.made() == work.targets()


def test_only_text_files_of_app_templates_are_copied(work: Work) -> None:
    folder = work.work / "sources/made/templates"
    files = {
        "apps/kit_base/app.kit": b"[package]\n",
        "README.md": "Über".encode(),
        "latin.txt": b"caf\xe9",
        "icon.png": b"\x89PNG\0\0",
        "large.txt": b"x" * (1024 * 1024 + 1),
        ".git/config": b"text",
        "_build/out.txt": b"text",
    }
    for name, content in files.items():
        write_bytes(folder / name, content)
    (folder / "link.txt").symlink_to("/etc/hostname")
    work.templates = "templates"
    work.write()
    work.assemble()
    copied = [name for name in work.made() if "app_templates" in name]
    assert copied == [f"107.3/app_templates/{name}" for name in ("README.md", "apps/kit_base/app.kit", "latin.txt")]
    assert work.made() == work.targets()
    report(work)
    templates = read_json(work.data / COMPLETION_REPORT)["completeness"]["app_templates"]
    assert templates["copied"] == 3
    assert [(item["file"], item["why"][:6]) for item in templates["skipped"]] == [
        ("app_templates/icon.png", "binary"),
        ("app_templates/large.txt", "larger"),
    ]


# ---- the completion report ------------------------------------------------------------------------------------------


def report(work: Work) -> dict[str, Any]:
    times = {"started": "2026-01-01T00:00:00", "seconds": 1.5, "stages": {"preparation": 0.5}}
    final_assembly.write_completion_report(work.work, work.data, configuration={"embeddings": {}}, times=times)
    written: dict[str, Any] = read_json(work.data / COMPLETION_REPORT)
    return written


def test_the_completion_report_counts_and_gathers(work: Work) -> None:
    work.assemble()
    written = report(work)
    jsonschema.validate(written, json.loads((SCHEMAS / "pipeline_completion_report.schema.json").read_text()))
    assert written["counts"] == {
        "extensions": 3,
        "extensions_with_python_api": 2,
        "apps": 1,
        "modules": 3,
        "classes": 6,
        "methods": 9,
        "code_examples": 2 * sum(name.endswith(".example.json") for name in work.targets()),
        "settings": 7,
        "documented_settings": 4,
        "nodes": 2,
        "app_template_files": 0,
        "warnings": 4,
    }
    # From all stages, in a fixed order. Equal warnings of two stages appear once.
    assert [item["kind"] for item in written["warnings"]] == ["extension-id", "source", "too-large", "python-syntax"]
    assert written["data_set"]["files"] == len(work.targets())
    assert written["data_set"]["bytes"] == sum((work.data / name).stat().st_size for name in work.targets())
    assert written["data_set"]["searchable"] == list(KINDS)
    assert written["excluded"] == {"my.z": "input.excluded_extensions: my.z"}
    assert written["completeness"]["preparation"] == {"files_python": 2}
    assert written["completeness"]["unresolved_settings"][0]["expression"] == "<x:Y>"
    assert str(work.data.parent) not in (work.data / COMPLETION_REPORT).read_text()


def test_the_report_of_a_quick_run_lists_no_search_index(work: Work) -> None:
    work.assemble(with_search=False)
    assert report(work)["data_set"]["searchable"] == []


def test_the_report_names_a_missing_output(work: Work) -> None:
    work.assemble()
    (work.work / settings.REPORT).unlink()
    with pytest.raises(StageError, match=r"settings_report\.json: cannot be read"):
        report(work)
