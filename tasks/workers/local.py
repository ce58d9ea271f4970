"""Worker processes on this machine."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.reduction import ForkingPickler
from typing import Any, Protocol

from stages.failures import StageError
from stages.storage import syncing
from tasks.workers.failure import Failure

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
    """Runs a function elsewhere and waits for it.

    Attributes:
        syncs_files: True if the function syncs the files that it writes; False if the caller must.
    """

    syncs_files: bool

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


class LocalWorkers:
    """Worker processes that run one function at a time each. Dead ones are replaced.

    Each worker has a connection of its own. Nothing is shared that a killed worker could leave locked or half written:
    the connection ends with the worker, and the thread that waits at its other end continues. The executor of
    ``concurrent.futures`` has such a shared queue, and in Python 3.11 it can wait for ever if a worker dies while a
    task is submitted.

    Attributes:
        processes: Largest number of worker processes. They start on demand.
    """

    syncs_files = False

    def __init__(self, processes: int = 1) -> None:
        self.processes = processes
        self._changed = threading.Condition()
        self._stopping = False
        self._workers: list[_Worker] = []
        self._idle: list[_Worker] = []

    def run(self, function: Callable[..., None], *args: Any, **kwargs: Any) -> float:
        """Call ``function`` in a worker process and wait for it. Return the seconds that it took there.

        Raises:
            StageError: The worker died `ATTEMPTS` times, or the function raised it.
            Exception: Any other exception of the function.
        """
        for attempt in range(1, ATTEMPTS + 1):
            worker = self._take()
            if worker is not None:
                try:
                    outcome = worker.call(function, args, kwargs)
                except WorkerDied:
                    self._remove(worker)
                except BaseException:
                    self._remove(worker)
                    raise
                else:
                    self._give_back(worker)
                    if isinstance(outcome, Failure):
                        raise outcome.rebuilt()
                    return outcome
            if self._stopping:
                break
            _log.warning("A worker process died; repeating its task (attempt %d of %d).", attempt, ATTEMPTS)
        if self._stopping:
            raise StageError("The run ended before this task did.")
        raise StageError(
            f"The worker process died {ATTEMPTS} times while running this task (killed, or out of memory). "
            "Free memory or lower processing.parallel_workers, then resume."
        )

    def _take(self) -> _Worker | None:
        """Return an idle worker, or a new one. None if it cannot be started, or if the run ends."""
        with self._changed:  # when the run ends, a process is either started or not
            self._changed.wait_for(lambda: self._stopping or self._idle or len(self._workers) < self.processes)
            if self._stopping:
                return None
            if self._idle:
                return self._idle.pop()
            _require_open_files()
            try:
                worker = _Worker()
            except (EOFError, OSError):  # the fork server has just died; the next attempt starts another
                return None
            self._workers.append(worker)
            return worker

    def _give_back(self, worker: _Worker) -> None:
        with self._changed:
            self._idle.append(worker)
            self._changed.notify_all()

    def _remove(self, worker: _Worker) -> None:
        worker.kill()
        with self._changed:
            self._workers.remove(worker)
            self._changed.notify_all()

    def stop(self, *, at_once: bool = False) -> None:
        """Stop the worker processes, immediately or after their current tasks."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            if not at_once:
                self._changed.wait_for(lambda: len(self._idle) == len(self._workers))
            workers = list(self._workers)
        for worker in workers:
            if at_once:
                worker.kill()
            else:
                worker.end()
        for worker in workers:
            worker.join()


class WorkerDied(Exception):
    """A worker process ended before its task did."""


class _Worker:
    """A worker process, and the connection to it.

    Down the connection go calls (function, args, kwargs). Up come log records, and for each call the seconds that it
    took or a `Failure`.
    """

    def __init__(self) -> None:
        context = _context()
        self._connection, theirs = context.Pipe()
        arguments = (theirs, logging.getLogger().getEffectiveLevel())
        self._process = context.Process(target=_serve, args=arguments, daemon=True)  # type: ignore[attr-defined]
        try:
            self._process.start()
        finally:
            theirs.close()

    def call(self, function: Callable[..., None], args: tuple[Any, ...], kwargs: dict[str, Any]) -> float | Failure:
        """Call a function in the worker and wait for it.

        Raises:
            WorkerDied: The worker ended first.
        """
        call = ForkingPickler.dumps((function, args, kwargs))
        try:
            self._connection.send_bytes(call)
            while isinstance(answer := self._connection.recv(), logging.LogRecord):
                logging.getLogger(answer.name).handle(answer)
        except (EOFError, OSError) as error:
            raise WorkerDied from error
        return answer  # type: ignore[no-any-return]

    def end(self) -> None:
        """Let the process end. It must be idle."""
        self._connection.close()

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()

    def join(self) -> None:
        """Wait until the process has ended."""
        self._process.join()


def start_fork_server() -> None:
    """Start the process that starts the workers, and do not wait for it. It imports what they need."""
    if _context().get_start_method() == "forkserver":
        from multiprocessing import forkserver

        forkserver.ensure_running()


class OneAtATime:
    """Workers that run one task at a time on other workers."""

    def __init__(self, workers: Workers) -> None:
        self.syncs_files = workers.syncs_files
        self._workers = workers
        self._turn = threading.Lock()

    def run(self, function: Callable[..., None], *args: Any, **kwargs: Any) -> float:
        """Wait for earlier tasks, then call ``function`` on the wrapped workers."""
        with self._turn:
            return self._workers.run(function, *args, **kwargs)


# --- in the worker ---------------------------------------------------------------------------------------------------


class _ToParent(logging.handlers.QueueHandler):
    """A handler that sends the records to the parent process."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)  # type: ignore[arg-type]
        self._connection = connection

    def enqueue(self, record: logging.LogRecord) -> None:
        """Send a record. The caller holds the handler's lock."""
        self._connection.send(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Do nothing. The parent has ended, and this process is about to."""


def _serve(connection: Connection, level: int) -> None:
    """Run calls until the parent closes the connection. Ignores Ctrl-C, and exits when the parent exits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    handler = _ToParent(connection)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    quiet_libraries()
    syncing.leave_to_main_process()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    while True:
        try:
            function, args, kwargs = connection.recv()
        except EOFError:
            return
        answer = _outcome(function, args, kwargs)
        with handler.lock or contextlib.nullcontext():  # a thread may still log
            connection.send(answer)


def _outcome(function: Callable[..., None], args: tuple[Any, ...], kwargs: dict[str, Any]) -> float | Failure:
    began = time.monotonic()
    try:
        function(*args, **kwargs)
    except BaseException as error:
        return Failure.of(error)
    return time.monotonic() - began


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
