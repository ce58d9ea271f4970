"""The files that an extension's build links and copies, read from its ``premake5.lua``. The file is never run.

In a source tree that is not built, the location of a Python file often differs from its import name:
``python/impl/stage.py`` may become ``isaacsim.core.utils.stage`` or ``isaacsim.core.nodes.impl.stage``. The build file
defines the names in these calls of Kit's build tools:

- ``repo_build.prebuild_link`` and ``repo_build.prebuild_copy``: pairs of source and target;
- ``project_ext_bindings``: the folder of the bindings, with its ``*.py`` files;
- ``add_ogn_dependencies(ogn, {"python/nodes"})``: folders of OmniGraph nodes, which go below ``ogn`` in the package;
- ``get_current_extension_info`` and ``get_ogn_project_information``: paths that the other calls use.

`stages.sources.lua` evaluates the variables; this module implements the calls.
"""

from __future__ import annotations

import posixpath
import re
from typing import Literal, NamedTuple

from stages.sources.lua import LONGEST, MARKS, UNKNOWN, Builtin, Evaluation, Table, Value, first, is_known, text_of

FILE = "premake5.lua"
# Three times the largest build file of an extension that was seen. The parser takes quadratic time on garbage.
MAX_BYTES = 32 * 1024

# Marks in a string for the built extension's folder and for the folder of the build file.
_TARGET = "\1"
_HERE = "\3"
# A path with one of these does not identify a file.
_UNUSABLE = f"{MARKS}%$*\0"
_GLOBS = frozenset({"*", "*.*", "*.py", "**", "**.*", "**.py"})
# The folder of fetched packages. Paths below it are not part of the source tree.
_FETCHED = re.compile(r"(?:^|/)_build/|(?:^|[/{$])(?:target|host)[-_]deps\b|\bkit_sdk|^%\{kit|\bextsbuild_dir\b")


class BuildLink(NamedTuple):
    """A link or copy of the build.

    Attributes:
        source: A file or folder, relative to the extension's folder, with ``/``; empty for that folder itself.
        target: Path in the built extension, relative to it; empty for the extension's folder itself.
        scope: ``tree``: all contents of the folder; ``files``: only its files; ``path``: one file or folder.
    """

    source: str
    target: str
    scope: Literal["tree", "files", "path"]


class FetchedLink(NamedTuple):
    """A link or copy of the build from a fetched package.

    Attributes:
        package: The path in the build, as far as known.
        target: Path in the built extension, relative to it; empty for the extension's folder itself.
    """

    package: str
    target: str


class BuildPlan(NamedTuple):
    """The links and copies of a build file.

    Attributes:
        links: Links from the extension's own folder, in the file's order.
        fetched: Links from fetched packages.
        ogn_folders: Folders of OmniGraph nodes, relative to the extension; also among the links.
    """

    links: list[BuildLink]
    fetched: list[FetchedLink]
    ogn_folders: list[str]


def build_links(data: bytes, extension: str) -> list[BuildLink]:
    """Return the links and copies of a build file; see `build_plan`."""
    return build_plan(data, extension).links


def build_plan(data: bytes, extension: str) -> BuildPlan:
    """Return the links and copies of a build file.

    Args:
        data: Its content.
        extension: The extension's id. Build files with explicit target paths contain it.
    """
    tools = _BuildTools(extension)
    tools.lua.run(data[:MAX_BYTES])
    return BuildPlan(tools.links, tools.fetched, tools.ogn_folders)


