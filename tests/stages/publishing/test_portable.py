"""A data set is portable: its names are legal on every system, and it contains no path of this machine."""

from __future__ import annotations

import re
from pathlib import Path

import orjson

from tests.project import REPORT, make_extension, make_project

# Characters that Windows forbids in names, and its device names.
_REFUSED = re.compile(r'[<>:"\\|?*\x00-\x1f]|[. ]$')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.items() for part in item for text in _texts(part)]
    return [text for item in value for text in _texts(item)] if isinstance(value, list) else []


def test_a_data_set_can_be_copied_anywhere(tmp_path: Path) -> None:
    project = make_project(tmp_path.resolve() / "project", count=2)
    make_extension(project.extensions, 3).rename(project.extensions / "made.up03-1.3.0+abc.lx64.r.cp311")
    assert project.run("doit").code == 0, project.output()
    names = [path.relative_to(project.data).as_posix() for path in project.data.rglob("*")]
    assert len(names) > 20
    parts = {part for name in names for part in name.split("/")}
    assert [part for part in parts if _REFUSED.search(part) or _DEVICES.fullmatch(part)] == []
    assert len({name.casefold() for name in names}) == len(names)
    assert max(map(len, names)) < 200
    assert not [path for path in project.data.rglob("*") if path.is_symlink()]
    for path in project.data.rglob("*"):
        if path.is_file() and path.name != REPORT:
            content = path.read_bytes()
            assert str(tmp_path).encode() not in content, path
            if path.suffix == ".json":
                assert b"\r" not in content
                assert [text for text in _texts(orjson.loads(content)) if text.startswith(str(tmp_path.parent))] == []
    database = orjson.loads((project.data / "107.3/extensions/extensions_database.json").read_bytes())
    paths = [entry[key] for entry in database["extensions"].values() for key in ("codeatlas_path", "api_docs_path")]
    assert len(paths) == 6
    assert all((project.data / "107.3/extensions").joinpath(*path.split("/")).is_file() for path in paths)
