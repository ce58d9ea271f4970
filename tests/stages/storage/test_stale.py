"""Outputs of extensions that are gone."""

from pathlib import Path

from stages.storage.stale import remove_stale


def test_only_what_matches_and_is_not_kept_is_removed(tmp_path: Path) -> None:
    for name in ("a/[x] 1.json", "a/y.json", "a/.tmp-z.part", "a/notes.txt", "b_one/y.json", "b_two/y.json", "y.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    (tmp_path / "a/folder.json").mkdir()
    remove_stale(tmp_path, ["a/*.json", "a/.tmp*", "b_*/y.json", "missing/*"], ["a/[x] 1.json", "b_two/y.json"])
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["a/[x] 1.json", "a/notes.txt", "b_two/y.json", "y.json"]


def test_the_names_of_the_work_directory_are_no_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "work [*]"
    folder.mkdir()
    (folder / "a.json").write_text("{}")
    remove_stale(folder, ["*.json"], [])
    assert list(folder.iterdir()) == []
