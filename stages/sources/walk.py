"""Deterministic walk through a folder of extensions. Handles links, loops, pipes and unusual names."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

# Deeper than any real tree. Ends undetected loops of bind mounts.
MAX_DEPTH = 48

_NAME = attrgetter("name")


class Problem(NamedTuple):
    """A file, folder or link that was skipped.

    Attributes:
        kind: ``link-outside``, ``link-loop``, ``not-a-file``, ``unreadable``, ``file-name`` or ``too-deep``.
        path: Relative to the walk's root, with ``/``; fit for JSON.
        message: A sentence without capital and full stop.
    """

    kind: str
    path: str
    message: str


@dataclass(slots=True)
class Folder:
    """One folder of a walk.

    Attributes:
        path: Its path, as the root was given.
        relative: Its path relative to the root, with ``/``; empty for the root.
        folders: Names of the folders in it, sorted. The caller may remove some; the walk then skips them.
        files: The regular files in it, including links to files, sorted by name.
    """

    path: str
    relative: str
    folders: list[str]
    files: list[os.DirEntry[str]]

    def below(self, name: str) -> str:
        """Return the path of something in this folder, relative to the root."""
        return f"{self.relative}/{name}" if self.relative else name


def walk(
    root: str, *, inside: str | None, problems: list[Problem], leave_out: Collection[str] = ()
) -> Iterator[Folder]:
    """Yield the folders at and below ``root`` in a fixed order: a folder before those in it, siblings by name.

    Hidden entries and ``__pycache__`` are skipped. Links to folders are followed last and each real folder is visited
    once. So there are no loops, and a folder is reported at its real path if that is in the tree.

    Args:
        root: The first folder; may be a link.
        inside: If given, an absolute real path: links that lead out of it are not followed.
        problems: Receives the problems found.
        leave_out: Real paths of folders to skip, even behind links: the pipeline's outputs.
    """
    yield from _Walk(os.path.realpath(root), inside, problems, leave_out).folders(root)


class _Walk:
    def __init__(self, root: str, inside: str | None, problems: list[Problem], leave_out: Collection[str]) -> None:
        self.root = root
        self.inside = inside
        self.problems = problems
        # A clone is in the work directory. A walk that starts at its root may enter it.
        self.leave_out = frozenset(folder for folder in leave_out if not is_within(root, folder))
        self.visited: set[str] = set()

    def folders(self, root: str) -> Iterator[Folder]:
        links: deque[tuple[str, str]] = deque()
        yield from self.tree(root, "", self.root, links)
        while links:
            path, relative = links.popleft()
            real = os.path.realpath(path)
            if real in self.visited or any(is_within(real, folder) for folder in self.leave_out):
                continue
            if is_within(self.root, real):
                self.add("link-loop", relative, "a link to a folder above it; not followed")
            elif not self.allowed(real):
                self.add("link-outside", relative, "a link that leads out of its source; not followed")
            else:
                yield from self.tree(path, relative, real, links)

    def tree(self, path: str, relative: str, real: str, links: deque[tuple[str, str]]) -> Iterator[Folder]:
        pending = [(path, relative, real)]
        while pending:
            path, relative, real = pending.pop()
            if relative.count("/") >= MAX_DEPTH:
                self.add("too-deep", relative, "folders are nested too deeply; this one was not read")
                continue
            self.visited.add(real)
            folder = Folder(path, relative, [], [])
            linked = self.read(folder)
            yield folder
            # Reversed, because the last one is processed first. The caller may have removed some of `folders`.
            for name in reversed(folder.folders):
                if name not in linked and f"{real}/{name}" not in self.leave_out:
                    pending.append((f"{path}/{name}", folder.below(name), f"{real}/{name}"))
            links.extend((f"{path}/{name}", folder.below(name)) for name in folder.folders if name in linked)

    def read(self, folder: Folder) -> set[str]:
        """List a folder. Return the names of its links to folders."""
        linked: set[str] = set()
        try:
            with os.scandir(folder.path) as scan:
                entries = sorted(scan, key=_NAME)
        except OSError as error:
            self.add("unreadable", folder.relative, f"the folder cannot be read ({error.strerror or error})")
            return linked
        for entry in entries:
            name = entry.name
            if name[0] == "." or name == "__pycache__":
                continue
            if not name.isascii() and not _is_text(name):
                self.add("file-name", folder.below(name), "the name is not valid UTF-8; left out")
                continue
            try:
                if entry.is_file(follow_symlinks=False):
                    folder.files.append(entry)
                    continue
                link = entry.is_symlink()
                if entry.is_dir():
                    folder.folders.append(name)
                    if link:
                        linked.add(name)
                elif not entry.is_file():
                    self.add("not-a-file", folder.below(name), "neither a file nor a folder; left out")
                elif not self.allowed(os.path.realpath(entry.path)):
                    self.add("link-outside", folder.below(name), "a link that leads out of its source; not read")
                else:
                    folder.files.append(entry)
            except OSError as error:
                self.add("unreadable", folder.below(name), f"cannot be read ({error.strerror or error})")
        return linked

    def allowed(self, real: str) -> bool:
        return self.inside is None or is_within(real, self.inside)

    def add(self, kind: str, relative: str, message: str) -> None:
        self.problems.append(Problem(kind, printable(relative), message))


def is_within(path: str, folder: str) -> bool:
    """Return True if a real absolute path equals a folder or lies below it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(name: str) -> str:
    """Return a name fit for messages and JSON. Escapes control characters and bytes that are not UTF-8."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
