"""Detection of built Kits: their version, their extension and app folders, and their usual locations."""

from __future__ import annotations

import logging
import os
import re
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator
from operator import attrgetter
from pathlib import Path

from stages.product_facts import EXTENSION_FOLDERS, ISAAC_SIM_KITS, SOURCE_FOLDERS
from stages.sources.discovery import split_name

_PLATFORM = "linux-x86_64"
_CONFIGS = ("release", "debug")
_EXTS = re.compile(EXTENSION_FOLDERS)
_VERSION = re.compile(r"v?([0-9]{1,9}\.[0-9]{1,9}(?:\.[0-9]{1,9})*)")
_XML_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_XML_PACKAGE = re.compile(r"<package\b([^>]*)>")
_XML_NAME = re.compile(r"\bname\s*=\s*[\"'](?:kit-kernel|kit[-_]sdk)[\"']")
_XML_VERSION = re.compile(r"\bversion\s*=\s*[\"']([^\"']*)[\"']")
_KIT_FOLDER = re.compile(
    r"(?:omniverse[-_])?kit(?:[-_](?:sdk|kernel|app))?(?:[-_@]v?([0-9]+\.[0-9][0-9.]*).*)?", re.IGNORECASE
)
_REQUIRES_ISAAC_SIM = re.compile(
    r"^Requires-Dist:\s*isaacsim(?:\[[^\]]*\])?\s*\(?==\s*([0-9]+\.[0-9]+)(\.[0-9]+)?", re.MULTILINE
)
_PUBLISHED_FOR = re.compile(r"""^\s*kitVersion\s*=\s*["']([^"'\n]*)""", re.MULTILINE)
_MAX_TEXT = 1024 * 1024
_MAX_XML_DEPTH = 4
_NAME = attrgetter("name")

logger = logging.getLogger(__name__)


def built_folder(root: Path) -> Path | None:
    """Return the platform folder of a build: ``_build/linux-x86_64/release``, then debug, then any other.

    A failed build leaves empty folders of extensions. A folder with only such folders does not count.
    """
    build = root / "_build"
    candidates = [build / _PLATFORM / config for config in _CONFIGS]
    for config in (*_CONFIGS, "*"):
        candidates += sorted(build.glob(f"*/{config}"))
    return next((folder for folder in candidates if any(map(_has_entries, _ext_folders(folder)))), None)


def kit_folders(root: Path) -> tuple[list[str], list[str]]:
    """Return the folders of extensions and apps in a folder, relative to it with ``/``.

    In a build or an installed Kit application these are the ``exts…`` and ``apps`` folders of the application and of
    its Kit. In any other folder everything is searched for extensions: ``[""]``.
    """
    build = built_folder(root)
    start = build or root
    if build is None and not ((root / "kit").is_dir() or _is_kit(root)):
        return [""], []
    exts = [*_ext_folders(start), *_ext_folders(start / "kit")]
    apps = [folder for folder in (start / "apps", start / "kit" / "apps") if folder.is_dir()]
    if not exts:
        return [""], []
    return [_relative(folder, root) for folder in exts], [_relative(folder, root) for folder in apps]


def unbuilt_folders(root: Path) -> list[str]:
    """Return the folders of unbuilt extensions in a source tree; empty if it has no build.

    A failed or older build may lack some of the extensions.
    """
    return [name for name in SOURCE_FOLDERS if (root / name).is_dir()] if built_folder(root) is not None else []


def kit_version(root: Path) -> tuple[str, str] | None:
    """Detect the Kit version of a source.

    The evidence, in order of precedence: the ``VERSION`` file of a built or installed Kit, a ``*kit-sdk*.packman.xml``
    dependency file, the Isaac Sim that a wheel requires, the names of the folder and of the cached extensions in it,
    and the Kit version in the metadata of these extensions.

    Args:
        root: Folder of the source.

    Returns:
        The version without build metadata, and a description of its source; None if there is no evidence.
    """
    for found in _versions(root):
        version = _VERSION.match(found[0].strip())
        if version:
            return version[1], found[1]
    return None


def version_evidence(root: Path) -> str:
    """Return the Kit version in a ``VERSION`` or packman file of a source, for up-to-date checks.

    Versions in names are part of the source's listing. To search for them at each check would take too long.
    """
    return next(_written_versions(root), ("", ""))[0].strip()


def detect(search_from: list[Path]) -> tuple[Path | None, list[str]]:
    """Search for a built or installed Kit near some folders and in the usual places.

    Returns:
        The Kit's folder or None, and every place that was searched.
    """
    looked: list[str] = []
    for place, why in _places(search_from):
        if str(place) in looked:
            continue
        looked.append(str(place))
        if built_folder(place) or ((_is_kit(place) or (place / "kit").is_dir()) and kit_folders(place) != ([""], [])):
            logger.info("Found a Kit in %s (%s)", place, why)
            return place, looked
    return None, looked


