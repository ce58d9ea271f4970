from __future__ import annotations

import logging
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tasks.workers.local import LocalWorkers, _ToParent
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
        send_half_a_record(marker)
        os.kill(os.getpid(), signal.SIGKILL)
    logging.getLogger().warning("the second attempt")


def send_half_a_record(marker: Path) -> None:
    """Run in a worker: send the beginning of a log record, and wait if the marker's name requests it."""
    handler = logging.getLogger().handlers[0]
    assert isinstance(handler, _ToParent)
    os.write(handler._connection.fileno(), struct.pack("!i", 1000) + b"half")
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
    with ThreadPoolExecutor(1) as threads:
        task = threads.submit(workers.run, send_half_a_record, marker)
        while not marker.exists():
            time.sleep(0.01)
        workers.stop(at_once=True)
    print(task.exception())


def kill_idle_workers(folder: Path) -> None:
    """Run in a separate process: kill the worker between its tasks."""
    workers = LocalWorkers()
    for number in range(5):
        workers.run(note_the_process, folder, number)
        os.kill(int((folder / str(number)).read_text()), signal.SIGKILL)
    workers.stop()


def test_a_worker_that_dies_between_its_tasks_is_replaced(tmp_path: Path) -> None:
    run_separately(kill_idle_workers, tmp_path)
    assert len({(tmp_path / str(number)).read_text() for number in range(5)}) == 5


class Unpicklable(Exception):
    """An exception that pickle cannot rebuild: its constructor takes two arguments."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first + second)


def fail_with(kind: str) -> None:
    """Run in a worker: raise an exception."""
    if kind == "unpicklable":
        raise Unpicklable("one ", "two")
    raise EOFError("not the end of the connection") if kind == "eof" else ValueError("a value")


def fail_thrice(folder: Path) -> None:
    """Run in a separate process: print the exceptions of three tasks."""
    workers = LocalWorkers()
    for kind in ("unpicklable", "eof", "value"):
        try:
            workers.run(fail_with, kind)
        except Exception as error:
            print(type(error).__name__, error, *(note.count("in fail_with") for note in error.__notes__), sep="|")
    workers.run(note_the_process, folder, 0)
    workers.stop()


def test_exceptions_come_back_with_their_traceback_and_the_worker_goes_on(tmp_path: Path) -> None:
    assert run_separately(fail_thrice, tmp_path).splitlines() == [
        f"RuntimeError|{Unpicklable.__module__}.Unpicklable: one two|1",
        "EOFError|not the end of the connection|1",
        "ValueError|a value|1",
    ]


def run_separately(function: Callable[[Path], None], path: Path) -> str:
    """Call a function of this module in a process of its own, and return its output."""
    name = function.__name__
    program = f"import sys, pathlib; from {__name__} import {name}; {name}(pathlib.Path(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("function", "marker"), [(run_until_the_worker_dies, "dies"), (stop_a_worker_that_logs, "waits")]
)
def test_a_worker_that_dies_while_it_logs_holds_nothing_up(
    tmp_path: Path, function: Callable[[Path], None], marker: str
) -> None:
    output = run_separately(function, tmp_path / marker)
    assert (tmp_path / marker).exists()
    assert ("The run ended before this task did." if marker == "waits" else "the second attempt") in output


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
    output = run_separately(run_three_tasks_on_one_process, tmp_path)
    assert len({(tmp_path / str(number)).read_text() for number in range(3)}) == 1
    elapsed, *seconds = map(float, output.split())
    assert min(seconds) >= 0.2
    assert sum(seconds) <= elapsed
