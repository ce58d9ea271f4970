"""The Python files of an extension: their roles, their import names, and how they are read and parsed."""

from __future__ import annotations

import codecs
import fnmatch
import io
import keyword
import re
import tokenize
from pathlib import Path
from typing import NamedTuple

from stages.nodes.generated import is_generated

API = "api"
TESTS = "tests"
OUTSIDE = "outside"
EXCLUDED = "excluded"

_TEST_FOLDERS = frozenset({"test", "tests"})
# Build and configuration files, which do not use the API.
_BUILD_FILES = frozenset({"conanfile", "conf", "fabfile", "noxfile", "setup", "tasks", "wscript"})
_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+")


class PythonFile(NamedTuple):
    """One Python file of an extension and its use.

    Attributes:
        path: Relative to the extension's folder, with ``/``.
        use: `API`: read for everything. `TESTS`: read for settings and test examples. `OUTSIDE`: read for settings,
            and for examples if it is a script. `EXCLUDED`: not read.
        why: Why it is not part of the API, as a clause; empty for `API`.
        module: The dotted name that imports it; for files outside every module, the name its path would have.
        is_package: True if it is an ``__init__`` file.
        is_stub: True if it is a ``.pyi`` file.
        by_name: True if it counts as a test only because of its own name, not because of a folder.
        is_script: True if it is `OUTSIDE` the API but shows how it is used: a script or tutorial beside the package.
    """

    path: str
    use: str
    why: str
    module: str
    is_package: bool
    is_stub: bool
    by_name: bool = False
    is_script: bool = False


