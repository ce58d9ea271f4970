"""Stage 1: fetch the sources of extensions, and detect their extension folders and Kit version.

A source is a ``wheel``, a ``git`` repository or a ``path``. Wheels and clones go below ``work_dir/sources``. A path is
only read. The result is ``work_dir/sources.json``.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from stages import artifacts
from stages.artifacts.preparation import EXTENSIONS, Extensions
from stages.artifacts.pull_repo_exts import SOURCES, Source, Sources
from stages.failures import StageError, StageWarning, warning
from stages.sources import git as source_git
from stages.sources import kit_detection
from stages.sources import wheel as source_wheel
from stages.sources.configured import ConfiguredSource, GitSource, PathSource, WheelSource
from stages.sources.fingerprint import Bounds, ChangeTimes, listing_digest
from stages.sources.location import check_pattern, detected_kit, locate, recorded_root, resolve_folders
from stages.sources.walk import is_within
from stages.storage.jsonfile import write_json

_VERSION = re.compile(r"[0-9]+\.[0-9]+(?:\.[0-9]+)*")

logger = logging.getLogger(__name__)


def pull(
    sources: Sequence[ConfiguredSource],
    *,
    work_dir: Path,
    cache_dir: Path | None = None,
    kit_version: str | None = None,
    fallback_kit_version: str | None = None,
    limits: Mapping[str, int] | None = None,
    update: bool = False,
    project: Path | None = None,
    search_from: Iterable[Path] = (),
    outputs: Iterable[Path] = (),
) -> None:
    """Fetch, build and locate the sources, and write ``sources.json``.

    Args:
        sources: The configured sources. If empty, a built Kit is searched for.
        work_dir: The work directory.
        cache_dir: The shared download cache; None for the user's cache folder.
        kit_version: The Kit version; None to detect it.
        fallback_kit_version: The Kit version to use if no source gives one.
        limits: ``max_archive_bytes`` and ``max_archive_files``, for archives.
        update: True to ask the remotes of git sources for newer commits.
        project: Folder of the configuration. If a source and the work directory lie in it, the source is recorded
            relative to the work directory, so that the project can be moved.
        search_from: Folders to search for a built Kit.
        outputs: The pipeline's output folders beside the work directory, which are not searched.

    Raises:
        StageError: A source cannot be used, or the Kit version is unknown.
    """
    work_dir = Path(os.path.abspath(work_dir))
    limits = dict(limits or {})
    outputs = [work_dir, *outputs]
    if not sources:
        sources = [PathSource(path=str(detected_kit(list(search_from))))]
    # Checked before anything is fetched, so that an invalid source stops the run before any download.
    for source in sources:
        if isinstance(source, GitSource):
            source_git.check(source)
        patterns = [("exts_path", pattern) for pattern in source.exts_path]
        patterns += [("apps_path", pattern) for pattern in source.apps_path]
        if source.app_template_path:
            patterns.append(("app_template_path", source.app_template_path))
        for key, pattern in patterns:
            check_pattern(key, pattern)
    described, versions = [], []
    for source in sources:
        entry, found = _pull_one(source, work_dir, cache_dir, limits, project, outputs=outputs, update=update)
        described.append(entry)
        versions.append(found)
    warnings: list[StageWarning] = []
    chosen = _kit_version(kit_version, fallback_kit_version, described, versions, warnings)
    write_json(
        work_dir / SOURCES,
        Sources(
            kit_cache_path=described[0].root,
            kit_version=chosen,
            sources=described,
            limits=limits,
            warnings=warnings,
        ),
        indent=True,
    )
    _invalidate_lost_archives(work_dir)


def _invalidate_lost_archives(work_dir: Path) -> None:
    """Make stage 2 run again if its unpacked archives are missing, for example after cleaning this stage.

    An unchanged ``sources.json`` alone would leave stage 2 up to date.
    """
    prepared = work_dir / EXTENSIONS
    try:
        folders = [extension.folder for extension in artifacts.read(prepared, Extensions).extensions]
    except StageError:
        return
    if any(folder.startswith("sources/unpacked/") and not (work_dir / folder).is_dir() for folder in folders):
        logger.info("Unpacked extensions are missing; preparation unpacks them again")
        prepared.unlink(missing_ok=True)


def _pull_one(
    source: ConfiguredSource,
    work_dir: Path,
    cache_dir: Path | None,
    limits: Mapping[str, int],
    project: Path | None,
    *,
    outputs: list[Path],
    update: bool,
) -> tuple[Source, tuple[str, str] | None]:
    if isinstance(source, WheelSource):
        root, revision = source_wheel.fetch(source, work_dir=work_dir, cache_dir=cache_dir, limits=limits)
        name = source.requirement
    elif isinstance(source, GitSource):
        root, revision = source_git.fetch(source, work_dir=work_dir, update=update)
        name = source_git.masked(source.url) + (f" {source.branch}" if source.branch else "")
    else:
        root, revision = _usable(Path(source.path)), ""
        name = root.name or str(root)
    links = source.followed_links
    places = locate(source, root)
    template = source.app_template_path
    if template:
        template = resolve_folders(root, "app_template_path", [template], name)[0]
    if links == "inside":
        real_root = os.path.realpath(root)
        for path in (*places.all, template or ""):
            if not is_within(os.path.realpath(root / path), real_root):
                raise StageError(
                    f"input.sources: {name}: {path} is a link that leads out of the source; it is refused."
                )
    if isinstance(source, PathSource):
        revision = listing_digest(root, places.all, Bounds.of(source, root, outputs), ChangeTimes())
    found = kit_detection.kit_version(root)
    if found:
        logger.info("%s: Kit %s (from %s)", name, *found)
    entry = Source(
        kind=source.kind,
        name=name,
        root=recorded_root(root, work_dir, project),
        exts_paths=places.exts,
        apps_paths=places.apps,
        unbuilt_paths=places.unbuilt,
        app_template_path=template or None,
        revision=revision,
        kit_version=found[0] if found else None,
        links=links,
    )
    return entry, found


def _usable(path: Path) -> Path:
    if not path.is_dir():
        reason = "is not a folder" if path.exists() else "does not exist"
        raise StageError(f"{path}: this source {reason}. Correct `path` in [[input.sources]], or --kit-cache.")
    try:
        str(path).encode()
        with os.scandir(path):
            pass
    except (OSError, UnicodeEncodeError) as error:
        reason = getattr(error, "strerror", None) or "its name is not valid UTF-8"
        raise StageError(
            f"{path!s}: this source cannot be read ({reason}). Correct its permissions or name."
        ) from error
    return path


def _kit_version(
    given: str | None,
    fallback: str | None,
    sources: list[Source],
    found: list[tuple[str, str] | None],
    warnings: list[StageWarning],
) -> str:
    if given:
        return given
    known = [(source.name, *version) for source, version in zip(sources, found, strict=True) if version]
    if not known and fallback:
        return fallback
    if not known:
        raise StageError(
            "No source gives a Kit version: there is no kit/VERSION of a build, no *kit-sdk*.packman.xml, and no cache"
            ' folder with a version in its name. Set input.kit_version, such as kit_version = "107.3.3".'
        )
    chosen = known[0]
    for name, version, _ in known[1:]:
        if version != chosen[1]:
            message = f"{name} is for Kit {version}; the data set is named after {chosen[0]}'s Kit {chosen[1]}."
            warnings.append(warning("kit-version", "", "", 0, message))
    return chosen[1]
