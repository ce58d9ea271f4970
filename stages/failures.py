"""Errors that stop a stage, warnings about skipped input, and the containment of a fault in one file."""

from __future__ import annotations

import contextlib
import errno
import logging
from collections.abc import Iterator
from typing import Annotated, TypedDict

from msgspec import Meta

_log = logging.getLogger(__name__)
INTERNAL = "internal"
# Faults of the machine, not of the input. The stage stops; a later run resumes it.
_NOT_CONTAINED = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EROFS, errno.EIO)


class StageError(Exception):
    """An error that stops a stage.

    The user sees the message unchanged. It names the file, line or key, the fault, and the remedy.
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

    kind: Annotated[str, Meta(min_length=1, extra_json_schema={"pattern": "^[a-z][a-z-]*$"})]
    extension: str
    file: str
    line: Annotated[int, Meta(ge=0)]
    message: Annotated[str, Meta(min_length=1)]


def warning(kind: str, extension: str, file: str, line: int, message: str) -> StageWarning:
    """Return a warning; see `StageWarning`."""
    return {"kind": kind, "extension": extension, "file": file, "line": line, "message": message}


def warning_order(item: StageWarning) -> tuple[str, str, int, str, str]:
    """Return the sort key of a warning: extension, file, line, kind, message."""
    return item["extension"], item["file"], item["line"], item["kind"], item["message"]


@contextlib.contextmanager
def contained(warnings: list[StageWarning], extension: str, file: str = "") -> Iterator[None]:
    """Convert an unexpected exception in one file or extension to a warning, so that only this part is left out.

    The kind of the warning is ``internal``. The traceback goes to the log. `StageError`, `KeyboardInterrupt`,
    `MemoryError` and the errors of a full disk are not converted.

    Args:
        warnings: Receives the warning.
        extension: Id of the extension.
        file: The file, relative to the extension's folder; empty for the whole extension.
    """
    try:
        yield
    except (StageError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _NOT_CONTAINED:
            raise
        _log.warning("%s: %s: left out after an internal error", extension, file or "the extension", exc_info=True)
        part = "The file" if file else "The extension"
        message = (
            f"{part} is left out: an internal error ({type(error).__name__}: {error}). The log file has the traceback; "
            "please report it to the pipeline's developers."
        )
        warnings.append(warning(INTERNAL, extension, file, 0, message))
