"""The configured sources, one type for each kind of source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import msgspec

from stages.artifacts.pull_repo_exts import Kind

Links = Literal["any", "inside"]


class _Located(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """A source and the locations of its extensions.

    Attributes:
        kind: The kind of source.
        exts_path: Folders of extensions, relative to the source; globs allowed. None to detect them.
        apps_path: Folders of apps, in the same form.
        app_template_path: Folder of app templates, in the same form; empty or null if there is none.
    """

    kind: ClassVar[Kind]
    exts_path: list[str] = []
    apps_path: list[str] = []
    app_template_path: str | None = None


class WheelSource(_Located, frozen=True, tag="wheel"):
    """A wheel of the package index.

    Attributes:
        requirement: Its requirement, pinned: ``isaaclab==2.3.2``.
        sha256: Its SHA-256, hexadecimal; empty or null if it is not to be checked.
    """

    kind: ClassVar[Kind] = "wheel"
    requirement: str
    sha256: str | None = None

    @property
    def followed_links(self) -> Links:
        """See `PathSource.followed_links`."""
        return "inside"


class GitSource(_Located, frozen=True, tag="git"):
    """A git repository.

    Attributes:
        url: Its address, or the absolute path of a local one.
        branch: Branch, tag or commit; null for the repository's default branch.
        build_command: The program that builds the clone, and its arguments; empty if nothing is built.
        build_timeout_seconds: The time limit of the build.
    """

    kind: ClassVar[Kind] = "git"
    url: str
    branch: str | None = None
    build_command: list[str] = []
    build_timeout_seconds: int = 7200

    @property
    def followed_links(self) -> Links:
        """See `PathSource.followed_links`. A build is the user's own."""
        return "any" if self.build_command else "inside"


class PathSource(_Located, frozen=True, tag="path"):
    """A local folder.

    Attributes:
        path: Its absolute path.
        links: Whether links that lead out of it are followed.
    """

    kind: ClassVar[Kind] = "path"
    path: str
    links: Links = "any"

    @property
    def followed_links(self) -> Links:
        """The links in the source to follow: ``any``, or ``inside`` for links that stay in the source.

        Content from elsewhere must not make the pipeline read the user's other files.
        """
        return self.links


ConfiguredSource = WheelSource | GitSource | PathSource


def configured_sources(tables: Iterable[Mapping[str, Any]]) -> list[ConfiguredSource]:
    """Return the sources of ``[[input.sources]]`` tables that the configuration's schema allows.

    Args:
        tables: The tables, with ``${NAME}`` expanded, local paths absolute and ``…_path`` globs as lists.

    Raises:
        msgspec.ValidationError: A table has another form.
    """
    return msgspec.convert(list(tables), list[ConfiguredSource])
