from __future__ import annotations

import os
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest
import semver
from hypothesis import given
from hypothesis import strategies as st

from stages.sources.discovery import VersionKey, find_apps, find_extensions, split_name
from stages.sources.walk import Problem


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("omni.ui-2.26.1+8131b85d.lx64.r.cp311", ("omni.ui", "2.26.1")),
        ("omni.kit.loop-isaac", ("omni.kit.loop-isaac", "")),
        ("omni.kit.loop-isaac-1.3.6+107.3.0.lx64.r.cp311", ("omni.kit.loop-isaac", "1.3.6")),
        ("omni.x-3d-1.0.0", ("omni.x-3d", "1.0.0")),
        ("omni.x-2", ("omni.x", "2")),
        ("omni.x-1.0.0-beta.2+abc", ("omni.x", "1.0.0-beta.2")),
        ("omni.x-1.0.0rc1", ("omni.x", "1.0.0rc1")),
        ("omni.x", ("omni.x", "")),
        ("omni.x-", ("omni.x-", "")),
        ("-1.0", ("-1.0", "")),
        ("x-1\n2", ("x-1\n2", "")),
        ("", ("", "")),
    ],
)
def test_split_name(name: str, expected: tuple[str, str]) -> None:
    assert split_name(name) == expected


def test_versions_in_order() -> None:
    ascending = [
        "no version",
        "0",
        "0.0.1",
        "0.9.9",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "1.0.0.1",
        "1.0.1",
        "1.2",
        "1.10",
        "107.3.0",
        "107.3.3+isaac.229672",
        "2025.1",
    ]
    for lower, higher in pairwise(ascending):
        assert VersionKey(lower) < VersionKey(higher), (lower, higher)
        assert not VersionKey(higher) < VersionKey(lower)
    assert VersionKey("1") == VersionKey("1.0.0") == VersionKey("v1.0+build") == VersionKey(" 1.0 ")
    assert VersionKey("1.0.0rc1") < VersionKey("1.0.0")


IDENTIFIERS = st.from_regex(r"\A(?:0|[1-9][0-9]{0,2}|[a-z][a-z0-9-]{0,3})\Z")
SEMVERS = st.builds(
    lambda numbers, pre: ".".join(map(str, numbers)) + ("-" + ".".join(pre) if pre else ""),
    st.tuples(*[st.integers(0, 20)] * 3),
    st.lists(IDENTIFIERS, max_size=3),
)


@given(SEMVERS, SEMVERS)
def test_order_is_that_of_semantic_versioning(one: str, other: str) -> None:
    expected = semver.Version.parse(one).compare(other)
    assert (VersionKey(one) > VersionKey(other)) - (VersionKey(one) < VersionKey(other)) == expected


@given(st.lists(st.text(alphabet="0123456789.-+_abv \n", max_size=8), min_size=3, max_size=3))
def test_any_text_has_a_place_in_the_order(texts: list[str]) -> None:
    first, second, third = sorted(map(VersionKey, texts))
    assert first <= second <= third and first <= third


def manifest(folder: Path, where: str = "config/extension.toml") -> None:
    path = folder / where
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[package]\n")


def test_everything_is_found_in_a_fixed_order(tmp_path: Path) -> None:
    manifest(tmp_path / "exts/omni.b")
    manifest(tmp_path / "exts/omni.a", "extension.toml")
    manifest(tmp_path / "exts/omni.both")
    manifest(tmp_path / "exts/omni.both", "extension.toml")
    manifest(tmp_path / "exts/omni.b/exts/omni.inner")
    manifest(tmp_path / "exts/omni.b/data/omni.data")  # a file of omni.b, not an extension
    manifest(tmp_path / "group/deeper/omni.c")
    manifest(tmp_path / "node_modules/omni.no")
    manifest(tmp_path / ".git/omni.no")
    manifest(tmp_path / "templates/omni.template")
    (tmp_path / "exts/single.kit").write_text("")
    (tmp_path / "source/apps").mkdir(parents=True)
    (tmp_path / "source/apps/my.app.kit").write_text("")
    (tmp_path / "empty").mkdir()
    for name, entries in (
        ("omni.z.zip", ["config/extension.toml"]),
        ("omni.y.zip", ["omni.y/extension.toml"]),
        ("data.zip", ["x"]),
    ):
        with zipfile.ZipFile(tmp_path / "exts" / name, "w") as archive:
            for entry in entries:
                archive.writestr(entry, "")
    (tmp_path / "exts/torn.zip").write_text("not a zip")
    problems: list[Problem] = []
    leave_out = {os.path.realpath(tmp_path / "templates")}
    found = find_extensions(str(tmp_path), inside=None, leave_out=leave_out, problems=problems)
    assert [(item.kind, item.relative, item.manifest) for item in found] == [
        ("archive", "exts/omni.y.zip", ""),
        ("archive", "exts/omni.z.zip", ""),
        ("kit", "exts/single.kit", "single.kit"),
        ("folder", "exts/omni.a", "extension.toml"),
        ("folder", "exts/omni.b", "config/extension.toml"),
        ("folder", "exts/omni.b/exts/omni.inner", "config/extension.toml"),
        ("folder", "exts/omni.both", "config/extension.toml"),
        ("folder", "group/deeper/omni.c", "config/extension.toml"),
        ("app", "source/apps/my.app.kit", "my.app.kit"),
    ]
    assert [(problem.kind, problem.path) for problem in problems] == [("archive", "exts/torn.zip")]


def test_the_folder_itself_may_be_the_extension(tmp_path: Path) -> None:
    manifest(tmp_path)
    found = find_extensions(str(tmp_path), inside=None, leave_out=set(), problems=[])
    assert [(item.kind, item.relative) for item in found] == [("folder", "")]


def test_extensions_behind_links_are_found_once(tmp_path: Path) -> None:
    manifest(tmp_path / "real/omni.a")
    (tmp_path / "exts").mkdir()
    (tmp_path / "exts/omni.a").symlink_to(tmp_path / "real/omni.a")
    (tmp_path / "exts/loop").symlink_to(tmp_path / "exts")
    found = find_extensions(str(tmp_path), inside=None, leave_out=set(), problems=[])
    assert [item.relative for item in found] == ["real/omni.a"]
    found = find_extensions(str(tmp_path / "exts"), inside=None, leave_out=set(), problems=[])
    assert [item.relative for item in found] == ["omni.a"]


def test_apps_nearest_first(tmp_path: Path) -> None:
    for name in ("a/deep/x.kit", "z.kit", "b/y.KIT", "readme.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    found = find_apps(str(tmp_path), inside=None, problems=[])
    assert [app.relative for app in found] == ["z.kit", "b/y.KIT", "a/deep/x.kit"]
