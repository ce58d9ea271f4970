"""The files of stage 5: the settings of each owner (an extension or app), and of all owners."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from stages.artifacts.preparation import Extension, Owner
from stages.artifacts.record import Count, KitVersion, Positive, Record, Text
from stages.failures import StageWarning

FOLDER = "settings"
SUMMARY = f"{FOLDER}/setting_summary.json"
SIMPLE = f"{FOLDER}/setting_summary_simple.json"
STATISTICS = f"{FOLDER}/setting_statistics.json"
REPORT = f"{FOLDER}/settings_report.json"
FOUND = f"{FOLDER}/found"

_PATH = {"pattern": "^/[^/]+(/[^/]+)*$"}

SettingType = Literal["bool", "int", "float", "string", "array", "object", "unknown"]
UseKind = Literal["read", "write", "subscribe", "argument", "default", "constant", "prefix", "candidate", "text"]
SettingPath = Annotated[str, Meta(extra_json_schema=_PATH)]
Place = Annotated[str, Meta(extra_json_schema={"pattern": "^[^/]+/.+:[0-9]+$"})]


def owner_name(owner: Owner) -> str:
    """Return a unique name: an extension's id, or ``@`` and the path of an app's ``.kit`` file.

    No id begins with ``@``, so an extension ``my.kit`` and an app ``my.kit`` have different names.
    """
    if isinstance(owner, Extension):
        return owner.id
    return "@" + owner.file.replace("\\", "/").replace("%", "%25").replace("/", "%2F")


def found_file(owner: Owner) -> str:
    """Return the path of an owner's `FoundSettings`."""
    return f"{FOUND}/{owner_name(owner)}.json"


class Definition(Record):
    """A setting in a TOML file.

    Attributes:
        path: The setting's path.
        type: The type of the value.
        value: The value.
        line: The line of the key.
        file: The file, relative to the owner's folder.
        documentation: The comment above the key, or else behind its value; empty if there is none.
        filters: Its filters, as ``name=value``; empty for an unconditional value.
        append: Whether it is appended to the list before it.
        choice: Whether it is an app's choice, not a default.
    """

    path: str
    type: SettingType
    value: Any
    line: Count
    file: str
    documentation: str
    filters: list[str]
    append: bool
    choice: bool


class ResolvedUse(Record):
    """A place in code that uses a setting.

    Attributes:
        path: The setting's path; ``{name}`` stands for a part known only at run time.
        kind: The kind of use.
        type: The type in the call; null if unknown.
        default: The value in a ``set_default`` call; null if unknown.
        line: The line.
        file: The file, relative to the owner's folder.
        dynamic: Whether a part of the path is known only at run time.
    """

    path: str
    kind: UseKind
    type: SettingType | None
    default: Any
    line: Count
    file: str
    dynamic: bool


class SettingUse(ResolvedUse):
    """A place in code that may use a setting. ``<module:NAME>`` in its path stands for a constant of another file.

    Attributes:
        name: The name of the constant with the path; null if the path is in the call.
        certain: Whether it certainly is a setting.
    """

    name: str | None
    certain: bool


class ForeignUse(SettingUse):
    """A use whose path may begin with another owner's constant.

    Attributes:
        expression: The expression as written in the source.
    """

    expression: str


class UnresolvedUse(Record):
    """A use of a setting whose path cannot be evaluated.

    Attributes:
        file: The file, relative to the owner's folder.
        line: The line.
        expression: The expression as written in the source.
    """

    file: str
    line: Positive
    expression: str


class SkippedFile(Record):
    """A file that was not searched or copied.

    Attributes:
        file: The file, relative to its owner or source.
        why: The reason.
    """

    file: str
    why: Text


class SearchedFiles(Record):
    """Files searched for settings.

    Attributes:
        toml: Number of TOML files.
        cpp: Number of C++ files with settings.
        cpp_without_settings: Number of C++ files without settings.
        skipped: Skipped files, each with the reason.
    """

    toml: Count
    cpp: Count
    cpp_without_settings: Count
    skipped: list[SkippedFile]


