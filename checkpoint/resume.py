"""The settings that a resume restores from the checkpoint.

They depend only on the checkpoint, the command line and the configuration file. A checkpoint may come from a cache
that others can write. A resume therefore restores only settings that control the amount of work, never sources,
commands, addresses, paths, schedulers or secrets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from checkpoint.file import Checkpoint
from config import Config
from config.request import RESTORED_KEYS, Request

Notice = tuple[str, str]


class ResumeRefused(Exception):
    """The run cannot be resumed with this command line; the message says what to add."""


def restore(found: Checkpoint, request: Request, configured_folders: Iterable[str]) -> tuple[Request, list[Notice]]:
    """Return the request with the restored settings, and notices about them.

    The command line takes precedence over the checkpoint, and the checkpoint over the configuration file.

    Args:
        found: The checkpoint of the resumed run.
        request: The command line.
        configured_folders: The absolute folders of the configured ``path`` sources.

    Raises:
        ResumeRefused: The run read a Kit cache that neither the configuration nor the command line names.
    """
    kept, notices = found.overrides, []
    overrides = dict(request.overrides)
    for key in RESTORED_KEYS:
        if key in kept and key not in overrides:
            overrides[key] = kept[key]
            notices.append(("notice", f"Restored from the checkpoint: {key} = {_shown(kept[key])}"))
    changes: dict[str, Any] = {"overrides": overrides}
    if kept.get("quick") is True and "quick" not in request.given:
        changes["quick"] = True
        notices.append(("notice", "Restored from the checkpoint: quick = true"))
    folder = kept.get("kit_cache")
    if folder and "kit_cache" not in request.given:
        if not any(_same_folder(folder, named) for named in configured_folders):
            raise ResumeRefused(
                f"the run to resume was started with --kit-cache {folder}, which the configuration does not name. "
                f"Add --kit-cache {folder} to continue it, or --force to start afresh."
            )
        changes["kit_cache"] = folder
    return dataclasses.replace(request, **changes), notices


def changes_since(found: Checkpoint, config: Config) -> list[str]:
    """Return a line for each configuration value that changed since the checkpoint."""
    changes = []
    wanted = config.effective["input"]["kit_version"]
    if wanted and found.kit_version and wanted != found.kit_version:
        changes.append(f"kit_version: checkpoint {found.kit_version}, config {wanted}")
    now = config.public()
    for section in sorted(found.configuration.keys() & now.keys()):
        before, after = found.configuration[section], now[section]
        for key in sorted(before.keys() | after.keys()):
            if before.get(key) != after.get(key) and key != "kit_version":
                changes.append(f"{section}.{key}: checkpoint {before.get(key)}, config {after.get(key)}")
    return changes


def _same_folder(folder: Any, named: str) -> bool:
    try:
        return Path(str(folder)).resolve() == Path(named).resolve()
    except (OSError, ValueError):
        return False


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
