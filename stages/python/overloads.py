"""Several definitions of one name: the effective definition, and the names of the others."""

from __future__ import annotations

from stages.python.model import Class, Definition


def resolve_overloads(members: list[Definition]) -> None:
    """Choose the effective definition of each name, and number the others.

    The effective definition is the getter of a property, or the implementation after overloads, or the last
    unconditional definition, or else the first definition. Each other definition gets ``#<n>`` after its name, where
    ``n`` counts the definitions of the name from 1.
    """
    by_name: dict[str, list[Definition]] = {}
    for member in members:
        by_name.setdefault(member.name, []).append(member)
    if len(by_name) == len(members):
        return
    for name, several in by_name.items():
        if len(several) == 1:
            continue
        chosen = _effective(several)
        chosen.overloads = [item for item in several if item is not chosen]
        for number, item in enumerate(several, 1):
            if item is not chosen:
                _rename(item, f"{name}#{number}")


def _effective(several: list[Definition]) -> Definition:
    if accessors := [item for item in several if _is_property(item)]:
        return accessors[-1]
    implementations = [item for item in several if not _is_overload(item) and not _is_accessor(item)] or several
    unconditional = [item for item in implementations if not item.conditional]
    return unconditional[-1] if unconditional else implementations[0]


def _is_property(item: Definition) -> bool:
    return any(text == "property" or text.endswith("_property") for text in item.decorators)


def _is_accessor(item: Definition) -> bool:
    return any(text in (f"{item.name}.setter", f"{item.name}.deleter") for text in item.decorators)


def _is_overload(item: Definition) -> bool:
    return any(text.rpartition(".")[2] == "overload" for text in item.decorators)


def _rename(item: Definition, name: str) -> None:
    before = item.qualname
    prefix = before.rpartition(".")[0]
    item.qualname = f"{prefix}.{name}" if prefix else name
    if isinstance(item, Class):
        for member in item.members:
            _move(member, before, item.qualname)


def _move(item: Definition, before: str, after: str) -> None:
    item.qualname = after + item.qualname[len(before) :]
    if isinstance(item, Class):
        for member in item.members:
            _move(member, before, after)
