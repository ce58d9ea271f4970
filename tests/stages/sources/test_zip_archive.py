from __future__ import annotations

import io
import os
import resource
import shutil
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.sources import zip_archive
from stages.sources.zip_archive import ArchiveError, names, unpack


def make(path: Path, entries: dict[str, bytes], **attributes: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            for key, value in attributes.items():
                setattr(info, key, value)
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def everything(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_content_is_unpacked(tmp_path: Path) -> None:
    entries = {
        "config/extension.toml": b"[package]",
        "omni/ui/__init__.py": b"x = 1\n",
        "empty/": b"",
        "Ä/ö.md": b"\xff",
    }
    archive = make(tmp_path / "a.zip", entries)
    unpack(archive, tmp_path / "deep" / "out")
    assert tree(tmp_path / "deep" / "out") == {name: content for name, content in entries.items() if name[-1] != "/"}
    assert (tmp_path / "deep" / "out" / "empty").is_dir()
    assert everything(tmp_path / "deep")[:1] == ["out"]  # nothing else is left behind
    assert names(archive) == list(entries)


def test_modes_of_the_archive_are_ignored(tmp_path: Path) -> None:
    archive = make(tmp_path / "a.zip", {"run.sh": b"x"}, external_attr=(stat.S_IFREG | 0o6777) << 16)
    unpack(archive, tmp_path / "out")
    assert (tmp_path / "out" / "run.sh").stat().st_mode & 0o7111 == 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../evil.py", "leads outside"),
        ("a/../../evil.py", "leads outside"),
        ("a/./b", "leads outside"),
        ("/etc/evil.py", "leads outside"),
        ("//host/share", "leads outside"),
        ("C:/evil.py", "leads outside"),
        ("a\\..\\evil.py", "not allowed"),
        ("a//b", "leads outside"),
        ("x" * 256, "too long"),
    ],
)
def test_names_that_lead_outside_are_refused(tmp_path: Path, name: str, reason: str) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        info = zipfile.ZipInfo("placeholder")
        info.filename = name
        opened.writestr("first.py", b"")
        opened.writestr(info, b"evil")
    before = everything(tmp_path)
    with pytest.raises(ArchiveError, match=reason):
        unpack(archive, tmp_path / "out")
    assert everything(tmp_path) == before


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    archive = make(tmp_path / "a.zip", {"link": b"/etc/passwd"}, external_attr=(kind | 0o777) << 16)
    with pytest.raises(ArchiveError, match="'link' is a link, device or pipe"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        (["Readme.md", "README.md"], "'Readme.md' and 'README.md' differ only in case"),
        (["Docs/a", "docs/b"], "'Docs' and 'docs' differ only in case"),
        (["\u00c5.md", "A\u030a.md"], "differ only in case"),
        (["a", "a/b"], "'a' is both a file and a folder"),
        (["a/b", "a"], "'a' is both a file and a folder"),
        (["a", "b", "a"], "'a' exists twice"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_collisions_are_refused(tmp_path: Path, entries: list[str], reason: str) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for name in entries:
            opened.writestr(name, b"x")
    with pytest.raises(ArchiveError, match=reason):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_bombs_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    archive = make(tmp_path / "a.zip", {"zeros": b"\0" * 1_000_000})
    assert archive.stat().st_size < 2_000
    with pytest.raises(ArchiveError, match=r"1,000,000 bytes; the limit is 999,999 \(input.max_archive_bytes\)"):
        unpack(archive, tmp_path / "out", max_bytes=999_999)
    many = make(tmp_path / "b.zip", {str(number): b"" for number in range(11)})
    with pytest.raises(ArchiveError, match=r"11 entries; the limit is 10 \(input.max_archive_files\)"):
        unpack(many, tmp_path / "out", max_files=10)
    assert everything(tmp_path) == ["a.zip", "b.zip"]
    unpack(archive, tmp_path / "out", max_bytes=1_000_000)


def test_a_bomb_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    archive = make(tmp_path / "a.zip", {"zeros": b"\0" * 1_000_000})
    # The size is in the local header and in the directory; now both are 10 bytes.
    size = (1_000_000).to_bytes(4, "little")
    data = archive.read_bytes()
    assert data.count(size) == 2
    archive.write_bytes(data.replace(size, (10).to_bytes(4, "little")))
    with pytest.raises(ArchiveError):
        unpack(archive, tmp_path / "out", max_bytes=1000)
    assert everything(tmp_path) == ["a.zip"]


def test_written_bytes_are_counted_regardless_of_the_directory(tmp_path: Path) -> None:
    """Python's zipfile stops at the declared size. The count does not rely on this."""
    archive = make(tmp_path / "a.zip", {"a.py": b"x" * 600, "b.py": b"x" * 600})
    with zipfile.ZipFile(archive) as opened:
        entries = zip_archive._checked(opened.infolist(), 10_000, 10)
        with pytest.raises(ArchiveError, match="unpacks to more than 1,000 bytes"):
            zip_archive._extract(opened, entries, tmp_path / "out", 1000)
    assert not (tmp_path / "out/b.py").exists() or (tmp_path / "out/b.py").stat().st_size < 600


def test_damaged_archives_leave_nothing(tmp_path: Path) -> None:
    sound = make(tmp_path / "a.zip", {"a.py": os.urandom(1000), "b.py": b"x" * 1000}).read_bytes()
    broken = tmp_path / "b.zip"
    for damaged in (b"", b"not a zip", sound[:-30], sound[:100] + b"\0\0\0" + sound[103:]):
        broken.write_bytes(damaged)
        with pytest.raises(ArchiveError, match="not a sound zip archive"):
            unpack(broken, tmp_path / "out")
        assert everything(tmp_path) == ["a.zip", "b.zip"]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("at", [0.1, 0.3, 0.5, 0.7])
def test_a_torn_entry_of_any_method_is_an_error(tmp_path: Path, method: int, at: float) -> None:
    path = tmp_path / "torn.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.bin", os.urandom(20_000))
    content = bytearray(path.read_bytes())
    start = int(20_000 * at)
    content[start : start + 200] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match="not a sound zip archive"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    archive = make(tmp_path / "a.zip", {"small": b"x", "large": b"x" * 100_000})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))  # as a full disk would
    try:
        with pytest.raises(OSError, match="File too large"):
            unpack(archive, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert everything(tmp_path) == ["a.zip"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
@given(st.data())
def test_no_damage_writes_outside(tmp_path: Path, data: st.DataObject) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("config/extension.toml", b"[package]\n")
        archive.writestr("omni/x.py", b"x" * 50)
    content = bytearray(buffer.getvalue())
    for position, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.sampled_from(list(b"./\\\0A\xff"))), max_size=4)
    ):
        content[position] = value
    case = tmp_path / "case"
    case.mkdir(exist_ok=True)
    (case / "a.zip").write_bytes(content)
    try:
        unpack(case / "a.zip", case / "in" / "out")
    except ArchiveError:
        assert not (case / "in" / "out").exists()
    assert sorted(os.listdir(tmp_path)) == ["case"]
    assert set(os.listdir(case)) <= {"a.zip", "in"}
    assert set(os.listdir(case / "in")) <= {"out"}
    for path in (case / "in").rglob("*"):
        assert not path.is_symlink()
    shutil.rmtree(case)
