"""Detection of changed files, even with misleading times."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from tasks import file_state
from tasks.file_state import FileStateChecker


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file whose times show a change some time ago."""
    path = tmp_path / "file"
    path.write_text("one")
    time.sleep(0.05)
    return path


def modified(path: Path, state: list[object]) -> bool:
    return FileStateChecker().check_modified(str(path), path.stat(), state)


def _state_of_target(path: Path, known: list[Any] | None = None) -> list[Any]:
    name = str(path)
    return file_state.states_of_targets([name], {} if known is None else {name: known})[name]


def test_the_same_file_is_not_modified(old: Path) -> None:
    assert not modified(old, FileStateChecker().get_state(str(old), None))


def test_an_edit_is_detected(old: Path) -> None:
    state = FileStateChecker().get_state(str(old), None)
    old.write_text("two")
    assert modified(old, state)


def test_an_edit_with_a_restored_time_is_detected(old: Path) -> None:
    state, before = FileStateChecker().get_state(str(old), None), old.stat()
    old.write_text("two")
    os.utime(old, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert old.stat().st_mtime_ns == before.st_mtime_ns
    assert modified(old, state)


def test_a_copy_with_the_same_content_is_not_modified(old: Path) -> None:
    state = FileStateChecker().get_state(str(old), None)
    copy = old.with_name("copy")
    copy.write_text("one")
    copy.replace(old)
    assert not modified(old, state)


def test_a_file_as_recent_as_its_record_is_compared_by_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    assert FileStateChecker().get_state(str(path), None)[1] == -1


def test_a_file_that_appeared_while_a_task_ran_counts_as_modified_next_time(old: Path) -> None:
    content = old.read_text()
    old.unlink()
    file_state.observe([str(old)])
    old.write_text(content)
    time.sleep(0.05)
    assert modified(old, FileStateChecker().get_state(str(old), None))


def test_a_file_that_changed_while_a_task_read_it_counts_as_modified_next_time(old: Path) -> None:
    file_state.observe([str(old)])
    old.write_text("two")
    time.sleep(0.05)
    state = FileStateChecker().get_state(str(old), None)
    assert modified(old, state)


def test_a_target_torn_by_a_power_failure_is_modified(old: Path) -> None:
    state = _state_of_target(old)
    old.write_bytes(b"\0\0\0")
    assert modified(old, state)


def test_an_unchanged_file_is_not_read_again(old: Path) -> None:
    record = [*FileStateChecker().get_state(str(old), None)[:4], "the digest of then"]
    assert FileStateChecker().get_state(str(old), record) == record
    old.write_text("two")
    assert FileStateChecker().get_state(str(old), record)[4] != "the digest of then"


def test_a_target_that_only_got_a_hard_link_is_not_read_again(old: Path) -> None:
    record = [*_state_of_target(old)[:4], "the digest of then"]
    old.with_name("link").hardlink_to(old)
    state = _state_of_target(old, record)
    assert state == [*file_state.signature(old.stat()), "the digest of then"] != record
    assert not modified(old, state)


def test_a_target_that_the_task_wrote_is_read(old: Path) -> None:
    record = _state_of_target(old)
    for content in ("two", "three"):
        new = old.with_name("new")
        new.write_text(content)
        new.replace(old)
        assert _state_of_target(old, record)[4] == _state_of_target(old)[4] != record[4]
    old.write_text("one")
    assert _state_of_target(old, record)[4] == record[4]


def test_a_target_that_was_found_unchanged_is_looked_for_once(old: Path) -> None:
    checker, status = FileStateChecker(), old.stat()
    file_state.note_unchanged(str(old), status)
    old.unlink()
    assert checker.exists(str(old))
    assert checker.info(str(old)) == status
    file_state.note_unchanged(str(old), None)
    assert not checker.exists(str(old))
    with pytest.raises(checker.CheckerError):
        checker.info(str(old))


def test_what_a_task_writes_is_looked_for_again(old: Path) -> None:
    checker = FileStateChecker()
    file_state.note_unchanged(str(old), old.stat())
    old.write_text("two more")
    _state_of_target(old)
    assert checker.info(str(old)).st_size == 8


def test_a_new_run_looks_for_every_target(old: Path) -> None:
    file_state.note_unchanged(str(old), old.stat())
    old.unlink()
    assert not FileStateChecker().exists(str(old))


@pytest.mark.parametrize("record", ["odd", [], [1, 2], {"a": 1}, 3])
def test_a_malformed_record_counts_as_missing(old: Path, record: object) -> None:
    assert FileStateChecker().get_state(str(old), record) == FileStateChecker().get_state(str(old), None)  # type: ignore[arg-type]


def test_the_states_of_many_targets_are_those_of_each(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number:03}" for number in range(90)]
    for number, path in enumerate(paths):
        path.write_text(f"{number % 60}")
    names = list(map(str, paths))
    missing = str(tmp_path / "missing")
    states = file_state.states_of_targets([*names, missing], {})
    assert states == {name: file_state.state_of(name, racy_check=False) for name in names}
    assert len({state[4] for state in states.values()}) == 60
    known = {name: [*states[name][:4], "recorded"] for name in names[::2]}
    again = file_state.states_of_targets(names, known)
    assert [name for name in names if again[name][4] == "recorded"] == names[::2]
