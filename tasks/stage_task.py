"""doit tasks for a stage's functions, with their actions, up-to-date checks and clean actions."""

from __future__ import annotations

import datetime
import hashlib
import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from doit.action import BaseAction
from doit.exceptions import TaskFailed

from config import ConfigError
from stages.artifacts import Record
from stages.failures import StageError
from stages.storage.ownership import remove_made
from stages.storage.syncing import sync_files
from tasks.code_state import code_digest
from tasks.uptodate import Freshness, PinnedFreshness
from tasks.workers.local import Workers

_NO_MEMORY = "There is not enough memory. Free memory or lower processing.parallel_workers, then resume."
# The RuntimeError of a thread whose stack finds no memory.
_NO_THREAD = "can't start new thread"

_log = logging.getLogger(__name__)
_digests: dict[int, tuple[Record, str]] = {}


@dataclass(frozen=True)
class StageTask:
    """A factory for the tasks of one stage.

    Attributes:
        name: Name of the stage.
        after: Stages that must be complete first.
        pinned: Why the run does not check the stage; empty if it does.
        workers: The workers that run the stage's functions.
        roots: The work directory and the target directory, absolute. Nothing outside them is ever removed.
    """

    name: str
    after: list[str]
    pinned: str
    workers: Workers
    roots: tuple[str, str]

    def task(
        self,
        function: Callable[..., None],
        *args: Any,
        name: str | None = None,
        options: dict[str, Any] | None = None,
        unchecked: dict[str, Any] | None = None,
        checked: dict[str, Any] | Callable[[], dict[str, Any]] | None = None,
        file_dep: Iterable[str] = (),
        targets: Iterable[str] = (),
        steady: Collection[str] = (),
        recorded: Callable[[], dict[str, Any]] | None = None,
        always: str = "",
        in_process: bool = False,
        others: Iterable[str] = (),
        folders: Iterable[str] = (),
        published: bool = False,
        synced: bool = False,
    ) -> dict[str, Any]:
        """Return a doit task that calls a function of the stage.

        Args:
            function: Called with ``args``, and with ``options`` and ``unchecked`` as keywords. The up-to-date check
                covers the code of its module and of the module's imports from ``stages``.
            args: Positional arguments. The up-to-date check covers a record among them (an extension's entry).
            name: Name of the subtask; None for a stage of one task.
            options: Keyword arguments that the output depends on.
            unchecked: Keyword arguments that the output does not depend on (folders, a secret). Not recorded. A
                callable is called when the task runs.
            checked: More values that the output depends on. A callable is called at each check.
            file_dep: Files that the task reads.
            targets: Files that the task writes.
            steady: Keys of ``checked`` whose values must not change while the task runs. If one changes, the task
                runs again in the next run.
            recorded: Called after a success. Returns the values to record instead of those of ``checked``.
            always: Why the task runs even if nothing changed; empty if it does not.
            in_process: Run the function in this process, not in a worker process.
            others: Files that the task creates besides its targets, for ``doit clean``.
            folders: Folders below the work directory that the task creates. ``doit clean`` removes their contents.
            published: The targets are the published data set. ``doit clean`` removes them, ``--force`` does not.
            synced: The function syncs its targets to disk. Otherwise they are synced after it.
        """
        options = options or {}
        made_with = {**options, "code": code_digest(function.__module__)}
        if isinstance(checked, dict):
            made_with |= checked
        for arg in args:
            if isinstance(arg, Record):
                made_with["extension"] = _digest(arg)
        live = checked if callable(checked) else None
        freshness = Freshness(made_with, live, always, steady=steady, recorded=recorded)
        targets = list(targets)
        task: dict[str, Any] = {
            "actions": [
                StageAction(
                    function,
                    args,
                    {**options, **(unchecked or {})},
                    None if in_process else self.workers,
                    synced=synced,
                )
            ],
            "file_dep": [] if self.pinned else list(file_dep),
            "targets": targets,
            "uptodate": [PinnedFreshness() if self.pinned else freshness],
            "task_dep": self.after,
            "clean": [CleanAction(self.roots, [*targets, *others], list(folders), published=published)],
        }
        if name is not None:
            task["name"] = name
        return task


def _digest(value: Record) -> str:
    """Return the digest of a record. Three stages ask for that of an extension's entry."""
    known = _digests.get(id(value))
    if known is None or known[0] is not value:
        known = value, hashlib.blake2b(msgspec.json.encode(value), digest_size=16).hexdigest()
        _digests[id(value)] = known
    return known[1]


