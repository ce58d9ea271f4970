"""The published schemas match the types, describe every field, and reject the same values."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from stages.artifacts.catalog import PUBLISHED, PublishedFile
from stages.artifacts.json_schema import FOLDER, encoded, schema_of, schemas
from stages.storage.jsonfile import to_json
from tests import records


def test_the_checked_in_schemas_are_current() -> None:
    found = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert found == {name: encoded(schema) for name, schema in schemas().items()}, "Run: make schemas"


def objects(rule: Any) -> Any:
    """Yield every rule for an object with named fields."""
    if isinstance(rule, dict):
        if "properties" in rule:
            yield rule
        for inner in rule.values():
            yield from objects(inner)
    elif isinstance(rule, list):
        for inner in rule:
            yield from objects(inner)


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file.schema)
def test_each_schema_is_valid_closed_and_described(file: PublishedFile) -> None:
    schema = schema_of(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    rules = list(objects(schema))
    assert rules
    for rule in rules:
        assert rule["additionalProperties"] is False, rule
        assert rule["properties"].keys() - rule["required"] <= {"docstring_type"}
        assert all(field["description"] for field in rule["properties"].values()), rule


def extensions(**more: Any) -> dict[str, Any]:
    extension = json.loads(to_json(records.extension("made.a", files={"python": ["a.py"]}))) | more
    return {
        "kit_version": "107.3.3",
        "extensions": [extension],
        "apps": [],
        "other_versions": {},
        "excluded": {},
        "warnings": [],
        "files_seen": {},
    }


@pytest.mark.parametrize(
    ("more", "at"),
    [
        ({}, None),
        ({"id": "../x"}, "id"),
        ({"version": ""}, "version"),
        ({"size": -1}, "size"),
        ({"manifest": "setup.py"}, "manifest"),
        ({"python_roots": {}}, "python_roots"),
        ({"files": {"python": ["/etc/passwd"], "stubs": [], "toml": [], "cpp": [], "docs": [], "ogn": []}}, "python"),
        ({"files": {"python": ["a", "a"], "stubs": [], "toml": [], "cpp": [], "docs": [], "ogn": []}}, "python"),
    ],
)
def test_the_schemas_contain_the_constraints(more: dict[str, Any], at: str | None) -> None:
    schema = schemas()["extensions.schema.json"]
    errors = list(jsonschema.Draft202012Validator(schema).iter_errors(extensions(**more)))
    assert [at in error.absolute_path for error in errors] == ([True] if at else []), errors
