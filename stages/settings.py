"""Stage 5: every setting of the selected extensions and apps, with its default, documentation and uses.

`scan` reads one extension or app: the ``[settings]`` tables of its TOML files, its C++ files, and the uses that stage 3
found in its Python files. `merge` combines the results into the files of the data set.

How several definitions become one entry:

- *Default.* The first that exists, in this order: the TOML of the extension in the path (``/exts/omni.ui/…`` and
  ``/persistent/exts/omni.ui/…`` belong to ``omni.ui``); a ``set_default`` call in its code; the TOML of another
  extension; a ``set_default`` call there; an app's ``.kit`` file (also inside an extension), whose values are the app's
  choice. Ties are broken by id, file and line. Differing values of other definitions are listed in ``other_values``.
- *Filters.* Within one owner, values filtered for a release build on Linux override values without a filter. A value
  for another platform or build is used only if there is neither. Tokens (``${kit}``) stay unexpanded. An appended
  value (``++``) is added to the list before it.
- *Type.* The type of the default; else the most frequent type in calls, then alphabetically; else ``unknown``.
- *Documentation.* The comment above the key, or else behind the value, from the first definition in the same order.
- *Constants.* A path may be in a constant of the same file, another file of the owner, or another owner's module.
- *Uses.* Reads, writes, subscriptions and ``--/path=value`` arguments, but not definitions and constants. A path known
  only at run time is one entry with ``{name}`` for the unknown part and ``dynamic`` set. The simple summary and the
  search index leave it out.
"""

from __future__ import annotations

import logging
import posixpath
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from stages import artifacts
from stages.artifacts import Record
from stages.artifacts.extension_data import SettingUses, has_python, setting_uses_file
from stages.artifacts.preparation import EXTENSIONS, App, Extension, Extensions, Owner
from stages.artifacts.pull_repo_exts import SOURCES, Sources
from stages.artifacts.settings import (
    FOUND,
    REPORT,
    SIMPLE,
    STATISTICS,
    SUMMARY,
    ConflictingSetting,
    Definition,
    ForeignUse,
    FoundSettings,
    SearchedFiles,
    SettingsReport,
    SettingStatistics,
    SettingUse,
    SimpleSetting,
    SkippedFile,
    SummaryMetadata,
    UnresolvedSetting,
    UnresolvedUse,
    found_file,
)
from stages.artifacts.settings import Setting as SettingEntry
from stages.failures import StageError, StageWarning, contained
from stages.setting_scan.constants import AllConstants, resolve, unresolved_order
from stages.setting_scan.cpp import cpp_uses
from stages.setting_scan.paths import has_unknown_root, value_type
from stages.setting_scan.precedence import (
    Setting,
    add_use,
    contradicts,
    describe,
    names_extension,
    other_values,
    owner_value,
    type_of,
)
from stages.setting_scan.toml import toml_settings
from stages.storage.jsonfile import to_json, write_json
from stages.storage.stale import remove_stale

__all__ = [
    "MERGE_TARGETS",
    "REPORT",
    "SIMPLE",
    "STATISTICS",
    "SUMMARY",
    "dependencies",
    "intermediate_dependencies",
    "merge",
    "merge_dependencies",
    "scan",
    "targets",
]
_log = logging.getLogger(__name__)

MERGE_TARGETS = (SUMMARY, SIMPLE, STATISTICS, REPORT)

# Generated C++ files can be huge. A syntax tree takes tens of times their size.
MAX_CPP_BYTES = 4 * 1024 * 1024


def targets(owner: Owner) -> list[str]:
    """Return the files that `scan` writes for an owner, relative to the work directory."""
    return [found_file(owner)]


def dependencies(owner: Owner) -> list[str]:
    """Return an owner's files that `scan` reads, relative to its folder; for an app, the folder of its file.

    Python files are not included: stage 3 finds their uses.
    """
    if isinstance(owner, App):
        return [Path(owner.path).name]
    return sorted(set(_toml_files(owner)) | set(owner.files.cpp))


