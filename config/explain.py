"""Error messages for an invalid configuration: one line with the place, the expected and the actual value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.former import replacement_of
from config.schema import config_schema, known_keys
from config.secrets import without_credentials

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def explain(error: ValidationError, document: dict[str, Any]) -> str:
    """Return a one-line message for an error of a document: the key, the expected and the actual value."""
    key = _dotted(error.instance_path)
    rule, value = _at(config_schema(), error.schema_path[:-1]), _at(document, error.instance_path)
    if error.kind.name == "additionalProperties":
        unknown = next(name for name in value if name not in rule["properties"])
        return unknown_key(_dotted([*error.instance_path, unknown]), rule["properties"])
    if error.kind.name == "required":
        missing = next(name for name in rule["required"] if name not in value)
        return f"{key}: expected {expectation(rule['properties'][missing])} as {missing}, found no such key."
    found = "another value" if rule.get("writeOnly") else describe(value)
    return f"{key}: expected {expectation(rule)}, found {found}."


def unknown_key(name: str, siblings: Mapping[str, Any] | None = None) -> str:
    """Return a message for an unknown dotted key, with the closest known key.

    Args:
        name: The key, in the form to show.
        siblings: The known keys of its table, if the table is known.
    """
    import difflib

    now = replacement_of(name)
    if now:
        return f"{one_line(name)}: a key of the former pipeline, {now}."
    table, _, last = name.rpartition(".")
    known = {f"{section}.{key}": key for section, key in known_keys()}
    if siblings is not None and table:
        known |= {f"{table}.{key}": key for key in siblings}
    elif siblings is not None:
        known |= {section: section for section in siblings}

    def likeness(candidate: str) -> tuple[float, float]:
        ratio = difflib.SequenceMatcher(None, last, known[candidate]).ratio()
        return ratio, difflib.SequenceMatcher(None, name, candidate).ratio()

    return f"{one_line(name)}: unknown key; the nearest known key is {max(known, key=likeness)}."


def expectation(rule: dict[str, Any]) -> str:
    """Return a description of the values that a schema allows."""
    if "$ref" in rule:
        rule = config_schema()["$defs"][rule["$ref"].rpartition("/")[2]]
    if "x-expected" in rule:
        return str(rule["x-expected"])
    if "enum" in rule:
        return "one of " + ", ".join(quoted(value) for value in rule["enum"])
    kind = rule["type"] if isinstance(rule["type"], str) else rule["type"][0]
    if kind == "number":
        return f"a number above {rule['exclusiveMinimum']} and up to {rule['maximum']}"
    if kind == "integer":
        return f"a whole number from {rule['minimum']} to {rule['maximum']}"
    words = {"string": "a string", "boolean": "true or false", "array": "a list of strings", "object": "a table"}
    return words[kind] + (" that is not empty" if rule.get("minLength") else "")


def describe(value: Any) -> str:
    """Return a short one-line description of a value, without credentials."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _shortened(repr(value)) if isinstance(value, float) or value.bit_length() < 4096 else "a huge number"
    if isinstance(value, str):
        return f"the string {quoted(_shortened(str(without_credentials(value))))}"
    if isinstance(value, list):
        return "a list"
    return "a table" if isinstance(value, dict) else f"a value of type {type(value).__name__}"


def leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Yield each value that is not a table or list, with its dotted key."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, f"{key}.{_key_text(name)}".lstrip("."))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(item, f"{key}[{number}]")
    else:
        yield key, value


def _at(value: Any, path: Iterable[str | int]) -> Any:
    for part in path:
        value = value[part]
    return value


def _dotted(parts: Iterable[str | int]) -> str:
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{_key_text(part)}"
    return text.lstrip(".") or "the file"


def _key_text(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else quoted(_shortened(name))


def quoted(text: str) -> str:
    """Return a text on one line, in double quotes."""
    return '"' + one_line(text).replace('"', '\\"') + '"'


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "…"


def one_line(text: str) -> str:
    """Return a text with escaped control characters and line breaks."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def shown_path(path: Path) -> str:
    """Return a path in the form to show in messages."""
    return one_line(str(path))
