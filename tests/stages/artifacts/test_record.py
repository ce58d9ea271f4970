"""Records round-trip byte for byte, and an invalid one gives one clear error."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stages import artifacts
from stages.artifacts.catalog import INTERNAL, PUBLISHED
from stages.artifacts.code_examples import SelectedDigests
from stages.artifacts.preparation import EXTENSIONS, Extensions
from stages.failures import StageError
from stages.storage.jsonfile import to_json, write_json
from tests import records
from tests.project import Project, make_project

# Caches of `stages.storage`. No stage reads the cache of another.
_NO_RECORDS = ("code_examples/copies.json", "final_assembly/copies.json")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("records").resolve() / "project", count=3)
    (project.extensions / "made.up01/OgnMade.ogn").write_text('{"Made": {"inputs": {"a": {"type": "any"}}}}')
    assert project.run("doit").code == 0, project.output()
    return project


def pattern_of(name: str, patterns: dict[str, Any]) -> str:
    for pattern in patterns:
        if re.fullmatch("[^/]+".join(map(re.escape, re.split("<[^>]*>", pattern))), name):
            return pattern
    raise AssertionError(f"{name}: no type in stages/artifacts/catalog.py")


def decode(content: bytes, kind: Any) -> Any:
    return msgspec.json.decode(content, type=kind)


def same_bytes(content: bytes, value: Any) -> bool:
    return content in (to_json(value), to_json(value, indent=True))


def plain(value: Any) -> Any:
    """Return a value without `msgspec.Raw`, which orjson cannot write."""
    return json.loads(msgspec.json.encode(value))


def test_every_file_of_a_run_round_trips_through_its_type(project: Project) -> None:
    in_work_dir = {file.work_dir: file.record for file in PUBLISHED if file.work_dir} | INTERNAL
    in_data_set = {file.data_set: file.record for file in PUBLISHED if file.data_set}
    in_target_dir = {file.target_dir: file.record for file in PUBLISHED if file.target_dir}
    seen: set[str] = set()
    for folder, patterns in (
        (project.work, in_work_dir),
        (project.data / "107.3", in_data_set),
        (project.data, in_target_dir),
    ):
        for path in folder.rglob("*.json"):
            name = path.relative_to(folder).as_posix()
            if name.startswith((".", "sources/", "logs/", "final_assembly/previous/", "107.3/")) or name in _NO_RECORDS:
                continue
            content = path.read_bytes()
            pattern = pattern_of(name, patterns)
            kind = patterns[pattern]
            value = decode(content, kind)
            assert (
                kind is INTERNAL["embeddings/<kind>_documents.json"]
                or name.endswith("index.json")
                or same_bytes(content, value)
            ), name
            assert plain(value) == json.loads(content), name
            seen.add(pattern)
    assert seen == in_work_dir.keys() | in_data_set.keys() | in_target_dir.keys()


def test_a_written_record_reads_back_equal(tmp_path: Path) -> None:
    records.write_chosen(
        tmp_path, [records.extension("a", files={"python": ["a.py"]}, modules=["a"])], [records.app("b")]
    )
    chosen = artifacts.read(tmp_path / EXTENSIONS, Extensions)
    assert [owner.id for owner in chosen.owners()] == ["a", "b"]
    assert chosen.extensions[0].files.all() == ["a.py"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", r"digests\.json:1: not valid JSON"),
        (b"", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"methods_analyzed": 1, "too_long": {}, "sources": []}', "missing required field `selected`"),
        (b'{"methods_analyzed": -1, "selected": "%s", "sources": []}' % (b"0" * 64), r"\$\.methods_analyzed"),
        (b'{"methods_analyzed": 1, "too_long": {}, "selected": "zz", "sources": []}', r"regex .* at `\$\.selected`"),
        (
            b'{"methods_analyzed": 1, "too_long": {}, "selected": "%s", "sources": [[1]]}' % (b"0" * 64),
            r"\$\.sources\[0\]",
        ),
        (
            b'{"methods_analyzed": 1, "too_long": {}, "selected": "%s", "sources": [], "x": 1}' % (b"0" * 64),
            "unknown field `x`",
        ),
    ],
)
def test_a_malformed_file_gives_one_error_with_file_key_and_remedy(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "digests.json"
    path.write_bytes(content)
    with pytest.raises(StageError, match=says) as caught:
        artifacts.read(path, SelectedDigests)
    assert str(caught.value).startswith(str(path))
    assert "Delete it and run again." in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"gone\.json: cannot be read \(No such file"):
        artifacts.read(tmp_path / "gone.json", SelectedDigests)


def test_a_record_anywhere_in_a_value_is_written_as_its_object(tmp_path: Path) -> None:
    app = records.app("made.app")
    assert json.loads(to_json({"b": [app], "a": 1})) == {"a": 1, "b": [msgspec.to_builtins(app)]}
    # Values that the fast encoder rejects: a lone surrogate, and an integer beyond 64 bits.
    odd = msgspec.structs.replace(app, title="\ud800", source=2**70)
    write_json(tmp_path / "odd.json", [odd])
    (read,) = json.loads((tmp_path / "odd.json").read_text())
    assert (set(read["title"]), read["source"]) == ({"\ufffd"}, 2**70)
