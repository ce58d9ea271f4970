"""Combination of several statements for one key, with ``++`` and filters.

The merged view of a file (`Document.values`) and the settings of several files follow the same rule, because the same
reader makes both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from stages.kit_toml.filters import FILTER, matches_target
from stages.kit_toml.reader import Reader

_KEY = "value"


class Statement(NamedTuple):
    """One statement about a key.

    Attributes:
        value: The value.
        filters: Pairs such as ``("platform", "windows-x86_64")``; empty for an unconditional value.
        append: True if the value is appended to the array of that key.
    """

    value: Any
    filters: tuple[tuple[str, str], ...] = ()
    append: bool = False


def combine(statements: Sequence[Statement]) -> tuple[Any, int]:
    """Return the combined value of the statements for one key, and the index of the decisive one.

    Args:
        statements: In the order of the files; at least one.

    Returns:
        The value, as in `Document.values`. The decisive statement is the last one that replaces the value and has no
        filter or the target's filters; if there is none, the last one that replaces the value.
    """
    reader = Reader("", lenient=True)
    for item in statements:
        filters = tuple(part for name, pattern in item.filters for part in (f"{FILTER}{name}", pattern))
        reader.filtered = reader.filtered or bool(filters)
        reader.assign((_KEY, *filters), item.value, 0, "", append=item.append)
    value = reader.document().values[_KEY]
    everyone = range(len(statements))
    plain = [index for index in everyone if not statements[index].filters]
    matching = [index for index in everyone if statements[index].filters and matches_target(statements[index].filters)]
    group = plain + matching or list(everyone)
    replacing = [index for index in group if not statements[index].append]
    return value, replacing[-1] if replacing else group[0]