def intermediate_dependencies(owner: Owner) -> list[str]:
    """Return the files of earlier stages that `scan` reads, relative to the work directory."""
    return [setting_uses_file(owner)] if isinstance(owner, Extension) and has_python(owner) else []


def merge_dependencies(owners: Iterable[Owner]) -> list[str]:
    """Return the files that `merge` reads beside ``extensions.json``, relative to the work directory."""
    return [SOURCES, *(target for owner in owners for target in targets(owner))]


def scan(owner: Owner, *, work_dir: Path) -> None:
    """Find the settings of one extension or app.

    Args:
        owner: An entry of ``extensions`` or ``apps`` in ``extensions.json``.
        work_dir: The work directory.

    Raises:
        StageError: The file of uses in the extension's Python files is missing or unreadable.
    """
    work_dir = Path(work_dir)
    searched: Counter[str] = Counter()
    skipped: list[SkippedFile] = []
    definitions: list[Definition] = []
    uses: list[SettingUse] = []
    warnings: list[StageWarning] = []
    identifier = owner.id
    if isinstance(owner, App):
        folder, toml_files, cpp_files = (work_dir / owner.path).parent, dependencies(owner), []
    else:
        folder, toml_files, cpp_files = work_dir / owner.folder, _toml_files(owner), sorted(owner.files.cpp)
    for file in toml_files:
        data = _read(folder / file, file, identifier, skipped, warnings)
        if data is not None:
            # Stage 2 already reports errors in an owner's manifest.
            own = isinstance(owner, App) or file == owner.manifest
            kit = file.endswith(".kit") and (isinstance(owner, App) or not own)
            with contained(warnings, identifier, file):
                found = toml_settings(data, file=file, owner=identifier, choice=kit, broken_known=own)
                definitions += found.definitions
                uses += found.uses
                warnings += found.warnings
                searched["toml"] += 1
    for file in cpp_files:
        data = _read(folder / file, file, identifier, skipped, warnings, limit=MAX_CPP_BYTES)
        if data is not None:
            with contained(warnings, identifier, file):
                in_file = cpp_uses(data, file=file)
                uses += in_file
                searched["cpp" if in_file else "cpp_without_settings"] += 1
    in_python, modules = _python_uses(owner, work_dir)
    resolved, unresolved, elsewhere, exported = resolve([*uses, *in_python], modules)
    result = FoundSettings(
        owner=identifier,
        definitions=definitions,
        uses=resolved,
        unresolved=unresolved,
        elsewhere=elsewhere,
        constants=exported,
        files=_searched_files(searched, skipped),
        warnings=warnings,
    )
    write_json(work_dir / found_file(owner), result)


def _searched_files(counts: Counter[str], skipped: list[SkippedFile]) -> SearchedFiles:
    return SearchedFiles(
        toml=counts["toml"], cpp=counts["cpp"], cpp_without_settings=counts["cpp_without_settings"], skipped=skipped
    )


def _toml_files(owner: Extension) -> list[str]:
    """Return the TOML files of an extension with Kit's settings, its manifest first."""
    return [owner.manifest, *sorted(set(owner.files.toml) - {owner.manifest})]


def _read(
    path: Path,
    file: str,
    owner: str,
    skipped: list[SkippedFile],
    warnings: list[StageWarning],
    *,
    limit: int | None = None,
) -> bytes | None:
    try:
        if limit is not None and path.stat().st_size > limit:
            why = f"larger than {limit} bytes; settings in it are not read"
            kind = "too-large"
        else:
            return path.read_bytes()
    except OSError as error:
        why, kind = f"cannot be read ({error.strerror or error})", "unreadable"
    skipped.append(SkippedFile(file=file, why=why))
    warnings.append(StageWarning(kind=kind, extension=owner, file=file, line=0, message=f"{file}: {why}."))
    return None


