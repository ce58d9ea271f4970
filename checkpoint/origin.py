"""The origin of a work directory: its folders and its configuration. Stored in doit's database.

A work directory may be moved, copied or restored elsewhere, alone or with its project. The paths in its records are
then updated. The recorded file states are still compared with the files.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import msgspec

from checkpoint.resume import Notice
from config import Config

_MOST_CHANGES = 5


class Origin(msgspec.Struct, frozen=True):
    """The folders and the configuration that a work directory is used with.

    Attributes:
        folder: Base folder of the relative paths in records, absolute.
        project: Folder of the configuration file, absolute.
        work_dir: The work directory, absolute.
        target_dir: The target directory, absolute.
        config: The configuration file, absolute.
        sources: The folder, address or requirement of each source, without credentials.
        values: The configuration values that affect the data, ``section.key``; no secrets.
    """

    folder: str
    project: str
    work_dir: str
    target_dir: str
    config: str
    sources: list[str]
    values: dict[str, Any]

    @classmethod
    def of(cls, config: Config, kit_cache: str) -> Origin:
        """Return the origin for a configuration that runs in the current folder."""
        from stages.final_assembly import affecting_data

        sources = [kit_cache] if kit_cache else []
        if not kit_cache:
            written = config.values["input"]["sources"]
            for source, shown in zip(config.sources(), written, strict=True):
                sources.append(source["path"] if source["kind"] == "path" else shown.get("url") or shown["requirement"])
        return cls(
            folder=os.getcwd(),
            project=str(config.path.parent),
            work_dir=str(config.work_dir),
            target_dir=str(config.target_dir),
            config=str(config.path),
            sources=sources,
            values={
                f"{section}.{key}": value
                for section, values in affecting_data({name: config.section(name) for name in config.values}).items()
                for key, value in values.items()
                if key != "sources"
            },
        )


# The origin of this process's commands. A global, because doit creates the database and passes it only a path.
current: ContextVar[Origin | None] = ContextVar("current", default=None)


def relocation(before: Origin, now: Origin) -> Callable[[str], str] | None:
    """Return a function that maps a recorded path to the file's current path; None if the paths did not change.

    If the work directory did not move, no other folder counts as moved: another configuration uses the directory.
    """
    moves = []
    if before.work_dir != now.work_dir:
        pairs = {(old, getattr(now, name)) for name, old in _folders(before) if old != getattr(now, name)}
        moves = sorted(pairs, key=lambda pair: -len(pair[0]))
    elif before.folder == now.folder:
        return None

    def moved(path: str) -> str:
        absolute = os.path.normpath(os.path.join(before.folder, path))
        for old, new in moves:
            if absolute == old or absolute.startswith(old.rstrip("/") + "/"):
                absolute = new + absolute[len(old) :]
                break
        inside = absolute == now.folder or absolute.startswith(now.folder.rstrip("/") + "/")
        return os.path.relpath(absolute, now.folder) if inside else absolute

    return moved


def moved_record(record: dict[str, Any], moved: Callable[[str], str]) -> dict[str, Any]:
    """Return a task's record with the paths of its file_deps and targets changed.

    Args:
        record: doit's record of a task. Its own keys end in ``:``; all others are paths of file_deps.
        moved: See `relocation`.
    """
    found = {key if key.endswith(":") else moved(key): value for key, value in record.items()}
    if isinstance(found.get("deps:"), list):
        found["deps:"] = [moved(path) for path in found["deps:"]]
    values = found.get("_values_:")
    if isinstance(values, dict) and isinstance(values.get("targets"), dict):
        targets = {moved(path): state for path, state in values["targets"].items()}
        found["_values_:"] = {**values, "targets": targets}
    return found


def notices(before: Origin, now: Origin, *, resuming: bool) -> list[Notice]:
    """Return notices about a work directory that was created elsewhere or with another configuration.

    Args:
        before: The recorded origin.
        now: The current origin.
        resuming: True if changed values are already reported as changes since the checkpoint.
    """
    found: list[Notice] = []
    moved = relocation(before, now) or (lambda path: path)
    if before.work_dir != now.work_dir:
        message = (
            f"{now.work_dir}: this work directory was moved or copied from {before.work_dir}. Its records are kept."
        )
        found.append(("notice", message))
    changes = [] if resuming else _changes(before, now, moved)
    other = os.path.join(now.folder, moved(before.config)) != now.config
    if other or changes:
        more = f" and {len(changes) - _MOST_CHANGES} more" if len(changes) > _MOST_CHANGES else ""
        changed = f": {'; '.join(changes[:_MOST_CHANGES])}{more}" if changes else ""
        made = f"was made by another configuration ({before.config})" if other else "was made with other values"
        found.append(("notice", f"This work directory {made}{changed}. Affected outputs are rebuilt."))
    return found


def _changes(before: Origin, now: Origin, moved: Callable[[str], str]) -> list[str]:
    was = [os.path.join(now.folder, moved(source)) if os.path.isabs(source) else source for source in before.sources]
    changes = []
    if was != now.sources:
        changes.append(f"sources {', '.join(before.sources) or 'none'} -> {', '.join(now.sources) or 'none'}")
    changes += [
        f"{key} {_shown(before.values.get(key))} -> {_shown(now.values.get(key))}"
        for key in sorted(before.values.keys() | now.values.keys())
        if before.values.get(key) != now.values.get(key)
    ]
    return changes


def _folders(origin: Origin) -> list[tuple[str, str]]:
    return [(name, getattr(origin, name)) for name in ("work_dir", "target_dir", "project", "folder")]


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode() if value is not None else "none"
    return text if len(text) <= 60 else f"{text[:57]}..."
