"""The currently published data set. Reloaded between two answers when a new one is published."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from serving.catalogue import Catalogue
from stages.artifacts.final_assembly import MANIFEST
from stages.failures import StageError
from stages.retrieval.search import Mode, SearchError

_VERSION = re.compile(r"\d+\.\d+")
_TRIES = 3
_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_Identity = tuple[str, int, int, int, int]


class Current:
    """The loaded data set. Only one thread may use an instance at a time."""

    def __init__(
        self,
        place: Path,
        *,
        mode: Mode = "hybrid",
        options: dict[str, Any] | None = None,
        api_key: str | None = None,
    ) -> None:
        """Load the data set.

        Args:
            place: A data set's folder, or a folder of data sets, from which the highest Kit version is served.
            mode: See `Catalogue`.
            options: See `Catalogue`.
            api_key: See `Catalogue`.

        Raises:
            StageError: There is no complete data set.
            SearchError: An index is incomplete, or its model cannot be used.
        """
        self.place = place
        self._arguments: dict[str, Any] = {"mode": mode, "options": options, "api_key": api_key, "models": {}}
        self._identity: _Identity | None = None
        self._refused: _Identity | None = None
        self._catalogue: Catalogue | None = None
        self._load()

    @property
    def catalogue(self) -> Catalogue:
        """The loaded data set.

        Raises:
            StageError: The data set is closed.
        """
        if self._catalogue is None:
            raise StageError("The data set is closed.")
        return self._catalogue

    def answer(self, make: Callable[[Catalogue], _T]) -> _T:
        """Return the result of a function on the currently published data set.

        If a run replaces the data set meanwhile, the function is called again with the new one.

        Raises:
            Exception: The exception of the function, or an error in the data set.
        """
        for last in (False, True):
            before = self._refresh()
            try:
                return make(self.catalogue)
            except (StageError, SearchError, OSError):
                if last or self._seen() == before:
                    raise
        raise AssertionError

    def close(self) -> None:
        """Close the files."""
        if self._catalogue is not None:
            self._catalogue.close()
            self._catalogue = None

    def _refresh(self) -> _Identity | None:
        """Load the published data set if it differs from the loaded one. Return its identity."""
        seen = self._seen()
        if seen is not None and seen not in {self._identity, self._refused}:
            try:
                self._load()
            except (StageError, SearchError) as error:
                # The old data set is complete, so it stays loaded.
                self._refused = seen
                _log.warning("The new data set is not served: %s", error)
        return seen

    def _load(self) -> None:
        error: Exception = StageError(f"{self.place}: contains no data set. Run the pipeline first.")
        for _ in range(_TRIES):
            before = self._seen()
            if before is None:
                break
            try:
                loaded = Catalogue(Path(before[0]), **self._arguments)
            except (StageError, SearchError) as problem:
                error = problem
                if self._seen() == before:
                    break
                continue
            if self._seen() == before:
                self.close()
                self._catalogue, self._identity, self._refused = loaded, before, None
                _log.info("Serving %s, Kit %s, %d extensions", *before[:1], loaded.kit_version, len(loaded.extensions))
                return
            loaded.close()
        raise error

    def _seen(self) -> _Identity | None:
        """Return the identity of the published data set; None if there is none."""
        folder = self.place
        try:
            if not os.path.lexists(folder / MANIFEST):
                names = [entry.name for entry in os.scandir(folder) if _VERSION.fullmatch(entry.name)]
                names = [name for name in names if os.path.lexists(folder / name / MANIFEST)]
                folder = folder / max(names, key=lambda name: [int(part) for part in name.split(".")], default="")
            status = os.stat(folder / MANIFEST)
        except OSError:
            return None
        return str(folder), status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
