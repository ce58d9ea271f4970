"""The files of stage 5: the settings of each owner (an extension or app), and all of them together."""

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
    """Return a name that no other owner has: an extension's id, or ``@`` and the path of an app's ``.kit`` file.

    No id begins with ``@``, so that an extension ``my.kit`` and an app of that name are told apart.
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
        documentation: The comment above the key, or else the one behind its value; empty if there is none.
        filters: The filters that it stands under, as ``name=value``; none for a value that counts everywhere.
        append: Whether it is added to the list before it.
        choice: Whether it is an app's choice rather than a default.
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
    """A place in code that names a setting.

    Attributes:
        path: The setting's path; ``{name}`` stands for a part that is known only at run time.
        kind: How the code uses the setting.
        type: The type that the call tells; null if it tells none.
        default: The value that a ``set_default`` call gives; null if it is not known.
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
    """A place in code that may name a setting. Its path may hold ``<module:NAME>`` for a constant of another file.

    Attributes:
        name: The constant that holds the path; null if it stands in the call.
        certain: Whether it is sure to be a setting.
    """

    name: str | None
    certain: bool


class ForeignUse(SettingUse):
    """A use whose path begins with what may be another owner's constant.

    Attributes:
        expression: The expression as written in the source.
    """

    expression: str


class UnresolvedUse(Record):
    """A place where code names a setting by an expression that could not be worked out.

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
        why: Why it was not.
    """

    file: str
    why: Text


class SearchedFiles(Record):
    """Files that were searched for settings.

    Attributes:
        toml: TOML files that were read.
        cpp: C++ files in which settings were found.
        cpp_without_settings: C++ files in which no setting is named.
        skipped: Files that were not searched, and why.
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
        uses: The places in its code that name a setting.
        unresolved: The places whose path is not known.
        elsewhere: The places whose path begins with what may be another owner's constant.
        constants: Its own constants that another owner may import: module -> name -> path.
        files: Its files that were searched.
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
    """A value that another place gives.

    Attributes:
        found_in: The place, as ``<id>/<path>:<line>``.
        value: The value there.
    """

    found_in: Place
    value: Any


class Setting(Record):
    """One setting.

    Attributes:
        default_value: The default, tokens such as ${kit} as they are; null where nothing gives one.
        type: Its type; ``unknown`` where nothing tells.
        documentation: The comment above the key, or else the one behind its value; empty if there is none.
        description: The documentation's first sentence, or else words made from the path.
        extensions: The extensions and apps that name it.
        found_in: The places that name it, as ``<id>/<path>:<line>``.
        usage_count: Places in Python and C++ that read or write it.
        dynamic: Whether a part of the path, written {name}, is known only at run time.
        other_values: Values that other places give and that differ from the default.
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
        scan_directory: Where the extensions lie, for people.
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
        type: Its type; ``unknown`` where nothing tells.
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
        dynamic: Settings whose path is known in part.
        conflicting_defaults: Settings for which places give defaults that contradict one another.
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
    """A place where code names a setting by an expression that could not be worked out.

    Attributes:
        extension: The id of the extension or app.
    """

    extension: str


class ConflictingSetting(Record):
    """A setting for which places give defaults that contradict one another.

    Attributes:
        setting: The setting's path.
        default: The default that was taken.
        other_values: Values that other places give.
    """

    setting: SettingPath
    default: Any
    other_values: list[OtherValue]


class SettingsReport(Record):
    """The outcome of the files that the settings scan read.

    Attributes:
        files: The files that were searched.
        warnings: Warnings about skipped or repaired input, with file and line.
        unresolved: Places where code names a setting by an expression that could not be worked out.
        conflicts: Settings for which places give defaults that contradict one another.
    """

    files: SearchedFiles
    warnings: list[StageWarning]
    unresolved: list[UnresolvedSetting]
    conflicts: list[ConflictingSetting]
