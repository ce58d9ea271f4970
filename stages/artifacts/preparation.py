"""The file of stage 2: the selected extensions and apps, and their files."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from stages.artifacts.record import (
    Count,
    ExtensionId,
    FileBelow,
    Files,
    KitVersion,
    Record,
    Text,
    Version,
)
from stages.failures import StageWarning

EXTENSIONS = "extensions.json"

_SEEN = "^((folder|kit|archive|app)s_found|files_(python|stubs|toml|cpp|docs|ogn|other))$"
_MANIFEST = r"^(config/extension\.toml|extension\.toml|[^/]+\.[kK][iI][tT])$"


class Metadata(Record):
    """The metadata in a manifest.

    Attributes:
        title: The manifest's title; empty if it has none.
        description: The manifest's description; empty if it has none.
        category: The manifest's category; empty if it has none.
        keywords: The manifest's keywords.
        dependencies: Ids of the required dependencies in the manifest.
        optional_dependencies: Ids of the optional dependencies in the manifest.
        readme: The readme's path; null if there is none.
        changelog: The changelog's path; null if there is none.
        readme_text: The readme's text, if the manifest contains it; else empty.
    """

    title: str
    description: str
    category: str
    keywords: list[Text]
    dependencies: list[str]
    optional_dependencies: list[str]
    readme: FileBelow | None
    changelog: FileBelow | None
    readme_text: str


class PythonModule(Record):
    """A module that a manifest declares.

    Attributes:
        name: The declared importable name.
        path: The declared folder, which Kit puts on ``sys.path``.
    """

    name: Text
    path: FileBelow


class ExtensionFiles(Record):
    """The files of an extension, relative to its folder, each list sorted.

    Attributes:
        python: Python sources.
        stubs: Stubs (``.pyi``).
        toml: TOML files that may contain settings.
        cpp: C++ sources and headers.
        docs: Documents.
        ogn: Descriptions of OmniGraph nodes.
    """

    python: Files
    stubs: Files
    toml: Files
    cpp: Files
    docs: Files
    ogn: Files

    def all(self) -> list[str]:
        """Return every file."""
        return [*self.python, *self.stubs, *self.toml, *self.cpp, *self.docs, *self.ogn]


class Extension(Record):
    """One selected extension.

    Attributes:
        id: The id.
        version: The version.
        source: Its position in ``sources`` of sources.json.
        folder: Relative to work_dir if it lies there, else absolute.
        manifest: Relative to ``folder``: config/extension.toml, extension.toml, or the .kit file.
        metadata: The metadata in the manifest.
        python_modules: As declared in [[python.module]]; ``path`` is ``.`` by default.
        python_roots: Folder, relative to ``folder`` -> the dotted name of its contents. For a file, the innermost
            folder decides.
        files: Relative to ``folder``, each list sorted.
        size: Bytes of its Python files.
    """

    id: ExtensionId
    version: Version
    source: Count
    folder: Text
    manifest: Annotated[str, Meta(extra_json_schema={"pattern": _MANIFEST})]
    metadata: Metadata
    python_modules: list[PythonModule]
    python_roots: Annotated[dict[str, str], Meta(extra_json_schema={"required": [""]})]
    files: ExtensionFiles
    size: Count


class App(Record):
    """One app: an owner of settings that is not an extension.

    Attributes:
        id: The id.
        version: The version.
        title: The app's title; empty if it has none.
        file: The name of its .kit file.
        source: Its position in ``sources`` of sources.json.
        path: Relative to work_dir if it lies there, else absolute.
    """

    id: ExtensionId
    version: Version
    title: str
    file: Annotated[str, Meta(extra_json_schema={"pattern": r"\.[kK][iI][tT]$"})]
    source: Count
    path: Text


Owner = Extension | App
"""An owner of settings: an extension or an app."""


class Extensions(Record):
    """The selected extensions and apps, and their files. Paths use ``/``.

    Attributes:
        kit_version: The Kit version.
        extensions: The extensions, sorted by id.
        apps: The apps, sorted by id.
        other_versions: For each selected id with several versions, the unselected versions, highest first.
        excluded: Ids excluded by the configuration, each with the key.
        warnings: Warnings about skipped or repaired input, with file and line.
        files_seen: Numbers of found folders, kits, archives and apps, and of the selected extensions' files by kind.
    """

    kit_version: KitVersion
    extensions: Annotated[list[Extension], Meta(min_length=1)]
    apps: list[App]
    other_versions: dict[str, Annotated[list[Version], Meta(min_length=1)]]
    excluded: dict[str, Text]
    warnings: list[StageWarning]
    files_seen: dict[Annotated[str, Meta(extra_json_schema={"pattern": _SEEN})], Count]

    def owners(self) -> list[Owner]:
        """Return the owners of settings: the extensions, then the apps."""
        return [*self.extensions, *self.apps]
