"""Compares two data sets, one extension at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import msgspec

from comparison import api, moves
from comparison.breakage import REMOVED, Breakage, BreakageKind
from comparison.changes import Action, Change, Comparison, ExtensionChanges, Side
from comparison.data_set import DataSet
from comparison.records import Node, Port, Setting

_EXAMPLE = "example"
_UNKNOWN = "unknown"


def compare(old: DataSet, new: DataSet) -> Comparison:
    """Return all differences between two data sets.

    Memory holds the files of one extension at a time, and the changes. The time is linear in the number of symbols.
    An extension with equal digests in both manifests is not read.

    Args:
        old: The old data set.
        new: The new one.

    Raises:
        StageError: A file of a data set is missing or malformed.
    """
    found = _Changes(old, new)
    for extension in sorted(old.extensions.keys() | new.extensions.keys()):
        found.compare_api(extension)
        found.compare_examples(extension)
    found.pair_moves()
    found.compare_settings()
    found.compare_nodes()
    return found.comparison()


class _Changes:
    """The changes so far, by extension."""

    def __init__(self, old: DataSet, new: DataSet) -> None:
        self._old, self._new = old, new
        self._changes: defaultdict[str, list[Change]] = defaultdict(list)
        self._removed: dict[tuple[str, str], api.Symbol] = {}
        self._added: dict[tuple[str, str], api.Symbol] = {}
        self._removed_examples: list[moves.Candidate] = []
        self._added_examples: list[moves.Candidate] = []

    def compare_api(self, extension: str) -> None:
        changes, unmatched = api.compare(extension, self._old, self._new)
        self._changes[extension] += changes
        self._removed |= {(extension, name): symbol for name, symbol in unmatched.removed.items()}
        self._added |= {(extension, name): symbol for name, symbol in unmatched.added.items()}

    def compare_examples(self, extension: str) -> None:
        old_file, new_file = self._old.example_file(extension), self._new.example_file(extension)
        if api.is_same_file(self._old, old_file, self._new, new_file):
            return
        before = {example.full_name: example.source_code for example in self._old.examples(extension)}
        after = {example.full_name: example.source_code for example in self._new.examples(extension)}
        for names, codes, pool in (
            (before.keys() - after.keys(), before, self._removed_examples),
            (after.keys() - before.keys(), after, self._added_examples),
        ):
            pool += [
                moves.Candidate(_EXAMPLE, extension, name, (("code", moves.digest(codes[name].partition("(")[2])),))
                for name in sorted(names)
            ]

    def pair_moves(self) -> None:
        """Replace pairs of a removal and an addition with moves."""
        for one, other in moves.pairs(_candidates(self._removed), _candidates(self._added)):
            before = self._removed.pop((one.extension, one.name))
            after = self._added.pop((other.extension, other.name))
            elsewhere = "" if one.extension == other.extension else other.extension
            self._changes[one.extension] += api.moved(before, after, self._old, self._new, new_extension=elsewhere)
        for (extension, name), symbol in self._removed.items():
            self._add(
                extension,
                symbol,
                Change(subject=api.subject_of(symbol), action="removed", name=name, breakages=[REMOVED]),
            )
        for (extension, name), symbol in self._added.items():
            self._add(extension, symbol, Change(subject=api.subject_of(symbol), action="added", name=name))
        self._removed, self._added = {}, {}
        self._pair_examples()

    def _add(self, extension: str, symbol: api.Symbol, change: Change) -> None:
        written = api.written(symbol)
        value = {"old": written} if change.action == "removed" else {"new": written}
        self._changes[extension].append(msgspec.structs.replace(change, **value))

    def _pair_examples(self) -> None:
        lost = {(one.extension, one.name): one for one in self._removed_examples}
        gained = {(one.extension, one.name): one for one in self._added_examples}
        for one, other in moves.pairs(self._removed_examples, self._added_examples):
            del lost[(one.extension, one.name)], gained[(other.extension, other.name)]
            self._changes[one.extension].append(
                Change(
                    subject="example",
                    action="moved",
                    name=one.name,
                    new_name="" if one.name == other.name else other.name,
                    new_extension="" if one.extension == other.extension else other.extension,
                )
            )
        for pool, action in ((lost, "removed"), (gained, "added")):
            for extension, name in pool:
                self._changes[extension].append(Change(subject="example", action=action, name=name))  # type: ignore[arg-type]

    def compare_settings(self) -> None:
        before, after = self._old.settings(), self._new.settings()
        for name in before.keys() | after.keys():
            change = _setting_change(name, before.get(name), after.get(name))
            if change is not None:
                owners = (after.get(name) or before[name]).extensions
                self._changes[owners[0] if owners else ""].append(change)

    def compare_nodes(self) -> None:
        before, after = self._old.nodes(), self._new.nodes()
        for name in before.keys() | after.keys():
            change = _node_change(name, before.get(name), after.get(name))
            if change is not None:
                self._changes[(before.get(name) or after[name]).extension].append(change)

    def comparison(self) -> Comparison:
        """Return all changes, sorted."""
        extensions = []
        for identifier in sorted(self._changes.keys() | self._old.extensions.keys() | self._new.extensions.keys()):
            before, after = self._old.extensions.get(identifier), self._new.extensions.get(identifier)
            changes = sorted(self._changes.get(identifier, ()), key=lambda one: (one.subject, one.name, one.action))
            action: Action = "changed"
            if before is None and after is not None:
                action = "added"
            elif before is not None and after is None:
                action = "removed"
                gone = Change(
                    subject="extension", action="removed", name=identifier, old=before.version, breakages=[REMOVED]
                )
                changes = [gone, *changes]
            elif not changes and (before is None or after is None or before.version == after.version):
                continue
            extensions.append(
                ExtensionChanges(
                    id=identifier,
                    action=action,
                    old_version=before.version if before else "",
                    new_version=after.version if after else "",
                    changes=changes,
                )
            )
        return Comparison(old=_side(self._old), new=_side(self._new), extensions=extensions)


def _side(data_set: DataSet) -> Side:
    sources = data_set.manifest.sources if data_set.manifest else []
    names = [f"{source.name} {source.revision[:12]}" if source.revision else source.name for source in sources]
    return Side(kit_version=data_set.kit_version, extensions=len(data_set.extensions), sources=names)


def _candidates(symbols: Mapping[tuple[str, str], api.Symbol]) -> list[moves.Candidate]:
    return [
        moves.Candidate(
            api.subject_of(symbol),
            extension,
            name,
            tuple((word, moves.digest(text)) for word, text in api.identities(symbol)),
        )
        for (extension, name), symbol in sorted(symbols.items(), key=lambda item: item[0])
    ]


def _setting_change(name: str, before: Setting | None, after: Setting | None) -> Change | None:
    if before is None or after is None:
        return Change(
            subject="setting",
            action="removed" if before else "added",
            name=name,
            old=_setting(before) if before else "",
            new=_setting(after) if after else "",
            breakages=[REMOVED] if before else [],
        )
    if before.type == after.type and bytes(before.default_value) == bytes(after.default_value):
        return None
    # A value that is unknown on one side has not changed.
    known = _UNKNOWN not in {before.type, after.type}
    types = Breakage(BreakageKind.ATTRIBUTE_CHANGED_TYPE, old=before.type, new=after.type)
    return Change(
        subject="setting",
        action="changed",
        name=name,
        old=_setting(before),
        new=_setting(after),
        breakages=[types] if known and before.type != after.type else [],
    )


def _setting(setting: Setting) -> str:
    return f"{setting.type} = {bytes(setting.default_value).decode()}"


def _node_change(name: str, before: Node | None, after: Node | None) -> Change | None:
    if before is None or after is None:
        return Change(
            subject="node",
            action="removed" if before else "added",
            name=name,
            old=f"version {before.node_version}" if before else "",
            new=f"version {after.node_version}" if after else "",
            breakages=[REMOVED] if before else [],
        )
    old_ports, new_ports = _ports(before), _ports(after)
    breakages: list[Breakage] = []
    old_lines, new_lines = [], []
    for port in sorted(old_ports.keys() | new_ports.keys()):
        one, other = old_ports.get(port), new_ports.get(port)
        if one is not None and other is not None and _port(one) == _port(other):
            continue
        old_lines += [f"{port}: {_port(one)}"] if one else []
        new_lines += [f"{port}: {_port(other)}"] if other else []
        breakages += _port_breakages(port, one, other)
    if before.node_version != after.node_version:
        old_lines.insert(0, f"version {before.node_version}")
        new_lines.insert(0, f"version {after.node_version}")
    if not old_lines and not new_lines:
        return None
    return Change(
        subject="node",
        action="changed",
        name=name,
        old="\n".join(old_lines),
        new="\n".join(new_lines),
        breakages=breakages,
    )


def _ports(node: Node) -> dict[str, Port]:
    kinds = {"inputs": node.inputs, "outputs": node.outputs, "state": node.state}
    return {f"{kind}:{name}": port for kind, ports in kinds.items() for name, port in ports.items()}


def _port(port: Port) -> str:
    default = bytes(port.default).decode()
    return port.type + (f" = {default}" if default != "null" else "") + (" (optional)" if port.optional else "")


def _port_breakages(name: str, one: Port | None, other: Port | None) -> list[Breakage]:
    """Return the breakages of graphs that use a port. A node counts as a function, its inputs as parameters."""
    is_input = name.startswith("inputs:")
    if one is None or other is None:
        if one is not None:
            kind = BreakageKind.PARAMETER_REMOVED if is_input else BreakageKind.OBJECT_REMOVED
            return [Breakage(kind, name, one.type)]
        required = other is not None and is_input and not other.optional and bytes(other.default) == b"null"
        return [Breakage(BreakageKind.PARAMETER_ADDED_REQUIRED, name)] if required else []
    found = []
    if one.type != other.type:
        found.append(Breakage(BreakageKind.ATTRIBUTE_CHANGED_TYPE, name, one.type, other.type))
    before, after = bytes(one.default).decode(), bytes(other.default).decode()
    if is_input and after not in {before, "null"}:
        found.append(Breakage(BreakageKind.PARAMETER_CHANGED_DEFAULT, name, before, after))
    elif is_input and not other.optional and after == "null" and (one.optional or before != "null"):
        found.append(Breakage(BreakageKind.PARAMETER_CHANGED_REQUIRED, name))
    return found
