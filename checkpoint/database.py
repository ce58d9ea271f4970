"""A doit dependency database that survives a killed run.

doit's own backends collect results in memory and write them when a run ends. This backend commits each task's record
to SQLite (WAL mode) as soon as the task succeeds.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import orjson
from doit.exceptions import InvalidTask

from checkpoint.origin import Origin, current, moved_record, relocation
from tasks import lock
from tasks.stage_names import stage_of

SCHEMA_VERSION = 1
# Syncing to disk after each of many short tasks would take longer than the tasks.
_SYNC_SECONDS = 0.5
_log = logging.getLogger(__name__)


class NotRecorded(OSError, InvalidTask):  # type: ignore[misc]
    """The database cannot be written. Also an `InvalidTask`, on which doit ends a run without a traceback."""


class WriteThroughDatabase:
    """A doit backend (plugin category BACKEND) that saves every success immediately.

    A killed process loses none. A power failure loses at most the successes since the last sync to disk, which happens
    with each completed stage and at least every `_SYNC_SECONDS` while tasks succeed. Their tasks then run again.

    The table ``task`` holds one row per task: its name, and doit's record as JSON (values, result, file states). The
    table ``origin`` holds one row: where the work directory was last written, and by which configuration.
    Read-only commands (``list``, ``info``, a dry run) change nothing on disk. The first write takes the work
    directory's lock. A broken database is renamed to ``<name>.corrupt`` and every task runs.
    """

    desc = "SQLite, every task's success written through"

    # Where and by which configuration the records were made; None if that is not known.
    former: Origin | None = None

    def __init__(self, name: str, codec: Any, *, module_name: str | None = None) -> None:
        """Read the database ``name``.

        Args:
            name: Path of the database file; its folder is the work directory.
            codec: doit's codec for a record.
            module_name: Part of doit's interface, not used.
        """
        self.name = name
        self._folder = Path(os.path.abspath(name)).parent
        self._codec = codec
        self._connection: sqlite3.Connection | None = None
        self._current = False  # True if nobody can have written since the records were read
        self._encoded: dict[str, str] = {}
        self._records: dict[str, dict[str, Any]] = {}
        self._corrupt = ""
        self._pinned: frozenset[str] = frozenset()
        self._moved: Callable[[str], str] | None = None
        self._synced = 0.0
        self._read()

    def pin(self, stages: Iterable[str]) -> None:
        """Hide and protect the records of some stages from now on."""
        self._pinned = frozenset(stages)

    def _is_pinned(self, task_id: str) -> bool:
        return bool(self._pinned) and stage_of(task_id) in self._pinned

    def _read(self) -> None:
        """Load all records from the open connection, or read-only from the file."""
        self._current = lock.is_held(self._folder)
        self._records.clear()
        self._encoded = {}
        if self._connection is not None:
            self._load(self._connection)
            return
        if not os.path.lexists(self.name):
            return
        if os.path.islink(self.name) or not os.path.isfile(self.name):
            self._corrupt = "it is not a file"
            return
        try:
            with _untouched(self.name) as connection:
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                if version != SCHEMA_VERSION:
                    self._corrupt = f"its version is {version}, not {SCHEMA_VERSION}"
                    return
                self._load(connection)
        except (sqlite3.Error, OSError) as error:
            self._corrupt = str(error)

    def _load(self, connection: sqlite3.Connection) -> None:
        self._encoded = dict(connection.execute("SELECT name, record FROM task"))
        self.former = self._moved = None
        with contextlib.suppress(sqlite3.OperationalError, ValueError, TypeError):  # none yet, or not ours
            row = connection.execute("SELECT value FROM origin").fetchone()
            self.former = msgspec.convert(json.loads(row[0]), Origin)
        now = current.get()
        if self.former is not None and now is not None:
            self._moved = relocation(self.former, now)

    def _settle(self, connection: sqlite3.Connection) -> None:
        """Save the current origin, and update the paths in the records to it."""
        now = current.get()
        if now is None or now == self.former:
            return
        connection.execute("BEGIN IMMEDIATE")
        if self._moved is not None:
            for name in self.names():
                record = self._record(name)
                if record is not None:
                    self._encoded[name] = self._text_of(record)
                    connection.execute("UPDATE task SET record = ? WHERE name = ?", (self._encoded[name], name))
            self._moved = None
        connection.execute("CREATE TABLE IF NOT EXISTS origin (key INTEGER PRIMARY KEY, value TEXT)")
        # Not msgspec's JSON: a path need not be valid Unicode.
        connection.execute("INSERT OR REPLACE INTO origin VALUES (0, ?)", (json.dumps(msgspec.to_builtins(now)),))
        connection.execute("COMMIT")

    def open_for_writing(self) -> sqlite3.Connection:
        """Take the lock of the file's folder, create or repair the file, reload it, and return the connection.

        Raises:
            tasks.lock.WorkDirBusy: Another run holds the work directory's lock.
            NotRecorded: The file cannot be written.
        """
        if self._connection is not None:
            return self._connection
        lock.acquire(self._folder)
        if not self._current:
            self._read()
        if self._corrupt:
            aside = self.name + ".corrupt"
            os.replace(self.name, aside)
            for suffix in ("-wal", "-shm"):
                Path(self.name + suffix).unlink(missing_ok=True)
            _log.warning(
                "%s: not a usable dependency database (%s); kept as %s, every stage runs.",
                self.name,
                self._corrupt,
                os.path.basename(aside),
            )
            self._corrupt = ""
            self._records.clear()
            self._encoded = {}
        try:
            connection = sqlite3.connect(self.name, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE TABLE IF NOT EXISTS task (name TEXT PRIMARY KEY, record TEXT) WITHOUT ROWID")
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            self._settle(connection)
        except sqlite3.Error as error:
            raise NotRecorded(f"{self.name}: the dependency database cannot be written ({error}).") from error
        self._connection = connection
        return connection

    def _record(self, task_id: str) -> dict[str, Any] | None:
        record = self._records.get(task_id)
        if record is None:
            encoded = self._encoded.get(task_id)
            if encoded is None:
                return None
            record = self._decoded(encoded)
            self._records[task_id] = record
        return record

    def _decoded(self, encoded: Any) -> dict[str, Any]:
        """Return a decoded record. A malformed record decodes as empty, so that its task runs."""
        try:
            try:
                # Three times as fast as doit's codec, which uses the standard library.
                record: Any = orjson.loads(encoded)
            except orjson.JSONDecodeError:  # orjson rejects a path that is not valid Unicode
                record = self._codec.decode(encoded)
        except (ValueError, TypeError, RecursionError):
            return {}
        if not isinstance(record, dict) or not _are_paths(record.get("deps:", [])):
            return {}
        if not _are_values(record.get("_values_:", {})):
            return {}
        return record if self._moved is None else moved_record(record, self._moved)

    def get(self, task_id: str, dependency: str) -> Any:
        """Return the value recorded for a task under a key, or None."""
        # doit calls this for every file of every task.
        record = self._records.get(task_id)
        if record is None or self._pinned:
            record = None if self._is_pinned(task_id) else self._record(task_id)
        return None if record is None else record.get(dependency)

    def set(self, task_id: str, dependency: str, value: Any) -> None:
        """Record a value. Commits the record with the last key that doit writes."""
        if self._is_pinned(task_id):
            return
        record = self._record(task_id)
        if record is None:
            record = self._records[task_id] = {}
        record[dependency] = value
        # doit writes the list of file_deps ("deps:") last. "ignore:" marks an ignored task.
        if dependency in ("deps:", "ignore:"):
            self._write(task_id)

    def _write(self, task_id: str) -> None:
        encoded = self._text_of(self._records[task_id])
        self._sync_next(needed=":" not in task_id)
        self._execute("INSERT OR REPLACE INTO task VALUES (?, ?)", (task_id, encoded))
        self._encoded[task_id] = encoded

    def _text_of(self, record: dict[str, Any]) -> str:
        """Return a record as JSON."""
        try:
            return orjson.dumps(record).decode()  # ten times as fast as doit's codec
        except orjson.JSONEncodeError:  # orjson rejects a path that is not valid Unicode
            return str(self._codec.encode(record))

    def _sync_next(self, *, needed: bool = False) -> None:
        """Let SQLite sync to disk with the next write, or not. A sync covers all earlier writes."""
        now = time.monotonic()
        needed = needed or now - self._synced >= _SYNC_SECONDS
        self._execute(f"PRAGMA synchronous={'FULL' if needed else 'NORMAL'}")
        if needed:
            self._synced = now

    def _execute(self, statement: str, values: tuple[str, ...] = ()) -> None:
        try:
            self.open_for_writing().execute(statement, values)
        except sqlite3.Error as error:
            raise NotRecorded(f"{self.name}: the dependency database cannot be written ({error}).") from error

    def in_(self, task_id: str) -> bool:
        """Return True if the task has a record."""
        return task_id in self._records or task_id in self._encoded

    def remove(self, task_id: str) -> None:
        """Forget a task."""
        if self.in_(task_id) and not self._is_pinned(task_id):
            self._sync_next()
            self._execute("DELETE FROM task WHERE name = ?", (task_id,))
            self._records.pop(task_id, None)
            self._encoded.pop(task_id, None)

    def remove_all(self) -> None:
        """Forget all tasks."""
        self._sync_next(needed=True)
        self._execute("DELETE FROM task")
        self._records.clear()
        self._encoded.clear()

    def names(self) -> list[str]:
        """Return the names of all recorded tasks, sorted."""
        return sorted(self._records.keys() | self._encoded.keys())

    def records(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each recorded task with its record, sorted by name."""
        for name in self.names():
            yield name, self._record(name) or {}

    def dump(self) -> None:
        """Close the file. All records are already written."""
        self._current = False
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    @property
    def is_open(self) -> bool:
        """True if the file is open for writing."""
        return self._connection is not None


