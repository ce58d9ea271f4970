"""Errors that stop a stage, and warnings about skipped input."""

from __future__ import annotations

from typing import TypedDict


class StageError(Exception):
    """A stage cannot go on.

    The user sees the message as it is. It names the file, line or key, the fault, and the remedy.
    """


class StageWarning(TypedDict):
    """A report of input that a stage skipped or repaired. It does not stop the stage.

    Attributes:
        kind: A short, stable name of the fault, such as ``python-syntax`` or ``toml-syntax``.
        extension: Id of the extension; empty if the warning concerns none.
        file: Path relative to the extension's folder, with ``/``; empty if the warning concerns no file.
        line: 1-based line number; 0 if unknown.
        message: The fault and its effect, in one sentence.
    """

    kind: str
    extension: str
    file: str
    line: int
    message: str
