"""What the build of an extension puts where: read from its ``premake5.lua``, which is never run.

In a source tree that is not built, a Python file often lies elsewhere than Kit would import it from, and its place says
little about its name: ``python/impl/stage.py`` may become ``isaacsim.core.utils.stage`` or
``isaacsim.core.nodes.impl.stage``. The build file tells, in the pairs of ``repo_build.prebuild_link`` and
``repo_build.prebuild_copy`` and in ``project_ext_bindings``, whose ``*.py`` files come along with the bindings.

Only what real build files use is understood: strings, names that are assigned such, and ``..`` between them. A pair
with anything else in it is passed over.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import NamedTuple

FILE = "premake5.lua"
# Far beyond any real build file.
MAX_BYTES = 256 * 1024

_TOKEN = re.compile(
    r"""--\[(?P<level>=*)\[.*?(?:\](?P=level)\]|\Z)|--[^\n]*|\s+
    |"(?P<double>(?:[^"\\\n]|\\.)*)"|'(?P<single>(?:[^'\\\n]|\\.)*)'
    |(?P<name>[A-Za-z_]\w*(?:[.:][A-Za-z_]\w*)*)|(?P<mark>\.\.|[{},=])|.""",
    re.DOTALL | re.VERBOSE,
)
# What stands for the extension's folder in the build, and for what is not known.
_TARGET = "\1"
_UNKNOWN = "\2"
_GLOBS = frozenset({"*", "*.*", "*.py", "**", "**.*", "**.py"})
_LONGEST = 4096


class BuildLink(NamedTuple):
    """What the build links or copies.

    Attributes:
        source: A file or folder, relative to the extension's folder, with ``/``; empty for that folder itself.
        target: Where it is in the built extension, relative to it; empty for that itself.
        what: ``all`` that is in the folder, its ``files`` alone, or ``it``, one file or folder.
    """

    source: str
    target: str
    what: str


def build_links(data: bytes, extension: str) -> list[BuildLink]:
    """Return what a build file links or copies into the extension, in the file's order.

    Args:
        data: Its content.
        extension: The extension's id, which stands in the paths of build files that name their target themselves.
    """
    return list(_Lua(data[:MAX_BYTES].decode("utf-8", "replace"), extension).links())


class _Lua:
    def __init__(self, text: str, extension: str) -> None:
        self.extension = extension
        # (kind, text): a string, a name or a mark.
        self.tokens: list[tuple[str, str]] = []
        for match in _TOKEN.finditer(text):
            kind = match.lastgroup
            if kind in ("double", "single"):
                self.tokens.append(("string", re.sub(r"\\(.)", r"\1", match[kind])))
            elif kind in ("name", "mark"):
                self.tokens.append((kind, match[kind]))
            elif not match[0].isspace() and not match[0].startswith("--"):
                self.tokens.append(("other", match[0]))
        self.names = {"ext.target_dir": _TARGET, "ext.id": extension, "ext.name": extension}

    def links(self) -> Iterator[BuildLink]:
        position = 0
        while position < len(self.tokens):
            kind, text = self.tokens[position]
            position += 1
            if kind != "name":
                continue
            following = self.tokens[position : position + 1]
            if following == [("mark", "=")]:
                position = self.assign(text, position + 1)
            elif text.endswith(("prebuild_link", "prebuild_copy")):
                entries, position = self.table(position)
                yield from self.pairs(entries)
            elif text == "project_ext_bindings":
                entries, position = self.table(position)
                yield from self.bindings(entries)

    def assign(self, name: str, position: int) -> int:
        if name == "ext.target_dir":  # another place for the same extension
            return position
        call = self.tokens[position : position + 4]
        if call[:2] == [("name", "get_ogn_project_information"), ("other", "(")]:
            # get_ogn_project_information(ext, "isaacsim/core/nodes")
            strings = [text for kind, text in self.tokens[position : position + 6] if kind == "string"]
            if strings:
                self.names[f"{name}.python_target_path"] = f"{_TARGET}/{strings[0]}"
                self.names[f"{name}.python_tests_target_path"] = f"{_TARGET}/{strings[0]}/tests"
                self.names[f"{name}.bindings_path"] = "bindings/python"
            return position
        value, position = self.expression(position)
        self.names[name] = value
        return position

    def expression(self, position: int) -> tuple[str, int]:
        """Return the value of the terms from a token on, and the position after them."""
        parts: list[str] = []
        while position < len(self.tokens):
            kind, text = self.tokens[position]
            if kind == "string":
                parts.append(text)
            elif kind == "name":
                parts.append(self.names.get(text, _UNKNOWN))
            else:
                return _UNKNOWN, position
            position += 1
            if self.tokens[position : position + 1] != [("mark", "..")]:
                break
            position += 1
        value = "".join(parts)
        return (value if len(value) <= _LONGEST else _UNKNOWN), position

    def table(self, position: int) -> tuple[list[tuple[int, str, str]], int]:
        """Return the depth, key and value of what stands in the table that begins at a token, and where it ends."""
        if self.tokens[position : position + 1] == [("other", "(")]:
            position += 1
        entries: list[tuple[int, str, str]] = []
        depth = 0
        while position < len(self.tokens):
            kind, text = self.tokens[position]
            if kind == "mark" and text in "{}":
                depth += 1 if text == "{" else -1
                entries.append((depth, text, ""))
                position += 1
            elif kind in ("string", "name"):
                key = ""
                if kind == "name" and self.tokens[position + 1 : position + 2] == [("mark", "=")]:
                    key, position = text, position + 2
                value, position = self.expression(position)
                entries.append((depth, key, value))
            else:
                position += 1
            if not depth:
                break
        return entries, position

    def pairs(self, entries: list[tuple[int, str, str]]) -> Iterator[BuildLink]:
        inner: list[str] = []
        for _, key, value in entries:
            if key not in ("{", "}"):
                inner.append(value)
                continue
            if key == "}" and len(inner) == 2:
                yield from self.link(*inner)
            inner = []

    def bindings(self, entries: list[tuple[int, str, str]]) -> Iterator[BuildLink]:
        given = {key: value for depth, key, value in entries if depth == 1}
        if "src" in given and "target_subdir" in given:
            yield from self.link(f"{given['src']}/*.py", f"{_TARGET}/{given['target_subdir']}")

    def link(self, source: str, target: str) -> Iterator[BuildLink]:
        place = self.in_extension(target)
        folder, _, last = source.rpartition("/")
        what = "it"
        if last in _GLOBS:
            source, what = folder, "all" if last.startswith("**") or last == "*" else "files"
        before, found, below = source.rpartition(f"/{self.extension}/")
        if found and before.endswith(("/source", "/extensions", "/exts")):  # spelled out from the repository's root
            source = below
        source = posixpath.normpath(source) if source else "."
        if place is None or source.startswith(("/", "..")) or any(mark in source for mark in "\1\2%$*\0"):
            return
        yield BuildLink("" if source == "." else source, place, what)

    def in_extension(self, target: str) -> str | None:
        """Return a path of the build relative to the built extension; None if it is elsewhere."""
        if target.startswith(_TARGET):
            place = target[1:]
        else:
            before, found, place = f"{target}/".rpartition(f"/{self.extension}/")
            if not found or not before:
                return None
        place = posixpath.normpath(place.strip("/") or ".")
        if place.startswith("..") or any(mark in place for mark in "\1\2%$*\0"):
            return None
        return "" if place == "." else place
