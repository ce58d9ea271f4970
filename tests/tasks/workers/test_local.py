from __future__ import annotations

import logging
import logging.handlers
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tasks.workers.local import LocalWorkers
from tests.project import ROOT, make_project


@pytest.mark.parametrize("length", [60, 90, pytest.param(200, marks=pytest.mark.long)])
def test_workers_start_for_any_length_of_the_temporary_folder(tmp_path: Path, length: int) -> None:
    project = make_project(tmp_path.resolve() / "project", count=2)
    temporary = Path("/tmp") / "t".ljust(length - len(str(tmp_path.name)) - 6, "t") / tmp_path.name
    temporary.mkdir(parents=True)
    try:
        run = project.run("doit", "quick=1", TMPDIR=str(temporary))
        assert run.code == 0, run.output
        assert "worker process died" not in run.output
        assert list(temporary.iterdir()) == []
    finally:
        temporary.rmdir()
        temporary.parent.rmdir()


def die_while_logging(marker: Path) -> None:
    """Run in a worker: the first call dies like a worker that is killed while it writes a log record."""
    if not marker.exists():
        lock_the_log(marker)
        os.kill(os.getpid(), signal.SIGKILL)
    logging.getLogger().warning("the second attempt")


def lock_the_log(marker: Path) -> None:
    """Run in a worker: lock the queue of the log records, and wait if the marker's name requests it."""
    handler = logging.getLogger().handlers[0]
    assert isinstance(handler, logging.handlers.QueueHandler)
    queue: Any = handler.queue
    queue._wlock.acquire()
    marker.touch()
    while marker.name == "waits":
        time.sleep(1)


def run_until_the_worker_dies(marker: Path) -> None:
    """Run in a separate process: run a task on workers, one of which dies while it logs."""
    logging.basicConfig(stream=sys.stdout)
    workers = LocalWorkers()
    workers.run(die_while_logging, marker)
    workers.stop()


def stop_a_worker_that_logs(marker: Path) -> None:
    """Run in a separate process: kill a worker while it logs."""
    workers = LocalWorkers()
    threading.Thread(target=workers.run, args=(lock_the_log, marker), daemon=True).start()
    while not marker.exists():
        time.sleep(0.01)
    workers.stop(at_once=True)


@pytest.mark.parametrize(
    ("function", "marker"), [(run_until_the_worker_dies, "dies"), (stop_a_worker_that_logs, "waits")]
)
def test_a_worker_that_dies_while_logging_blocks_nothing(tmp_path: Path, function: object, marker: str) -> None:
    name = getattr(function, "__name__")  # noqa: B009 - an object, so that pytest shows it
    program = (
        f"import sys, pathlib; from tests.tasks.workers import test_local as t; t.{name}(pathlib.Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / marker)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / marker).exists()
    assert marker == "waits" or "the second attempt" in done.stdout


def note_the_process(folder: Path, number: int) -> None:
    """Run in a worker: write the process id to a file."""
    time.sleep(0.2)
    (folder / str(number)).write_text(str(os.getpid()))


def run_three_tasks_on_one_process(folder: Path) -> None:
    """Run in a separate process: wait for three concurrent tasks; print the seconds of all and of each."""
    workers = LocalWorkers()
    workers.processes = 1
    began = time.monotonic()
    with ThreadPoolExecutor(3) as threads:
        seconds = list(threads.map(lambda number: workers.run(note_the_process, folder, number), range(3)))
    print(time.monotonic() - began, *seconds)
    workers.stop()


def test_waiting_tasks_share_the_processes_and_their_seconds_exclude_the_wait(tmp_path: Path) -> None:
    name = run_three_tasks_on_one_process.__name__
    program = f"import sys, pathlib; from {__name__} import {name}; {name}(pathlib.Path(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert len({(tmp_path / str(number)).read_text() for number in range(3)}) == 1
    elapsed, *seconds = map(float, done.stdout.split())
    assert min(seconds) >= 0.2
    assert sum(seconds) <= elapsed
