"""Configuration values on the command line: their full keys and types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tomli

from config.errors import ConfigError
from config.explain import one_line, unknown_key
from config.schema import config_schema, known_keys, schema_property

COMMAND_LINE = "command line"


def typed_overrides(overrides: Mapping[str, object]) -> dict[tuple[str, str], Any]:
    """Return the values by section and key. Text is converted to the type in the schema. The last value wins.

    Raises:
        ConfigError: A name matches no key, or several.
    """
    typed: dict[tuple[str, str], Any] = {}
    for name, value in overrides.items():
        target = _find_key(name)
        typed[target] = _typed(value, target) if isinstance(value, str) else value
    return typed


def override_key(name: str) -> str:
    """Return the full key (``processing.max_extensions``) for a full key or its last part.

    Raises:
        ConfigError: The name matches no key, or several.
    """
    return ".".join(_find_key(name))


def _find_key(name: str) -> tuple[str, str]:
    found = [(section, key) for section, key in known_keys() if name in (key, f"{section}.{key}")]
    if len(found) == 1:
        return found[0]
    if found:
        choices = " or ".join(f"{section}.{key}" for section, key in found)
        raise ConfigError(f"{COMMAND_LINE}: {one_line(name)}: expected {choices}.")
    raise ConfigError(f"{COMMAND_LINE}: {unknown_key(name)}")


def _typed(text: str, target: tuple[str, str]) -> Any:
    """Return the typed value of a command-line text. Returns unsuitable text unchanged, for validation."""
    kinds = schema_property(config_schema(), *target)["type"]
    if "boolean" in kinds:
        return {"true": True, "false": False}.get(text.lower(), text)
    if "string" not in kinds:
        try:
            parsed = tomli.loads(f"value = {text}")
        except (ValueError, RecursionError):
            return text
        return parsed["value"] if len(parsed) == 1 else text
    return text


def nested(flat: dict[tuple[str, str], Any]) -> dict[str, Any]:
    """Return values by section and key as a document with sections."""
    document: dict[str, Any] = {}
    for (section, key), value in flat.items():
        document.setdefault(section, {})[key] = value
    return document
