"""Stage 5: every setting of the chosen extensions and apps, with its default, its documentation and where it is used.

`scan` reads one extension or app: the ``[settings]`` tables of its TOML files, its C++ files, and what the extraction
of its Python files noted. `merge` joins all of them into the files of the data set.

How several definitions become one entry:

- *Default.* The first of these that gives one: the TOML of the extension that the path names (``/exts/omni.ui/…``,
  ``/persistent/exts/omni.ui/…`` belong to ``omni.ui``); a ``set_default`` call in its code; the TOML of another
  extension; a ``set_default`` call there; an app's ``.kit`` file (also one inside an extension), whose values are that
  app's choice rather than a default. Among equals the first by id, file and line. What any other place gives that
  differs stands in ``other_values``.
- *Filters.* Within one owner a value without a filter counts first, values filtered for a release build on Linux lie
  over it, and only where neither exists a value for another platform or build is taken. Tokens (``${kit}``) stay as
  they are. A value that is appended (``++``) is added to the list before it.
- *Type.* That of the default; else what typed calls say (the most frequent, then alphabetically); else ``unknown``.
- *Documentation.* The comment above the key, or else the one behind the value, from the first of the same order.
- *Constants.* A path may stand in a constant, of the same file, another one of the owner or another owner's module.
- *Uses.* Reads, writes, subscriptions and ``--/path=value`` arguments; definitions and constants are no uses. A path
  that is known only at run time stands as one entry with ``{name}`` for the unknown part and ``dynamic`` set.
"""

from __future__ import annotations

import logging
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from stages.failures import StageError, StageWarning, contained
from stages.setting_scan.cpp import cpp_uses
from stages.setting_scan.paths import canonical, value_type
from stages.setting_scan.toml import toml_settings
from stages.storage.jsonfile import read_json, to_json, write_json

_log = logging.getLogger(__name__)

SUMMARY = "settings/setting_summary.json"
SIMPLE = "settings/setting_summary_simple.json"
STATISTICS = "settings/setting_statistics.json"
REPORT = "settings/settings_report.json"
MERGE_TARGETS = (SUMMARY, SIMPLE, STATISTICS, REPORT)

SOURCES = "sources.json"
_FOUND = "settings/found"
# Generated C++ can be huge; a syntax tree takes tens of times its size.
MAX_CPP_BYTES = 4 * 1024 * 1024
_USAGES = frozenset({"read", "write", "subscribe", "argument"})
_NAMED = frozenset({"constant", "prefix", "candidate"})
_REFERENCE = re.compile(r"<([^<>:]*):([^<>]*)>")
_MAX_REFERENCES = 8
# Roots that name an extension and hold nothing but its settings: no settings themselves.
_EXTENSION_ROOT = re.compile(r"/(?:persistent/|defaults/)?exts(?:/[^/]+)?|/(?:persistent|app|rtx)")
_EXTENSION_OF = re.compile(r"/(?:persistent/|defaults/)?exts/([^/]+)/")


def name_of(owner: dict[str, Any]) -> str:
    """Return a name that no other owner has: an extension's id, or ``@`` and the path of an app's ``.kit`` file.

    No id begins with ``@``, so that an extension ``my.kit`` and an app of that name are told apart.
    """
    if not _is_app(owner):
        return str(owner["id"])
    return "@" + str(owner["file"]).replace("\\", "/").replace("%", "%25").replace("/", "%2F")


def targets(owner: dict[str, Any]) -> list[str]:
    """Return the files that `scan` writes for an owner, relative to the work directory."""
    return [f"{_FOUND}/{name_of(owner)}.json"]


def dependencies(owner: dict[str, Any]) -> list[str]:
    """Return the files that `scan` reads of an owner, relative to its folder (an app's: the folder of its file).

    What the Python files use comes from the extraction of the extension, not from here.
    """
    if _is_app(owner):
        return [Path(owner["path"]).name]
    return sorted(set(_toml_files(owner)) | set(owner["files"].get("cpp", [])))


