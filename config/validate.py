"""Check a configuration against its JSON Schema."""

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
    """Check a document, complete or not, against the schema.

    A text with ``${NAME}`` in it is only known to be a text; what it comes to is checked when it is expanded.

    Raises:
        ConfigError: The first thing that is wrong, unknown keys before all else.
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
    """Check what a value with ``${NAME}`` has come to. What comes out of the environment is not shown.

    Raises:
        ConfigError: The value does not keep to its rule.
    """
    if not _conforms(value, rule):
        raise ConfigError(f"{where}: {key}: expected {expectation(rule)}, found something else in the environment.")


def _validator() -> Any:
    """Return the full validator: JSON Schema 2020-12, in which as in TOML 25.0 is no whole number."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    whole = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    rules = {name: _unless_expanded(Draft202012Validator.VALIDATORS[name]) for name in ("pattern", "enum")}
    strict: Any = extend(Draft202012Validator, rules, type_checker=whole)  # type: ignore[no-untyped-call]
    return strict(config_schema())


def _unless_expanded(rule: Any) -> Any:
    """Return a rule of jsonschema that lets a text pass which is not what it will be."""
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
    """Whether a value is plainly valid by the part of JSON Schema that this project's schema uses.

    Importing jsonschema takes as long as everything else in a run that has nothing to do, and the configuration of
    nearly every run is valid: so jsonschema is left to judge and explain what does not conform here.

    Raises:
        KeyError: The rule has a keyword that only jsonschema knows.
    """
    return all(_KEYWORDS[name](value, limit, rule) for name, limit in rule.items())


def _has_type(value: Any, limit: str | list[str], _: Any) -> bool:
    kinds = [limit] if isinstance(limit, str) else limit
    return any(type(value) in _TYPES[kind] for kind in kinds)


def _has_properties(value: Any, limit: dict[str, Any], _: Any) -> bool:
    return not isinstance(value, dict) or all(
        _conforms(item, limit[key]) for key, item in value.items() if key in limit
    )


# Keyword → whether a value keeps to it, given its operand and the whole rule that it stands in.
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
    "then": lambda *_: True,  # read with "if"
    "$ref": lambda value, limit, _: _conforms(value, config_schema()["$defs"][limit.rpartition("/")[2]]),
}


_KEYWORDS |= dict.fromkeys(
    ("$schema", "$defs", "title", "description", "examples", "default", "x-expected", "x-literal", "writeOnly"),
    lambda *_: True,
)
