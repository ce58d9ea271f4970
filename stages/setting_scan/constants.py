"""Resolution of constants with setting paths, across the files of one owner and across owners."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

from msgspec.structs import asdict, replace

from stages.artifacts.settings import ForeignUse, ResolvedUse, SettingUse, UnresolvedUse, UseKind
from stages.setting_scan.paths import canonical, has_unknown_root

_NAMED = frozenset({"constant", "prefix", "candidate"})
_REFERENCE = re.compile(r"<([^<>:]*):([^<>]*)>")
_MAX_REFERENCES = 8
# Roots that name an extension and contain only its settings. They are not settings themselves.
_EXTENSION_ROOT = re.compile(r"/(?:persistent/|defaults/)?exts(?:/[^/]+)?|/(?:persistent|app|rtx)")


class Resolved(NamedTuple):
    """The resolved uses of one owner.

    Attributes:
        uses: The uses of settings, in the order of files and lines.
        unresolved: Uses with an unknown path.
        elsewhere: Uses whose path may begin with another owner's constant.
        constants: The owner's constants, by module and name.
    """

    uses: list[ResolvedUse]
    unresolved: list[UnresolvedUse]
    elsewhere: list[ForeignUse]
    constants: dict[str, dict[str, str]]


def resolve(uses: list[SettingUse], modules: dict[str, str]) -> Resolved:
    """Replace references to constants of the owner's other files in the paths.

    Args:
        uses: The uses in all of an owner's files.
        modules: The names of its modules by file.
    """
    constants = _Constants(uses, modules)
    resolved: list[ResolvedUse] = []
    unresolved: list[UnresolvedUse] = []
    elsewhere: list[ForeignUse] = []
    # Uses come first: the kind of a constant depends on its uses as a whole path or as a prefix.
    for use in sorted((use for use in uses if "<" in use.path), key=lambda use: use.kind in _NAMED):
        path = constants.fill(use.path, use.file)
        if path is None or has_unknown_root(path):
            foreign = constants.fill(use.path, use.file, foreign=True)
            expression = use.path.strip("/")
            if use.kind not in _NAMED and foreign is not None and not has_unknown_root(foreign):
                elsewhere.append(ForeignUse(**asdict(replace(use, path=foreign)), expression=expression))
            elif use.kind not in _NAMED and use.certain:
                unresolved.append(UnresolvedUse(file=use.file, line=use.line, expression=expression))
        elif use.kind not in {"candidate", "prefix"} or constants.is_used(use):
            kind = "constant" if use.kind in _NAMED else use.kind
            resolved.append(_resolved(use, kind, path=path, dynamic="{" in path))
    for use in uses:
        if "<" in use.path:
            continue
        kind = use.kind
        if kind == "text":
            continue
        if kind in {"candidate", "prefix"}:
            if not constants.is_used(use):
                continue
            kind = "constant"
        elif kind == "constant" and use.name and constants.is_only_prefix(use):
            continue
        if kind == "constant" and _EXTENSION_ROOT.fullmatch(use.path):
            continue
        resolved.append(_resolved(use, kind, path=use.path, dynamic=use.dynamic))
    resolved.sort(key=lambda use: (use.file, use.line, use.path, use.kind))
    unresolved.sort(key=unresolved_order)
    elsewhere.sort(key=unresolved_order)
    return Resolved(resolved, unresolved, elsewhere, constants.exported())


def _resolved(use: SettingUse, kind: UseKind, *, path: str, dynamic: bool) -> ResolvedUse:
    return ResolvedUse(
        path=path, kind=kind, type=use.type, default=use.default, line=use.line, file=use.file, dynamic=dynamic
    )


def referenced_texts(uses: list[SettingUse]) -> list[SettingUse]:
    """Return the uses without those constants of kind ``text`` that no path refers to."""
    names = {match[2].rpartition(".")[2] for use in uses if "<" in use.path for match in _REFERENCE.finditer(use.path)}
    return [use for use in uses if use.kind != "text" or (use.name or "").rpartition(".")[2] in names]


def unresolved_order(item: UnresolvedUse | ForeignUse) -> tuple[str, int, str]:
    """Return the sort key of an unresolved use."""
    return item.file, item.line, item.expression


class _Constants:
    """The constants of an owner's files, by file and name."""

    def __init__(self, uses: Iterable[SettingUse], modules: dict[str, str]) -> None:
        self.modules = modules
        self.by_file: dict[str, dict[str, str]] = {}
        self.by_name: dict[str, dict[str, str]] = {}  # name -> file -> path
        self.whole: set[tuple[str, str | None]] = set()
        self.prefixed: set[tuple[str, str | None]] = set()
        for use in uses:
            if use.name:
                self.by_file.setdefault(use.file, {}).setdefault(use.name, use.path)
                self.by_name.setdefault(use.name, {}).setdefault(use.file, use.path)

    @cached_property
    def _by_tail(self) -> dict[str, list[str]]:
        """The files by each tail of their paths."""
        found: dict[str, list[str]] = {}
        for file in self.by_file:
            parts = file.split("/")
            for start in range(len(parts)):
                found.setdefault("/".join(parts[start:]), []).append(file)
        return found

    def is_used(self, use: SettingUse) -> bool:
        return (use.file, use.name) in self.whole

    def is_only_prefix(self, use: SettingUse) -> bool:
        key = (use.file, use.name)
        return key in self.prefixed and key not in self.whole

    def exported(self) -> dict[str, dict[str, str]]:
        """Return the constants that another owner may import: module -> name -> path."""
        result: dict[str, dict[str, str]] = {}
        for file in sorted(self.modules.keys() & self.by_file.keys()):
            for name, path in self.by_file[file].items():
                filled = self.fill(path, file) if "<" in path else path
                if filled is not None and not has_unknown_root(filled):
                    result.setdefault(self.modules[file], {})[name] = filled
        return result

    def fill(self, path: str, file: str, depth: int = 0, *, foreign: bool = False) -> str | None:
        """Return ``path`` with every ``<module:NAME>`` replaced; None if its beginning is unknown.

        With ``foreign``, references to constants of other owners stay unchanged.
        """
        result: list[str] = []
        position = 0
        for match in _REFERENCE.finditer(path):
            result.append(path[position : match.start()])
            position = match.end()
            place = self.find(match[1], match[2], file)
            whole = match.start() <= 1 and match.end() == len(path)
            text = None
            if place is not None and depth < _MAX_REFERENCES:
                (self.whole if whole else self.prefixed).add(place)
                text = self.by_file[place[0]][place[1]]
                if match.start() <= 1 and "/" not in text and not text.startswith("<"):
                    return None  # a word: no path begins with it
                text = self.fill(text, place[0], depth + 1, foreign=foreign) if "<" in text else text
            if text is None and foreign and place is None and match[1] != "cpp" and not match[1].startswith("."):
                text = match[0]
            if text is None:
                if match.start() <= 1:
                    return None
                text = "{" + match[2].rpartition(".")[2] + "}"
            result.append(text)
        result.append(path[position:])
        return canonical("".join(result))

    def find(self, module: str, name: str, file: str) -> tuple[str, str] | None:
        """Return the file and name of a constant, or None."""
        if module == "cpp":
            return self._anywhere(name, file)
        if not self._may_be_own(module):
            return None
        for one_module, one_name in _spellings(module, name):
            for candidate in self._files_of(one_module, file):
                if one_name in self.by_file.get(candidate, {}):
                    return candidate, one_name
        # A package may re-export the name (`from .constants import *`): certain only if one file defines it.
        return self._anywhere(name.rpartition(".")[2] if name not in self.by_name else name, file)

    def _may_be_own(self, module: str) -> bool:
        """Return True if an imported module may be a module of the owner, a package above one, or a name in one."""
        if module.startswith(".") or not self.modules:
            return True
        own = self.modules.values()
        return any(f"{name}.".startswith(f"{module}.") or module.startswith(f"{name}.") for name in own)

    def _anywhere(self, name: str, file: str) -> tuple[str, str] | None:
        places = self.by_name.get(name, {})
        if file in places:
            return file, name
        return (min(places), name) if len(set(places.values())) == 1 else None

    def _files_of(self, module: str, file: str) -> Iterator[str]:
        dots = len(module) - len(module.lstrip("."))
        parts = [part for part in module.lstrip(".").split(".") if part]
        if dots:
            folder = posixpath.dirname(file).split("/") if posixpath.dirname(file) else []
            base = folder[: len(folder) - (dots - 1)] if dots > 1 else folder
            stem = "/".join([*base, *parts])
            yield f"{stem}.py"
            yield f"{stem}/__init__.py" if stem else "__init__.py"
            return
        stem = "/".join(parts)
        # The path may lack the declared name of a source tree's `python/` folder: the longest matching tail is used.
        for start in range(len(parts)):
            tail = "/".join(parts[start:])
            yield from sorted({file for end in (".py", "/__init__.py") for file in self._by_tail.get(tail + end, ())})


