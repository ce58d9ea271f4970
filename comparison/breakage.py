"""Detection of changes that break callers, in griffe's terms.

The kinds and the rules for functions are those of ``griffe.BreakageKind`` and ``griffe.find_breaking_changes``. griffe
itself compares object trees that it loads from source code. A data set has records of signatures instead, and building
trees for 1,500 extensions would take too long. The tests compare this module with griffe on random signatures.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

import msgspec

from comparison.records import Argument, Class, Function


class BreakageKind(StrEnum):
    """The kinds of griffe, with its values."""

    PARAMETER_MOVED = "Positional parameter was moved"
    PARAMETER_REMOVED = "Parameter was removed"
    PARAMETER_CHANGED_KIND = "Parameter kind was changed"
    PARAMETER_CHANGED_DEFAULT = "Parameter default was changed"
    PARAMETER_CHANGED_REQUIRED = "Parameter is now required"
    PARAMETER_ADDED_REQUIRED = "Parameter was added as required"
    RETURN_CHANGED_TYPE = "Return types are incompatible"
    OBJECT_REMOVED = "Public object was removed"
    OBJECT_CHANGED_KIND = "Public object points to a different kind of object"
    ATTRIBUTE_CHANGED_TYPE = "Attribute types are incompatible"
    CLASS_REMOVED_BASE = "Base class was removed"


class Breakage(msgspec.Struct, frozen=True, order=True):
    """A breakage: one way in which a change breaks callers.

    Attributes:
        kind: The kind of breakage.
        name: The affected parameter, port or base class; empty for the object itself.
        old: The old value; empty if the name is enough.
        new: The new value.
    """

    kind: BreakageKind
    name: str = ""
    old: str = ""
    new: str = ""


REMOVED = Breakage(BreakageKind.OBJECT_REMOVED)

_POSITIONAL = {"positional_only", "positional_or_keyword"}
_VARIADIC = {"variadic", "variadic_keyword"}


def of_functions(old: Function, new: Function) -> list[Breakage]:
    """Return the breakages of a function's callers by its new signature."""
    return [*_of_parameters(old.arguments, new.arguments), *_of_returns(old, new)]


def of_classes(old: Class, new: Class) -> list[Breakage]:
    """Return the breakages of a class itself, without its members."""
    if len(new.parent_classes) >= len(old.parent_classes):
        return []
    gone = [name for name in old.parent_classes if name not in new.parent_classes] or old.parent_classes
    return [Breakage(BreakageKind.CLASS_REMOVED_BASE, ", ".join(gone))]


def _of_returns(old: Function, new: Function) -> Iterator[Breakage]:
    # Like griffe, this ignores two annotations that differ: most of them are two spellings of one type. Unlike griffe,
    # this does not report the removal of the annotation None.
    if old.return_type not in {None, "None"} and new.return_type is None:
        yield Breakage(BreakageKind.RETURN_CHANGED_TYPE, old=str(old.return_type))


def _of_parameters(old: list[Argument], new: list[Argument]) -> Iterator[Breakage]:
    places = {_bare(argument): place for place, argument in reversed(list(enumerate(new)))}
    kinds = {argument.kind for argument in new}
    for place, before in enumerate(old):
        if _bare(before) not in places:
            if not _still_accepted(before, kinds):
                yield Breakage(BreakageKind.PARAMETER_REMOVED, before.name)
            continue
        new_place = places[_bare(before)]
        after = new[new_place]
        if _is_required(after) and not _is_required(before):
            yield Breakage(BreakageKind.PARAMETER_CHANGED_REQUIRED, before.name, before.default_value or "")
        if {before.kind, after.kind} <= _POSITIONAL and place != new_place:
            yield Breakage(BreakageKind.PARAMETER_MOVED, before.name, str(place), str(new_place))
        if before.kind != after.kind and _kind_breaks(before.kind, after.kind, kinds):
            yield Breakage(BreakageKind.PARAMETER_CHANGED_KIND, before.name, before.kind, after.kind)
        if (
            not {before.kind, after.kind} & _VARIADIC
            and not _is_required(before)
            and not _is_required(after)
            and before.default_value != after.default_value
        ):
            yield Breakage(
                BreakageKind.PARAMETER_CHANGED_DEFAULT,
                before.name,
                before.default_value or "",
                after.default_value or "",
            )
    known = {_bare(argument) for argument in old}
    for added in new:
        if _bare(added) not in known and _is_required(added):
            yield Breakage(BreakageKind.PARAMETER_ADDED_REQUIRED, added.name)


def _bare(argument: Argument) -> str:
    return argument.name.lstrip("*")


def _is_required(argument: Argument) -> bool:
    return argument.default_value is None and argument.kind not in _VARIADIC


def _still_accepted(argument: Argument, kinds: set[str]) -> bool:
    """Return True if ``*args`` and ``**kwargs`` of the new signature accept a removed parameter."""
    match argument.kind:
        case "keyword_only":
            return "variadic_keyword" in kinds
        case "positional_only":
            return "variadic" in kinds
        case "positional_or_keyword":
            return kinds >= _VARIADIC
    return False


def _kind_breaks(old: str, new: str, kinds: set[str]) -> bool:
    if old == "positional_or_keyword" and new in {"positional_only", "keyword_only"}:
        return True
    if {old, new} == {"positional_only", "keyword_only"}:
        return True
    if new == "variadic_keyword":
        return old != "keyword_only" and "variadic" not in kinds
    return new == "variadic" and old != "positional_only" and "variadic_keyword" not in kinds
