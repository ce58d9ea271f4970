"""A stage's function as a doit action: one clear failure instead of a traceback, and the time it took."""

from __future__ import annotations

import datetime
import logging
import multiprocessing
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from doit.action import BaseAction
from doit.exceptions import TaskFailed

from checkpoint import lock
from config import ConfigError
from stages.failures import StageError
from tasks.stage_names import EXIT_NOT_STARTED
from tasks.workers.local import Workers

_log = logging.getLogger(__name__)


class StageFailed(TaskFailed):  # type: ignore[misc]
    """The failure of a stage's function, without a traceback.

    Attributes:
        exception_type: Name of the exception's class.
    """

    def __init__(self, message: str, exception_type: str) -> None:
        super().__init__(message)
        self.exception_type = exception_type


class StageAction(BaseAction):  # type: ignore[misc]
    """Calls a function of a stage.

    Where doit runs several tasks at once in threads, the function runs in a worker process; in a process that doit
    made itself (``-P process``), or one task at a time (``-n 0``), it runs right there.
    """

    def __init__(
        self, function: Callable[..., None], args: tuple[Any, ...], kwargs: dict[str, Any], workers: Workers | None
    ) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.workers = workers
        self.task: Any = None
        self.out = ""
        self.err = ""
        self.result: Any = None
        self.values: dict[str, Any] = {}

    def execute(self, out: Any = None, err: Any = None) -> StageFailed | None:
        """Call the function; return None, or how it failed."""
        del out, err
        started = datetime.datetime.now().astimezone().isoformat(timespec="milliseconds")
        begin = time.monotonic()
        seconds = None
        try:
            kwargs = self._known()
            if self.workers is None or _alone():
                self.function(*self.args, **kwargs)
            else:
                seconds = self.workers.run(self.function, *self.args, **kwargs)
        except (StageError, ConfigError) as error:
            return StageFailed(str(error), type(error).__name__)
        except MemoryError as error:
            return StageFailed(
                "There is not enough memory. Free memory or lower processing.parallel_workers, then resume.",
                type(error).__name__,
            )
        except ImportError as error:
            return StageFailed(
                f"A library cannot be loaded ({error}). Free memory if it cannot be mapped, or else install the pinned "
                "packages again (make), then resume.",
                type(error).__name__,
            )
        except Exception as error:
            _log.debug("%s failed unexpectedly", self.task.name, exc_info=True)
            return StageFailed(
                f"unexpected {type(error).__name__}: {error} (the log file has the traceback)", type(error).__name__
            )
        seconds = time.monotonic() - begin if seconds is None else seconds
        self.values = {"started": started, "seconds": round(seconds, 3)}
        return None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the workers behind: in another process the function runs right there, with what is known now."""
        return {**self.__dict__, "kwargs": self._known(), "workers": None, "task": None}

    def _known(self) -> dict[str, Any]:
        return {key: value() if callable(value) else value for key, value in self.kwargs.items()}

    def __str__(self) -> str:
        return f"{self.function.__module__}.{self.function.__qualname__}"


class CleanAction(BaseAction):  # type: ignore[misc]
    """Removes what a task made, and the folders that this empties: the clean action of every task.

    doit does not execute it in a dry run.
    """

    def __init__(self, roots: tuple[str, str], files: list[str], folders: list[str]) -> None:
        """Remember what to remove.

        Args:
            roots: The work directory, which is locked for this process, and the target directory.
            files: Files.
            folders: Folders to remove with all they hold.
        """
        self.roots = roots
        self.files = files
        self.folders = folders
        self.task: Any = None

    def execute(self, out: Any = None, err: Any = None) -> None:
        """Remove everything.

        Raises:
            SystemExit: A run is going on in the work directory (code 2).
        """
        del out, err
        try:
            lock.acquire(Path(self.roots[0]))
        except lock.WorkDirBusy as error:
            sys.stderr.write(f"ERROR: {error}\n")
            raise SystemExit(EXIT_NOT_STARTED) from None
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)
        for name in self.files:
            path = Path(os.path.abspath(name))
            path.unlink(missing_ok=True)
            self._remove_empty(path.parent)

    def _remove_empty(self, folder: Path) -> None:
        while str(folder) not in self.roots and any(folder.is_relative_to(root) for root in self.roots):
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    def __str__(self) -> str:
        return f"remove {len(self.files)} files" + (f" and {', '.join(self.folders)}" if self.folders else "")


def _alone() -> bool:
    return multiprocessing.parent_process() is not None or threading.current_thread() is threading.main_thread()
