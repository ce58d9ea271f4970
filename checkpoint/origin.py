"""Where a work directory was made, and by which configuration: kept in doit's database beside the tasks' records.

A work directory may be moved, copied or restored elsewhere, alone or with its project. The paths in its records then
follow it, and what they say is still compared with the files themselves.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import msgspec

from checkpoint.resume import Notice
from config import Config

# Sections that affect the data, and keys in them that do not.
_SECTIONS = ("input", "processing", "embeddings")
_WITHOUT_EFFECT = frozenset({"parallel_workers", "scheduler", "batch_size", "sources"}) | {
    "max_cost",
    "max_in_flight",
    "max_tries",
    "max_wait_seconds",
    "price_per_million_tokens",
    "timeout_seconds",
}
_MOST_CHANGES = 5


class Origin(msgspec.Struct, frozen=True):
    """Where a work directory is used, and by which configuration.

    Attributes:
        folder: The folder that relative paths of records begin at, absolute.
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
        """Return the origin of what a configuration makes, run in the current folder."""
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
                for section in _SECTIONS
                for key, value in config.section(section).items()
                if key not in _WITHOUT_EFFECT
            },
        )


# What the commands of this process work with; the database is made by doit, which knows only its path.
current: ContextVar[Origin | None] = ContextVar("current", default=None)


def relocation(before: Origin, now: Origin) -> Callable[[str], str] | None:
    """Return a function from a recorded path to the same file's path now; None if the paths are as they were.

    If the work directory is where it was, no other folder is taken to have moved: another configuration uses it.
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
    """Return a task's record with its paths changed: those of its file_deps, and those of its targets.

    Args:
        record: What doit keeps of a task; its own keys end in ``:``, all others are paths of file_deps.
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
    """Return what to say of a work directory that was made elsewhere or by another configuration.

    Args:
        before: Where and by what it was made.
        now: Where and by what it is used.
        resuming: Whether changes of values are told already, as changes since the checkpoint.
    """
    found: list[Notice] = []
    moved = relocation(before, now) or (lambda path: path)
    if before.work_dir != now.work_dir:
        message = f"{now.work_dir}: this work directory was moved or copied from {before.work_dir}. Its records hold."
        found.append(("notice", message))
    changes = [] if resuming else _changes(before, now, moved)
    other = os.path.join(now.folder, moved(before.config)) != now.config
    if other or changes:
        more = f" and {len(changes) - _MOST_CHANGES} more" if len(changes) > _MOST_CHANGES else ""
        what = f": {'; '.join(changes[:_MOST_CHANGES])}{more}" if changes else ""
        made = f"was made by another configuration ({before.config})" if other else "was made with other values"
        found.append(("notice", f"This work directory {made}{what}. What they affect is made again."))
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
