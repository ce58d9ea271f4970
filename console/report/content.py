"""The contents of the data set for the page, from the work directory or else from the finished data set.

A failed run must not break the report: a missing file is skipped, and an unreadable file is noted.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from console.source_table import SourceTable, source_table

# Files with warnings, in the order of the stages that write them.
_WARNING_FILES = (
    ("pull_repo_exts", "sources.json"),
    ("preparation", "extensions.json"),
    ("extension_data", "extension_data/extraction_report.json"),
    ("settings", "settings/settings_report.json"),
)
# Folder in the work directory -> folder in the finished data set.
_PLACES = (
    ("extension_data/", "extensions/"),
    ("code_examples/", "code_examples/"),
    ("settings/", "settings/"),
    ("nodes/", "nodes/"),
)
_NO_FILE_CHARACTERS = re.compile(r"[/\\\0]")


@dataclass
class Content:
    """The contents of the data set for the page.

    Attributes:
        kit_version: The full Kit version; empty if not known yet.
        extensions: Database entries by id, each with ``id``; sorted by id.
        settings: ``setting_summary.json``'s settings.
        nodes: ``nodes_database.json``'s nodes.
        warnings: Warnings of all stages, each with its ``stage``.
        sources: kind, name, revision and kit_version of each source.
        source_table: The number of selected extensions and apps by folder of the sources, and the skipped ones.
        examples: Number of code examples by extension.
        apps: Ids of the apps that may own settings.
        excluded: Excluded extensions, each with the reason.
        conflicts: Settings with contradicting defaults.
        notes: Files that could not be read.
    """

    kit_version: str = ""
    extensions: dict[str, dict[str, Any]] = field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    sources: list[dict[str, Any]] = field(default_factory=list)
    source_table: SourceTable = field(default_factory=lambda: SourceTable((), ()))
    examples: Counter[str] = field(default_factory=Counter)
    apps: list[str] = field(default_factory=list)
    excluded: dict[str, str] = field(default_factory=dict)
    conflicts: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def settings_by_prefix(self) -> Counter[str]:
        """Return the number of settings per first path component (``exts``, ``app``, …)."""
        return Counter(prefix_of(path) for path in self.settings)


def prefix_of(setting: str) -> str:
    """Return the first component of a setting's path: ``/exts/omni.ui/enabled`` → ``exts``."""
    return setting.strip("/").partition("/")[0]


class DataFiles:
    """The JSON files of a work directory, with the finished data set as fallback."""

    def __init__(self, work_dir: Path, target_dir: Path, mode: str) -> None:
        """Set the folders to read.

        Args:
            work_dir: The work directory; may not exist.
            target_dir: The target directory; may not exist.
            mode: The selection mode of code examples; part of a folder's name.
        """
        self.work_dir, self.mode = work_dir, mode
        self.notes: list[str] = []
        self._target_dir = target_dir
        self._data_dir: Path | None = None

    def read(self, name: str) -> dict[str, Any]:
        """Return the JSON object in a file, named as in the work directory; empty if the file is missing."""
        for path in self._candidates(name):
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                self.notes.append(f"{name}: cannot be read ({error.strerror or error}).")
                return {}
            try:
                value = orjson.loads(content)
            except ValueError as error:
                self.notes.append(f"{name}: not valid JSON ({error}); delete it and run again.")
                return {}
            if isinstance(value, dict):
                return value
            self.notes.append(f"{name}: not a JSON object; delete it and run again.")
            return {}
        return {}

    def examples(self, extension: str) -> list[dict[str, Any]]:
        """Return the code examples of an extension, best first."""
        name = f"code_examples/extracted_methods_{self.mode}/{_file_name(extension)}.example.json"
        return list(self.read(name).get("methods", []))

    def api(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Return the public API of an extension, empty if it has none."""
        path = entry.get("api_docs_path")
        return self.read(f"extension_data/api_docs/{Path(path).name}") if path else {}

    def look_in(self, kit_version: str) -> None:
        """Use the finished data set of a Kit version as fallback. Its folder is the ``major.minor`` version."""
        major_minor = re.match(r"\d+\.\d+", kit_version)
        self._data_dir = self._target_dir / major_minor[0] if major_minor else None

    def completion_report(self) -> dict[str, Any]:
        """Return the completion report of the finished data set; empty if there is none."""
        return self.read(str(self._target_dir / "pipeline_completion_report.json"))

    def _candidates(self, name: str) -> list[Path]:
        found = [self.work_dir / name]
        if self._data_dir is not None:
            found += [self._data_dir / (there + name[len(here) :]) for here, there in _PLACES if name.startswith(here)]
        return found


def collect(files: DataFiles) -> Content:
    """Return the available contents.

    Args:
        files: The files to read. Unreadable files are added to its ``notes``.
    """
    content = Content()
    reports = {name: files.read(name) for _, name in _WARNING_FILES}
    prepared, sources = reports["extensions.json"], reports["sources.json"]
    completion = files.completion_report() if not prepared else {}
    content.kit_version = str(prepared.get("kit_version") or sources.get("kit_version") or "")
    content.kit_version = content.kit_version or str(completion.get("kit_version") or "")
    files.look_in(content.kit_version)
    content.sources = [
        {key: source.get(key) for key in ("kind", "name", "revision", "kit_version")}
        for source in sources.get("sources", completion.get("sources", []))
    ]
    content.source_table = source_table(files.work_dir)
    content.apps = sorted({str(app["id"]) for app in prepared.get("apps", [])})
    content.excluded = dict(sorted(prepared.get("excluded", completion.get("excluded", {})).items()))
    content.extensions = _extensions(files, prepared)
    content.settings = dict(sorted(files.read("settings/setting_summary.json").get("settings", {}).items()))
    content.nodes = dict(sorted(files.read("nodes/nodes_database.json").get("nodes", {}).items()))
    content.warnings = _warnings(reports)
    if completion:
        content.warnings = content.warnings or [{"stage": "", **item} for item in completion.get("warnings", [])]
    content.conflicts = list(reports["settings/settings_report.json"].get("conflicts", []))
    return content


def _extensions(files: DataFiles, prepared: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the database. Until stage 3 has merged it, return the results of its subtasks and ``preparation``."""
    found: dict[str, dict[str, Any]] = files.read("extension_data/extensions_database.json").get("extensions", {})
    if not found:
        for chosen in prepared.get("extensions", []):
            entry = files.read(f"extension_data/entries/{_file_name(chosen['id'])}.json").get("entry")
            found[chosen["id"]] = entry or {**chosen.get("metadata", {}), "version": chosen.get("version")}
    return {key: {**found[key], "id": key} for key in sorted(found)}


def _warnings(reports: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the warnings of all stages. Equal warnings of two stages about the same place appear once."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for stage, name in _WARNING_FILES:
        for item in reports[name].get("warnings", []):
            key = tuple(item.get(part) for part in ("extension", "file", "line", "kind", "message"))
            found.setdefault(key, {"stage": stage, **item})
    return [found[key] for key in sorted(found, key=lambda key: tuple(str(part) for part in key))]


def _file_name(extension: str) -> str:
    return _NO_FILE_CHARACTERS.sub("_", extension)