def _python_uses(owner: Owner, work_dir: Path) -> tuple[list[SettingUse], dict[str, str]]:
    """Return the uses in an owner's Python files, and the names of their modules by file."""
    if isinstance(owner, App):
        return [], {}
    path = work_dir / setting_uses_file(owner)
    if not path.is_file():
        if has_python(owner):
            raise StageError(
                f"{path}: missing, though {owner.id} has Python files. Run the stage extension_data first."
            )
        return [], {}
    found = artifacts.read(path, SettingUses)
    return found.uses, found.modules


def merge(work_dir: Path) -> None:
    """Merge the results of `scan` for all owners into the summary, its simple form, the statistics and the report.

    Removes the results of owners that are no longer in ``extensions.json``.

    Raises:
        StageError: A file of an owner is missing or unreadable.
    """
    work_dir = Path(work_dir)
    chosen = artifacts.read(work_dir / EXTENSIONS, Extensions)
    owners = chosen.owners()
    settings: dict[str, Setting] = {}
    summed = _ReportTotals()
    everywhere = AllConstants()
    elsewhere: list[tuple[str, ForeignUse]] = []
    for owner in owners:
        found = artifacts.read(work_dir / found_file(owner), FoundSettings)
        summed.add(found)
        _add_owner(found, settings)
        everywhere.add(found.constants)
        elsewhere += [(found.owner, use) for use in found.elsewhere]
    for name, use in elsewhere:
        filled = everywhere.fill(use.path)
        if filled is not None and not has_unknown_root(filled):
            add_use(replace(use, path=filled, dynamic="{" in filled), name, settings.setdefault(filled, Setting()))
        elif use.certain:
            summed.add_unresolved(name, use)
    metadata = SummaryMetadata(
        kit_version=chosen.kit_version,
        total_settings=len(settings),
        total_extensions_scanned=len(chosen.extensions),
        total_apps_scanned=len(chosen.apps),
        scan_directory=_scan_directory(work_dir),
    )
    _write_pieces(work_dir / SUMMARY, b'{"metadata":' + _bytes(metadata) + b',"settings":{', settings, _entry, b"}}\n")
    # Skips settings with a partly unknown path: they cannot be looked up.
    known = {path: setting for path, setting in settings.items() if not setting.dynamic}
    _write_pieces(work_dir / SIMPLE, b"{", known, _simple_entry, b"}\n")
    write_json(work_dir / STATISTICS, _statistics(settings, chosen))
    write_json(work_dir / REPORT, summed.report(settings))
    remove_stale(work_dir, [f"{FOUND}/*.json"], [found_file(owner) for owner in owners])
    _log.info("%d settings of %d extensions and %d apps", len(settings), len(chosen.extensions), len(chosen.apps))


class _ReportTotals:
    """Searched files, warnings and unresolved uses of all owners, for the report."""

    def __init__(self) -> None:
        self._searched: Counter[str] = Counter()
        self._skipped: list[SkippedFile] = []
        self._warnings: list[StageWarning] = []
        self._unresolved: list[UnresolvedSetting] = []

    def add(self, found: FoundSettings) -> None:
        """Add the results of one owner."""
        files = found.files
        self._searched.update(toml=files.toml, cpp=files.cpp, cpp_without_settings=files.cpp_without_settings)
        self._skipped += [SkippedFile(file=f"{found.owner}/{item.file}", why=item.why) for item in files.skipped]
        self._warnings += found.warnings
        for use in found.unresolved:
            self.add_unresolved(found.owner, use)

    def add_unresolved(self, owner: str, use: UnresolvedUse | ForeignUse) -> None:
        """Add a use with an unknown path."""
        self._unresolved.append(
            UnresolvedSetting(extension=owner, file=use.file, line=use.line, expression=use.expression)
        )

    def report(self, settings: dict[str, Setting]) -> SettingsReport:
        """Return the report, including contradictory defaults."""
        return SettingsReport(
            files=_searched_files(self._searched, self._skipped),
            warnings=self._warnings,
            unresolved=sorted(self._unresolved, key=lambda use: (use.extension, *unresolved_order(use))),
            conflicts=[
                ConflictingSetting(setting=path, default=setting.default, other_values=other_values(setting))
                for path, setting in sorted(settings.items())
                if contradicts(setting)
            ],
        )


