"""A digest of a stage's code: the module of its function and the ``stages`` modules that it imports.

The digest is an input of the stage's tasks: an edit runs them again. Later tasks run only if the outputs change.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from functools import cache
from pathlib import Path

import doit

_ROOT = Path(__file__).resolve().parent.parent
_PACKAGE = "stages"
# ``from stages.package import a, b`` and ``import stages.package.module``, also in functions and across lines.
# A match in a comment only adds a module, which costs a rerun at worst.
_IMPORT = re.compile(
    rb"from stages([\w.]*) import (?:\(([^)]*)\)|([^\n#]*))|import stages([\w.]+)",
)
_GRAMMAR = re.compile(r"tree_sitter[\w.-]*\.dist-info\Z")
_NAME = re.compile(rb"(\w+)(?:[ \t]+as[ \t]+\w+)?")


@cache
def code_digest(module: str) -> str:
    """Return the digest of a ``stages`` module, its imports from ``stages``, Python's version and the grammars.

    Args:
        module: Full name, such as ``stages.settings``.

    Returns:
        128 bits, hexadecimal. Does not depend on the project's location.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{sys.version_info.major}.{sys.version_info.minor} {' '.join(_grammars())}\n".encode())
    for name in sorted(closure(module)):
        digest.update(name.encode() + b" " + _read(name)[1] + b"\n")
    return digest.hexdigest()


@cache
def _grammars() -> tuple[str, ...]:
    """Return the names and versions of the installed grammars, from the names of their folders."""
    # The folder of doit, which is already loaded. To look up a package would take longer than all else here.
    folder = os.path.dirname(os.path.dirname(doit.__file__))
    return tuple(sorted(name for name in os.listdir(folder) if _GRAMMAR.match(name)))


@cache
def closure(module: str) -> frozenset[str]:
    """Return a module with all ``stages`` modules and packages that it imports, directly or indirectly."""
    found: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        if name in found or _file(name) is None:
            continue
        found.add(name)
        todo += _read(name)[0]
        if "." in name:
            todo.append(name.rpartition(".")[0])  # importing a module imports its package
    return frozenset(found)


@cache
def _read(name: str) -> tuple[tuple[str, ...], bytes]:
    """Return the ``stages`` names that a module may import, and the digest of its file and data files."""
    path = _file(name)
    if path is None:
        return (), b""
    data = path.read_bytes()
    digest = hashlib.blake2b(data, digest_size=16)
    if path.name == "__init__.py" and path.parent != _ROOT / _PACKAGE:
        for extra in sorted(path.parent.glob("*.toml")):
            digest.update(extra.name.encode() + b" " + extra.read_bytes())
    names: list[str] = []
    for match in _IMPORT.finditer(data):
        source = _PACKAGE + (match[1] or match[4] or b"").decode()
        names.append(source)
        names += [f"{source}.{item[1].decode()}" for item in _NAME.finditer(match[2] or match[3] or b"")]
    return tuple(names), digest.digest()


@cache
def _file(name: str) -> Path | None:
    base = _ROOT.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None
