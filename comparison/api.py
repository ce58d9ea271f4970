"""The public API of one extension, old and new."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from comparison.breakage import REMOVED, Breakage, BreakageKind, of_classes, of_functions
from comparison.changes import Change, Subject
from comparison.data_set import DataSet
from comparison.records import Api, Class, Function, Member, Variable

Symbol = Class | Function | Variable
"""A public definition of a module: a class, a function or a variable."""


class Unmatched:
    """Symbols whose name exists in only one of the two data sets: removed, added or moved.

    Attributes:
        extension: The extension of the symbols.
        removed: Symbols of the old data set, by full name.
        added: Symbols of the new data set, by full name.
    """

    def __init__(self, extension: str, removed: dict[str, Symbol], added: dict[str, Symbol]) -> None:
        self.extension = extension
        self.removed = removed
        self.added = added


def compare(extension: str, old: DataSet, new: DataSet) -> tuple[list[Change], Unmatched]:
    """Return the changes in an extension's API, and the definitions that exist only on one side.

    Args:
        extension: An id. If a data set does not have the extension, its API there is empty.
        old: The old data set.
        new: The new one.

    Raises:
        StageError: A file is missing or malformed.
    """
    if is_same_file(old, old.api_file(extension), new, new.api_file(extension)):
        return [], Unmatched(extension, {}, {})
    before, after = symbols(old.api(extension)), symbols(new.api(extension))
    changes: list[Change] = []
    for name in before.keys() & after.keys():
        changes += compare_symbols(before[name], after[name], old, new)
    unmatched = Unmatched(
        extension,
        {name: symbol for name, symbol in before.items() if name not in after},
        {name: symbol for name, symbol in after.items() if name not in before},
    )
    if unmatched.removed:
        aliases = new.aliases(extension)
        for name, symbol in sorted(unmatched.removed.items()):
            other = after.get(resolve_alias(name, aliases))
            if other is not None:
                del unmatched.removed[name]
                if unmatched.added.pop(other.full_name, None):
                    changes += moved(symbol, other, old, new, still_there=True)
                else:
                    changes += compare_symbols(symbol, other, old, new)
    if unmatched.added:
        aliases = old.aliases(extension)
        for name, symbol in sorted(unmatched.added.items()):
            other = before.get(resolve_alias(name, aliases))
            if other is not None:
                del unmatched.added[name]
                if unmatched.removed.pop(other.full_name, None):
                    changes += moved(other, symbol, old, new)
    return changes, unmatched


def is_same_file(old: DataSet, old_name: str | None, new: DataSet, new_name: str | None) -> bool:
    """Return True if two files have the same digest in the manifests of their data sets."""
    digest = old.digest(old_name) if old_name else None
    return digest is not None and new_name is not None and digest == new.digest(new_name)


def resolve_alias(name: str, aliases: Mapping[str, str]) -> str:
    """Return the API name that an alias resolves to, also for nested classes; empty if there is none."""
    outer, inner = name, ""
    while outer:
        if outer in aliases:
            return aliases[outer] + inner
        outer, _, last = outer.rpartition(".")
        inner = f".{last}{inner}"
    return ""


def moved(
    before: Symbol, after: Symbol, old: DataSet, new: DataSet, *, still_there: bool = False, new_extension: str = ""
) -> Iterator[Change]:
    """Yield the move of a symbol, and its other changes.

    Args:
        before: The symbol in the old data set.
        after: The symbol in the new one.
        old: The old data set.
        new: The new one.
        still_there: True if the old name can still be imported.
        new_extension: The new extension, if the symbol moved to another.
    """
    changes = list(compare_symbols(before, after, old, new))
    # The move includes a change of the symbol's own signature. Members have changes of their own.
    own = [change for change in changes if change.name == before.full_name]
    breakages = [breakage for change in own for breakage in change.breakages]
    yield Change(
        subject=subject_of(before),
        action="moved",
        name=before.full_name,
        new_name="" if before.full_name == after.full_name else after.full_name,
        new_extension=new_extension,
        old=written(before),
        new=written(after),
        breakages=breakages if still_there or before.full_name == after.full_name else [REMOVED, *breakages],
    )
    yield from (change for change in changes if change.name != before.full_name)


def symbols(api: Api) -> dict[str, Symbol]:
    """Return the symbols of an extension's API by full name."""
    found: dict[str, Symbol] = {}
    every: list[Symbol] = [*api.classes.values(), *api.methods, *api.variables]
    for symbol in every:
        found.setdefault(symbol.full_name, symbol)
    return found


def subject_of(symbol: Symbol) -> Subject:
    """Return the name of a symbol's kind in a change."""
    if isinstance(symbol, Class):
        return "class"
    return "function" if isinstance(symbol, Function) else "variable"


def compare_symbols(before: Symbol, after: Symbol, old: DataSet, new: DataSet) -> Iterator[Change]:
    """Yield the changes in a symbol and its members, under their old names.

    Args:
        before: The symbol in the old data set.
        after: The symbol in the new one, under the same name or another.
        old: The old data set, for base classes.
        new: The new one.
    """
    if before == after:
        return
    name, subject = before.full_name, subject_of(before)
    if subject != subject_of(after):
        kinds = Breakage(BreakageKind.OBJECT_CHANGED_KIND, old=subject, new=subject_of(after))
        yield _changed(subject, name, written(before), written(after), [kinds])
    elif isinstance(before, Class) and isinstance(after, Class):
        bases = of_classes(before, after)
        if before.parent_classes != after.parent_classes:
            yield _changed("class", name, _bases(before), _bases(after), bases)
        yield from _compare_members(before, after, old, new)
    else:
        yield from _compare_one(subject, name, before, after)  # type: ignore[arg-type]


