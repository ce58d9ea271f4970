"""A comparison as a table, for a terminal or a log."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from rich.box import ASCII, SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from comparison import wording
from comparison.changes import GROUPS, Change, Comparison

_TITLES = {"api": "API", "settings": "settings", "nodes": "nodes", "examples": "examples"}
_STYLES = {"added": "green", "removed": "red", "changed": "yellow", "moved": "cyan"}
# Width of the table if the output is not a terminal: wide enough for any table.
_WIDE = 400


def show(comparison: Comparison, *, in_detail: bool) -> None:
    """Print a comparison on standard output: a line for each extension, the largest first.

    Args:
        comparison: The changes.
        in_detail: True to list every change below the table.
    """
    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _WIDE
    console.print(_plain(wording.heading(comparison)))
    if comparison.extensions:
        console.print(_table(comparison, ascii_only=not _is_unicode(console)))
    if in_detail:
        for extension in comparison.largest_first():
            if extension.changes:
                console.print(Text(f"{_plain(extension.id)} {_plain(wording.version(extension))}", style="bold"))
                for change in wording.breaking_first(extension.changes):
                    for line in _lines(change):
                        console.print(line)
                console.print()
    console.print(_plain(wording.summary(comparison)))
    if comparison.extensions:
        console.print(Text(wording.LEGEND, style="dim"))


def _is_unicode(console: Console) -> bool:
    return console.encoding.lower().startswith("utf")


def _table(comparison: Comparison, *, ascii_only: bool) -> Table:
    groups = [group for group in GROUPS if wording.has_group(comparison, group)]
    table = Table(box=ASCII if ascii_only else SIMPLE_HEAD, pad_edge=False)
    table.add_column("extension", overflow="fold")
    table.add_column("version", overflow="fold")
    for group in groups:
        table.add_column(_TITLES[group])
    table.add_column("breaking", justify="right", style="red")
    for extension in comparison.largest_first():
        cells = [_plain(extension.id), _plain(wording.version(extension))]
        cells += [wording.counts(extension, group) for group in groups]
        table.add_row(*map(Text, cells), Text(str(extension.breaking or "")))
    return table


def _lines(change: Change) -> Iterator[Text]:
    mark = "!" if change.breakages else " "
    line = f"{mark} {wording.SIGNS[change.action]} {change.subject} {_plain(change.name)}"
    if to := wording.move_target(change):
        line += f" > {_plain(to)}"
    yield Text(line, style=_STYLES[change.action])
    if change.action == "changed" or (change.action == "moved" and change.old != change.new):
        yield from (Text(f"      - {_plain(old)}") for old in change.old.split("\n"))
        yield from (Text(f"      + {_plain(new)}") for new in change.new.split("\n"))
    for breakage in change.breakages:
        yield Text(f"      {_plain(wording.reason(breakage))}", style="dim")


def _plain(text: str) -> str:
    """Return a text without terminal control characters."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
