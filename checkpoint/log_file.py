"""The log file of a run, and the log records that the display shows."""

from __future__ import annotations

import logging
import os
import re
import sys
from io import TextIOWrapper
from pathlib import Path

from checkpoint.progress import Display
from config import Config
from stages.failures import StageError
from tasks.workers.local import quiet_libraries

_NUMBERS = re.compile(r"[0-9]+")
# Number of characters of the first warning of a kind to repeat with the count of the others.
_BEGIN = 70
_SHOWN = ("stages", "tasks.workers.local", "tasks.workers.dask", "checkpoint.database")


def log_to_file(config: Config, display: Display) -> ShownLog:
    """Send all log records to the configured file, and those of stages and workers also to the display.

    Replaces the handlers of an earlier run in this process. Returns the handler that feeds the display.

    Raises:
        StageError: The file cannot be written.
    """
    root = logging.getLogger()
    for logger in (root, *map(logging.getLogger, _SHOWN)):
        for handler in [one for one in logger.handlers if isinstance(one, _LogFile | ShownLog)]:
            logger.removeHandler(handler)
            handler.close()
    try:
        config.log_file.parent.mkdir(parents=True, exist_ok=True)
        # A work directory from elsewhere may hold a link to anywhere. A path outside it is the user's choice.
        own = not config.log_file.is_relative_to(config.work_dir)
        handler = _LogFile(config.log_file, display, follow=own)
    except OSError as error:
        raise StageError(
            f"{config.log_file}: logging.log_file: the log cannot be written ({error.strerror or error})."
        ) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    root.setLevel(config.effective["logging"]["level"])
    quiet_libraries()
    shown = ShownLog(display)
    for name in _SHOWN:
        logging.getLogger(name).addHandler(shown)
    return shown


class _LogFile(logging.FileHandler):
    """A log file handler that reports a write error once instead of printing a traceback per line."""

    def __init__(self, path: Path, display: Display, *, follow: bool) -> None:
        self._flags = 0 if follow else os.O_NOFOLLOW | os.O_NONBLOCK
        super().__init__(path, encoding="utf-8", errors="backslashreplace")
        self._display = display
        self._reported = False

    def _open(self) -> TextIOWrapper:
        def opener(path: str, flags: int) -> int:
            return os.open(path, flags | self._flags, 0o666)

        return open(self.baseFilename, "a", encoding=self.encoding, errors=self.errors, opener=opener)

    def handleError(self, record: logging.LogRecord) -> None:
        del record
        if not self._reported:
            self._reported = True
            self._display.notice("warning", f"{self.baseFilename}: the log cannot be written ({sys.exc_info()[1]}).")


class ShownLog(logging.Handler):
    """A handler that shows the first stage warning of each kind, and the current step in a live view."""

    def __init__(self, display: Display) -> None:
        super().__init__()
        self._display = display
        # Each kind of warning: the first one, and how many there were.
        self._shown: dict[tuple[str, int, str], tuple[str, int]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record, or only count it."""
        message = record.getMessage()
        if record.levelno >= logging.WARNING:
            # Warnings of one statement are of one kind if they differ only in numbers. Warnings about a service also
            # contain the embedded text, so those of one statement are always of one kind.
            text = "" if record.name.startswith("stages.retrieval") else _NUMBERS.sub("", message)
            first, count = self._shown.get(kind := (record.name, record.lineno, text), (message, 0))
            self._shown[kind] = (first, count + 1)
            if count == 0:
                self._display.notice(record.levelname.lower(), message)
                return
        if record.levelno > logging.INFO or record.name.startswith("stages"):
            self._display.detail(message)

    def show_counts(self) -> None:
        """Show the number of hidden warnings of each kind."""
        for first, count in self._shown.values():
            if count > 1:
                begin = first if len(first) <= _BEGIN else f"{first[:_BEGIN]}…"
                more = "warning" if count == 2 else "warnings"
                self._display.notice("warning", f"{count - 1} more {more} of this kind, all in the log file: {begin}")
        self._shown.clear()
