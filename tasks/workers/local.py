"""Worker processes on this machine."""

from __future__ import annotations

import logging
import logging.handlers
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from typing import Any, Protocol

from stages.failures import StageError

# Attempts per task. A dead worker (killed, out of memory) breaks the pool, so other tasks are repeated as well.
ATTEMPTS = 3
# The fork server imports these once for all workers.
_PRELOAD = [
    "stages.extension_data",
    "stages.code_examples",
    "stages.settings",
    "stages.python.renderer",
    "stages.python.stubs",
    "stages.python.reading",
    "stages.python.visitor",
    "stages.setting_scan.calls",
    "stages.retrieval.markdown",
    "markdown_it",
    "tasks.workers.preload",
]
# A socket's path may have 103 bytes on macOS, 107 on Linux. The fork server adds 32 to the temporary folder's path.
_LONGEST_SOCKET_FOLDER = 70
# The largest pool that every platform allows.
_MAX_WORKERS = 61
# Up to three file descriptors per worker, plus those of doit, the log and the libraries.
_OPEN_FILES = 256

# They log every step at DEBUG. httpx logs the URL of each request at INFO, which may contain a password.
_LIBRARIES = ("filelock", "httpcore", "httpx", "markdown_it", "openai")

_log = logging.getLogger(__name__)


def quiet_libraries() -> None:
    """Limit the libraries' loggers to warnings and errors."""
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)


class Workers(Protocol):
    """Runs a function elsewhere and waits for it."""

    def run(self, function: Callable[..., None], *args: Any, **kwargs: Any) -> float:
        """Call ``function`` and wait for it. Return the seconds that it took, without the wait for a worker.

        Raises:
            Exception: The exception of the function.
        """


def _require_open_files() -> None:
    """Raise the limit of open files to the number that the workers and libraries need.

    Raises:
        StageError: The limit of this process is lower and cannot be raised.
    """
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= _OPEN_FILES:
        return
    if hard == resource.RLIM_INFINITY or hard >= _OPEN_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, hard))
        return
    raise StageError(
        f"The limit of open files is {hard}; the pipeline needs {_OPEN_FILES}. Raise it (ulimit -n {_OPEN_FILES}), "
        "then resume."
    )


def _context() -> BaseContext:
    """Return the start method of workers: fork server, or spawn if the path of its socket would be too long."""
    if len(os.fsencode(tempfile.gettempdir())) > _LONGEST_SOCKET_FOLDER:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    return context


class _Pool:
    """Worker processes, and the queue of their log records.

    A worker that is killed while it writes to the queue leaves half a record and a locked queue. The queue is
    therefore discarded with its workers, and nothing waits for it.
    """

    def __init__(self, processes: int) -> None:
        context = _context()
        queue: Any = context.Queue()
        self._log = logging.handlers.QueueListener(queue, _Forward())
        self._log.start()
        self.executor: Executor = ProcessPoolExecutor(
            min(processes, _MAX_WORKERS),
            mp_context=context,
            initializer=_start_worker,
            initargs=(queue, logging.getLogger().getEffectiveLevel()),
        )

    def stop(self) -> None:
        """Wait for the current tasks and for their log records."""
        self.executor.shutdown(wait=True, cancel_futures=True)
        self._log.stop()

    def discard(self) -> None:
        """Leave the pool. Its workers are dead or will be."""
        self.executor.shutdown(wait=False, cancel_futures=True)


class LocalWorkers:
    """A pool of worker processes that replaces dead workers.

    Attributes:
        processes: Largest number of worker processes. They start on demand.
    """

    def __init__(self, processes: int = 1) -> None:
        self.processes = processes
        self._guard = threading.Lock()
        self._stopping = False
        self._pool: _Pool | None = None

    def run(self, function: Callable[..., None], *args: Any, **kwargs: Any) -> float:
        """Call ``function`` in a worker process and wait for it. Return the seconds that it took there.

        Raises:
            StageError: The worker died `ATTEMPTS` times, or the function raised it.
        """
        for attempt in range(1, ATTEMPTS + 1):
            with self._guard:  # when the run ends, a process is either started or not
                if self._stopping:
                    break
                pool = self._current()
                try:
                    future = pool.executor.submit(_timed, function, *args, **kwargs)
                except (BrokenProcessPool, EOFError, OSError) as error:
                    # The worker of another task, or the fork server, has just died.
                    future = Future()
                    future.set_exception(BrokenProcessPool(str(error)))
            try:
                return future.result()
            except (BrokenProcessPool, CancelledError):
                if self._stopping:
                    break
                _log.warning("A worker process died; repeating its task (attempt %d of %d).", attempt, ATTEMPTS)
                self._discard(pool)
        if self._stopping:
            raise StageError("The run ended before this task did.")
        raise StageError(
            f"The worker process died {ATTEMPTS} times while running this task (killed, or out of memory). "
            "Free memory or lower processing.parallel_workers, then resume."
        )

    def _current(self) -> _Pool:
        if self._pool is None:
            _require_open_files()
            self._pool = _Pool(self.processes)
        return self._pool

    def _discard(self, pool: _Pool) -> None:
        with self._guard:
            if self._pool is pool:
                self._pool = None
        pool.discard()

    def stop(self, *, at_once: bool = False) -> None:
        """Stop the worker processes, immediately or after their current tasks."""
        with self._guard:
            self._stopping = True
            pool, self._pool = self._pool, None
        if pool is not None and at_once:
            for child in multiprocessing.active_children():
                child.kill()
            pool.discard()
        elif pool is not None:
            pool.stop()


def start_fork_server() -> None:
    """Start the process that starts the workers, and do not wait for it. It imports what they need."""
    if _context().get_start_method() == "forkserver":
        forkserver.ensure_running()


class OneAtATime:
    """Workers that run one task at a time on other workers."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._turn = threading.Lock()

    def run(self, function: Callable[..., None], *args: Any, **kwargs: Any) -> float:
        """Wait for earlier tasks, then call ``function`` on the wrapped workers."""
        with self._turn:
            return self._workers.run(function, *args, **kwargs)


def _timed(function: Callable[..., None], *args: Any, **kwargs: Any) -> float:
    began = time.monotonic()
    function(*args, **kwargs)
    return time.monotonic() - began


class _Forward(logging.Handler):
    """A handler that passes the workers' records to this process's loggers."""

    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger(record.name).handle(record)


def _start_worker(queue: Any, level: int) -> None:
    """Set up a worker process: ignore Ctrl-C, send log records to the parent, exit when the parent exits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    root = logging.getLogger()
    root.handlers = [logging.handlers.QueueHandler(queue)]
    root.setLevel(level)
    quiet_libraries()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