class FoundSettings(Record):
    """The settings found in one owner.

    Attributes:
        owner: The owner's id.
        definitions: The settings in its TOML files.
        uses: The uses of settings in its code.
        unresolved: Uses with an unknown path.
        elsewhere: Uses whose path may begin with another owner's constant.
        constants: Its constants that other owners may import: module -> name -> path.
        files: Its searched files.
        warnings: Warnings about skipped or repaired input, with file and line.
    """

    owner: Text
    definitions: list[Definition]
    uses: list[ResolvedUse]
    unresolved: list[UnresolvedUse]
    elsewhere: list[ForeignUse]
    constants: dict[str, dict[str, str]]
    files: SearchedFiles
    warnings: list[StageWarning]


class OtherValue(Record):
    """A value in another definition.

    Attributes:
        found_in: The location of the definition, as ``<id>/<path>:<line>``.
        value: The value.
    """

    found_in: Place
    value: Any


class Setting(Record):
    """One setting.

    Attributes:
        default_value: The default, with unexpanded tokens such as ${kit}; null if unknown.
        type: Its type; ``unknown`` without evidence.
        documentation: The comment above the key, or else behind its value; empty if there is none.
        description: The documentation's first sentence, or else words made from the path.
        extensions: The extensions and apps that define or use it.
        found_in: The places that define or use it, as ``<id>/<path>:<line>``.
        usage_count: Number of places in Python and C++ that read or write it.
        dynamic: Whether a part of the path, written {name}, is known only at run time.
        other_values: Values in other definitions that differ from the default.
    """

    default_value: Any
    type: SettingType
    documentation: str
    description: Text
    extensions: Annotated[list[str], Meta(min_length=1, extra_json_schema={"uniqueItems": True})]
    found_in: Annotated[list[Place], Meta(min_length=1, extra_json_schema={"uniqueItems": True})]
    usage_count: Count
    dynamic: bool
    other_values: list[OtherValue]


class SummaryMetadata(Record):
    """The scope of the scan.

    Attributes:
        kit_version: The Kit version.
        total_settings: Number of settings.
        total_extensions_scanned: Number of extensions.
        total_apps_scanned: Number of apps.
        scan_directory: The folder of the extensions, for information.
    """

    kit_version: KitVersion
    total_settings: Count
    total_extensions_scanned: Count
    total_apps_scanned: Count
    scan_directory: str


class SettingSummary(Record):
    """The settings of all extensions and apps.

    Attributes:
        metadata: The scope of the scan.
        settings: The settings by path, such as ``/exts/omni.ui/enabled``.
    """

    metadata: SummaryMetadata
    settings: dict[SettingPath, Setting]


class SimpleSetting(Record):
    """Type and default of one setting.

    Attributes:
        type: Its type; ``unknown`` without evidence.
        default_value: The default; null if there is none.
    """

    type: SettingType
    default_value: Any


SimpleSummary = dict[SettingPath, SimpleSetting]


class SettingStatistics(Record):
    """Counts of settings.

    Attributes:
        total_settings: Number of settings.
        by_type: Number of settings of each type.
        by_prefix: Number of settings for each first part of a path (``exts``, ``app``, ``persistent``, ``rtx``, …).
        by_extension: Number of settings for each extension and app.
        documented: Settings with documentation.
        undocumented: Settings without documentation.
        with_default: Settings with a default.
        used: Settings that code reads or writes.
        total_usages: Sum of all ``usage_count``.
        dynamic: Settings whose path is partly unknown.
        conflicting_defaults: Settings with contradictory defaults.
    """

    total_settings: Count
    by_type: dict[SettingType, Count]
    by_prefix: dict[str, Count]
    by_extension: dict[str, Count]
    documented: Count
    undocumented: Count
    with_default: Count
    used: Count
    total_usages: Count
    dynamic: Count
    conflicting_defaults: Count


class UnresolvedSetting(UnresolvedUse):
    """A use of a setting whose path cannot be evaluated.

    Attributes:
        extension: The id of the extension or app.
    """

    extension: str


class ConflictingSetting(Record):
    """A setting with contradictory defaults.

    Attributes:
        setting: The setting's path.
        default: The chosen default.
        other_values: Values in other definitions.
    """

    setting: SettingPath
    default: Any
    other_values: list[OtherValue]


class SettingsReport(Record):
    """The results of the settings scan.

    Attributes:
        files: The searched files.
        warnings: Warnings about skipped or repaired input, with file and line.
        unresolved: Uses of settings whose path cannot be evaluated.
        conflicts: Settings with contradictory defaults.
    """

    files: SearchedFiles
    warnings: list[StageWarning]
    unresolved: list[UnresolvedSetting]
    conflicts: list[ConflictingSetting]
