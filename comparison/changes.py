"""The records of a comparison: one per change."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

from comparison.breakage import Breakage

Subject = Literal["extension", "class", "function", "method", "variable", "attribute", "setting", "node", "example"]
Action = Literal["added", "removed", "moved", "changed"]

ACTIONS: tuple[Action, ...] = ("removed", "moved", "changed", "added")
API: tuple[Subject, ...] = ("class", "function", "method", "variable", "attribute")
GROUPS: dict[str, tuple[Subject, ...]] = {
    "api": API,
    "settings": ("setting",),
    "nodes": ("node",),
    "examples": ("example",),
}
"""The groups of subjects in counts."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change.

    Attributes:
        subject: The kind of thing that changed.
        action: The kind of change.
        name: Its full name, from the old data set if it exists there.
        new_name: Its full name in the new data set, if it was moved or renamed.
        new_extension: The new extension, if it moved to another.
        old: The old value, such as a signature or a setting's type and default; empty if it was added.
        new: The new value; empty if it was removed.
        breakages: The breakages of callers; empty if there are none.
    """

    subject: Subject
    action: Action
    name: str
    new_name: str = ""
    new_extension: str = ""
    old: str = ""
    new: str = ""
    breakages: list[Breakage] = []


class ExtensionChanges(msgspec.Struct, frozen=True, kw_only=True):
    """The changes in one extension, or in the settings of one app.

    Attributes:
        id: The id.
        action: ``added``, ``removed`` or ``changed``.
        old_version: The version in the old data set; empty if it is not an extension of it.
        new_version: The version in the new data set; empty if it is not an extension of it.
        changes: The changes, by subject and name.
    """

    id: str
    action: Action
    old_version: str = ""
    new_version: str = ""
    changes: list[Change] = []

    def count(self, group: str, action: Action) -> int:
        """Return the number of changes of one group of subjects (see `GROUPS`)."""
        return sum(change.action == action and change.subject in GROUPS[group] for change in self.changes)

    @property
    def breaking(self) -> int:
        """Number of changes that break callers. A removed extension counts as one."""
        return sum(bool(change.breakages) for change in self.changes)


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two data sets.

    Attributes:
        kit_version: The full Kit version.
        extensions: Number of extensions.
        sources: Names and revisions of its sources.
    """

    kit_version: str
    extensions: int
    sources: list[str]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All differences.

    Attributes:
        old: The old data set.
        new: The new one.
        extensions: The changed extensions, by id.
    """

    old: Side
    new: Side
    extensions: list[ExtensionChanges]

    @property
    def breaking(self) -> int:
        """Number of changes that break callers."""
        return sum(extension.breaking for extension in self.extensions)

    def largest_first(self) -> list[ExtensionChanges]:
        """Return the extensions by the number of their changes, most first."""
        return sorted(self.extensions, key=lambda extension: (-len(extension.changes), extension.id))

    def narrowed(self, *, extensions: list[str] | tuple[str, ...] = (), only_breaking: bool = False) -> Comparison:
        """Return the changes of some extensions, or only the breaking changes.

        Args:
            extensions: Ids or patterns; all if empty.
            only_breaking: True to omit changes that do not break callers.
        """
        kept = []
        for extension in self.extensions:
            if extensions and not any(fnmatchcase(extension.id, pattern) for pattern in extensions):
                continue
            if only_breaking:
                breaking = [change for change in extension.changes if change.breakages]
                if not breaking:
                    continue
                extension = msgspec.structs.replace(extension, changes=breaking)
            kept.append(extension)
        return msgspec.structs.replace(self, extensions=kept)

    def totals(self) -> dict[str, dict[str, int]]:
        """Return the numbers of added, removed, moved and changed extensions and items of each subject."""
        found: dict[str, Counter[str]] = {"extension": Counter()}
        for extension in self.extensions:
            if extension.old_version or extension.new_version:  # an app with settings is not an extension
                found["extension"][extension.action] += 1
            for change in extension.changes:
                if change.subject != "extension":
                    found.setdefault(change.subject, Counter())[change.action] += 1
        return {subject: {action: counts[action] for action in ACTIONS} for subject, counts in sorted(found.items())}

    def breakages(self) -> dict[str, int]:
        """Return how often each kind of breakage occurs, most often first."""
        counts = Counter(
            breakage.kind.value
            for extension in self.extensions
            for change in extension.changes
            for breakage in change.breakages
        )
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON-able values, with its totals."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found | {
            "breaking": self.breaking,
            "breakages": self.breakages(),
            "totals": self.totals(),
            "schema_version": 1,
        }
