"""The file of stage 2: the extensions and apps that were chosen, and their files."""

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
        dependencies: Ids that the manifest depends on.
        optional_dependencies: Ids that the manifest depends on if they are there.
        readme: The readme's path; null if there is none.
        changelog: The changelog's path; null if there is none.
        readme_text: The readme, where the manifest gives its text; else empty.
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
        name: The importable name that is declared.
        path: The folder that the manifest gives for it, which Kit puts on ``sys.path``.
    """

    name: Text
    path: FileBelow


class ExtensionFiles(Record):
    """The files of an extension, relative to its folder, each list sorted.

    Attributes:
        python: Python sources.
        stubs: Stubs (``.pyi``).
        toml: TOML files that may hold settings.
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
    """One extension that was chosen.

    Attributes:
        id: The id.
        version: The version.
        source: Its position in ``sources`` of sources.json.
        folder: Relative to work_dir if it lies there, else absolute.
        manifest: Relative to ``folder``: config/extension.toml, extension.toml, or the one .kit file.
        metadata: The metadata in the manifest.
        python_modules: As declared in [[python.module]]; ``path`` is ``.`` by default.
        python_roots: Folder, relative to ``folder``, to the dotted name of what lies in it. The longest folder that
            holds a file decides.
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
    """One app: an owner of settings that is no extension.

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
    """The extensions and apps that preparation chose, and their files. Paths have ``/``.

    Attributes:
        kit_version: The Kit version.
        extensions: The extensions, sorted by id.
        apps: The apps, sorted by id.
        other_versions: For each chosen id that was found more than once, the versions that were not taken, highest
            first.
        excluded: Ids that the configuration leaves out, and by which key.
        warnings: Warnings about skipped or repaired input, with file and line.
        files_seen: Counts: what was found by kind (folders, kits, archives, apps), files of the chosen extensions by
            kind.
    """

    kit_version: KitVersion
    extensions: Annotated[list[Extension], Meta(min_length=1)]
    apps: list[App]
    other_versions: dict[str, Annotated[list[Version], Meta(min_length=1)]]
    excluded: dict[str, Text]
    warnings: list[StageWarning]
    files_seen: dict[Annotated[str, Meta(extra_json_schema={"pattern": _SEEN})], Count]

    def owners(self) -> list[Owner]:
        """Return all that may have settings: the extensions, then the apps."""
        return [*self.extensions, *self.apps]