def _bases(class_: Class) -> str:
    return f"class {class_.name}({', '.join(class_.parent_classes)})"


def _compare_members(before: Class, after: Class, old: DataSet, new: DataSet) -> Iterator[Change]:
    own_before, own_after = before.members, after.members
    removed = {name: member for name, member in own_before.items() if name not in own_after}
    added = {name: member for name, member in own_after.items() if name not in own_before}
    # Members that move to or from a base class are neither removed nor added for callers.
    inherited_after = _inherited(after, removed, new)
    inherited_before = _inherited(before, added, old)
    pairs = [(name, member, own_after.get(name)) for name, member in own_before.items()]
    pairs = [(name, member, other or inherited_after.get(name)) for name, member, other in pairs]
    pairs += [(name, inherited_before[name], member) for name, member in added.items() if name in inherited_before]
    for name, member, other in pairs:
        # Only the name of an attribute from a private base class is known.
        is_known = name in own_before and name in own_after
        if other is not None and (is_known or (isinstance(member, Function) and isinstance(other, Function))):
            yield from _compare_one(_subject_of_member(member), f"{before.full_name}.{name}", member, other)
    removed = {name: member for name, member in removed.items() if name not in inherited_after}
    added = {name: member for name, member in added.items() if name not in inherited_before}
    renamed = _renamed(removed, added)
    for name, member in removed.items():
        subject, full_name = _subject_of_member(member), f"{before.full_name}.{name}"
        if name in renamed:
            other = added.pop(renamed[name])
            yield Change(
                subject=subject,
                action="moved",
                name=full_name,
                new_name=f"{after.full_name}.{other.name}",
                old=member.signature,
                new=other.signature,
                breakages=[REMOVED, *_breakages(member, other)],
            )
        else:
            yield Change(subject=subject, action="removed", name=full_name, old=member.signature, breakages=[REMOVED])
    for name, member in added.items():
        subject, full_name = _subject_of_member(member), f"{after.full_name}.{name}"
        yield Change(subject=subject, action="added", name=full_name, new=member.signature)


def _inherited(class_: Class, names: Mapping[str, Member], data_set: DataSet) -> dict[str, Member]:
    """Return the inherited members among some names, each from the nearest base class."""
    if not names or not class_.parent_classes:
        return {}
    found: dict[str, Member] = {}
    for members in data_set.ancestors(class_):
        found |= {name: members[name] for name in names if name in members and name not in found}
        if len(found) == len(names):
            break
    return found


def _renamed(removed: Mapping[str, Member], added: Mapping[str, Member]) -> dict[str, str]:
    """Return the renamed methods, old name -> new name: both have the same docstring or code."""
    renamed: dict[str, str] = {}
    before, after = _by_text(removed), _by_text(added)
    for text, names in before.items():
        if len(names) == 1 and len(after.get(text, ())) == 1 and names[0] not in renamed:
            renamed.setdefault(names[0], after[text][0])
    taken = list(renamed.values())
    return {name: other for name, other in renamed.items() if taken.count(other) == 1}


def _by_text(members: Mapping[str, Member]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for name, member in members.items():
        if isinstance(member, Function) and not name.startswith("_"):
            for text in identities(member):
                found.setdefault(text, []).append(name)
    return found


LEAST_TEXT = 25
"""Shortest docstring, in characters, that can identify a definition."""


def identities(symbol: Symbol) -> list[tuple[str, str]]:
    """Return texts that identify a class or function under another name, most reliable first.

    Each item is a kind (``code``, ``members``, ``docstring`` or ``signature``) and the text. A class has its members
    instead of its code.
    """
    found = []
    if isinstance(symbol, Function):
        if symbol.source_code:
            found.append(("code", symbol.source_code.partition("(")[2]))
    elif isinstance(symbol, Class):
        # Many classes have only `__init__`, so `__init__` alone does not identify a class.
        named = [member for name, member in sorted(symbol.members.items()) if name != "__init__"]
        if named:
            found.append(("members", "\n".join([symbol.docstring or "", *(member.signature for member in named)])))
    if not isinstance(symbol, Variable):
        docstring = " ".join((symbol.docstring or "").split())
        if len(docstring) >= LEAST_TEXT:
            found.append(("docstring", docstring))
    if isinstance(symbol, Function) and len(symbol.arguments) > 1:
        found.append(("signature", symbol.signature))
    return found


def _subject_of_member(member: Member) -> Subject:
    return "method" if isinstance(member, Function) and not member.is_property else "attribute"


def _compare_one(subject: Subject, name: str, before: Member, after: Member) -> Iterator[Change]:
    if before == after:
        return
    breakages = _breakages(before, after)
    if breakages or (before.signature and after.signature and _in_full(before) != _in_full(after)):
        yield _changed(subject, name, _in_full(before), _in_full(after), breakages)


def _breakages(before: Member, after: Member) -> list[Breakage]:
    kinds = ["attribute" if isinstance(one, Variable) or one.is_property else "function" for one in (before, after)]
    if kinds[0] != kinds[1]:
        return [Breakage(BreakageKind.OBJECT_CHANGED_KIND, old=kinds[0], new=kinds[1])]
    if kinds[0] == "function" and isinstance(before, Function) and isinstance(after, Function):
        return of_functions(before, after)
    return []


def _in_full(member: Member) -> str:
    """Return all signatures of a member."""
    overloads = member.overloads if isinstance(member, Function) else []
    return "\n".join([member.signature, *overloads])


def written(symbol: Symbol) -> str:
    """Return a symbol as one line of code."""
    return symbol.signature or f"class {symbol.name}"


def _changed(subject: Subject, name: str, old: str, new: str, breakages: list[Breakage]) -> Change:
    return Change(subject=subject, action="changed", name=name, old=old, new=new, breakages=breakages)
