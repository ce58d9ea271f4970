"""A file is on disk before it gets its name, and is never partially visible."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.failures import StageError
from stages.publishing.manifest import copy_and_hash
from stages.storage.jsonfile import write_bytes
from stages.storage.streamed_file import replacing

Write = Callable[[Path, bytes], None]


def plain(path: Path, content: bytes) -> None:
    write_bytes(path, content)


def streamed(path: Path, content: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, bytes]]:
    """The recorded syncs and renames: the call, the file's inode, and its content at that time."""
    found: list[tuple[str, int, bytes]] = []
    sync, rename = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        sync(descriptor)
        found.append(("fsync", os.fstat(descriptor).st_ino, Path(f"/proc/self/fd/{descriptor}").read_bytes()))

    def replace(source: str | Path, target: str | Path) -> None:
        found.append(("replace", os.stat(source).st_ino, Path(source).read_bytes()))
        rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    return found


@pytest.mark.parametrize("write", [plain, streamed])
def test_a_file_is_synced_before_it_is_renamed(
    tmp_path: Path, write: Write, calls: list[tuple[str, int, bytes]]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    before = path.stat().st_ino
    write(path, b"new")
    inode = path.stat().st_ino
    assert inode != before  # a reader with the old file open continues to read it
    assert calls == [("fsync", inode, b"new"), ("replace", inode, b"new")]


@pytest.mark.parametrize("write", [plain, streamed])
@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_failure_keeps_the_old_file_and_nothing_else(
    tmp_path: Path, write: Write, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def failing(*arguments: object) -> None:
        assert path.read_bytes() == b"old"
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, name, failing)
    with pytest.raises(StageError, match="Input/output error"):
        write(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_published_file_is_synced(tmp_path: Path, calls: list[tuple[str, int, bytes]]) -> None:
    (tmp_path / "source").write_bytes(b"content")
    copy_and_hash(tmp_path / "source", tmp_path / "target")
    assert calls == [("fsync", (tmp_path / "target").stat().st_ino, b"content")]