def _spellings(module: str, name: str) -> Iterator[tuple[str, str]]:
    """Yield all splits of ``module:a.B`` into a module and a name."""
    parts = name.split(".")
    for count in range(len(parts)):
        inner = parts[:count]
        joined = module + ("" if module.endswith(".") or not inner else ".") + ".".join(inner)
        yield joined, ".".join(parts[count:])


class AllConstants:
    """The constants of all owners' Python modules, for uses by other owners."""

    def __init__(self) -> None:
        self._by_name: dict[str, dict[str, str]] = {}  # name -> module -> path

    def add(self, constants: dict[str, dict[str, str]]) -> None:
        """Add the constants of one owner: module -> name -> path."""
        for module, names in constants.items():
            for name, path in names.items():
                self._by_name.setdefault(name, {}).setdefault(module, path)

    def fill(self, path: str) -> str | None:
        """Return ``path`` with every ``<module:NAME>`` replaced; None if its beginning is unknown."""
        result: list[str] = []
        position = 0
        for match in _REFERENCE.finditer(path):
            result.append(path[position : match.start()])
            position = match.end()
            text = self._find(match[1], match[2])
            if text is None and match.start() <= 1:
                return None
            result.append(text if text is not None else "{" + match[2].rpartition(".")[2] + "}")
        return canonical("".join([*result, path[position:]]))

    def _find(self, module: str, name: str) -> str | None:
        for one_module, one_name in _spellings(module, name):
            places = self._by_name.get(one_name, {})
            if one_module in places:
                return places[one_module]
            # A package may re-export the name from a module below it: certain only if all definitions are equal.
            below = {path for place, path in places.items() if place.startswith(f"{one_module}.")}
            if len(below) == 1:
                return below.pop()
        return None
