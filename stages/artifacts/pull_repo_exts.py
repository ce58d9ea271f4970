"""The file of stage 1: the sources and the folders of their extensions."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from stages.artifacts.record import KitVersion, PathBelow, Positive, Record, Text
from stages.failures import StageWarning

SOURCES = "sources.json"

Kind = Literal["wheel", "git", "path"]


class Source(Record):
    """One source of extensions.

    Attributes:
        kind: The kind of source.
        name: The name in messages, without credentials.
        root: Its folder.
        exts_paths: Folders of extensions, relative to ``root``; an empty string means ``root``.
        apps_paths: Folders whose .kit files are apps, relative to ``root``.
        unbuilt_paths: Folders of the source tree beside a build, relative to ``root``, for extensions that the build
            lacks.
        app_template_path: Folder of app templates, relative to ``root``; null if there is none.
        revision: The commit of a git source, the SHA-256 of a wheel, a digest of a folder's file names and manifests.
        kit_version: Kit version of the source; null if unknown.
        links: Whether links that lead out of the source are followed (``any``) or not (``inside``).
    """

    kind: Kind
    name: Text
    root: Text
    exts_paths: Annotated[list[PathBelow], Meta(min_length=1)]
    apps_paths: list[PathBelow]
    unbuilt_paths: list[PathBelow]
    app_template_path: PathBelow | None
    revision: Annotated[str, Meta(extra_json_schema={"pattern": "^[0-9a-f]{32,64}$"})]
    kit_version: str | None
    links: Literal["any", "inside"]


class Sources(Record):
    """The sources that pull_repo_exts fetched or found. Paths use ``/``. Paths into work_dir are relative to it.

    Attributes:
        kit_cache_path: Folder of the first source.
        kit_version: Kit version of the data set.
        limits: Limits for archives, as configured.
        sources: The sources, in the order of the configuration.
        warnings: Warnings about skipped or repaired input, with file and line.
    """

    kit_cache_path: Text
    kit_version: KitVersion
    limits: dict[str, Positive]
    sources: Annotated[list[Source], Meta(min_length=1)]
    warnings: list[StageWarning]
