"""The words for changes that a table, Markdown and the page share."""

from __future__ import annotations

from comparison.breakage import Breakage
from comparison.changes import GROUPS, Action, Change, Comparison, ExtensionChanges

SIGNS: dict[Action, str] = {"added": "+", "removed": "-", "changed": "~", "moved": ">"}
LEGEND = "+ added, - removed, ~ changed, > moved or renamed, ! breaks callers"


def counts(extension: ExtensionChanges, group: str) -> str:
    """Return the numbers of changes of a group of subjects: ``+3 -1 ~2``; empty if there are none."""
    found = {action: extension.count(group, action) for action in SIGNS}
    return " ".join(f"{SIGNS[action]}{number}" for action, number in found.items() if number)


def has_group(comparison: Comparison, group: str) -> bool:
    """Return True if anything of a group of subjects has changed."""
    return any(change.subject in GROUPS[group] for extension in comparison.extensions for change in extension.changes)


def version(extension: ExtensionChanges) -> str:
    """Return the change of the version: ``1.0 -> 1.1``, ``1.1 added``, ``1.0 removed``; empty for an app."""
    if extension.action != "changed":
        return f"{extension.new_version or extension.old_version} {extension.action}"
    if extension.old_version == extension.new_version:
        return extension.new_version
    return f"{extension.old_version} -> {extension.new_version}"


def heading(comparison: Comparison) -> str:
    """Return one line on both data sets."""
    old, new = comparison.old, comparison.new
    told = [f"Kit {side.kit_version}, {side.extensions:,} extensions" for side in (old, new)]
    from_, to = (f"{words} ({', '.join(side.sources)})" for words, side in zip(told, (old, new), strict=True))
    return f"{from_} -> {to}"


def summary(comparison: Comparison) -> str:
    """Return one line on all changes together."""
    totals = comparison.totals()
    parts = []
    for subject, found in totals.items():
        numbers = ", ".join(f"{number:,} {action}" for action, number in found.items() if number)
        if numbers:
            parts.append(f"{plural(subject)}: {numbers}")
    if not parts:
        return "Nothing has changed."
    return "; ".join(parts) + f". {comparison.breaking:,} changes break callers."


def plural(subject: str) -> str:
    """Return the plural of a subject."""
    return {"class": "classes"}.get(subject, f"{subject}s")


def where_to(change: Change) -> str:
    """Return the target of a move: the new name, and the extension if it differs; empty without a move."""
    to = change.new_name
    if change.new_extension:
        to = f"{to} in {change.new_extension}" if to else change.new_extension
    return to


def reason(breakage: Breakage) -> str:
    """Return a description of a breakage in griffe's terms: the kind, the subject, and the old and new values."""
    told = f"{breakage.kind.value}: {breakage.name}" if breakage.name else breakage.kind.value
    if breakage.old or breakage.new:
        told += f" ({breakage.old or 'nothing'} -> {breakage.new or 'nothing'})"
    return told


def by_weight(changes: list[Change]) -> list[Change]:
    """Return changes with those that break callers first; otherwise in the order that they have."""
    return sorted(changes, key=lambda change: not change.breakages)
