"""Load, save and clear the documented checkpoint file. This module does not depend on doit."""

from __future__ import annotations

import datetime
import json
import logging
import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from stages.failures import StageError
from stages.storage.jsonfile import write_json
from tasks.stage_names import STAGES

CHECKPOINT_NAME = ".pipeline_checkpoint.json"
SCHEMA_VERSION = 1
# Far beyond any real checkpoint.
_MAX_BYTES = 4_000_000
_MAX_DEPTH = 20

_log = logging.getLogger(__name__)


class CheckpointCorrupt(Exception):
    """The file is not a usable checkpoint; the message says why."""


class CheckpointNewer(Exception):
    """The file was written by a newer version of the pipeline; the message says what to do."""


@dataclass
class Checkpoint:
    """The saved state of a run.

    Attributes:
        work_dir: Absolute path of the work directory when it was saved. Differs if that was moved or copied since.
        completed_stages: Complete stages, in pipeline order.
        kit_cache_path: Folder of the first source, absolute; None before ``pull_repo_exts``.
        kit_version: Kit version; None before ``pull_repo_exts``.
        status: ``running``, ``stopped``, ``failed`` or ``interrupted``.
        stage_times: For each completed stage ``{"finished": ISO time, "seconds": float}``.
        overrides: Configuration values set on the command line.
        configuration: The configuration without secrets; empty if the file has only the documented keys.
        failure: The failure of the run: stage, subtask, type, message, log, time, attempts.
        not_checked: Stages whose outputs the run did not check (``--start``). Their state is unknown.
        timestamp: Time of saving: local time, ISO 8601.
    """

    work_dir: str
    completed_stages: list[str] = field(default_factory=list)
    kit_cache_path: str | None = None
    kit_version: str | None = None
    status: str = "running"
    stage_times: dict[str, dict[str, Any]] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)
    configuration: dict[str, Any] = field(default_factory=dict)
    failure: dict[str, Any] | None = None
    not_checked: list[str] = field(default_factory=list)
    timestamp: str = ""

    def is_of(self, work_dir: Path) -> bool:
        """Return True if the checkpoint was written for this work directory."""
        try:
            return Path(self.work_dir).resolve() == work_dir.resolve()
        except (OSError, ValueError):
            return False

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, with the documented and the additional keys."""
        return {
            "schema_version": SCHEMA_VERSION,
            "timestamp": self.timestamp,
            "completed_stages": [stage for stage in STAGES if stage in self.completed_stages],
            "config_snapshot": {
                "kit_cache_path": self.kit_cache_path,
                "kit_version": self.kit_version,
                "work_dir": self.work_dir,
            },
            "status": self.status,
            "stage_times": self.stage_times,
            "overrides": self.overrides,
            "configuration": self.configuration,
            "failure": self.failure,
            "not_checked": [stage for stage in STAGES if stage in self.not_checked],
        }


def path_in(work_dir: Path) -> Path:
    """Return the path of the checkpoint in a work directory."""
    return work_dir / CHECKPOINT_NAME


def now() -> str:
    """Return the local time in the checkpoint's format: ISO 8601 with microseconds."""
    return datetime.datetime.now().isoformat(timespec="microseconds")


def save(checkpoint: Checkpoint) -> None:
    """Write the checkpoint to its work directory, atomically and synced, and update its timestamp.

    Raises:
        StageError: The file cannot be written. The old one is unchanged.
    """
    checkpoint.timestamp = now()
    write_json(path_in(Path(checkpoint.work_dir)), checkpoint.to_dict(), indent=True)


def clear(work_dir: Path) -> bool:
    """Remove the checkpoint. Return True if there was one.

    Raises:
        StageError: The file cannot be removed.
    """
    path = path_in(work_dir)
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StageError(f"{path}: cannot be removed ({error.strerror or error}).") from error
    return True


def load(work_dir: Path) -> Checkpoint | None:
    """Read and validate the checkpoint of a work directory. Migrates a file with only the documented keys.

    Returns:
        The checkpoint, or None if there is none.

    Raises:
        CheckpointCorrupt: The file cannot be read or is not valid.
        CheckpointNewer: The file's schema version is newer than this program's.
    """
    path = path_in(work_dir)
    if not os.path.lexists(path):
        return None
    value = _read(path)
    version = value.get("schema_version", 0)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise CheckpointNewer(
            f"{path}: written by a newer version of the pipeline (schema {version}, this one knows {SCHEMA_VERSION}). "
            "Update the pipeline, or start afresh with --force."
        )
    snapshot = value.get("config_snapshot")
    if isinstance(snapshot, dict) and "kit_cache_path" not in snapshot and "exts_path" in snapshot:
        snapshot["kit_cache_path"] = snapshot["exts_path"]  # older versions use this key
    error = next(_validator().iter_errors(value), None)
    if error is not None:
        where = ".".join(str(part) for part in error.absolute_path) or "top level"
        raise CheckpointCorrupt(f"{where}: {error.message[:200]}")
    snapshot = value["config_snapshot"]
    return Checkpoint(
        work_dir=snapshot["work_dir"],
        completed_stages=[stage for stage in STAGES if stage in value["completed_stages"]],
        kit_cache_path=snapshot["kit_cache_path"],
        kit_version=snapshot["kit_version"],
        status=value.get("status", "stopped"),
        stage_times=value.get("stage_times", {}),
        overrides=value.get("overrides", {}),
        configuration=value.get("configuration", {}),
        failure=value.get("failure"),
        not_checked=value.get("not_checked", []),
        timestamp=value["timestamp"],
    )


def set_aside(work_dir: Path) -> Path:
    """Rename an unusable checkpoint to ``.pipeline_checkpoint.json.corrupt``, and return the new path.

    Raises:
        StageError: The file cannot be renamed.
    """
    path = path_in(work_dir)
    aside = path.with_name(path.name + ".corrupt")
    try:
        if aside.is_dir() and not aside.is_symlink():
            aside.rename(aside.with_name(f"{aside.name}.{os.getpid()}"))
        path.replace(aside)
    except OSError as error:
        raise StageError(f"{path}: cannot be renamed ({error.strerror or error}).") from error
    return aside


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.is_symlink():
            raise CheckpointCorrupt("it is a symbolic link")
        if not path.is_file():
            raise CheckpointCorrupt("it is not a file")
        if path.stat().st_size > _MAX_BYTES:
            raise CheckpointCorrupt(f"it is larger than {_MAX_BYTES} bytes")
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise CheckpointCorrupt(f"it cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointCorrupt(f"it is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise CheckpointCorrupt("it is not a JSON object")
    if _is_deeper(value, _MAX_DEPTH):
        raise CheckpointCorrupt(f"its values are nested deeper than {_MAX_DEPTH} levels")
    return value


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    items = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in items)


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    schema = json.loads(Path(__file__).with_name("checkpoint.schema.json").read_bytes())
    schema["properties"]["completed_stages"]["items"]["enum"] = list(STAGES)  # documented and later stages
    return Draft202012Validator(schema)
