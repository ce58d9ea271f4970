"""Only temporary files of killed runs are removed."""

from __future__ import annotations

from pathlib import Path

from stages.storage.jsonfile import remove_unfinished


def _make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def _left(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_only_unfinished_files_and_folders_are_removed(tmp_path: Path) -> None:
    others = ["a.json", "deep/er/b.part", "deep/.tmp-notes", "kept/.tmp-1.part"]
    _make(tmp_path, *others, ".tmp-1.part", "deep/er/.tmp-2.part", ".tmp-3.part/in/it.txt")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    assert remove_unfinished(tmp_path, leave="kept") == 3
    assert _left(tmp_path) == sorted(others)


def test_only_the_folder_itself(tmp_path: Path) -> None:
    _make(tmp_path, ".tmp-1.part", "below/.tmp-2.part")
    assert remove_unfinished(tmp_path, below=False) == 1
    assert _left(tmp_path) == ["below/.tmp-2.part"]


def test_a_missing_folder_is_accepted(tmp_path: Path) -> None:
    assert remove_unfinished(tmp_path / "nothing") == 0