class _BuildTools:
    """Kit's build tools, as called by one build file."""

    def __init__(self, extension: str) -> None:
        self.extension = extension
        self.links: list[BuildLink] = []
        self.fetched: list[FetchedLink] = []
        self.ogn_folders: list[str] = []
        self.extension_info = Table(
            fields={
                "target_dir": _TARGET,
                "id": extension,
                "name": extension,
                "path": _HERE,
                "bin_dir": f"{_TARGET}/bin",
            },
            # A build file may set another folder for the same extension.
            constant=frozenset({"target_dir"}),
        )
        self.functions: dict[str, Builtin] = {
            "get_current_extension_info": lambda _: self.extension_info,
            "get_ogn_project_information": self.ogn_project,
            "create_ogn_project_information": self.ogn_project,
            "add_ogn_dependencies": self.ogn_dependencies,
            "project_ext_bindings": self.bindings,
            "path.join": _join,
            "path.getabsolute": first,
            "path.normalize": first,
            "path.getname": lambda arguments: text_of(arguments[:1]).rpartition("/")[2],
            "os.target": lambda _: "linux",
            "os.host": lambda _: "linux",
        }
        # Names that the build tools define for every build file.
        names: dict[str, Value] = {
            "ext": self.extension_info,
            "root": "%{root}",
            "target_deps": "%{root}/_build/target-deps",
            "host_deps": "%{root}/_build/host-deps",
            "extsbuild_dir": "extsbuild_dir",
            "_SCRIPT_DIR": _HERE,
        }
        self.lua = Evaluation(names, self.function)

    def function(self, name: str) -> Builtin | None:
        """Return the implementation of a build tools' function; None for an unknown name."""
        return self.pairs if name.endswith(("prebuild_link", "prebuild_copy")) else self.functions.get(name)

    def ogn_project(self, arguments: list[Value]) -> Value:
        path = arguments[1] if len(arguments) > 1 else None
        if not isinstance(path, str):
            path = UNKNOWN
        path = path.strip("/")
        target = f"{_TARGET}/{path}"
        return Table(
            fields={
                "import_path": path,
                "module": path.replace("/", "."),
                "python_root_path": _TARGET,
                "python_target_path": target,
                "python_tests_target_path": f"{target}/tests",
                "bindings_path": "bindings/python",
                "bindings_target_path": path,
                "nodes_path": "nodes",
            }
        )

    def ogn_dependencies(self, arguments: list[Value]) -> None:
        project = arguments[0] if arguments else None
        folders = arguments[1] if len(arguments) > 1 else None
        if not isinstance(project, Table):
            return
        package = text_of([project.fields.get("python_target_path")])
        for folder in folders.items if isinstance(folders, Table) else [folders]:
            if isinstance(folder, str) and is_known(folder):
                plain = posixpath.normpath(folder.strip("/") or ".")
                self.ogn_folders.append(plain)
                self.link(plain, f"{package}/ogn/{plain}")

    def pairs(self, arguments: list[Value]) -> None:
        """Add the pairs of a table, or a single pair."""
        waiting = [argument for argument in arguments if isinstance(argument, Table)]
        while waiting:
            self.lua.step()
            table = waiting.pop(0)
            inner = [item for item in table.items if isinstance(item, Table)]
            if len(table.items) == 2 and not inner:
                self.link(text_of(table.items[:1]), text_of(table.items[1:]))
            waiting = inner + waiting

    def bindings(self, arguments: list[Value]) -> None:
        given = arguments[0].fields if arguments and isinstance(arguments[0], Table) else {}
        if "src" in given and "target_subdir" in given:
            self.link(f"{text_of([given['src']])}/*.py", f"{_TARGET}/{text_of([given['target_subdir']])}")

    def link(self, source: str, target: str) -> None:
        place = self.in_extension(target)
        if place is None:
            return
        source = source.removeprefix(f"{_HERE}/").replace("\\", "/")
        folder, _, last = source.rpartition("/")
        scope: Literal["tree", "files", "path"] = "path"
        if last in _GLOBS:
            source, scope = folder, "tree" if last.startswith("**") or last == "*" else "files"
        before, found, below = source.rpartition(f"/{self.extension}/")
        if found and before.endswith(("/source", "/extensions", "/exts", "/deprecated")):
            source = below  # spelled out from the repository's root
        if _FETCHED.search(source):
            package = "".join(character for character in source if character.isprintable())
            self.fetched.append(FetchedLink(package, place))
            return
        source = posixpath.normpath(source) if source else "."
        if source.startswith(("/", "..")) or any(mark in source for mark in _UNUSABLE):
            return
        self.links.append(BuildLink("" if source == "." else source, place, scope))

    def in_extension(self, target: str) -> str | None:
        """Return a path of the build relative to the built extension; None if it is outside."""
        if target.startswith(_TARGET):
            place = target[1:]
        else:
            before, found, place = f"{target}/".rpartition(f"/{self.extension}/")
            if not found or not before:
                return None
        place = posixpath.normpath(place.strip("/") or ".")
        if place.startswith("..") or any(mark in place for mark in _UNUSABLE):
            return None
        return "" if place == "." else place


def _join(arguments: list[Value]) -> str:
    return "/".join(text_of([argument]).rstrip("/") for argument in arguments)[:LONGEST]
