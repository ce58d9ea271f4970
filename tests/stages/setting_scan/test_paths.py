"""The normal form of setting paths, and the types of values."""

from __future__ import annotations

from typing import Any

import pytest

from stages.setting_scan.paths import argument_value, value_type


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("False", False), ("12", 12), ("-0.5", -0.5), ("abc", "abc"), ("[1,a]", [1, "a"])],
)
def test_values_of_arguments(text: str, value: Any) -> None:
    assert argument_value(text) == value
    assert type(argument_value(text)) is type(value)


def test_types_of_values() -> None:
    values = [True, 1, 1.0, "", [], {}, None]
    assert [value_type(value) for value in values] == ["bool", "int", "float", "string", "array", "object", None]