class UnreadableSource(Exception):
    """A file that cannot be decoded or parsed.

    Attributes:
        kind: The `StageWarning` kind.
        line: 1-based, 0 where it is not known.
    """

    def __init__(self, kind: str, line: int, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.line = line


def classify(
    paths: list[str],
    *,
    declared: list[str],
    roots: dict[str, str],
    excluded_modules: list[str],
) -> list[PythonFile]:
    """Return the role and the import name of each file. Opens no file.

    The rules, in this order:

    * A file is *excluded* if a folder of its path, its own name without suffix, its dotted name, a package above it or
      a part of its name below the declared module matches one of ``excluded_modules``; so is what the build of
      OmniGraph nodes generates, but not the nodes.
    * It belongs to the *tests* if a folder below its declared module is called ``test`` or ``tests`` or begins with
      ``test_``, or its own name is ``conftest``, begins with ``test_`` or ends with ``_test``. A declared module may
      have such a name itself (``omni.kit.test``) unless it ends in ``.tests``, the usual name of an extension's tests.
      One that is a test by its own name alone may turn out to be part of the API when its imports are known.
    * It is *outside* if its name cannot be written in an import statement, lies under none of ``roots``, or, where
      modules are declared, shares its first package with none of them (``scripts/place.py``). It is a script, whose
      functions may be examples, unless it only builds or configures (``setup.py``, ``docs/conf.py``).
    * A stub or a module that Python would not import because another file has its name first is outside, but a stub
      beside a Python file of the same name is part of the API: what it alone declares is added.
    * Everything else is the *API*.

    Args:
        paths: Relative to the extension's folder, with ``/``, ``.py`` and ``.pyi``.
        declared: Names in ``[[python.module]]``.
        roots: Folder (``""``: the extension's own) -> the dotted name of its contents (``""``: none). With ``/*``
            after it a folder stands for its files without those in deeper folders; a file has its own dotted name.
        excluded_modules: Names or globs.

    Returns:
        One record a path, sorted by path.
    """
    patterns = [re.compile(fnmatch.translate(pattern.replace("/", "."))) for pattern in excluded_modules if pattern]
    by_length = sorted(roots.items(), key=lambda item: -len(item[0]))
    tops = {name.split(".")[0] for name in declared}
    # If an extension declares only tests, they are its API.
    own = sorted((name for name in declared if name.rsplit(".", 1)[-1] != "tests"), key=len) or sorted(declared)
    result: list[PythonFile] = []
    taken: dict[tuple[str, bool], str] = {}
    # A package's __init__ comes before a module file of the same name, as in an import.
    for path in sorted(paths, key=lambda path: (_stem(path) != "__init__", path)):
        module, under_root = _module_name(path, by_length)
        stem, stub = _stem(path), path.endswith(".pyi")
        folders = path.split("/")[:-1]
        use, why, by_name = API, "", False
        if match := _excluded([*folders, stem, *_below(module, declared)], module, patterns, excluded_modules):
            use, why = EXCLUDED, f"matches the excluded module {match!r}"
        elif is_generated(path):
            use, why = EXCLUDED, "is generated by the build of OmniGraph nodes"
        elif test := _test_part(path, module, own):
            use, why, by_name = TESTS, f"belongs to the tests ({test})", test == stem
        elif not under_root:
            use, why = OUTSIDE, "lies under none of the extension's Python folders"
        elif not all(part.isidentifier() and not keyword.iskeyword(part) for part in module.split(".")):
            use, why = OUTSIDE, "has a name that cannot be imported"
        elif tops and module.split(".")[0] not in tops:
            use, why = OUTSIDE, "lies outside the declared modules"
        elif (module, stub) in taken:
            use, why = OUTSIDE, f"is not what {module} imports: {taken[module, stub]} is"
        else:
            taken[module, stub] = path
        is_script = use == OUTSIDE and not stub and not why.startswith("is not") and stem not in _BUILD_FILES
        result.append(PythonFile(path, use, why, module, stem == "__init__", stub, by_name, is_script))
    return sorted(result)


def _stem(path: str) -> str:
    return path.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def _module_name(path: str, roots: list[tuple[str, str]]) -> tuple[str, bool]:
    prefix, rest, found = "", path, False
    for root, name in roots:
        folder = "" if root == "." else root.strip("/")
        if folder == path:
            return name, True
        if folder.endswith("*"):
            folder = folder[:-1].rstrip("/")
            if path.rpartition("/")[0] != folder:
                continue
        if not folder or path.startswith(folder + "/"):
            prefix, rest, found = name, path[len(folder) + 1 if folder else 0 :], True
            break
    parts = rest.rsplit(".", 1)[0].split("/")
    if parts[-1] == "__init__":
        parts.pop()
    dotted = ".".join(parts)
    return ".".join(part for part in (prefix, dotted) if part), found


def _below(module: str, declared: list[str]) -> list[str]:
    """Return the parts of a module's name below the innermost declared one; the build may have put them there."""
    above = max((name for name in declared if module.startswith(f"{name}.")), key=len, default="")
    return module[len(above) + 1 :].split(".") if above else []


def _excluded(parts: list[str], module: str, patterns: list[re.Pattern[str]], names: list[str]) -> str | None:
    if not patterns:
        return None
    packages = module.split(".")
    candidates = [*parts, *(".".join(packages[: end + 1]) for end in range(len(packages)))]
    for pattern, name in zip(patterns, (name for name in names if name), strict=True):
        if any(pattern.match(candidate) for candidate in candidates):
            return name
    return None


def _test_part(path: str, module: str, own: list[str]) -> str:
    """Return the part of the path that makes the file a test; empty if none does."""
    parts = path.rsplit(".", 1)[0].split("/")
    # The parts that spell the declared module are the extension's name, not a sign of tests.
    for name in own:
        if module == name or module.startswith(name + "."):
            rest = module[len(name) + 1 :].split(".") if module != name else []
            parts = [*rest, "__init__"] if parts[-1] == "__init__" else rest
            break
    if not parts:
        return ""
    for folder in parts[:-1]:
        if folder in _TEST_FOLDERS or folder.startswith("test_"):
            return folder
    stem = parts[-1]
    if stem in _TEST_FOLDERS or stem == "conftest" or stem.startswith("test_") or stem.endswith("_test"):
        return stem
    return ""


def decode(data: bytes) -> str:
    r"""Return the text of a Python file, with ``\n`` as its only line end.

    The encoding is what the file declares (PEP 263) or UTF-8.

    Raises:
        UnreadableSource: The declared encoding is unknown or does not fit.
    """
    # An encoding declaration is in the first two lines. This quick check precedes the slower, exact rules.
    if data.startswith(codecs.BOM_UTF8) or any(_COOKIE.match(line) for line in data[:4096].split(b"\n", 2)[:2]):
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        except SyntaxError as error:
            raise UnreadableSource("python-encoding", 1, f"cannot be decoded ({error.msg})") from error
    else:
        encoding = "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        reason = f"byte {data[error.start]:#04x} is not {encoding}; declare the file's encoding in its first line"
        raise UnreadableSource("python-encoding", line, f"cannot be decoded ({reason})") from error
    except (LookupError, ValueError) as error:
        raise UnreadableSource("python-encoding", 1, f"cannot be decoded ({error})") from error
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def read_bytes(folder: Path, path: str) -> bytes:
    """Return a file's content.

    Raises:
        UnreadableSource: The file cannot be read.
    """
    try:
        return (folder / path).read_bytes()
    except OSError as error:
        raise UnreadableSource("python-unreadable", 0, f"cannot be read ({error.strerror or error})") from error
