"""Where a stage's function runs: in a worker process of this machine, unless `dask_workers` says otherwise."""

from __future__ import annotations

import logging
import logging.handlers
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any, Protocol

from stages.failures import StageError

# A worker that dies (killed, out of memory) takes no other task with it: what it left undone is done again this often.
ATTEMPTS = 3
# Imported once by the server that workers are forked from, so that no worker pays for it.
_PRELOAD = [
    "stages.extension_data",
    "stages.code_examples",
    "stages.settings",
    "stages.python.renderer",
    "stages.python.stubs",
    "stages.python.visitor",
    "stages.setting_scan.calls",
    "stages.retrieval.markdown",
    "markdown_it",
    "toktok",
]
# As many as threads ask for, started on demand.
_MAX_WORKERS = 61
# Three descriptors for each of the workers at most, and what doit, the log and the libraries have open.
_OPEN_FILES = 256

# They tell every step at DEBUG, and httpx the address of each request, which may hold a password, at INFO.
_LIBRARIES = ("filelock", "httpcore", "httpx", "markdown_it", "openai")

_log = logging.getLogger(__name__)


def quiet_libraries() -> None:
    """Let the libraries' loggers tell warnings and errors alone."""
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)


class Workers(Protocol):
    """What runs a function elsewhere and waits for it."""

    def run(self, function: Callable[..., None], *args: Any, **kwargs: Any) -> float | None:
        """Call ``function``, raise what it raises, and return the seconds that it took if the wait was longer."""


def _require_open_files() -> None:
    """Require as many file descriptors as a pool of workers uses, with the libraries that a task may load.

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


class LocalWorkers:
    """A pool of worker processes that replaces the ones that die."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._stopping = False
        self._executor: Executor | None = None
        self._listener: logging.handlers.QueueListener | None = None

    def run(self, function: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        """Call ``function`` in a worker process and wait for it.

        Raises:
            StageError: The worker died `ATTEMPTS` times, or the function raised it.
        """
        for attempt in range(1, ATTEMPTS + 1):
            with self._guard:  # a process is started whole, or not at all when the run ends
                if self._stopping:
                    break
                executor = self._pool()
                try:
                    future = executor.submit(function, *args, **kwargs)
                except (BrokenProcessPool, EOFError, OSError) as error:
                    # Another task's worker has just died, or the server that workers are forked from has.
                    future = Future()
                    future.set_exception(BrokenProcessPool(str(error)))
            try:
                return future.result()
            except (BrokenProcessPool, CancelledError):
                if self._stopping:
                    break
                _log.warning("A worker process died; its task is done again (attempt %d of %d).", attempt, ATTEMPTS)
                self._discard(executor)
        if self._stopping:
            raise StageError("The run ended before this task did.")
        raise StageError(
            f"The worker process died {ATTEMPTS} times at this task (killed, or out of memory). "
            "Free memory or lower processing.parallel_workers, then resume."
        )

    def _pool(self) -> Executor:
        if self._executor is None:
            _require_open_files()
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(_PRELOAD)
            if self._listener is None:
                queue: Any = context.Queue()
                self._listener = logging.handlers.QueueListener(queue, _Forward())
                self._listener.start()
            self._executor = ProcessPoolExecutor(
                _MAX_WORKERS,
                mp_context=context,
                initializer=_start_worker,
                initargs=(self._listener.queue, logging.getLogger().getEffectiveLevel()),
            )
        return self._executor

    def _discard(self, executor: Executor) -> None:
        with self._guard:
            if self._executor is executor:
                self._executor = None
        executor.shutdown(wait=False, cancel_futures=True)

    def stop(self, *, at_once: bool = False) -> None:
        """End the worker processes, at once or when they have finished what they do."""
        with self._guard:
            self._stopping = True
            executor, self._executor = self._executor, None
            listener, self._listener = self._listener, None
        if executor is not None:
            if at_once:
                for child in multiprocessing.active_children():
                    child.kill()
            executor.shutdown(wait=not at_once, cancel_futures=True)
        if listener is not None:
            listener.stop()


class OneAtATime:
    """Lets one task at a time through to other workers."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._turn = threading.Lock()

    def run(self, function: Callable[..., None], *args: Any, **kwargs: Any) -> float | None:
        """Wait for the turn, then call ``function`` there."""
        with self._turn:
            return self._workers.run(function, *args, **kwargs)


class _Forward(logging.Handler):
    """Hands the workers' records to this process's loggers."""

    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger(record.name).handle(record)


def _start_worker(queue: Any, level: int) -> None:
    """Make a process a worker: quiet on Ctrl-C, its log in the parent's hands, and gone when the parent is gone."""
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