def intermediate_dependencies(owner: dict[str, Any]) -> list[str]:
    """Return the files of earlier stages that `scan` reads, relative to the work directory."""
    return [_uses_file(owner)] if not _is_app(owner) and _has_python(owner) else []


def merge_dependencies(extensions: list[dict[str, Any]], apps: list[dict[str, Any]]) -> list[str]:
    """Return the files that `merge` reads beside ``extensions.json``, relative to the work directory."""
    return [SOURCES, *(target for owner in [*extensions, *apps] for target in targets(owner))]


def scan(owner: dict[str, Any], *, work_dir: Path) -> None:
    """Find the settings of one extension or app.

    Args:
        owner: An entry of ``extensions`` or ``apps`` in ``extensions.json``.
        work_dir: The work directory.

    Raises:
        StageError: The extraction's note of the settings in the extension's Python files is missing or unreadable.
    """
    work_dir = Path(work_dir)
    report: dict[str, Any] = {"toml": 0, "cpp": 0, "cpp_without_settings": 0, "skipped": []}
    definitions: list[dict[str, Any]] = []
    uses: list[dict[str, Any]] = []
    warnings: list[StageWarning] = []
    identifier = owner["id"]
    if _is_app(owner):
        folder, toml_files, cpp_files = (work_dir / owner["path"]).parent, dependencies(owner), []
    else:
        folder, toml_files, cpp_files = (
            work_dir / owner["folder"],
            _toml_files(owner),
            sorted(owner["files"].get("cpp", [])),
        )
    for file in toml_files:
        data = _read(folder / file, file, identifier, report, warnings)
        if data is not None:
            # What is broken in an owner's own manifest is reported where it is first read, in the preparation.
            own = _is_app(owner) or file == owner["manifest"]
            kit = file.endswith(".kit") and (_is_app(owner) or not own)
            with contained(warnings, identifier, file):
                found = toml_settings(data, file=file, owner=identifier, preset=kit, broken_known=own)
                definitions += [{**item, "choice": kit} for item in found.definitions]
                uses += found.uses
                warnings += found.warnings
                report["toml"] += 1
    for file in cpp_files:
        data = _read(folder / file, file, identifier, report, warnings, limit=MAX_CPP_BYTES)
        if data is not None:
            with contained(warnings, identifier, file):
                in_file = cpp_uses(data, file=file)
                uses += in_file
                report["cpp" if in_file else "cpp_without_settings"] += 1
    in_python, modules = _python_uses(owner, work_dir)
    resolved, unresolved, elsewhere, exported = _resolve([*uses, *in_python], modules)
    found_file = {
        "owner": identifier,
        "definitions": definitions,
        "uses": resolved,
        "unresolved": unresolved,
        "elsewhere": elsewhere,
        "constants": exported,
        "files": report,
        "warnings": warnings,
    }
    write_json(work_dir / targets(owner)[0], found_file)


def _is_app(owner: dict[str, Any]) -> bool:
    return "folder" not in owner


def _has_python(owner: dict[str, Any]) -> bool:
    return bool(owner["files"].get("python") or owner["files"].get("stubs"))


def _uses_file(owner: dict[str, Any]) -> str:
    return f"extension_data/setting_uses/{owner['id']}.json"


def _toml_files(owner: dict[str, Any]) -> list[str]:
    """Return the TOML files of an extension that hold Kit's settings, its manifest first."""
    manifest = owner["manifest"]
    return [manifest, *sorted(set(owner["files"].get("toml", [])) - {manifest})]


def _read(
    path: Path, file: str, owner: str, report: dict[str, Any], warnings: list[StageWarning], *, limit: int | None = None
) -> bytes | None:
    try:
        if limit is not None and path.stat().st_size > limit:
            why = f"larger than {limit} bytes; settings in it are not read"
            kind = "too-large"
        else:
            return path.read_bytes()
    except OSError as error:
        why, kind = f"cannot be read ({error.strerror or error})", "unreadable"
    report["skipped"].append({"file": file, "why": why})
    warnings.append(StageWarning(kind=kind, extension=owner, file=file, line=0, message=f"{file}: {why}."))
    return None


