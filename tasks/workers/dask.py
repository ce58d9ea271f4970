"""Workers on a Dask cluster, which run the same code on the same files as local workers.

Workers share the file system: the work directory and the sources have the same absolute paths everywhere. Each worker
runs the same version of this project. The run checks both on every worker before its first subtask, also on workers
that join later: a worker that sees fewer files would produce a smaller result without an error. The scheduler does
not need the project, and the run leaves nothing behind in a shared cluster.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import logging
import logging.handlers
import pickle
import platform
import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import CancelledError
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from stages.artifacts.preparation import App, Extension
from stages.failures import StageError
from tasks.lock import HOLDER_NAME
from tasks.workers.failure import Failure

LOCAL_CLUSTER = "dask"
_PROJECT = "kit-extension-pipeline"
_CONNECT_SECONDS = 10
_FIRST_WORKER_SECONDS = 60
# Interval at which a waiting task checks that a worker is left.
_PATIENCE_SECONDS = 15
_CLOSE_SECONDS = 5

_log = logging.getLogger(__name__)


class DaskWorkers:
    """The workers of a Dask cluster.

    Dask reschedules the tasks of a dead worker, and gives up on a task that killed several workers (its setting
    ``distributed.scheduler.allowed-failures``).
    """

    syncs_files = True

    def __init__(self, scheduler: str, in_flight: int, work_dir: Path) -> None:
        """Store the arguments. The first task connects to the cluster.

        Args:
            scheduler: Address of a Dask scheduler, or ``dask`` for a cluster of processes on this machine.
            in_flight: Number of tasks to submit at a time. Also the number of processes of a local cluster.
            work_dir: The work directory. This run holds its lock.
        """
        self._scheduler = scheduler
        self._in_flight = in_flight
        self._work_dir = work_dir
        self._guard = threading.Lock()
        self._stopping = False
        self._client: Any = None
        self._cluster: Any = None
        self._failed = ""
        self._futures: set[Any] = set()
        self._waiting_reported = False
        self._expected: dict[str, Any] = {}
        self._perform = _by_value()

    def run(self, function: Callable[..., None], *args: Any, **kwargs: Any) -> float:
        """Call ``function`` on the cluster and wait for it. Return the seconds that it took there.

        Raises:
            StageError: There is no usable cluster, the workers died, or the function raised it.
            Exception: Any other exception of the function.
        """
        client = self._connect()
        call = pickle.dumps((function, args, kwargs))
        name = f"{function.__module__.rpartition('.')[2]}-{function.__name__}"
        try:
            with self._guard:  # when the run ends, a task is either submitted or not started
                if self._stopping:
                    raise StageError("The run ended before this task did.")
                future = client.submit(
                    self._perform,
                    call,
                    self._expected,
                    logging.getLogger().getEffectiveLevel(),
                    key=f"{name}-{id(call):x}-{time.monotonic_ns():x}",
                    pure=False,
                )
                self._futures.add(future)
            try:
                outcome = self._result(future)
            finally:
                self._futures.discard(future)
        except StageError:
            raise
        except Exception as error:
            raise self._explained(error) from error
        if "cannot_load" in outcome:
            raise StageError(
                f"The Dask worker {outcome['worker']} cannot load the project ({outcome['cannot_load']}). "
                f"Install the same version of {_PROJECT} there, restart the worker, then resume."
            )
        for record in outcome["records"]:
            logging.getLogger(record.name).handle(record)
        if outcome["failure"] is not None:
            raise outcome["failure"].rebuilt()
        return float(outcome["seconds"])

    def _result(self, future: Any) -> dict[str, Any]:
        while True:
            try:
                outcome: dict[str, Any] = future.result(timeout=_PATIENCE_SECONDS)
                return outcome
            except TimeoutError:
                if not self._waiting_reported and self._client is not None and not self._client.nthreads():
                    self._waiting_reported = True
                    _log.warning("The Dask cluster at %s has no worker left; waiting for one.", self._scheduler)

    def _explained(self, error: Exception) -> StageError:
        """Return an error of Dask itself as a `StageError` of one sentence."""
        from distributed.scheduler import KilledWorker

        if self._stopping:
            return StageError("The run ended before this task did.")
        if isinstance(error, KilledWorker):
            return StageError(
                "The Dask workers died repeatedly while running this task (killed, or out of memory). The last one was "
                f"{error.last_worker.address}. Give them more memory, then resume."
            )
        if isinstance(error, CancelledError) or not self._client or self._client.status != "running":
            return StageError(
                f"The connection to the Dask scheduler at {self._scheduler} was lost, or its tasks were cancelled. "
                "Start it again, then resume."
            )
        reason = str(error.__cause__ or error).strip() or type(error).__name__
        return StageError(
            f"The Dask cluster at {self._scheduler} failed ({type(error).__name__}: {reason.splitlines()[0]}). "
            "See its logs, and whether it runs the same versions as this machine, then resume."
        )

    # --- the connection ----------------------------------------------------------------------------------------------

    def _connect(self) -> Any:
        with self._guard:
            if self._stopping:
                raise StageError("The run ended before this task did.")
            if self._failed:
                raise StageError(self._failed)
            if self._client is None:
                try:
                    self._client = self._connected()
                    self._expected = {
                        "environment": environment(),
                        "work_dir": str(self._work_dir),
                        "holder": (self._work_dir / HOLDER_NAME).read_bytes(),
                    }
                except StageError as error:
                    self._failed = str(error)
                    raise
            return self._client

    def _connected(self) -> Any:
        try:
            distributed: Any = importlib.import_module("distributed")
        except ImportError as error:
            raise StageError(
                "processing.scheduler names Dask, which is not installed. "
                f"Install the extra: pip install '{_PROJECT}[dask]'."
            ) from error
        _quiet()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # differing versions are an error, see below
                if self._scheduler == LOCAL_CLUSTER:
                    self._cluster = distributed.LocalCluster(
                        n_workers=self._in_flight, threads_per_worker=1, processes=True, dashboard_address=None
                    )
                address = self._scheduler if self._cluster is None else self._cluster
                client = distributed.Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
        except Exception as error:  # OSError, TimeoutError, ValueError, ImportError of a transport, its own classes
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise StageError(
                f"processing.scheduler: no Dask scheduler answers at {self._scheduler} ({reason[0]}). "
                "Start it or correct the address, then resume."
            ) from error
        try:
            self._check(client)
        except Exception:
            client.close(timeout=_CLOSE_SECONDS)
            raise
        return client

    def _check(self, client: Any) -> None:
        versions = client.get_versions()
        here = _versions(versions["client"])
        for who, info in [("scheduler", versions["scheduler"]), *sorted(versions["workers"].items())]:
            there = _versions(info)
            if there != here:
                one = who if who == "scheduler" else f"worker {who}"
                raise StageError(
                    f"processing.scheduler: the {one} of {self._scheduler} has "
                    f"Python {there[0]} and distributed {there[1]}, this run has {here[0]} and {here[1]}. "
                    "Use the same environment for both."
                )
        if not client.nthreads():
            _log.info("Waiting for a worker of the Dask cluster at %s.", self._scheduler)
            try:
                client.wait_for_workers(1, timeout=_FIRST_WORKER_SECONDS)
            except TimeoutError:
                raise StageError(
                    f"processing.scheduler: the Dask cluster at {self._scheduler} has no workers. "
                    f"Start some (dask worker {self._scheduler} --nworkers auto --nthreads 1), then resume."
                ) from None
        threads = sum(client.nthreads().values())
        _log.info("Dask cluster at %s: %d workers, %d threads.", self._scheduler, len(client.nthreads()), threads)
        if threads > self._in_flight:
            _log.warning(
                "The Dask cluster has %d threads, but this run submits only %d tasks at a time: "
                "set processing.parallel_workers to %d.",
                threads,
                self._in_flight,
                threads,
            )

    def stop(self, *, at_once: bool = False) -> None:
        """Disconnect from the cluster. Stops a local cluster.

        Args:
            at_once: Cancel the submitted tasks. A worker still finishes its current task.
        """
        with self._guard:
            self._stopping = True
            client, cluster = self._client, self._cluster
        # Dask's warnings at the end of a run are of no use.
        with contextlib.suppress(Exception):
            if client is not None:
                if at_once:
                    client.cancel(list(self._futures), force=True)
                client.close(timeout=_CLOSE_SECONDS)
        with contextlib.suppress(Exception):
            if cluster is not None:
                cluster.close(timeout=_CLOSE_SECONDS)


def _quiet() -> None:
    """Send Dask's log records of this process only to the log file, from level WARNING."""
    for name in [*logging.root.manager.loggerDict]:
        if name.split(".")[0] in ("distributed", "tornado"):
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.propagate = True
    logging.getLogger("distributed").setLevel(logging.WARNING)


