"""Search the folders of all sources for extensions and apps, zip archives included."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from stages.artifacts.pull_repo_exts import Source, Sources
from stages.failures import StageError
from stages.sources import zip_archive
from stages.sources.discovery import Found, find_apps, find_extensions
from stages.sources.manifest import Candidate, Template, read_candidate
from stages.sources.notes import Notes
from stages.sources.walk import Problem, is_within, printable

# If a folder has more links than this, one warning covers them all.
_MAX_LINK_WARNINGS = 3


class SourceSearch:
    """One search through the sources of a run.

    Args:
        work_dir: The work directory, absolute; zip archives are unpacked below ``sources/unpacked`` in it.
        sources: The content of ``sources.json``.
        counts: Its ``<kind>s_found`` are increased.
        notes: Receives the problems found.
        outputs: Folders that the pipeline writes to, beside the work directory.

    Attributes:
        work_dir: As given.
        outputs: Real paths of the pipeline's output folders, which are not searched.
        sources: The sources in ``sources.json``.
        searched: Paths of the searched folders.
        templates: Number of templates found. They are not extensions.
    """

    def __init__(
        self,
        work_dir: Path,
        sources: Sources,
        counts: Counter[str],
        notes: Notes,
        *,
        outputs: Iterable[Path] = (),
    ) -> None:
        self.work_dir = work_dir
        self.outputs = frozenset(os.path.realpath(folder) for folder in (work_dir, *outputs))
        self.searched: list[str] = []
        self.sources = sources.sources
        self._limits = sources.limits
        self._counts = counts
        self._notes = notes
        self.templates = 0
        self._templates: list[Template] = []
        self._places: list[str] = []
        self._extensions: list[Candidate] = []
        self._apps: list[Candidate] = []

    def candidates(self) -> tuple[list[Candidate], list[Candidate]]:
        """Return the extensions and the apps, in the order of the sources and paths.

        Raises:
            StageError: The folder of a source is missing, or there is no room to unpack an archive.
        """
        for number, source in enumerate(self.sources):
            self._search(number, source)
        return self._extensions, self._apps

    def bounds(self, source: int) -> str | None:
        """Return the real path that a source's links must not leave; None if they may lead anywhere."""
        if self.sources[source].links != "inside":
            return None
        return os.path.realpath(self._root(source))

    def _root(self, source: int) -> str:
        return os.path.join(self.work_dir, self.sources[source].root)

    def _search(self, number: int, source: Source) -> None:
        root = self._root(number)
        if not os.path.isdir(root):
            raise StageError(f"{root}: the folder of source {source.name!r} is missing; run pull_repo_exts again.")
        inside = self.bounds(number)
        template = source.app_template_path
        leave_out = set(self.outputs)
        if template:
            leave_out.add(os.path.realpath(os.path.join(root, template)))
        seen: set[str] = set()
        for path in source.exts_paths:
            self._add(self._found(root, path, inside, leave_out), number, path, seen)
        for path in source.apps_paths:
            problems: list[Problem] = []
            folder = os.path.normpath(os.path.join(root, path))
            found = find_apps(folder, inside=inside, leave_out=self.outputs, problems=problems)
            self._notes.add_problems(problems, "", prefix=path)
            self._add(found, number, path, seen)
        self._add_unbuilt(
            number, {path: self._found(root, path, inside, leave_out) for path in source.unbuilt_paths}, seen
        )
        self._warn_about_templates()

    def _found(self, root: str, path: str, inside: str | None, leave_out: set[str]) -> list[Found]:
        folder = os.path.normpath(os.path.join(root, path))
        self.searched.append(folder)
        problems: list[Problem] = []
        found = find_extensions(folder, inside=inside, leave_out=leave_out, problems=problems)
        self._notes.add_problems(problems, "", prefix=path)
        self._warn_about_links(root, path, found)
        return found

    def _add(self, found: list[Found], source: int, path: str, seen: set[str]) -> None:
        for item in found:
            real = os.path.realpath(item.path)
            # The folders of a source may be nested, or links to the same folder.
            if real in seen:
                continue
            seen.add(real)
            self._counts[f"{item.kind}s_found"] += 1
            if item.kind == "archive":
                for unpacked, name in self._unpacked(item):
                    self._read(unpacked, source, path, name=name)
            else:
                self._read(item, source, path, name=self._name_of(item, source))

    def _add_unbuilt(self, number: int, found: dict[str, list[Found]], seen: set[str]) -> None:
        """Add the extensions of the source tree that its build lacks. The build may be incomplete or older.

        Args:
            number: Number of the source.
            found: The extensions and apps in each folder of the source tree.
            seen: Real paths of those already added.
        """
        built = [{item.id for item in kept if item.source == number} for kept in (self._extensions, self._apps)]
        starts = [len(kept) for kept in (self._extensions, self._apps)]
        for path, items in found.items():
            self._add(items, number, path, seen)
        missing: list[str] = []
        for kept, known, start in zip((self._extensions, self._apps), built, starts, strict=True):
            kept[start:] = [item for item in kept[start:] if item.id not in known]
            missing += [item.id for item in kept[start:]]
        if missing:
            message = (
                f"The build lacks {', '.join(sorted(set(missing)))}. They are taken from the source tree. Build the"
                " source again to use the built extensions."
            )
            self._notes.warn("build-incomplete", "", self.sources[number].exts_paths[0], printable(message))

    def _warn_about_links(self, root: str, path: str, found: list[Found]) -> None:
        """Warn about links that lead out of the source to extensions or apps."""
        real_root = os.path.realpath(root)
        start = os.path.normpath(os.path.join(root, path))
        if not is_within(os.path.realpath(start), real_root):
            return  # the folder itself is such a link: it is configured, or part of a build
        behind: Counter[str] = Counter()
        for item in found:
            if is_within(os.path.realpath(item.path), real_root):
                continue
            parts = item.relative.split("/")
            above = ("/".join(parts[: end + 1]) for end in range(len(parts)))
            behind[next(link for link in above if not is_within(os.path.realpath(f"{start}/{link}"), real_root))] += 1
        folders = Counter(link.rpartition("/")[0] for link in behind)
        groups: dict[str, list[str]] = {}
        for link in sorted(behind):
            folder = link.rpartition("/")[0]
            groups.setdefault(link if folders[folder] <= _MAX_LINK_WARNINGS else folder, []).append(link)
        for place, links in groups.items():
            subject = "The link leads" if links == [place] else f"{len(links)} links in it lead"
            message = (
                f"{subject} out of the source, to {sum(behind[link] for link in links)} extensions and apps."
                ' Set links = "inside" in [[input.sources]] to leave them out.'
            )
            self._notes.warn("link-followed", "", f"{path}/{place}".strip("/"), message)

    def _warn_about_templates(self) -> None:
        """Warn about templates, once per folder without other extensions."""
        others = {ancestor for place in self._places for ancestor in _ancestors(place)}
        groups: dict[str, list[Template]] = {}
        for template in self._templates:
            above = [ancestor for ancestor in _ancestors(template.file) if ancestor not in others]
            groups.setdefault(above[0] if above else template.file, []).append(template)
        for folder, templates in sorted(groups.items()):
            kinds = {"an app" if template.is_app else "an extension" for template in templates}
            placeholder = printable(templates[0].placeholder)
            if len(templates) == 1:
                message = f"This is a template for {kinds.pop()}: it contains {placeholder!r}. It is left out."
                self._notes.warn("template", "", templates[0].file, message)
                continue
            message = (
                f"{len(templates)} templates for extensions and apps, with placeholders such as {placeholder!r}, are"
                " left out."
            )
            self._notes.warn("template", "", folder, message)
        self.templates += len(self._templates)
        self._templates.clear()
        self._places.clear()

    def _name_of(self, item: Found, source: int) -> str:
        name = os.path.basename(item.path)
        if item.kind in ("kit", "app"):
            return name[: -len(".kit")]
        if os.path.realpath(item.path) == os.path.realpath(self._root(source)):
            # The source is the extension. Its folder may have any name; the name of a clone ends with a digest.
            return ""
        return name

    def _unpacked(self, item: Found) -> list[tuple[Found, str]]:
        """Return the extensions at the root or in folders of an archive, with their names."""
        name = os.path.basename(item.path)[: -len(".zip")]
        try:
            with open(item.path, "rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            folder = self.work_dir / "sources" / "unpacked" / f"{name[:150]}-{digest[:16]}"
            if not folder.is_dir():
                zip_archive.unpack(
                    Path(item.path),
                    folder,
                    max_bytes=self._limits.get("max_archive_bytes", zip_archive.DEFAULT_MAX_BYTES),
                    max_files=self._limits.get("max_archive_files", zip_archive.DEFAULT_MAX_FILES),
                )
        except zip_archive.ArchiveError as error:
            self._notes.warn("archive", "", item.relative, f"The zipped extension is left out: {error}.")
            return []
        except OSError as failure:
            reason = failure.strerror or failure
            raise StageError(f"{item.path}: cannot be unpacked to {self.work_dir / 'sources'} ({reason}).") from failure
        problems: list[Problem] = []
        found = find_extensions(str(folder), inside=os.path.realpath(folder), leave_out=set(), problems=problems)
        found = [inner for inner in found if inner.kind == "folder"]
        self._notes.add_problems(problems, "", prefix=item.relative)
        if not found:
            self._notes.warn("archive", "", item.relative, "The archive contains no extension; it is left out.")
        if len(found) == 1 and "/" not in found[0].relative:
            return [(Found("folder", found[0].path, found[0].manifest, item.relative, archived=True), name)]
        self._counts["folders_found"] += len(found)
        return [
            (
                Found("folder", inner.path, inner.manifest, f"{item.relative}/{inner.relative}", archived=True),
                inner.path.split("/")[-1],
            )
            for inner in found
        ]

    def _read(self, item: Found, source: int, path: str, *, name: str) -> None:
        fallback = _own_name(self.sources[source])
        place = f"{path}/{item.relative}".strip("/")
        read = read_candidate(item, source, place=place, name=name, fallback_name=fallback, notes=self._notes)
        if isinstance(read, Template):
            self._templates.append(dataclasses.replace(read, file=f"{path}/{read.file}".lstrip("/")))
        elif read is not None:
            self._places.append(place)
            (self._apps if item.kind == "app" else self._extensions).append(read)


def _ancestors(place: str) -> list[str]:
    """Return the folders above a path, the topmost first, without the source itself."""
    parts = place.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]


def _own_name(source: Source) -> str:
    """Return the id of a source that is a single extension, if its manifest does not give one."""
    if source.kind == "git":
        # The clone's folder: `git-<name of the repository>-<digest>`.
        return os.path.basename(source.root).removeprefix("git-").rpartition("-")[0]
    return source.name.partition("==")[0].strip() if source.kind == "wheel" else source.name