def _places(search_from: list[Path]) -> Iterator[tuple[Path, str]]:
    for folder in search_from:
        for near in (folder, *folder.parents[:2]):
            yield near, "near the current folder"
        for near in (folder, *folder.parents[:1]):
            yield from ((child, "near the current folder") for child in _children(near))
    for variable in ("ISAACSIM_PATH", "ISAAC_PATH", "CARB_APP_PATH"):
        if os.environ.get(variable):
            yield Path(os.environ[variable]), f"the environment variable {variable}"
    home = Path(os.path.expanduser("~"))
    yield from ((child, "Omniverse's package folder") for child in _children(home / ".local/share/ov/pkg"))
    for usual in (
        home / "isaacsim",
        home / "isaac-sim",
        Path("/isaac-sim"),
        Path(sysconfig.get_path("purelib")) / "isaacsim",
    ):
        yield usual, "a usual place"
    yield from ((child, "packman's cache") for child in _children(home / ".cache/packman/chk/kit-kernel"))


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(child for child in folder.iterdir() if child.name[0] != "." and child.is_dir())
    except OSError:
        return []


def _ext_folders(folder: Path) -> list[Path]:
    return [child for child in _children(folder) if _EXTS.fullmatch(child.name)]


def _has_entries(folder: Path) -> bool:
    try:
        return any(name[0] != "." for name in os.listdir(folder))
    except OSError:
        return False


def _relative(folder: Path, root: Path) -> str:
    return folder.relative_to(root).as_posix()


def _is_kit(folder: Path) -> bool:
    """Return True if a folder is the Kit SDK itself. Other folders may have their own ``VERSION``."""
    return (folder / "VERSION").is_file() and (
        folder.name == "kit" or (folder / "kernel").is_dir() or (folder / "extscore").is_dir()
    )


def _versions(root: Path) -> Iterator[tuple[str, str]]:
    yield from _written_versions(root)
    for path in sorted(root.glob("*.dist-info/METADATA")):
        for minor, patch in _REQUIRES_ISAAC_SIM.findall(_text(path)):
            release = minor + patch if minor + patch in ISAAC_SIM_KITS else minor
            if release in ISAAC_SIM_KITS:
                yield ISAAC_SIM_KITS[release], f"{path}, which requires Isaac Sim {release}"
    parts = root.absolute().parts
    for part, following in zip(reversed(parts), ["", *reversed(parts[1:])], strict=False):
        match = _KIT_FOLDER.fullmatch(part)
        if match:
            # `kit-sdk-107.3.0+…`, or packman's `kit-kernel/107.3.0+…`
            yield match[1] or following, f"the folder's name, {root}"
    yield from _cached_versions(root)


def _written_versions(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the versions in ``VERSION`` and packman files, and the path of each."""
    build = built_folder(root)
    parents = list(root.absolute().parents[:2])
    kits = [build / "kit"] if build else []
    kits += [root / "kit", root, *(folder / "kit" for folder in parents), *parents]
    for kit in kits:
        if _is_kit(kit):
            yield _text(kit / "VERSION"), f"{kit / 'VERSION'}"
    for path in _dependency_files(root):
        for attributes in _XML_PACKAGE.findall(_XML_COMMENT.sub("", _text(path))):
            version = _XML_VERSION.search(attributes)
            if version and _XML_NAME.search(attributes):
                yield version[1], f"{path}"


def _dependency_files(root: Path) -> Iterator[Path]:
    pending = [(str(root), 0)]
    while pending:
        folder, depth = pending.pop()
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=_NAME)
        except OSError:
            continue
        for entry in entries:
            if "kit-sdk" in entry.name and entry.name.endswith(".packman.xml") and not entry.is_dir():
                yield Path(entry.path)
        folders = [entry for entry in entries if entry.name[0] not in "._" and entry.is_dir(follow_symlinks=False)]
        is_extension = any(entry.name == "config" for entry in entries) and os.path.isfile(
            f"{folder}/config/extension.toml"
        )
        if depth < _MAX_XML_DEPTH and not is_extension:
            pending += [(entry.path, depth + 1) for entry in reversed(folders)]


def _cached_versions(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the Kit version of cached extensions.

    Their names end with it, as in ``omni.x-1.0.0+107.3.0.lx64.r``. The names of extensions that come with Kit end with
    a hash instead. Their Kit version is in ``config/extension.gen.toml``, which is written on publishing.
    """
    cached = [
        child
        for path in kit_folders(root)[0]
        for child in _children(root / path)
        if split_name(child.name)[1] and "+" in child.name
    ]
    version = _common_version(child.name.split("+", 1)[1] for child in cached)
    if version:
        yield version, f"the names of the extensions in {root}"
    published = (_PUBLISHED_FOR.search(_text(child / "config/extension.gen.toml")) for child in cached)
    version = _common_version(match[1] for match in published if match)
    if version:
        yield version, f"the extension.gen.toml files of the extensions in {root}"


def _common_version(versions: Iterable[str]) -> str:
    """Return the highest patch version of the most frequent minor version; empty without a valid version.

    An extension for Kit 107.3.0 also runs on 107.3.3.
    """
    found = (re.match(r"([0-9]{3})\.([0-9]{1,9})\.([0-9]{1,9})", version) for version in versions)
    counts = Counter(tuple(map(int, match.groups())) for match in found if match)
    minors: Counter[tuple[int, ...]] = Counter()
    for version, count in counts.items():
        minors[version[:2]] += count
    if not minors:
        return ""
    minor = max(minors, key=lambda minor: (minors[minor], minor))
    return ".".join(map(str, max(version for version in counts if version[:2] == minor)))


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(_MAX_TEXT).decode("utf-8-sig", "replace")
    except OSError:
        return ""