def _add_owner(found: FoundSettings, settings: dict[str, Setting]) -> None:
    owner = found.owner
    by_path: dict[tuple[str, bool], list[Definition]] = {}
    for definition in found.definitions:
        by_path.setdefault((definition.path, definition.choice), []).append(definition)
    for (path, choice), definitions in by_path.items():
        setting = settings.setdefault(path, Setting())
        setting.owners.add(owner)
        setting.found_in += [f"{owner}/{item.file}:{item.line}" for item in definitions]
        value, decisive = owner_value(definitions)
        rank = (4 if choice else 0 if names_extension(path, owner) else 2, owner, decisive.file, decisive.line)
        setting.offer(rank, f"{owner}/{decisive.file}:{decisive.line}", value, value_type(value) or "unknown")
        documented = next((item.documentation for item in [decisive, *definitions] if item.documentation), "")
        if documented and (setting.documented_by is None or rank < setting.documented_by):
            setting.documented_by, setting.documentation = rank, documented
    for use in found.uses:
        add_use(use, owner, settings.setdefault(use.path, Setting()))


def _entry(path: str, setting: Setting) -> SettingEntry:
    return SettingEntry(
        default_value=setting.default,
        type=type_of(setting),
        documentation=setting.documentation,
        description=describe(path, setting.documentation),
        extensions=sorted(setting.owners),
        found_in=sorted(set(setting.found_in), key=_place_key),
        usage_count=setting.uses,
        dynamic=setting.dynamic,
        other_values=other_values(setting),
    )


def _simple_entry(_path: str, setting: Setting) -> SimpleSetting:
    return SimpleSetting(type=type_of(setting), default_value=setting.default)


def _place_key(place: str) -> tuple[str, int]:
    file, _, line = place.rpartition(":")
    return file, int(line)


def _statistics(settings: dict[str, Setting], chosen: Extensions) -> SettingStatistics:
    by_extension: Counter[str] = Counter({owner.id: 0 for owner in chosen.owners()})
    for setting in settings.values():
        by_extension.update(setting.owners)
    documented = sum(bool(setting.documentation) for setting in settings.values())
    return SettingStatistics(
        total_settings=len(settings),
        by_type=Counter(type_of(setting) for setting in settings.values()),
        by_prefix=Counter(path.split("/", 2)[1] for path in settings),
        by_extension=by_extension,
        documented=documented,
        undocumented=len(settings) - documented,
        with_default=sum(setting.rank is not None for setting in settings.values()),
        used=sum(setting.uses > 0 for setting in settings.values()),
        total_usages=sum(setting.uses for setting in settings.values()),
        dynamic=sum(setting.dynamic for setting in settings.values()),
        conflicting_defaults=sum(contradicts(setting) for setting in settings.values()),
    )


def _scan_directory(work_dir: Path) -> str:
    """Return the folders of the extensions, without machine-specific parts of the path."""
    places = []
    for source in artifacts.read(work_dir / SOURCES, Sources).sources:
        places += [posixpath.normpath(posixpath.join(source.name, path)) for path in source.exts_paths]
    return ", ".join(dict.fromkeys(places))


def _bytes(value: Any) -> bytes:
    return to_json(value).rstrip(b"\n")


def _write_pieces(
    path: Path, head: bytes, settings: dict[str, Setting], entry: Callable[[str, Setting], Record], tail: bytes
) -> None:
    """Write a JSON object of all settings without holding it in memory. The bytes equal those of `write_json`."""
    from stages.storage.streamed_file import replacing

    with replacing(path) as temporary, temporary.open("wb") as stream:
        stream.write(head)
        for index, key in enumerate(sorted(settings)):
            stream.write((b"," if index else b"") + _bytes(key) + b":" + _bytes(entry(key, settings[key])))
        stream.write(tail)
