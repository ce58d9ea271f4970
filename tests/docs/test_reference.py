"""The reference pages are complete and match the program."""

from __future__ import annotations

import argparse
import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

import data_collection_pipeline
import run_pipeline
from config import load
from config.request import FLAGS
from docs import make_reference
from tests.project import ROOT

CONFIG = json.loads((ROOT / "config" / "pipeline_config.schema.json").read_text())


def page(name: str) -> str:
    """Return a page with its generated parts."""
    return make_reference.filled((ROOT / "docs" / f"reference-{name}.md").read_text())


def config_keys() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the anchor, name and rule of each configuration key."""
    for section, table in CONFIG["properties"].items():
        for key, rule in table["properties"].items():
            yield f"{section}.{key}", key, rule
    for kind in ("wheel", "git", "path"):
        for key, rule in CONFIG["$defs"][kind]["properties"].items():
            if key != "kind":
                yield f"input.sources.{kind}.{key}", key, rule


@pytest.mark.parametrize(("anchor", "key", "rule"), [pytest.param(*row, id=row[0]) for row in config_keys()])
def test_every_configuration_key_is_documented(anchor: str, key: str, rule: dict[str, Any]) -> None:
    found = page("config")
    heading = "`[[input.sources]]`" if anchor == "input.sources" else f"`{key}`"
    begin = re.search(
        rf"^#+ {re.escape(heading)} {{ #{re.escape(anchor)} }}\n\n(.*?)(?=^#)", found + "\n#", re.M | re.S
    )
    assert begin, f"{anchor} has no heading"
    assert rule["description"] in begin[1]
    if anchor != "input.sources":
        for word in ("Value", "Default", "Example"):
            assert re.search(rf"^- \*\*{word}:\*\* \S", begin[1], re.M), f"{anchor} has no line for {word}"
        assert (rule.get("default") in (None, "", [])) or json.dumps(rule["default"]) in begin[1]


def test_every_example_of_the_configuration_is_valid(tmp_path: Any) -> None:
    lines = ['[[input.sources]]\nkind = "path"\npath = "x"']
    for section, table in CONFIG["properties"].items():
        values = [(key, rule["examples"][0]) for key, rule in table["properties"].items() if key != "sources"]
        lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in values)]
    for kind in ("wheel", "git", "path"):
        rules = CONFIG["$defs"][kind]["properties"]
        examples = [f"{key} = {json.dumps(rule['examples'][0])}" for key, rule in rules.items() if key != "kind"]
        lines += ["[[input.sources]]", f'kind = "{kind}"', *examples]
    (tmp_path / "config.toml").write_text("\n".join([*lines[1:], *lines[:1]]) + "\n")
    loaded = load(tmp_path / "config.toml", environ={"HOME": "/home/you", "NGC_API_KEY": "k"})
    assert loaded.values["processing"]["max_extensions"] == 25
    assert [source["kind"] for source in loaded.sources()] == ["wheel", "git", "path", "path"]


@pytest.mark.parametrize("script", [data_collection_pipeline, run_pipeline], ids=["data_collection_pipeline", "run"])
def test_every_option_of_the_scripts_is_documented(script: Any) -> None:
    parser: argparse.ArgumentParser = script.argument_parser()
    found = page("command-line")
    for action in parser._actions:
        for name in action.option_strings or [str(action.metavar)]:
            if name not in ("-h", "--help"):
                assert re.search(rf"`{re.escape(name)}[ `]", found), name


def test_every_variable_and_command_of_doit_is_documented() -> None:
    found = page("command-line")
    for name in FLAGS:
        assert re.search(rf"^\| `{name}=[1…]` \| \S", found, re.M), name
    commands = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["doit.COMMAND"]
    for command in commands:
        assert re.search(rf"^### `doit {command}\b", found, re.M), command


def test_every_key_of_the_checkpoint_is_documented() -> None:
    found = page("checkpoint")
    schema = json.loads((ROOT / "checkpoint" / "checkpoint.schema.json").read_text())
    for key in schema["properties"]:
        assert f"| `{key}` |" in found
    assert "| `failure.attempts` |" in found
    assert not re.search(r"^\|[^|]*\|[^|]*\|\s*\|$", found, re.M), "a key has no meaning"


def test_every_schema_of_an_output_is_documented() -> None:
    found = page("outputs")
    for path in (ROOT / "stages" / "schemas").glob("*.json"):
        assert f"- Schema: `stages/schemas/{path.name}`" in found


def test_every_field_of_an_output_has_a_description() -> None:
    lines = page("outputs").splitlines()
    fields = [line for line in lines if re.match(r"\| `[^`]+` \|", line)]
    assert len(fields) > 300
    assert [line for line in fields if re.search(r"\| +(May be absent\. )?\|$", line)] == [], (
        "Describe these fields in their schema."
    )


def test_every_part_is_in_a_page() -> None:
    pages = "".join(path.read_text() for path in (ROOT / "docs").glob("reference-*.md"))
    assert sorted(re.findall(r"^<!-- reference: (?!end)(\w+) -->$", pages, re.M)) == sorted(make_reference.PARTS)


def test_a_page_without_markers_is_unchanged() -> None:
    assert make_reference.filled("# A page\n\ntext\n") == "# A page\n\ntext\n"
    with pytest.raises(KeyError):
        make_reference.filled("<!-- reference: nothing -->\nx\n<!-- reference: end -->\n")


def test_fields_of_a_schema() -> None:
    schema = {
        "properties": {
            "a": {"description": "the a", "type": "object", "additionalProperties": {"$ref": "#/$defs/b"}},
            "c": {"type": ["array", "null"], "items": {"type": "string"}, "description": "the c|s"},
            "d": {"anyOf": [{"$ref": "#/$defs/b"}, {"type": "null"}]},
        },
        "required": ["a", "c"],
        "$defs": {
            "b": {"type": "object", "properties": {"e": {"enum": [1, "x"], "description": "an e"}}, "required": ["e"]}
        },
    }
    assert make_reference.fields(schema).splitlines() == [
        "| field | type | meaning |",
        "|---|---|---|",
        "| `a` | object of object | The a. |",
        '| `a.<key>.e` | `1` or `"x"` | An e. |',
        "| `c` | list of string or null | The c\\|s. |",
        "| `d` | `b` or null | May be absent. |",
        "",
        "`b`:",
        "",
        "| field | type | meaning |",
        "|---|---|---|",
        '| `e` | `1` or `"x"` | An e. |',
    ]
