"""A folder is replaced atomically, or by two renames that a later start completes."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from stages.storage import folder_swap
from stages.storage.folder_swap import exchange, exclusive, recover, remove_folder, swap


def made(folder: Path, content: str) -> Path:
    folder.mkdir()
    (folder / "file").write_text(content)
    return folder


def places(tmp_path: Path) -> tuple[Path, Path, Path]:
    return made(tmp_path / "new", "new"), tmp_path / "published", tmp_path / "old"


def test_the_first_folder_is_renamed(tmp_path: Path) -> None:
    new, published, aside = places(tmp_path)
    assert not swap(new, published, aside)
    assert (published / "file").read_text() == "new"
    assert os.listdir(tmp_path) == ["published"]


@pytest.mark.parametrize("can", [True, False])
def test_the_old_folder_is_kept_aside(tmp_path: Path, can: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not can:
        monkeypatch.setattr(folder_swap, "exchange", lambda first, second: False)
    new, published, aside = places(tmp_path)
    made(published, "old")
    assert swap(new, published, aside)
    assert ((published / "file").read_text(), (aside / "file").read_text()) == ("new", "old")
    assert not new.exists()


def test_exchange_needs_both(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        exchange(made(tmp_path / "one", "1"), tmp_path / "other")
    assert (tmp_path / "one/file").read_text() == "1"


def test_a_kill_between_two_renames_is_recovered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new, published, aside = places(tmp_path)
    made(published, "old")
    monkeypatch.setattr(folder_swap, "exchange", lambda first, second: False)
    rename = os.replace

    def refused(source: Path, target: Path) -> None:
        if source == new:
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(OSError, match="Input/output"):
        swap(new, published, aside)
    assert (published / "file").read_text() == "old"
    # A killed process cannot restore the folder. The next start does.
    rename(published, aside)
    monkeypatch.setattr(os, "replace", rename)
    assert recover(published, aside)
    assert (published / "file").read_text() == "old"
    assert not recover(published, aside)


def test_a_link_in_place_of_a_folder_is_removed_itself(tmp_path: Path) -> None:
    target = made(tmp_path / "target", "kept")
    (tmp_path / "link").symlink_to(target)
    remove_folder(tmp_path / "link")
    remove_folder(tmp_path / "nothing")
    assert (target / "file").read_text() == "kept"
    assert os.listdir(tmp_path) == ["target"]


def test_the_lock_keeps_others_out_and_leaves_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with exclusive(folder):
        other = os.open(folder, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)
    assert os.listdir(folder) == []
