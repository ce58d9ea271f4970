"""Application of configuration filters and the append operator to the tree of a file.

The layers: values without a filter; over them, in the order of the file, values filtered for `DEFAULT_PLATFORM` and
`DEFAULT_CONFIG`; and for keys without such a value, the values of other filters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from stages.kit_toml.lexer import json_types

DEFAULT_PLATFORM = "linux-x86_64"
DEFAULT_CONFIG = "release"

_TARGET = {"platform": DEFAULT_PLATFORM, "config": DEFAULT_CONFIG}

FILTER = "filter:"
APPEND = "++"
# The key of a plain value beside filtered values, in a tree before the filters are applied.
UNFILTERED = "filter:"


def matches_target(filters: Iterable[tuple[str, str]]) -> bool:
    """Return True if all filters match the target: a release build on Linux."""
    return all(name in _TARGET and fnmatchcase(_TARGET[name], pattern) for name, pattern in filters)


def split_filters(key: tuple[str, ...]) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Return the filters in a key, and its other parts."""
    if not any(part.startswith(FILTER) for part in key):
        return (), key
    filters, path, index = [], [], 0
    while index < len(key):
        part = key[index]
        if part.startswith(FILTER) and index + 1 < len(key):
            filters.append((part[len(FILTER) :], key[index + 1]))
            index += 2
        else:
            path.append(part)
            index += 1
    return tuple(filters), tuple(path)


def leaves(
    path: tuple[str, ...], value: Any, filters: tuple[tuple[str, str], ...]
) -> Iterator[tuple[tuple[str, ...], Any, tuple[tuple[str, str], ...]]]:
    """Yield the path, value and filters of a value, or of each value in a table."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            if path and path[-1].startswith(FILTER):
                inner = (*filters, (path[-1][len(FILTER) :], key))
                yield from leaves(path[:-1], item, inner)
            else:
                yield from leaves((*path, key), item, filters)
    else:
        # A copy: a later line may append to the list in the tree.
        yield path, {} if value == {} else json_types(value), filters


def without_filters(node: Any) -> Any:
    """Return a tree with its filters applied, as described at the top of the module."""
    if isinstance(node, list):
        return [without_filters(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain: Any = {}
    matching: list[Any] = []
    others: list[Any] = []
    for key, value in node.items():
        if key == UNFILTERED:
            matching.insert(0, without_filters(value))
        elif key.startswith(FILTER) and isinstance(value, dict):
            for pattern, content in value.items():
                (matching if matches_target([(key[len(FILTER) :], pattern)]) else others).append(
                    without_filters(content)
                )
        else:
            plain[key] = without_filters(value)
    result: Any = plain
    for content in matching:
        result = _overlay(result, content)
    for content in others:
        result = _overlay(content, result)
    return result


def _overlay(lower: Any, upper: Any) -> Any:
    """Return ``upper`` merged into ``lower``: tables merge, appended items follow, otherwise ``upper`` wins."""
    if not isinstance(upper, dict):
        return upper
    if not isinstance(lower, dict):
        return [*lower, *upper[APPEND]] if _is_append(upper) and isinstance(lower, list) else upper or lower
    if _is_append(upper) and _is_append(lower):
        return {APPEND: [*lower[APPEND], *upper[APPEND]]}
    result = dict(lower)
    for key, value in upper.items():
        result[key] = _overlay(result[key], value) if key in result else value
    return result


def _is_append(node: dict[str, Any]) -> bool:
    return len(node) == 1 and isinstance(node.get(APPEND), list)


def resolve_appends(node: Any) -> Any:
    """Convert items appended to a missing array to an array."""
    if isinstance(node, list):
        return [resolve_appends(item) for item in node]
    if isinstance(node, dict):
        return (
            resolve_appends(node[APPEND])
            if _is_append(node)
            else {key: resolve_appends(item) for key, item in node.items()}
        )
    return node
