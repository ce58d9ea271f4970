"""The documented checkpoint file: its form, and the files it accepts and rejects."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint import file as checkpoint_file
from checkpoint.file import Checkpoint, CheckpointCorrupt, CheckpointNewer
from tasks.stage_names import STAGES, UnknownStage, position

DOCUMENTED: dict[str, Any] = {
    "timestamp": "2025-10-28T23:46:10.577567",
    "completed_stages": ["pull_repo_exts", "preparation", "extension_data"],
    "config_snapshot": {"kit_cache_path": "/path/to/extscache", "kit_version": "107.3.0", "work_dir": "/path/to/work"},
}


def write(work_dir: Path, content: object) -> Path:
    path = checkpoint_file.path_in(work_dir)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def documented(work_dir: Path) -> dict[str, object]:
    return {**DOCUMENTED, "config_snapshot": {**DOCUMENTED["config_snapshot"], "work_dir": str(work_dir)}}


def test_saved_file_has_the_documented_keys(tmp_path: Path) -> None:
    checkpoint_file.save(Checkpoint(str(tmp_path), ["preparation", "pull_repo_exts"], "/kit", "107.3.0"))
    saved = json.loads((tmp_path / ".pipeline_checkpoint.json").read_text())
    assert saved["completed_stages"] == ["pull_repo_exts", "preparation"]
    assert saved["config_snapshot"] == {"kit_cache_path": "/kit", "kit_version": "107.3.0", "work_dir": str(tmp_path)}
    assert len(saved["timestamp"]) == len("2025-10-28T23:46:10.577567")
    assert saved["schema_version"] == 1


def test_a_file_with_only_the_documented_keys_loads(tmp_path: Path) -> None:
    write(tmp_path, documented(tmp_path))
    found = checkpoint_file.load(tmp_path)
    assert found is not None
    assert found.completed_stages == ["pull_repo_exts", "preparation", "extension_data"]
    assert (found.kit_cache_path, found.kit_version) == ("/path/to/extscache", "107.3.0")
    assert (found.overrides, found.failure, found.configuration) == ({}, None, {})


def test_a_saved_checkpoint_loads_again(tmp_path: Path) -> None:
    failure = {
        "stage": "settings",
        "subtask": "omni.ui",
        "type": "StageError",
        "message": "no",
        "log": "x",
        "time": "t",
        "attempts": 2,
    }
    before = Checkpoint(
        str(tmp_path),
        ["pull_repo_exts"],
        "/kit",
        "1.2.3",
        "failed",
        {"pull_repo_exts": {"finished": "t", "seconds": 1.5}},
        {"processing.max_extensions": 5},
        {"input": {}},
        failure,
    )
    checkpoint_file.save(before)
    assert checkpoint_file.load(tmp_path) == before


def test_without_a_file_there_is_no_checkpoint(tmp_path: Path) -> None:
    assert checkpoint_file.load(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b'{"timestamp": "2025', "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b"[" * 100_000, "not JSON"),
        (b" " * 4_000_001, "larger than"),
        ({**DOCUMENTED, "completed_stages": "all"}, "completed_stages"),
        ({**DOCUMENTED, "completed_stages": ["baking"]}, "completed_stages"),
        ({**DOCUMENTED, "timestamp": 5}, "timestamp"),
        ({key: value for key, value in DOCUMENTED.items() if key != "config_snapshot"}, "config_snapshot"),
        ({**DOCUMENTED, "schema_version": "one"}, "schema_version"),
    ],
)
def test_the_error_gives_the_reason_for_an_unusable_file(tmp_path: Path, content: object, reason: str) -> None:
    write(tmp_path, content)
    with pytest.raises(CheckpointCorrupt, match=reason):
        checkpoint_file.load(tmp_path)


def test_a_folder_or_a_link_is_not_a_checkpoint(tmp_path: Path) -> None:
    path = checkpoint_file.path_in(tmp_path)
    path.mkdir()
    with pytest.raises(CheckpointCorrupt, match="not a file"):
        checkpoint_file.load(tmp_path)
    aside = checkpoint_file.set_aside(tmp_path)
    assert aside.is_dir()
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(CheckpointCorrupt, match="symbolic link"):
        checkpoint_file.load(tmp_path)
    assert checkpoint_file.set_aside(tmp_path).is_symlink()


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {**documented(tmp_path), "schema_version": 99})
    with pytest.raises(CheckpointNewer, match="schema 99"):
        checkpoint_file.load(tmp_path)


def test_a_checkpoint_knows_its_work_directory(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    for folder in (here, there):
        write(folder, documented(there))
    moved, own = checkpoint_file.load(here), checkpoint_file.load(there)
    assert moved is not None
    assert own is not None
    assert not moved.is_of(here)
    assert moved.is_of(there)
    assert own.is_of(there)
    moved.work_dir = "\0"
    assert not moved.is_of(here)


def test_clear_removes_it_once(tmp_path: Path) -> None:
    write(tmp_path, documented(tmp_path))
    assert checkpoint_file.clear(tmp_path)
    assert not checkpoint_file.clear(tmp_path)


@given(
    st.binary(max_size=300)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda value: json.dumps(value).encode())
)
def test_any_bytes_give_a_checkpoint_or_the_modules_own_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    work_dir = tmp_path_factory.mktemp("work")
    write(work_dir, content)
    try:
        found = checkpoint_file.load(work_dir)
    except (CheckpointCorrupt, CheckpointNewer):
        return
    assert found is not None


@given(
    st.dictionaries(
        st.sampled_from([*DOCUMENTED, "schema_version", "failure", "status"]),
        st.none() | st.integers() | st.text() | st.lists(st.sampled_from(STAGES)),
    )
)
def test_wrong_types_give_the_modules_own_error(
    tmp_path_factory: pytest.TempPathFactory, part: dict[str, object]
) -> None:
    work_dir = tmp_path_factory.mktemp("work")
    write(work_dir, {**documented(work_dir), **part})
    try:
        found = checkpoint_file.load(work_dir)
    except (CheckpointCorrupt, CheckpointNewer):
        return
    assert found is not None


def test_an_unknown_stage_lists_the_stages_and_the_closest_name() -> None:
    with pytest.raises(UnknownStage, match=r"final_assembly.*Did you mean settings"):
        position("setings")