def _versions(info: dict[str, Any]) -> tuple[str, str]:
    """Return the Python version (major.minor) and the ``distributed`` version from Dask's process information."""
    return ".".join(info["host"]["python"].split(".")[:2]), str(info["packages"]["distributed"])


def _by_value() -> Callable[..., dict[str, Any]]:
    """Return a function that calls `perform` and is pickled by value.

    A worker that cannot import a function exits and loses its other tasks. An inner function is pickled by value, so
    the worker can report the failed import instead.
    """

    def perform_or_report(call: bytes, expected: dict[str, Any], level: int) -> dict[str, Any]:
        try:
            from tasks.workers.dask import perform
        except Exception as error:
            from distributed import get_worker

            return {"cannot_load": f"{type(error).__name__}: {error}", "worker": get_worker().address}
        return perform(call, expected, level)

    return perform_or_report


# --- on the worker ---------------------------------------------------------------------------------------------------

# A worker process with several threads still runs one subtask at a time. The stages temporarily disable warnings and
# garbage collection for the whole process, and Python code would not be faster in two threads.
_one_at_a_time = threading.Lock()
_seen_work_dirs: set[tuple[str, bytes]] = set()
_records: list[logging.LogRecord] = []


class _Collect(logging.handlers.QueueHandler):
    def enqueue(self, record: logging.LogRecord) -> None:
        """Keep the record until the subtask is done."""
        _records.append(record)


