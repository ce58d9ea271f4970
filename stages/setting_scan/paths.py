"""Setting paths: canonical form, recognition in text, and value types."""

from __future__ import annotations

import re
from typing import Any

from stages.artifacts.settings import SettingType, SettingUse
from stages.product_facts import SETTING_ROOTS

ROOT_PATTERN = "|".join(re.escape(root) for root in SETTING_ROOTS)

# A path: parts with the characters of keys (ids, dots, dashes, and `{placeholder}` for an unknown part).
PATH = re.compile(r"/?[\w{}*<>:@.~+-]+(?:/+[\w{}*<>:@.~+-]+)*/*\Z")
# Any argument of the settings interface is a path, even with spaces, as in a window's title.
SPACED_PATH = re.compile(r"/?[\w{}*<>:@.~+-]+(?:/+[\w{}*<>:@.~+ -]+)*/*\Z")
ROOTED = re.compile(rf"/(?:{ROOT_PATTERN})/[\w{{]")
_TYPES: tuple[tuple[tuple[type, ...], SettingType], ...] = (
    ((bool,), "bool"),
    ((int,), "int"),
    ((float,), "float"),
    ((str,), "string"),
    ((list, tuple), "array"),
    ((dict,), "object"),
)
ARGUMENT = re.compile(r"(?:^|(?<=\s))--(/[\w{}.:@~+/<>-]*[\w}>])(?==|\s|\Z)(?:=(\S*))?")


def canonical(path: str) -> str:
    """Return the canonical form of a setting path: leading slash, no empty part, no final slash (``/exts/a.b/c``)."""
    return "/" + "/".join(part for part in path.split("/") if part)


def has_unknown_root(path: str) -> bool:
    """Return True if the first part of a path is unknown, even in part: ``/{name}/x``, ``/defaults{path}``."""
    first = path.lstrip("/").partition("/")[0]
    return "{" in first and not first.startswith("<")  # a constant of another file may consist of several parts


def value_type(value: Any) -> SettingType | None:
    """Return the type name of a JSON-able value in the output contract; None for None."""
    return next((word for types, word in _TYPES if isinstance(value, types)), None)


def argument_value(text: str) -> Any:
    """Return the value of ``--/path=value`` as parsed by Kit's command line: a bool, a number, else a string."""
    text = text.strip("\"'") if len(text) > 1 and text[0] == text[-1] else text
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    if text.startswith("[") and text.endswith("]"):
        return [argument_value(item.strip()) for item in text[1:-1].split(",") if item.strip()]
    return text


def arguments(text: Any, *, file: str, line: int) -> list[SettingUse]:
    """Return the ``--/path=value`` arguments in a text as uses; empty for other values."""
    if not isinstance(text, str):
        return []
    return [
        SettingUse(
            path=canonical(match[1]),
            kind="argument",
            type=None if match[2] is None else value_type(argument_value(match[2])),
            default=None,
            line=line,
            file=file,
            dynamic=False,
            name=None,
            certain=True,
        )
        for match in ARGUMENT.finditer(text)
    ]
