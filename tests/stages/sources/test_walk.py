from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from stages.sources.walk import MAX_DEPTH, Problem, printable, walk


def files(root: Path, inside: Path | None = None, prune: str = "") -> tuple[list[str], list[Problem]]:
    found: list[str] = []
    problems: list[Problem] = []
    for folder in walk(str(root), inside=os.path.realpath(inside) if inside else None, problems=problems):
        found += [folder.below(entry.name) for entry in folder.files]
        folder.folders[:] = [name for name in folder.folders if name != prune]
    return found, problems


def write(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)


def test_order_and_skipped_files(tmp_path: Path) -> None:
    write(
        *(
            tmp_path / name
            for name in ("b.py", "a.py", "z/1.py", "c/2.py", "c/a/3.py", ".git/x.py", "__pycache__/y.pyc")
        )
    )
    write(tmp_path / ".hidden.py")
    assert files(tmp_path) == (["a.py", "b.py", "c/2.py", "c/a/3.py", "z/1.py"], [])
    assert files(tmp_path, prune="c")[0] == ["a.py", "b.py", "z/1.py"]


def test_links_without_loops(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root / "real/a.py", tmp_path / "elsewhere/b.py", tmp_path / "file.py")
    (root / "alias").symlink_to("real")  # sorts before the real folder, which still wins
    (root / "up").symlink_to("..")
    (root / "self").symlink_to(".")
    (root / "real/back").symlink_to(root)
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/into").symlink_to(root / "real")
    (root / "one.py").symlink_to(tmp_path / "file.py")
    (root / "broken").symlink_to("nothing")
    found, problems = files(root)
    assert found == ["one.py", "real/a.py", "linked/b.py"]
    assert [(problem.kind, problem.path) for problem in problems] == [("not-a-file", "broken"), ("link-loop", "up")]

    found, problems = files(root, inside=root)
    assert found == ["real/a.py"]
    assert sorted((problem.kind, problem.path) for problem in problems) == [
        ("link-loop", "up"),
        ("link-outside", "linked"),
        ("link-outside", "one.py"),
        ("not-a-file", "broken"),
    ]


def test_two_links_that_lead_to_each_other(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    found, problems = files(tmp_path)
    assert found == []
    assert [problem.path for problem in problems] == ["a", "b"]


def test_pipes_sockets_and_odd_names(tmp_path: Path) -> None:
    write(tmp_path / "good.py", tmp_path / "sp ace/new\nline.py", tmp_path / "Ä.py")
    os.mkfifo(tmp_path / "pipe.py")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket.py"))
    (tmp_path / os.fsdecode(b"bad\xff.py")).write_text("")
    (tmp_path / os.fsdecode(b"dir\xfe")).mkdir()
    found, problems = files(tmp_path)
    assert found == ["good.py", "Ä.py", "sp ace/new\nline.py"]
    assert sorted((problem.kind, problem.path) for problem in problems) == [
        ("file-name", "bad\\xff.py"),
        ("file-name", "dir\\xfe"),
        ("not-a-file", "pipe.py"),
        ("not-a-file", "socket.py"),
    ]


def test_an_unreadable_folder_is_reported(tmp_path: Path) -> None:
    write(tmp_path / "a/x.py", tmp_path / "b/y.py")
    found: list[str] = []
    problems: list[Problem] = []
    for folder in walk(str(tmp_path), inside=None, problems=problems):
        found += [folder.below(entry.name) for entry in folder.files]
        if not folder.relative:
            # The folder is removed between listing and reading. A mode has no effect on root.
            (tmp_path / "a/x.py").unlink()
            (tmp_path / "a").rmdir()
    assert found == ["b/y.py"]
    assert [(problem.kind, problem.path) for problem in problems] == [("unreadable", "a")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_modes_are_respected(tmp_path: Path) -> None:
    write(tmp_path / "a/x.py")
    (tmp_path / "a").chmod(0)
    try:
        assert files(tmp_path)[1][0].kind == "unreadable"
    finally:
        (tmp_path / "a").chmod(0o700)


def test_depth_is_bounded(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * (MAX_DEPTH + 5))
    write(deep / "x.py", tmp_path / "d/y.py")
    found, problems = files(tmp_path)
    assert found == ["d/y.py"]
    assert [problem.kind for problem in problems] == ["too-deep"]


def test_printable() -> None:
    assert printable("omni.ui/Ä b") == "omni.ui/Ä b"
    assert printable("a\nb\udcff\x1b") == "a\\nb\\xff\\x1b"
