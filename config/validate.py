"""Validate a configuration against its JSON Schema."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from config.errors import ConfigError
from config.explain import expectation, explain, leaves
from config.schema import config_schema
from config.secrets import VARIABLE


def validate(document: dict[str, Any], where: str) -> None:
    """Validate a document against the schema. Keys may be missing.

    A text with ``${NAME}`` passes as text. Its value is validated when it is expanded.

    Raises:
        ConfigError: Names the first error. Unknown keys come first.
    """
    for key, value in leaves(document, ""):
        if isinstance(value, str) and "\0" in value:
            raise ConfigError(f"{where}: {key}: expected text, found a NUL character in it.")
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{where}: {key}: expected a finite value, found {value}.")
    if _conforms(document, config_schema()):
        return
    errors = list(_validator().iter_errors(document))
    if errors:
        order = ("additionalProperties", "required")
        first = min(errors, key=lambda error: order.index(error.validator) if error.validator in order else len(order))
        others = f" ({len(errors) - 1} more after this one.)" if len(errors) > 1 else ""
        raise ConfigError(f"{where}: {explain(first)}{others}")


def validate_expanded(value: Any, rule: dict[str, Any], key: str, where: str) -> None:
    """Validate the expanded value of a text with ``${NAME}``. The message does not show the value.

    Raises:
        ConfigError: The value violates its schema.
    """
    if not _conforms(value, rule):
        raise ConfigError(f"{where}: {key}: expected {expectation(rule)}, found something else in the environment.")


def _validator() -> Any:
    """Return the full validator: JSON Schema 2020-12, except that 25.0 is not an integer, as in TOML."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    whole = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    rules = {name: _unless_expanded(Draft202012Validator.VALIDATORS[name]) for name in ("pattern", "enum")}
    strict: Any = extend(Draft202012Validator, rules, type_checker=whole)  # type: ignore[no-untyped-call]
    return strict(config_schema())


def _unless_expanded(rule: Any) -> Any:
    """Return a jsonschema rule that accepts a text with unexpanded variables."""
    return lambda *args: () if _is_open(args[2], args[3]) else rule(*args)


def _is_open(value: Any, rule: dict[str, Any]) -> bool:
    return isinstance(value, str) and not rule.get("x-literal") and VARIABLE.search(value) is not None


_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


def _conforms(value: Any, rule: dict[str, Any]) -> bool:
    """Return True if a value is valid by the subset of JSON Schema that this project's schema uses.

    Importing jsonschema takes as long as the rest of a run that has nothing to do. Nearly every configuration is valid,
    so jsonschema only checks and explains values that fail here.

    Raises:
        KeyError: The schema has a keyword that only jsonschema supports.
    """
    return all(_KEYWORDS[name](value, limit, rule) for name, limit in rule.items())


def _has_type(value: Any, limit: str | list[str], _: Any) -> bool:
    kinds = [limit] if isinstance(limit, str) else limit
    return any(type(value) in _TYPES[kind] for kind in kinds)


def _has_properties(value: Any, limit: dict[str, Any], _: Any) -> bool:
    return not isinstance(value, dict) or all(
        _conforms(item, limit[key]) for key, item in value.items() if key in limit
    )


# Keyword → a check of a value, given the keyword's operand and the whole schema.
_KEYWORDS: dict[str, Callable[[Any, Any, dict[str, Any]], bool]] = {
    "type": _has_type,
    "properties": _has_properties,
    "additionalProperties": lambda value, _, rule: value.keys() <= rule["properties"].keys(),
    "required": lambda value, limit, _: all(key in value for key in limit),
    "items": lambda value, limit, _: not isinstance(value, list) or all(_conforms(item, limit) for item in value),
    "enum": lambda value, limit, rule: _is_open(value, rule) or value in limit,
    "const": lambda value, limit, _: bool(value == limit),
    "minimum": lambda value, limit, _: not isinstance(value, int | float) or value >= limit,
    "exclusiveMinimum": lambda value, limit, _: not isinstance(value, int | float) or value > limit,
    "maximum": lambda value, limit, _: not isinstance(value, int | float) or value <= limit,
    "minLength": lambda value, limit, _: not isinstance(value, str) or len(value) >= limit,
    "pattern": lambda value, limit, rule: (
        not isinstance(value, str) or _is_open(value, rule) or re.search(limit, value) is not None
    ),
    "not": lambda value, limit, _: not _conforms(value, limit),
    "allOf": lambda value, limit, _: all(_conforms(value, part) for part in limit),
    "if": lambda value, limit, rule: not _conforms(value, limit) or _conforms(value, rule["then"]),
    "then": lambda *_: True,  # handled by "if"
    "$ref": lambda value, limit, _: _conforms(value, config_schema()["$defs"][limit.rpartition("/")[2]]),
}


_KEYWORDS |= dict.fromkeys(
    ("$schema", "$defs", "title", "description", "examples", "default", "x-expected", "x-literal", "writeOnly"),
    lambda *_: True,
)
