"""A cache of all embedded texts in one SQLite file, so that no text is paid for twice."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stages.failures import StageError
from stages.storage.folder_swap import exclusive

if TYPE_CHECKING:
    import numpy

_LOG = logging.getLogger(__name__)
# SQLite's own limit on the variables of a statement is 32,766; older builds allow 999.
_LOOKUP = 900

_FORMAT = 1
_TABLES = (
    "CREATE TABLE space (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, dimension INTEGER NOT NULL)",
    "CREATE TABLE vector (space INTEGER NOT NULL REFERENCES space(id), digest BLOB NOT NULL, vector BLOB NOT NULL, "
    "UNIQUE (space, digest))",
    f"PRAGMA user_version = {_FORMAT}",
)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log. Waits for other processes, because SQLite does not wait on this statement."""
    for tries_left in reversed(range(600)):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or not tries_left:
                raise
            time.sleep(0.1)


# Larger than the dimension of any model.
_MAX_DIMENSION = 1 << 16


class EmbeddingCache:
    """Vectors by the hash of their text, within one namespace.

    The namespace names everything that its vectors depend on: backend, model, requested dimension, endpoint, input
    type. All its vectors have one dimension. A temporary table holds the pending texts, so that a large run does not
    hold them in memory.

    Several processes may use the file at the same time.
    """

    def __init__(self, path: Path, namespace: str, *, durable: bool) -> None:
        """Open or create the cache.

        Args:
            path: The SQLite file. Its folder is created if missing. An unreadable file is renamed to
                ``<path>.corrupt`` with a warning, and an empty cache replaces it.
            namespace: The namespace; any string.
            durable: True if a stored batch must survive a power cut. This costs a sync per batch, which pays off for
                vectors that cost money.

        Raises:
            StageError: The file cannot be opened or created.
        """
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._connection = self._open(durable)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                self._connection = self._replace_and_open(durable)
            self._namespace, self._dimension = self._select_namespace(namespace)
        except (OSError, sqlite3.Error) as error:
            raise StageError(f"{path}: the embedding cache cannot be opened ({error}).") from error

    def _open(self, durable: bool) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=60, isolation_level=None)
        try:
            _use_wal(connection)
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute("PRAGMA temp_store = FILE")
            connection.execute("PRAGMA cache_size = -16384")
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
                for statement in _TABLES:
                    connection.execute(statement)
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            connection.execute("COMMIT")
            if version != _FORMAT:
                raise sqlite3.DatabaseError(f"format {version} where {_FORMAT} is expected")
            connection.execute("CREATE TEMP TABLE pending (digest BLOB PRIMARY KEY, text TEXT NOT NULL)")
        except BaseException:
            connection.close()
            raise
        return connection

    def _replace_and_open(self, durable: bool) -> sqlite3.Connection:
        """Replace a broken file and open it, unless another process or thread has just replaced it."""
        with exclusive(self._path.parent):
            try:
                return self._open(durable)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError as error:
                self._rename_corrupt(error)
                return self._open(durable)

    def _rename_corrupt(self, error: Exception) -> None:
        aside = self._path.with_name(self._path.name + ".corrupt")
        _LOG.warning(
            "%s is not a readable embedding cache (%s): kept as %s; every text is embedded again.",
            self._path,
            error,
            aside.name,
        )
        # The log first: a process that opens the path after the renaming has a log of its own.
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                self._path.with_name(self._path.name + suffix).unlink()
        self._path.replace(aside)

    def _select_namespace(self, key: str) -> tuple[int, int]:
        self._connection.execute("INSERT OR IGNORE INTO space (key, dimension) VALUES (?, 0)", (key,))
        row = self._connection.execute("SELECT id, dimension FROM space WHERE key = ?", (key,)).fetchone()
        namespace, dimension = row
        if not isinstance(dimension, int) or not 0 <= dimension <= _MAX_DIMENSION:
            # A foreign file. Vectors of an unknown dimension cannot be read.
            self._connection.execute("DELETE FROM vector WHERE space = ?", (namespace,))
            self._connection.execute("UPDATE space SET dimension = 0 WHERE id = ?", (namespace,))
            dimension = 0
        return int(namespace), dimension

    def __enter__(self) -> EmbeddingCache:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @property
    def dimension(self) -> int:
        """The dimension of the vectors in this namespace; 0 while it is empty."""
        return self._dimension

    @property
    def size(self) -> int:
        """Size of the cache on disk in bytes, for all namespaces."""
        total = 0
        for suffix in ("", "-wal"):
            with contextlib.suppress(OSError):
                total += self._path.with_name(self._path.name + suffix).stat().st_size
        return total

    def known(self, digests: Sequence[bytes]) -> set[bytes]:
        """Return the digests with a usable stored vector."""
        return set(self.vectors(digests))

    def vectors(self, digests: Sequence[bytes]) -> dict[bytes, numpy.ndarray]:
        """Return the usable stored vectors of ``digests``: float32, of one dimension, finite."""
        import numpy

        found = {
            digest: numpy.frombuffer(blob, dtype="<f4")
            for digest, blob in self._select("digest, vector", digests, whole_only=True)
        }
        return {digest: vector for digest, vector in found.items() if numpy.isfinite(vector).all()}

    def _select(self, columns: str, digests: Sequence[bytes], *, whole_only: bool) -> Iterator[tuple[bytes, bytes]]:
        try:
            for start in range(0, len(digests), _LOOKUP):
                some = digests[start : start + _LOOKUP]
                marks = ",".join("?" * len(some))
                yield from self._connection.execute(
                    f"SELECT {columns} FROM vector WHERE space = ? AND digest IN ({marks})"  # noqa: S608 (only marks)
                    + (" AND typeof(vector) = 'blob' AND length(vector) = ?" if whole_only else ""),
                    (self._namespace, *some, *([4 * self._dimension] if whole_only else [])),
                )
        except sqlite3.Error as error:
            raise self._error_for(error) from error

    def enqueue(self, texts: Iterable[tuple[bytes, str]]) -> None:
        """Add texts to the pending ones. Ignores duplicates."""
        try:
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT OR IGNORE INTO pending (digest, text) VALUES (?, ?)", texts)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._error_for(error) from error

    @property
    def pending(self) -> int:
        """Number of pending texts."""
        return int(self._connection.execute("SELECT count(*) FROM pending").fetchone()[0])

    def batches(self, size: int) -> Iterator[list[tuple[bytes, str]]]:
        """Yield the pending texts in batches of at most ``size``, in the order they were added."""
        last = 0
        while True:
            rows = self._connection.execute(
                "SELECT rowid, digest, text FROM pending WHERE rowid > ? ORDER BY rowid LIMIT ?", (last, size)
            ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield [(digest, text) for _, digest, text in rows]

    def store(self, digests: Sequence[bytes], vectors: numpy.ndarray) -> None:
        """Store the vectors of a batch atomically and write them to disk.

        Drops vectors of another dimension from the namespace: the model has changed under its name.

        Args:
            digests: The hashes of n texts.
            vectors: Their vectors, float32, n × d.

        Raises:
            StageError: The file cannot be written.
        """
        dimension = int(vectors.shape[1])
        rows = vectors.astype("<f4", copy=False)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                if dimension != self._dimension:
                    self._connection.execute(
                        "DELETE FROM vector WHERE space = ? AND length(vector) != ?", (self._namespace, 4 * dimension)
                    )
                    self._connection.execute(
                        "UPDATE space SET dimension = ? WHERE id = ?", (dimension, self._namespace)
                    )
                self._connection.executemany(
                    "INSERT OR REPLACE INTO vector (space, digest, vector) VALUES (?, ?, ?)",
                    ((self._namespace, digest, row.tobytes()) for digest, row in zip(digests, rows, strict=True)),
                )
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._error_for(error) from error
        self._dimension = dimension

    def _error_for(self, error: sqlite3.Error) -> StageError:
        hint = (
            f" Delete {self._path.name} and run again: every text is then embedded again."
            if not isinstance(error, sqlite3.OperationalError) or "malformed" in str(error)
            else ""
        )
        return StageError(f"{self._path}: the embedding cache cannot be used ({error}).{hint}")