def perform(call: bytes, expected: dict[str, Any], level: int) -> dict[str, Any]:
    """Check the worker, then call a stage's function in its process.

    Returns an exception instead of raising it: Dask writes the arguments of a call that raises to its own logs.

    Args:
        call: The pickled function, positional arguments and keywords.
        expected: Environment and work directory of the run; see `DaskWorkers`.
        level: Level of the log records to return.

    Returns:
        ``seconds`` taken, log ``records``, and the ``failure``: a `Failure`, or None.
    """
    with _one_at_a_time:
        log = logging.getLogger("stages")
        if not any(isinstance(handler, _Collect) for handler in log.handlers):
            log.addHandler(_Collect(None))  # type: ignore[arg-type]
            log.propagate = False
        log.setLevel(level)
        _records.clear()
        begin = time.monotonic()
        outcome: dict[str, Any] = {"failure": None}
        try:
            _check_worker(expected)
            function, args, kwargs = pickle.loads(call)  # noqa: S301 (Dask itself runs what its clients send)
            _check_files(Path(expected["work_dir"]), args)
            function(*args, **kwargs)
        except Exception as error:
            outcome["failure"] = Failure.of(error)
        return {**outcome, "seconds": time.monotonic() - begin, "records": list(_records)}


def _check_worker(expected: dict[str, Any]) -> None:
    """Raise `StageError` if this worker differs from the environment of the run."""
    theirs, ours = expected["environment"], environment()
    if theirs != ours:
        differing = next(name for name in sorted({*theirs, *ours}) if theirs.get(name) != ours.get(name))
        raise StageError(
            f"The Dask worker {_where()} has another {differing} than this run "
            f"({ours.get(differing, 'none')}, not {theirs.get(differing, 'none')}). "
            f"Install the same version of {_PROJECT} and its packages there, restart the worker, then resume."
        )
    work_dir = (expected["work_dir"], expected["holder"])
    if work_dir not in _seen_work_dirs:
        try:
            same = Path(expected["work_dir"], HOLDER_NAME).read_bytes() == expected["holder"]
        except OSError:
            same = False
        if not same:
            raise StageError(
                f"The Dask worker {_where()} does not see this run's output.work_dir at {expected['work_dir']}. "
                "Workers need the same file system under the same paths: mount it there, then resume."
            )
        _seen_work_dirs.add(work_dir)


def _check_files(work_dir: Path, args: tuple[Any, ...]) -> None:
    """Raise `StageError` if this worker cannot see the files of an owner in ``args``."""
    for owner in args:
        if not isinstance(owner, Extension | App):
            continue
        if isinstance(owner, Extension):
            folder = work_dir / owner.folder
            files = [folder / name for name in owner.files.all()] or [folder]
        else:
            files = [work_dir / owner.path]
        for file in files:
            if not file.exists():
                raise StageError(
                    f"The Dask worker {_where()} does not see {file}. "
                    "Workers need the sources under the same paths as this run: mount them there, then resume."
                )


def _where() -> str:
    from distributed import get_worker

    try:
        return f"{get_worker().address} on {platform.node()}"
    except ValueError:
        return f"on {platform.node()}"


@cache
def environment() -> dict[str, str]:
    """Return the versions that outputs depend on: Python, this project's code, and its packages."""
    root = Path(__file__).resolve().parents[2]
    code = hashlib.blake2b(digest_size=8)
    for path in sorted([*root.glob("stages/**/*.py"), Path(__file__).resolve()]):
        code.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    found = {"Python": f"{sys.version_info.major}.{sys.version_info.minor}", "code of the project": code.hexdigest()}
    try:
        required = [line for line in metadata.requires(_PROJECT) or [] if "extra ==" not in line]
    except metadata.PackageNotFoundError:
        required = []
    for line in required:
        name = line.split(";")[0].strip().rstrip("0123456789.,<>=!~ ")
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
