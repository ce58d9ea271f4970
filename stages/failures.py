"""The one error a stage ends in, and the record of what it could not use."""

from __future__ import annotations

from typing import TypedDict


class StageError(Exception):
    """A stage cannot go on.

    The message is shown to the user as it is: one sentence that names the file, the line or the key, says what is
    wrong and what to do about it.
    """


class StageWarning(TypedDict):
    """Something that was left out or repaired, and is reported rather than fatal.

    Attributes:
        kind: A short, stable word for the case, such as ``python-syntax`` or ``toml-syntax``.
        extension: The id of the extension concerned; empty where there is none.
        file: Path relative to the extension's folder, with ``/``; empty where there is none.
        line: 1-based line number; 0 where there is none.
        message: One sentence a person can act on.
    """

    kind: str
    extension: str
    file: str
    line: int
    message: str
