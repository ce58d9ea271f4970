"""Differences between the data sets next to the served one."""

from __future__ import annotations

import os
import re
from pathlib import Path

from comparison.changes import Comparison
from comparison.compare import compare
from comparison.data_set import DataSet
from comparison.markdown import markdown
from serving.arguments import Names, WrongArgument, name_of, names_of, tokens_of
from serving.budget import DEFAULT_TOKENS
from serving.catalogue import NotFound
from stages.artifacts.final_assembly import MANIFEST
from stages.retrieval.tokens import count, truncate

PREVIOUS = "previous"
_VERSION = re.compile(r"\d+\.\d+")
_KEPT = 4


class Versions:
    """The data sets of all Kit versions, and the replaced data sets.

    A client names versions, never paths.
    """

    def __init__(self, target_dir: Path, previous: Path | None = None) -> None:
        """Set the folders of the data sets.

        Args:
            target_dir: Contains a folder per Kit version.
            previous: Contains the replaced data sets under the same names; None if unknown.
        """
        self._target_dir = target_dir
        self._previous = previous
        self._comparisons: dict[tuple[object, ...], Comparison] = {}

    def names(self) -> list[str]:
        """Return the available Kit versions, lowest first."""
        try:
            found = [entry.name for entry in os.scandir(self._target_dir) if _VERSION.fullmatch(entry.name)]
        except OSError:
            return []
        found = [name for name in found if (self._target_dir / name / MANIFEST).is_file()]
        return sorted(found, key=lambda name: [int(part) for part in name.split(".")])

    def compare(
        self,
        old_version: str,
        new_version: str = "",
        *,
        extension_ids: Names = None,
        only_breaking: bool = False,
        max_tokens: int = DEFAULT_TOKENS,
    ) -> str:
        """Compare two Kit versions: all changes, with the changes that break callers first.

        Raises:
            NotFound: There is no such version.
            WrongArgument: An argument is invalid.
            StageError: A data set is incomplete.
        """
        budget = tokens_of(max_tokens)
        new = self._folder(name_of(new_version, "new_version") or (self.names() or [""])[-1])
        old = self._folder(name_of(old_version, "old_version"), new.name)
        if old == new:
            raise WrongArgument(f"old_version and new_version are both {new.name}.")
        found = self._compared(old, new)
        patterns = names_of(extension_ids, "extension_ids")
        narrowed = found.narrowed(extensions=patterns, only_breaking=only_breaking)
        if patterns and not narrowed.extensions:
            return f"Nothing{' that breaks callers' if only_breaking else ''} has changed in {', '.join(patterns)}."
        # Assumes four characters per token. A text that is still too long is cut.
        text = markdown(narrowed, most=max(budget * 4, 1000))
        while count(text) > budget and len(text) > 1000:
            text = markdown(narrowed, most=len(text) * 3 // 4)
        return truncate(text, budget)

    def _folder(self, version: str, current: str = "") -> Path:
        if version == PREVIOUS and current and self._previous is not None:
            folder = self._previous / current
            if (folder / MANIFEST).is_file():
                return folder
            raise NotFound(f"No earlier data set of Kit {current} is kept.")
        names = self.names()
        if version not in names:
            available = f"Available: {', '.join(names) or 'none'}"
            more = f'; and "{PREVIOUS}", the data set that the last run replaced' if self._previous else ""
            raise NotFound(f'There is no data set of Kit "{version}". {available}{more}.')
        return self._target_dir / version

    def _compared(self, old: Path, new: Path) -> Comparison:
        key: tuple[object, ...] = (*_identity(old), *_identity(new))
        if key not in self._comparisons:
            while len(self._comparisons) >= _KEPT:
                del self._comparisons[next(iter(self._comparisons))]
            self._comparisons[key] = compare(DataSet(old), DataSet(new))
        return self._comparisons[key]


def _identity(folder: Path) -> tuple[object, ...]:
    status = os.stat(folder / MANIFEST)
    return str(folder), status.st_ino, status.st_mtime_ns, status.st_size
