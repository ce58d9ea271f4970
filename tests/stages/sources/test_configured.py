"""The types of configured sources agree with the configuration's schema, and refuse all other values."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import msgspec
import pytest

from config import load
from config.schema import config_schema
from stages.sources.configured import GitSource, PathSource, WheelSource, configured_sources

KINDS: list[Any] = [WheelSource, GitSource, PathSource]


@pytest.mark.parametrize("kind", KINDS)
def test_a_type_has_the_keys_and_defaults_of_the_schema(kind: Any) -> None:
    keys = config_schema()["$defs"][kind.kind]["properties"]
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    assert fields.keys() == keys.keys() - {"kind"}
    for name, field in fields.items():
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        assert default == keys[name].get("default", msgspec.NODEFAULT), name


def test_tables_of_a_configuration_become_sources(tmp_path: Path) -> None:
    (tmp_path / "pipeline_config.toml").write_text(
        """
        [[input.sources]]
        kind = "path"
        path = "cache"
        links = "inside"
        [[input.sources]]
        kind = "git"
        url = "https://example.com/x.git"
        build_command = ["./build.sh"]
        exts_path = "exts"
        [[input.sources]]
        kind = "wheel"
        requirement = "made-up==1.0.0"
        """
    )
    found = configured_sources(load(tmp_path / "pipeline_config.toml").sources())
    assert found == [
        PathSource(path=str(tmp_path / "cache"), links="inside"),
        GitSource(url="https://example.com/x.git", build_command=["./build.sh"], exts_path=["exts"]),
        WheelSource(requirement="made-up==1.0.0"),
    ]
    # The workers receive them as pickles.
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.parametrize(
    ("source", "links"),
    [
        (PathSource(path="/x"), "any"),
        (PathSource(path="/x", links="inside"), "inside"),
        (GitSource(url="x"), "inside"),
        (GitSource(url="x", build_command=["./build.sh"]), "any"),
        (WheelSource(requirement="x==1"), "inside"),
    ],
)
def test_links_out_of_fetched_sources_are_not_followed(source: Any, links: str) -> None:
    assert source.followed_links == links


@pytest.mark.parametrize(
    "table",
    [{}, {"kind": "tar"}, {"kind": "path"}, {"kind": "path", "path": "/x", "url": "y"}, {"kind": "git", "url": 3}],
)
def test_malformed_values_are_refused(table: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        configured_sources([table])
