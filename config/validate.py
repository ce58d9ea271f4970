"""Validate a configuration against its JSON Schema."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any, ClassVar

from jsonschema_rs import Draft202012Validator, ValidationError

from config.errors import ConfigError
from config.explain import expectation, explain, leaves
from config.schema import config_schema
from config.secrets import VARIABLE

# More levels than the schema has. A deeper value is part of an invalid value.
_MAX_DEPTH = 16
# Replaces a value without a JSON form, such as a date. No other text has this character: `validate` refuses it.
_NOT_JSON = "\0"


def validate(document: dict[str, Any], where: str) -> None:
    """Validate a document against the schema. Keys may be missing.

    A text with ``${NAME}`` passes as text. Its value is validated when it is expanded.

    Raises:
        ConfigError: Names the first error. Unknown keys come first, then missing keys.
    """
    for key, value in leaves(document, ""):
        if isinstance(value, str) and "\0" in value:
            raise ConfigError(f"{where}: {key}: expected text, found a NUL character in it.")
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{where}: {key}: expected a finite value, found {value}.")
    instance = _as_json(document)
    with _signals_held():
        checked = _validator()
        if checked.is_valid(instance):
            return
        errors = list(checked.iter_errors(instance))
    first = min(errors, key=_precedence)
    others = f" ({len(errors) - 1} more after this one.)" if len(errors) > 1 else ""
    raise ConfigError(f"{where}: {explain(first, document)}{others}")


def validate_expanded(value: Any, rule: dict[str, Any], key: str, where: str) -> None:
    """Validate the expanded value of a text with ``${NAME}``. The message does not show the value.

    Raises:
        ConfigError: The value violates its schema.
    """
    schema, instance = {**rule, "$defs": config_schema()["$defs"]}, _as_json(value)
    with _signals_held():
        is_valid = _validator_of(schema).is_valid(instance)
    if not is_valid:
        raise ConfigError(f"{where}: {key}: expected {expectation(rule)}, found something else in the environment.")


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Hold back Ctrl-C and SIGTERM.

    A signal handler may raise inside one of the keywords below. jsonschema-rs would take the exception for an invalid
    value, and the signal would be lost.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone runs signal handlers
        yield
        return
    received: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    former = [(number, signal.signal(number, lambda number, _: received.append(number))) for number in numbers]
    try:
        yield
    finally:
        for number, handler in former:
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if received:
            signal.raise_signal(received[0])


def _precedence(error: ValidationError) -> tuple[bool, bool, int]:
    """Return a key that puts unknown and missing keys first, then tables before their values, each as in the file."""
    return error.kind.name != "additionalProperties", error.kind.name != "required", len(error.instance_path)


@cache
def _validator() -> Draft202012Validator:
    return _validator_of(config_schema())


def _validator_of(schema: dict[str, Any]) -> Draft202012Validator:
    """Return a validator: JSON Schema 2020-12, except for the values of TOML and for ``${NAME}``."""
    return Draft202012Validator(schema, keywords={"type": _Type, "enum": _Enum, "pattern": _Pattern})


def _as_json(value: Any, levels: int = _MAX_DEPTH) -> Any:
    """Return a copy with `_NOT_JSON` in place of values without a JSON form."""
    if levels and type(value) is dict:
        return {_as_json(name): _as_json(item, levels - 1) for name, item in value.items()}
    if levels and type(value) is list:
        return [_as_json(item, levels - 1) for item in value]
    if type(value) is str:
        return value.encode(errors="replace").decode()  # a file name may contain bytes that are not UTF-8
    return value if type(value) in (bool, int, float, type(None)) else _NOT_JSON


class _Type:
    """The keyword ``type``, except that 25.0 is not an integer, as in TOML."""

    def __init__(self, rule: dict[str, Any], operand: Any, path: list[str | int]) -> None:
        del rule, path
        self._allows_fractions = "number" in operand
        self._is_valid = Draft202012Validator({"type": operand}).is_valid

    def validate(self, value: Any) -> None:
        """Raise ValueError if a value has another type."""
        whole = type(value) is float and not self._allows_fractions
        if value == _NOT_JSON or whole or not self._is_valid(value):
            raise ValueError("another type")


class _UnlessExpanded:
    """A keyword that accepts a text with unexpanded variables."""

    keyword: ClassVar[str]

    def __init__(self, rule: dict[str, Any], operand: Any, path: list[str | int]) -> None:
        del path
        self._is_literal = bool(rule.get("x-literal"))
        self._is_valid = Draft202012Validator({self.keyword: operand}).is_valid

    def validate(self, value: Any) -> None:
        """Raise ValueError if a value is invalid."""
        is_open = isinstance(value, str) and not self._is_literal and VARIABLE.search(value) is not None
        if not is_open and not self._is_valid(value):
            raise ValueError("another value")


class _Enum(_UnlessExpanded):
    keyword = "enum"


class _Pattern(_UnlessExpanded):
    keyword = "pattern"