class StageFailed(TaskFailed):  # type: ignore[misc]
    """The failure of a stage's function, without a traceback.

    Attributes:
        exception_type: Name of the exception's class.
    """

    def __init__(self, message: str, exception_type: str) -> None:
        super().__init__(message)
        self.exception_type = exception_type


class StageAction(BaseAction):  # type: ignore[misc]
    """A doit action that calls a function of a stage.

    If doit runs several tasks at once in threads, the function runs in a worker process. With ``-P process`` or
    ``-n 0``, it runs in the current process.

    The targets are on disk when the action succeeds: a worker that does not sync its files leaves it to this process.
    """

    def __init__(
        self,
        function: Callable[..., None],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        workers: Workers | None,
        *,
        synced: bool = False,
    ) -> None:
        """Create the action.

        Args:
            function: The function.
            args: Its positional arguments.
            kwargs: Its keyword arguments. A callable is called when the action runs.
            workers: The workers that run it; None for this process.
            synced: True if the function syncs its targets in any process.
        """
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.workers = workers
        self.synced = synced
        self.task: Any = None
        self.out = ""
        self.err = ""
        self.result: Any = None
        self.values: dict[str, Any] = {}

    def execute(self, out: Any = None, err: Any = None) -> StageFailed | None:
        """Call the function. Return None, or the failure."""
        del out, err
        begin = time.monotonic()
        try:
            kwargs = self._resolved_kwargs()
            if self.workers is None or _runs_in_process():
                self.function(*self.args, **kwargs)
                seconds = time.monotonic() - begin
            else:
                seconds = self.workers.run(self.function, *self.args, **kwargs)
                if not (self.synced or self.workers.syncs_files):
                    sync_files(self.task.targets)
        except (StageError, ConfigError) as error:
            return StageFailed(str(error), type(error).__name__)
        except MemoryError as error:
            return StageFailed(_NO_MEMORY, type(error).__name__)
        except ImportError as error:
            return StageFailed(
                f"A library cannot be loaded ({error}). Free memory if it cannot be mapped, or else install the pinned "
                "packages again (make), then resume.",
                type(error).__name__,
            )
        except Exception as error:
            if str(error) == _NO_THREAD:
                return StageFailed(_NO_MEMORY, type(error).__name__)
            _log.debug("%s failed unexpectedly", self.task.name, exc_info=True)
            return StageFailed(
                f"unexpected {type(error).__name__}: {error} (the log file has the traceback)", type(error).__name__
            )
        started = datetime.datetime.now().astimezone() - datetime.timedelta(seconds=seconds)
        self.values = {"started": started.isoformat(timespec="milliseconds"), "seconds": round(seconds, 3)}
        return None

    def __getstate__(self) -> dict[str, Any]:
        """Drop the workers, and resolve the callables. In another process, the function runs in that process."""
        return {**self.__dict__, "kwargs": self._resolved_kwargs(), "workers": None, "task": None}

    def _resolved_kwargs(self) -> dict[str, Any]:
        return {key: value() if callable(value) else value for key, value in self.kwargs.items()}

    def __str__(self) -> str:
        return f"{self.function.__module__}.{self.function.__qualname__}"


class CleanAction(BaseAction):  # type: ignore[misc]
    """The clean action of every task. Removes the task's files, and folders that become empty.

    doit does not execute it in a dry run.
    """

    def __init__(
        self, roots: tuple[str, str], files: list[str], folders: list[str], *, published: bool = False
    ) -> None:
        """Create the action.

        Args:
            roots: The work directory and the target directory.
            files: Files to remove.
            folders: Folders whose contents to remove, see `stages.storage.ownership.remove_made`.
            published: True if the files are the published data set.
        """
        self.roots = roots
        self.files = files
        self.folders = folders
        self.published = published
        self.task: Any = None

    def execute(self, out: Any = None, err: Any = None) -> None:
        """Remove the files. The caller holds the lock of the work directory."""
        del out, err
        for folder in self.folders:
            remove_made(Path(folder))
        for name in self.files:
            path = Path(os.path.abspath(name))
            if any(path.is_relative_to(root) for root in self.roots):
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


def _runs_in_process() -> bool:
    return multiprocessing.parent_process() is not None or threading.current_thread() is threading.main_thread()
