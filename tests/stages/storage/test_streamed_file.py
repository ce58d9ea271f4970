"""Large files are replaced completely or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stages.failures import StageError
from stages.storage.streamed_file import replacing


def test_new_content_replaces_the_old(tmp_path: Path) -> None:
    path = tmp_path / "a" / "file"
    for content in (b"one", b"two", b""):
        with replacing(path) as temporary:
            temporary.write_bytes(content)
        assert path.read_bytes() == content
    assert os.listdir(path.parent) == ["file"]


def test_equal_content_leaves_the_file_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3_000_000)
    os.utime(path, (1, 1))
    with replacing(path) as temporary:
        temporary.write_bytes(b"x" * 3_000_000)
    assert path.stat().st_mtime == 1
    with replacing(path) as temporary:
        temporary.write_bytes(b"x" * 2_999_999 + b"y")
    assert path.stat().st_mtime > 1


def test_failure_keeps_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StageError, match="file/below"), replacing(tmp_path / "file" / "below"):
        raise AssertionError


def test_mode_follows_the_umask(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with replacing(tmp_path / "file"):
        pass
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode
