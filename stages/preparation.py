"""Stage 2: select the extensions and list their files: ``sources.json`` to ``extensions.json``.

Extensions and apps are sorted by id, in the order of Unicode code points. Of several versions of an id the highest wins
(Semantic Versioning, extended to partial and malformed versions). Of equal versions the winner is chosen by the order
of the sources, then folders before archives, then the newer Kit in the path, then by path. ``max_extensions`` limits
the number of extensions after exclusions.

The ids and versions of extensions become file names. An extension with an invalid id is left out with a warning, and so
is the second of two ids that differ only in case. An invalid version is replaced.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from stages import artifacts
from stages.artifacts.preparation import EXTENSIONS, App, Extension, ExtensionFiles, Extensions
from stages.artifacts.pull_repo_exts import SOURCES, Sources
from stages.failures import StageError
from stages.sources.inventory import Listing, list_files
from stages.sources.manifest import Candidate, metadata, python_modules, table, text
from stages.sources.notes import Notes
from stages.sources.python_roots import PythonLayout, python_layout
from stages.sources.search import SourceSearch
from stages.sources.selection import choose_apps, choose_extensions
from stages.storage.jsonfile import write_json

logger = logging.getLogger(__name__)


def prepare(work_dir: Path, *, excluded: list[str], max_extensions: int, outputs: Iterable[Path] = ()) -> None:
    """Select extensions and apps, and list their files.

    Args:
        work_dir: The work directory with ``sources.json``. Receives ``extensions.json``.
        excluded: Ids or globs of extensions to leave out.
        max_extensions: Number of extensions to select; -1 for all.
        outputs: The pipeline's output folders beside the work directory, which are not searched.

    Raises:
        StageError: ``sources.json`` is unusable, or no extension is left.
    """
    work_dir = Path(os.path.abspath(work_dir))
    sources = artifacts.read(work_dir / SOURCES, Sources)
    notes, counts = Notes(), Counter[str]()
    search = SourceSearch(work_dir, sources, counts, notes, outputs=outputs)
    extensions, apps = search.candidates()
    choice = choose_extensions(extensions, excluded, max_extensions, notes)
    if not choice.usable:
        raise _nothing_found(choice.left_out, search, notes)
    apps = choose_apps(apps, notes)
    entries = [_entry(candidate, search, counts, notes) for candidate in choice.chosen]
    logger.info("%d extensions and %d apps selected, %d left out", len(entries), len(apps), len(choice.left_out))
    result = Extensions(
        kit_version=sources.kit_version,
        extensions=entries,
        apps=[_app_entry(app, search) for app in apps],
        other_versions=choice.other_versions,
        excluded=choice.left_out,
        warnings=notes.in_order(),
        files_seen=dict(counts),
    )
    write_json(work_dir / EXTENSIONS, result, indent=True)


def _nothing_found(left_out: dict[str, str], search: SourceSearch, notes: Notes) -> StageError:
    if left_out:
        return StageError(f"input.excluded_extensions excludes all {len(left_out)} extensions; remove a pattern.")
    searched = "; ".join(search.searched)
    if search.templates and all(warning["kind"] == "template" for warning in notes.warnings):
        return StageError(
            f"Only templates were found in {searched}: {search.templates} manifests with placeholders. Build the"
            ' repository to make extensions of them: set kind = "git" and build_command in [[input.sources]], or give'
            " the path of a build."
        )
    unusable = f" The first unusable file: {notes.warnings[0]['message']}" if notes.warnings else ""
    return StageError(
        f"No extension was found (a folder with config/extension.toml, or a .kit file) in {searched}."
        f"{unusable} Correct `path` or `exts_path` in [[input.sources]]."
    )


def _entry(candidate: Candidate, search: SourceSearch, counts: Counter[str], notes: Notes) -> Extension:
    layout = PythonLayout({"": ""}, python_modules(candidate.values))
    if candidate.found.kind == "folder":
        listing = list_files(
            candidate, inside=search.bounds(candidate.source), leave_out=search.outputs, counts=counts, notes=notes
        )
        layout = python_layout(candidate, layout.modules, listing, notes)
    else:
        listing = Listing()
        listing.files["toml"].append(candidate.found.manifest)
        counts["files_toml"] += 1
    return Extension(
        id=candidate.id,
        version=candidate.version,
        source=candidate.source,
        folder=_stored(candidate.folder, candidate, search),
        manifest=candidate.found.manifest,
        metadata=metadata(candidate.values, listing.files["docs"]),
        python_modules=layout.modules,
        python_roots=layout.roots,
        files=ExtensionFiles(**listing.files),
        size=listing.size,
    )


def _app_entry(app: Candidate, search: SourceSearch) -> App:
    return App(
        id=app.id,
        version=app.version,
        title=text(table(app.values, "package").get("title")),
        file=app.found.manifest,
        source=app.source,
        path=_stored(app.found.path, app, search),
    )


def _stored(path: str, candidate: Candidate, search: SourceSearch) -> str:
    """Return a path for ``extensions.json``: relative to the work directory if its source is, else absolute."""
    relative = os.path.relpath(path, search.work_dir)
    inside = not relative.startswith("..") or not os.path.isabs(search.sources[candidate.source].root)
    return (relative if inside else path).replace(os.sep, "/")
