"""The descriptions of changes for the table, Markdown and the HTML page."""

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
    """Return a line that describes both data sets."""
    old, new = comparison.old, comparison.new
    from_, to = (
        f"Kit {side.kit_version}, {side.extensions:,} extensions ({', '.join(side.sources)})" for side in (old, new)
    )
    return f"{from_} -> {to}"


def summary(comparison: Comparison) -> str:
    """Return a line with the totals of all changes."""
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


def move_target(change: Change) -> str:
    """Return the target of a move: the new name, and the extension if it differs; empty without a move."""
    to = change.new_name
    if change.new_extension:
        to = f"{to} in {change.new_extension}" if to else change.new_extension
    return to


def reason(breakage: Breakage) -> str:
    """Return a description of a breakage in griffe's terms: the kind, the subject, and the old and new values."""
    text = f"{breakage.kind.value}: {breakage.name}" if breakage.name else breakage.kind.value
    if breakage.old or breakage.new:
        text += f" ({breakage.old or 'nothing'} -> {breakage.new or 'nothing'})"
    return text


def breaking_first(changes: list[Change]) -> list[Change]:
    """Return the breaking changes, then the others. Each group keeps its order."""
    return sorted(changes, key=lambda change: not change.breakages)