def _are_paths(paths: Any) -> bool:
    return isinstance(paths, list) and all(isinstance(path, str) for path in paths)


def _are_values(values: Any) -> bool:
    """Return True if the values of a record have the expected types. The file may come from another program."""
    return (
        isinstance(values, dict)
        and isinstance(values.get("options", {}), dict)
        and isinstance(values.get("targets", {}), dict)
        and all(isinstance(state, list) and len(state) == 5 for state in values.get("targets", {}).values())
        and isinstance(values.get("seconds", 0.0), int | float)
        and isinstance(values.get("started", ""), str)
    )


@contextlib.contextmanager
def _untouched(name: str) -> Iterator[sqlite3.Connection]:
    """Open a database for reading without creating or changing a file next to it."""
    with contextlib.ExitStack() as stack:
        target = name
        if os.path.exists(name + "-wal"):
            # A killed run left a WAL file, or a run is using it. Only a copy can be recovered without writing here.
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pipeline-db-"))
            target = os.path.join(folder, "copy")
            shutil.copyfile(name, target)
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(name + "-wal", target + "-wal")
            uri = f"{Path(target).as_uri()}"
        else:
            uri = f"{Path(os.path.abspath(target)).as_uri()}?immutable=1"
        connection = sqlite3.connect(uri, uri=True)
        stack.callback(connection.close)
        yield connection


def records(name: str) -> dict[str, dict[str, Any]]:
    """Return all records of a database file by task, without changing it. Empty if the file is missing or broken."""
    return dict(WriteThroughDatabase(name, json.JSONDecoder()).records())
