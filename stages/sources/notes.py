"""Collection of warnings about the sources."""

from __future__ import annotations

from collections.abc import Iterable

from stages import failures
from stages.failures import StageWarning
from stages.sources.walk import Problem, printable


class Notes:
    """Warnings in order of occurrence.

    Attributes:
        warnings: All warnings so far.
    """

    def __init__(self) -> None:
        self.warnings: list[StageWarning] = []

    def warn(self, kind: str, extension: str, file: str, message: str, line: int = 0) -> None:
        """Add a warning. Escapes unprintable characters in the file's name."""
        self.warnings.append(failures.warning(kind, extension, printable(file), line, message))

    def add_problems(self, problems: Iterable[Problem], extension: str, prefix: str = "") -> None:
        """Add the problems of a walk.

        Args:
            problems: The problems of one walk.
            extension: The id of the walked extension; empty for a folder of extensions.
            prefix: The walked folder, relative to the source; put before each path.
        """
        for problem in problems:
            path = f"{prefix}/{problem.path}".strip("/") if prefix else problem.path
            self.warn(problem.kind, extension, path, problem.message[0].upper() + problem.message[1:] + ".")

    def in_order(self) -> list[StageWarning]:
        """Return the warnings sorted by extension, file, line, kind and message."""
        return sorted(self.warnings, key=failures.warning_order)