def _python_uses(owner: dict[str, Any], work_dir: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the uses in an owner's Python files, and the names of the modules they are in, by file."""
    if _is_app(owner):
        return [], {}
    path = work_dir / _uses_file(owner)
    if not path.is_file():
        if _has_python(owner):
            raise StageError(
                f"{path}: missing, though {owner['id']} has Python files. Run the stage extension_data first."
            )
        return [], {}
    found = read_json(path)
    found = {"uses": found} if isinstance(found, list) else found
    uses = found.get("uses")
    if not isinstance(uses, list):
        raise StageError(f"{path}: does not hold a list of uses. Delete it and run again.")
    return uses, found.get("modules") or {}


# ---- constants of other files ---------------------------------------------------------------------------------------


class _Resolved(NamedTuple):
    """What the uses of one owner come to.

    Attributes:
        uses: The uses that are settings, in the order of files and lines.
        unresolved: The ones whose path is not known.
        elsewhere: The ones whose path begins with what may be another owner's constant.
        constants: The owner's own, by module and name.
    """

    uses: list[dict[str, Any]]
    unresolved: list[dict[str, Any]]
    elsewhere: list[dict[str, Any]]
    constants: dict[str, dict[str, str]]


def _resolve(uses: list[dict[str, Any]], modules: dict[str, str]) -> _Resolved:
    """Put the constants of an owner's other files in the paths that refer to them.

    Args:
        uses: The uses in all of an owner's files.
        modules: The names of its modules by file.
    """
    constants = _Constants(uses, modules)
    resolved: list[dict[str, Any]] = []
    unresolved: list[dict[str, Any]] = []
    elsewhere: list[dict[str, Any]] = []
    # Uses first: which constants they take whole, and which only as a beginning, decides what the constants are.
    for use in sorted((use for use in uses if "<" in use["path"]), key=lambda use: use["kind"] in _NAMED):
        path = constants.fill(use["path"], use["file"])
        if path is None or path.startswith("/{"):
            foreign = constants.fill(use["path"], use["file"], foreign=True)
            if use["kind"] not in _NAMED and foreign is not None and not foreign.startswith("/{"):
                elsewhere.append({**use, "path": foreign, "expression": use["path"].strip("/")})
            elif use["kind"] not in _NAMED and use.get("certain", True):
                unresolved.append({"file": use["file"], "line": use["line"], "expression": use["path"].strip("/")})
        elif use["kind"] not in {"candidate", "prefix"} or constants.is_used(use):
            kind = "constant" if use["kind"] in _NAMED else use["kind"]
            resolved.append({**use, "path": path, "dynamic": "{" in path, "kind": kind})
    for use in uses:
        if "<" in use["path"]:
            continue
        kind = use["kind"]
        if kind in {"candidate", "prefix"}:
            if not constants.is_used(use):
                continue
            kind = "constant"
        elif kind == "constant" and use.get("name") and constants.is_only_prefix(use):
            continue
        if kind == "constant" and _EXTENSION_ROOT.fullmatch(use["path"]):
            continue
        resolved.append({**use, "kind": kind})
    records = [{key: value for key, value in use.items() if key not in {"name", "certain"}} for use in resolved]
    records.sort(key=lambda use: (use["file"], use["line"], use["path"], use["kind"]))
    unresolved.sort(key=_unresolved_order)
    elsewhere.sort(key=_unresolved_order)
    return _Resolved(records, unresolved, elsewhere, constants.exported())


def _unresolved_order(item: dict[str, Any]) -> tuple[str, str, int, str]:
    return item.get("extension", ""), item["file"], item["line"], item["expression"]


class _Constants:
    """The constants of an owner's files, by file and name."""

    def __init__(self, uses: Iterable[dict[str, Any]], modules: dict[str, str]) -> None:
        self.modules = modules
        self.by_file: dict[str, dict[str, str]] = {}
        self.by_name: dict[str, dict[str, str]] = {}  # name -> file -> path
        self.whole: set[tuple[str, str]] = set()
        self.prefixed: set[tuple[str, str]] = set()
        for use in uses:
            if use.get("name"):
                self.by_file.setdefault(use["file"], {}).setdefault(use["name"], use["path"])
                self.by_name.setdefault(use["name"], {}).setdefault(use["file"], use["path"])

    @cached_property
    def _by_tail(self) -> dict[str, list[str]]:
        """The files by each of the ways in which their paths end."""
        found: dict[str, list[str]] = {}
        for file in self.by_file:
            parts = file.split("/")
            for start in range(len(parts)):
                found.setdefault("/".join(parts[start:]), []).append(file)
        return found

    def is_used(self, use: dict[str, Any]) -> bool:
        return (use["file"], use["name"]) in self.whole

    def is_only_prefix(self, use: dict[str, Any]) -> bool:
        key = (use["file"], use["name"])
        return key in self.prefixed and key not in self.whole

    def exported(self) -> dict[str, dict[str, str]]:
        """Return the constants that another owner may import: module -> name -> path."""
        result: dict[str, dict[str, str]] = {}
        for file in sorted(self.modules.keys() & self.by_file.keys()):
            for name, path in self.by_file[file].items():
                filled = self.fill(path, file) if "<" in path else path
                if filled is not None and not filled.startswith("/{"):
                    result.setdefault(self.modules[file], {})[name] = filled
        return result

    def fill(self, path: str, file: str, depth: int = 0, *, foreign: bool = False) -> str | None:
        """Return ``path`` with every ``<module:NAME>`` replaced; None where its beginning is not known.

        With ``foreign``, what may be another owner's is left as it is.
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
        """Return the file and name under which a constant is known, or None."""
        if module == "cpp":
            return self._anywhere(name, file)
        if not self._may_be_own(module):
            return None
        for one_module, one_name in _spellings(module, name):
            for candidate in self._files_of(one_module, file):
                if one_name in self.by_file.get(candidate, {}):
                    return candidate, one_name
        # A name that a package passes on (`from .constants import *`): certain only where no other file has another.
        return self._anywhere(name.rpartition(".")[2] if name not in self.by_name else name, file)

    def _may_be_own(self, module: str) -> bool:
        """Return whether an imported module may be one of the owner's, a package above or something in one of them."""
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
        # The declared name of a source tree's `python/` folder need not be in the path: the longest tail that fits.
        for start in range(len(parts)):
            tail = "/".join(parts[start:])
            yield from sorted({file for end in (".py", "/__init__.py") for file in self._by_tail.get(tail + end, ())})


def _spellings(module: str, name: str) -> Iterator[tuple[str, str]]:
    """Yield the ways in which ``module:a.B`` can be split into a module and a name in it."""
    parts = name.split(".")
    for count in range(len(parts)):
        inner = parts[:count]
        joined = module + ("" if module.endswith(".") or not inner else ".") + ".".join(inner)
        yield joined, ".".join(parts[count:])


class _Everywhere:
    """The constants of all owners' Python modules, for the uses in others."""

    def __init__(self) -> None:
        self._by_name: dict[str, dict[str, str]] = {}  # name -> module -> path

    def add(self, constants: dict[str, dict[str, str]]) -> None:
        for module, names in constants.items():
            for name, path in names.items():
                self._by_name.setdefault(name, {}).setdefault(module, path)

    def fill(self, path: str) -> str | None:
        """Return ``path`` with every ``<module:NAME>`` replaced; None where its beginning is not known."""
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
            # A name that a package passes on from a module below it: certain only where they all have the same.
            below = {path for place, path in places.items() if place.startswith(f"{one_module}.")}
            if len(below) == 1:
                return below.pop()
        return None


# ---- merging --------------------------------------------------------------------------------------------------------


class _Setting:
    """What is known of one setting while the owners are read, kept small since a full Kit has tens of thousands."""

    __slots__ = (
        "default",
        "documentation",
        "documented_by",
        "dynamic",
        "found_in",
        "others",
        "owners",
        "rank",
        "type",
        "types",
        "uses",
    )

    def __init__(self) -> None:
        self.rank: tuple[Any, ...] | None = None  # of the place that gave the default
        self.default: Any = None
        self.type: str | None = None
        self.documented_by: tuple[Any, ...] | None = None
        self.documentation = ""
        self.owners: set[str] = set()
        self.found_in: list[str] = []
        self.uses = 0
        self.types: Counter[str] | None = None
        self.others: list[tuple[tuple[Any, ...], str, Any]] = []
        self.dynamic = False

    def offer(self, rank: tuple[Any, ...], place: str, value: Any, type_: str) -> None:
        if self.rank is None or rank < self.rank:
            if self.rank is not None:
                self.others.append((self.rank, self.rank[-1], self.default))
            self.rank, self.default, self.type = (*rank, place), value, type_
        else:
            self.others.append(((*rank, place), place, value))


def merge(work_dir: Path) -> None:
    """Join what `scan` found of all owners into the summary, its simple form, the statistics and the report.

    Removes what it found of owners that ``extensions.json`` no longer has.

    Raises:
        StageError: A file of an owner is missing or unreadable.
    """
    work_dir = Path(work_dir)
    chosen = read_json(work_dir / "extensions.json")
    owners = [*chosen["extensions"], *chosen["apps"]]
    settings: dict[str, _Setting] = {}
    report = _empty_report()
    everywhere = _Everywhere()
    elsewhere: list[tuple[str, dict[str, Any]]] = []
    for owner in owners:
        path = work_dir / targets(owner)[0]
        try:
            found = read_json(path)
            _add_owner(found, settings, report)
            everywhere.add(found["constants"])
            elsewhere += [(found["owner"], use) for use in found["elsewhere"]]
        except (KeyError, TypeError, AttributeError) as error:
            raise StageError(f"{path}: not what this stage writes ({error!r}). Delete it and run again.") from error
    for name, use in elsewhere:
        filled = everywhere.fill(use["path"])
        if filled is not None and not filled.startswith("/{"):
            _add_use({**use, "path": filled, "dynamic": "{" in filled}, name, settings.setdefault(filled, _Setting()))
        elif use.get("certain", True):
            kept = {"extension": name, **{key: use[key] for key in ("file", "line", "expression")}}
            report["unresolved"].append(kept)
    report["unresolved"].sort(key=_unresolved_order)
    report["conflicts"] = [
        {"setting": path, "default": setting.default, "other_values": _others(setting)}
        for path, setting in sorted(settings.items())
        if _contradicts(setting)
    ]
    metadata = {
        "kit_version": chosen.get("kit_version"),
        "total_settings": len(settings),
        "total_extensions_scanned": len(chosen["extensions"]),
        "total_apps_scanned": len(chosen["apps"]),
        "scan_directory": _scan_directory(work_dir),
    }
    _write_pieces(work_dir / SUMMARY, b'{"metadata":' + _bytes(metadata) + b',"settings":{', settings, _entry, b"}}\n")
    _write_pieces(work_dir / SIMPLE, b"{", settings, _simple_entry, b"}\n")
    write_json(work_dir / STATISTICS, _statistics(settings, chosen))
    write_json(work_dir / REPORT, report)
    _prune(work_dir, owners)
    _log.info("%d settings of %d extensions and %d apps", len(settings), len(chosen["extensions"]), len(chosen["apps"]))


def _empty_report() -> dict[str, Any]:
    files = {"toml": 0, "cpp": 0, "cpp_without_settings": 0, "skipped": []}
    return {"files": files, "warnings": [], "unresolved": [], "conflicts": []}


def _add_owner(found: dict[str, Any], settings: dict[str, _Setting], report: dict[str, Any]) -> None:
    owner = found["owner"]
    for kind in ("toml", "cpp", "cpp_without_settings"):
        report["files"][kind] += found["files"][kind]
    report["files"]["skipped"] += [
        {"file": f"{owner}/{item['file']}", "why": item["why"]} for item in found["files"]["skipped"]
    ]
    report["warnings"] += found["warnings"]
    report["unresolved"] += [{"extension": owner, **item} for item in found["unresolved"]]
    by_path: dict[tuple[str, bool], list[dict[str, Any]]] = {}
    for definition in found["definitions"]:
        by_path.setdefault((definition["path"], definition["choice"]), []).append(definition)
    for (path, choice), definitions in by_path.items():
        setting = settings.setdefault(path, _Setting())
        setting.owners.add(owner)
        setting.found_in += [f"{owner}/{item['file']}:{item['line']}" for item in definitions]
        value, decisive = _owner_value(definitions)
        rank = (4 if choice else 0 if _names(path, owner) else 2, owner, decisive["file"], decisive["line"])
        setting.offer(rank, f"{owner}/{decisive['file']}:{decisive['line']}", value, value_type(value) or "unknown")
        documented = next((item["documentation"] for item in [decisive, *definitions] if item["documentation"]), "")
        if documented and (setting.documented_by is None or rank < setting.documented_by):
            setting.documented_by, setting.documentation = rank, documented
    for use in found["uses"]:
        _add_use(use, owner, settings.setdefault(use["path"], _Setting()))


def _add_use(use: dict[str, Any], owner: str, setting: _Setting) -> None:
    place = f"{owner}/{use['file']}:{use['line']}"
    setting.owners.add(owner)
    setting.found_in.append(place)
    setting.dynamic = setting.dynamic or use["dynamic"]
    setting.uses += use["kind"] in _USAGES
    if use["kind"] == "default" and use["default"] is not None:
        rank = (1 if _names(use["path"], owner) else 3, owner, use["file"], use["line"])
        setting.offer(rank, place, use["default"], use["type"] or value_type(use["default"]) or "unknown")
    elif use["type"]:
        setting.types = setting.types or Counter()
        # A default whose value is not known says more about the type than a read.
        setting.types[use["type"]] += 1000 if use["kind"] == "default" else 1


def _names(path: str, owner: str) -> bool:
    match = _EXTENSION_OF.match(path)
    return match is not None and match[1] == owner


def _owner_value(definitions: list[dict[str, Any]]) -> tuple[Any, dict[str, Any]]:
    """Return what one owner's definitions of a path come to, and the one that decides."""
    for group in (
        [item for item in definitions if not item["filters"]]
        + [item for item in definitions if item["filters"] and item["holds"]],
        definitions,
    ):
        value, decisive = None, None
        for item in group:
            if item["append"] and isinstance(item["value"], list) and isinstance(value, list):
                value = value + item["value"]
            else:
                value, decisive = item["value"], item
        if decisive is not None:
            return value, decisive
    raise AssertionError("a path without a definition")  # pragma: no cover - the callers pass at least one


def _others(setting: _Setting) -> list[dict[str, Any]]:
    return [
        {"found_in": place, "value": value}
        for _, place, value in sorted(setting.others, key=lambda item: item[0])
        if value != setting.default or type(value) is not type(setting.default)
    ]


def _contradicts(setting: _Setting) -> bool:
    """Return whether two places of equal standing give different defaults."""
    rank = setting.rank
    return (
        rank is not None
        and rank[0] < 4
        and any(other[0] == rank[0] and value != setting.default for other, _, value in setting.others)
    )


def _type_of(setting: _Setting) -> str:
    if setting.type not in {None, "unknown"}:
        return str(setting.type)
    if setting.types:
        return min((-count, word) for word, count in setting.types.items())[1]
    return "unknown"


def _entry(path: str, setting: _Setting) -> dict[str, Any]:
    return {
        "default_value": setting.default,
        "type": _type_of(setting),
        "documentation": setting.documentation,
        "description": describe(path, setting.documentation),
        "extensions": sorted(setting.owners),
        "found_in": sorted(set(setting.found_in), key=_place_key),
        "usage_count": setting.uses,
        "dynamic": setting.dynamic,
        "other_values": _others(setting),
    }


def _simple_entry(path: str, setting: _Setting) -> dict[str, Any]:
    return {"type": _type_of(setting), "default_value": setting.default}


def _place_key(place: str) -> tuple[str, int]:
    file, _, line = place.rpartition(":")
    return file, int(line)


def describe(path: str, documentation: str) -> str:
    """Return one line on what a setting is: the first sentence of its documentation, or else its path in words."""
    text = " ".join(documentation.split())
    if text:
        end = re.search(r"[.!?](?=\s+[A-Z])", text)
        return text[: end.end()] if end else text
    parts = path.strip("/").split("/")
    scope: list[str] = []
    while len(parts) > 1 and parts[0] in {"persistent", "defaults"}:
        scope.append(parts.pop(0))
    if len(parts) > 2 and parts[0] == "exts":
        parts.pop(0)
    owner = parts.pop(0) if len(parts) > 1 else ""
    words = " ".join(_words(part) for part in parts)
    subject = f"{owner} setting" if owner else "Setting"
    return f"{' '.join([*scope, subject])}: {words}".replace("defaults ", "default ", 1)


def _words(part: str) -> str:
    """Return ``windowMenu.entry_count`` as ``window menu entry count``; abbreviations stay in capitals."""
    pieces = re.findall(r"\{\w*\}|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+", part)
    return " ".join(piece if piece.isupper() and len(piece) > 1 else piece.lower() for piece in pieces) or part


def _statistics(settings: dict[str, _Setting], chosen: dict[str, Any]) -> dict[str, Any]:
    by_extension: Counter[str] = Counter({item["id"]: 0 for item in [*chosen["extensions"], *chosen["apps"]]})
    for setting in settings.values():
        by_extension.update(setting.owners)
    documented = sum(bool(setting.documentation) for setting in settings.values())
    return {
        "total_settings": len(settings),
        "by_type": Counter(_type_of(setting) for setting in settings.values()),
        "by_prefix": Counter(path.split("/", 2)[1] for path in settings),
        "by_extension": by_extension,
        "documented": documented,
        "undocumented": len(settings) - documented,
        "with_default": sum(setting.rank is not None for setting in settings.values()),
        "used": sum(setting.uses > 0 for setting in settings.values()),
        "total_usages": sum(setting.uses for setting in settings.values()),
        "dynamic": sum(setting.dynamic for setting in settings.values()),
        "conflicting_defaults": sum(_contradicts(setting) for setting in settings.values()),
    }


def _scan_directory(work_dir: Path) -> str:
    """Return where the extensions come from, without this machine's part of the path."""
    sources = read_json(work_dir / SOURCES)["sources"]
    places = []
    for source in sources:
        name = source.get("name") or Path(source["root"]).name
        places += [posixpath.normpath(posixpath.join(name, path)) for path in source.get("exts_paths") or ["."]]
    return ", ".join(dict.fromkeys(places))


def _bytes(value: Any) -> bytes:
    return to_json(value).rstrip(b"\n")


def _write_pieces(path: Path, head: bytes, settings: dict[str, _Setting], entry: Any, tail: bytes) -> None:
    """Write a JSON object of all settings without holding it whole; byte for byte what `write_json` would write."""
    from stages.storage.streamed_file import replacing

    with replacing(path) as temporary, temporary.open("wb") as stream:
        stream.write(head)
        for index, key in enumerate(sorted(settings)):
            stream.write((b"," if index else b"") + _bytes(key) + b":" + _bytes(entry(key, settings[key])))
        stream.write(tail)


def _prune(work_dir: Path, owners: list[dict[str, Any]]) -> None:
    kept = {work_dir / target for owner in owners for target in targets(owner)}
    for path in sorted((work_dir / _FOUND).glob("*.json")):
        if path not in kept:
            path.unlink(missing_ok=True)
