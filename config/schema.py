"""The JSON Schema of the configuration, which defines all keys, types and defaults."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import orjson

_SCHEMA_FILE = Path(__file__).with_name("pipeline_config.schema.json")


@cache
def config_schema() -> dict[str, Any]:
    """Return the schema. Reads it once."""
    schema: dict[str, Any] = orjson.loads(_SCHEMA_FILE.read_bytes())
    return schema


def schema_property(schema: dict[str, Any], section: str, key: str) -> dict[str, Any]:
    """Return the schema of a key."""
    found: dict[str, Any] = schema["properties"][section]["properties"][key]
    return found


def known_keys() -> list[tuple[str, str]]:
    """Return the section and name of every key, in the schema's order."""
    return [(section, key) for section, table in config_schema()["properties"].items() for key in table["properties"]]
