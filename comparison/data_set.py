"""A published data set, read one extension at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeVar

import msgspec

from comparison.records import (
    Api,
    Atlas,
    AtlasModules,
    Class,
    Database,
    Example,
    Examples,
    Extension,
    Member,
    Node,
    Nodes,
    Setting,
    Settings,
    Variable,
    is_public,
)
from stages.artifacts.final_assembly import Manifest
from stages.failures import StageError
from stages.publishing.manifest import read_manifest

_DATABASE = "extensions/extensions_database.json"
_SETTINGS = "settings/setting_summary.json"
_NODES = "nodes/nodes_database.json"
_VERSION = re.compile(r"\d+\.\d+")
# Number of decoded files of other extensions to cache, for base classes in those extensions.
_KEPT = 4
_NO_API = Api({}, [], [])
_T = TypeVar("_T")


class DataSet:
    """One version's folder of a target directory, or a copy of it.

    `api`, `examples`, `settings` and `nodes` decode their file on each call; their results are not cached.
    """

    def __init__(self, folder: Path) -> None:
        """Open the data set. Reads its manifest and the list of its extensions.

        Raises:
            StageError: The folder does not contain a complete data set.
        """
        self.folder = folder
        if not (folder / _DATABASE).is_file():
            raise StageError(f"{folder}: not a data set ({_DATABASE} is missing). Name a folder such as data/107.3.")
        self.manifest: Manifest | None = read_manifest(folder)
        database = self._decode(_DATABASE, Database)
        self.kit_version: str = database.kit_version
        self.extensions: dict[str, Extension] = database.extensions
        self._classes_of = lru_cache(_KEPT)(self._classes)
        self._atlas_of = lru_cache(_KEPT)(self._atlas)

    def digest(self, name: str) -> str | None:
        """Return the SHA-256 of a file from the manifest; None if the manifest does not list the file."""
        entry = self.manifest.files.get(name) if self.manifest else None
        return entry.sha256 if entry else None

    def api_file(self, extension: str) -> str | None:
        """Return the name of the file with an extension's API; None if the extension has none."""
        entry = self.extensions.get(extension)
        return f"extensions/{entry.api_docs_path}" if entry and entry.api_docs_path else None

    def api(self, extension: str) -> Api:
        """Return an extension's public API; empty if it has none.

        Raises:
            StageError: The file is missing or malformed.
        """
        name = self.api_file(extension)
        return self._decode(name, Api) if name else _NO_API

    def aliases(self, extension: str) -> dict[str, str]:
        """Return the aliases in an extension's API, under which it can be imported: full name -> the name in `api`.

        Raises:
            StageError: A file is missing or malformed.
        """
        entry = self.extensions.get(extension)
        if entry is None or not entry.codeatlas_path:
            return {}
        modules = self._decode(f"extensions/{entry.codeatlas_path}", AtlasModules).modules
        return {
            f"{module}.{name}": target for module, known in modules.items() for name, target in known.aliases.items()
        }

    def example_file(self, extension: str) -> str | None:
        """Return the name of the file with an extension's code examples; None if the data set has none."""
        return self._example_files.get(extension)

    def examples(self, extension: str) -> list[Example]:
        """Return an extension's code examples.

        Raises:
            StageError: The file is malformed.
        """
        name = self._example_files.get(extension)
        return self._decode(name, Examples).methods if name else []

    def settings(self) -> dict[str, Setting]:
        """Return all settings by path.

        Raises:
            StageError: The file is missing or malformed.
        """
        return self._decode(_SETTINGS, Settings).settings

    def nodes(self) -> dict[str, Node]:
        """Return all nodes by name; empty if the data set has no nodes.

        Raises:
            StageError: The file is malformed.
        """
        return self._decode(_NODES, Nodes).nodes if (self.folder / _NODES).is_file() else {}

    def ancestors(self, class_: Class) -> Iterator[dict[str, Member]]:
        """Yield the public members of each base class that the data set knows, nearest first, by name.

        Base classes may be private, and may lie in other extensions.

        Raises:
            StageError: A file is malformed.
        """
        seen = {class_.full_name}
        pending = list(class_.parent_classes)
        while pending:
            name = pending.pop(0)
            if name in seen:
                continue
            seen.add(name)
            for extension in self.extensions_with(name):
                known = self._known_class(extension, name)
                if known is not None:
                    parents, members = known
                    pending += parents
                    yield members
                    break

    def _known_class(self, extension: str, name: str) -> tuple[list[str], dict[str, Member]] | None:
        public = self._classes_of(extension).get(name)
        if public is not None:
            return public.parent_classes, public.members
        atlas = self._atlas_of(extension)
        private = atlas.classes.get(name)
        if private is None:
            return None
        members: dict[str, Member] = {variable: Variable(variable) for variable in private.class_variables}
        members |= {
            method: atlas.methods[f"{name}.{method}"]
            for method in private.methods
            if f"{name}.{method}" in atlas.methods
        }
        return private.parent_classes, {name: member for name, member in members.items() if is_public(name)}

    def _classes(self, extension: str) -> dict[str, Class]:
        return {class_.full_name: class_ for class_ in self.api(extension).classes.values()}

    def _atlas(self, extension: str) -> Atlas:
        path = self.extensions[extension].codeatlas_path
        return self._decode(f"extensions/{path}", Atlas) if path else Atlas({}, {})

    def extensions_with(self, name: str) -> list[str]:
        """Return the extensions that declare the module of a class or a parent of that module, nearest first."""
        parts = name.split(".")
        modules = [".".join(parts[:end]) for end in range(len(parts) - 1, 0, -1)]
        return [extension for module in modules for extension in self._owners.get(module, ())]

    @cached_property
    def _owners(self) -> dict[str, list[str]]:
        owners: dict[str, list[str]] = {}
        for identifier, extension in self.extensions.items():
            for module in extension.python_modules:
                owners.setdefault(module, []).append(identifier)
        return owners

    @cached_property
    def _example_files(self) -> dict[str, str]:
        found = sorted(self.folder.glob("code_examples/extracted_methods_*/*.example.json"))
        return {path.name.removesuffix(".example.json"): path.relative_to(self.folder).as_posix() for path in found}

    def _decode(self, name: str, form: type[_T]) -> _T:
        path = self.folder / name
        try:
            return msgspec.json.decode(path.read_bytes(), type=form)
        except OSError as error:
            raise StageError(f"{path}: cannot be read ({error.strerror or error}). Run doit verify.") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StageError(
                f"{path}: not in the form that the pipeline writes ({error}). Run the pipeline again."
            ) from error


def find_data_set(named: str, target_dir: Path, started_in: Path) -> Path:
    """Return the folder of a data set.

    Args:
        named: A Kit version (``107.3``) below the target directory, a data set's folder, or a folder of data sets,
            from which the highest version is chosen.
        target_dir: The configured target directory.
        started_in: Base folder of relative paths.

    Raises:
        StageError: There is no such data set.
    """
    if _VERSION.fullmatch(named) and (target_dir / named).is_dir():
        return target_dir / named
    folder = started_in / named
    if (folder / _DATABASE).is_file():
        return folder
    versions = [path for path in folder.glob("*.*") if _VERSION.fullmatch(path.name) and (path / _DATABASE).is_file()]
    if versions:
        return max(versions, key=lambda path: [int(part) for part in path.name.split(".")])
    here = sorted(path.name for path in target_dir.glob("*.*") if (path / _DATABASE).is_file())
    known = f"It has: {', '.join(here)}." if here else "It has no data set."
    raise StageError(
        f"{named}: neither a folder with a data set nor a Kit version in the target directory {target_dir}. {known}"
    )
