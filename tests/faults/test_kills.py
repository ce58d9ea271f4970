"""`kill -9` at any time: a resume gives byte-identical results and leaves no other files."""

from __future__ import annotations

import contextlib
import os
import signal
import time

import pytest

from tests.faults.harness import KILLS, MAIN, Victim, counted, end, one_clear_error, workers_of
from tests.project import children

# Half of the kills hit all processes at once, like a power cut. The others hit only the main process, a worker, or the
# fork server of the workers.
_WHOLE, _ALONE, _WORKER, _SERVER = range(4)
_PATTERN = (_WHOLE, _WORKER, _WHOLE, _ALONE, _WHOLE, _WORKER, _WHOLE, _SERVER)
_NAMES = {
    _WHOLE: "kill -9 of all processes",
    _ALONE: "kill -9 of only the main process",
    _WORKER: "kill -9 of a worker process",
    _SERVER: "kill -9 of the workers' fork server",
}
_HOW = ((), ("-n", "2"), ("-n", "0"))


def instants() -> list[tuple[int, int, float]]:
    """Return number, kind and time of each kill. The time is a share of the run, or of the workers' lifetime."""
    kinds = [_PATTERN[number % len(_PATTERN)] for number in range(KILLS)]
    placed = []
    for number, kind in enumerate(kinds):
        of_kind = [other for other in range(KILLS) if kinds[other] == kind]
        placed.append((number, kind, (of_kind.index(number) + 0.5) / len(of_kind)))
    return placed


@pytest.mark.parametrize(("number", "kind", "moment"), instants())
def test_a_killed_run_resumes(victim: Victim, number: int, kind: int, moment: float) -> None:
    with counted(_NAMES[kind]) as figure:
        project = victim.fresh()
        how = _HOW[number % len(_HOW)] if kind in (_WHOLE, _ALONE) else ("-n", "2")
        process = project.start("doit", *how) if how else project.start(MAIN)
        if kind in (_WHOLE, _ALONE):
            time.sleep(moment * victim.seconds)
            if kind == _WHOLE:
                code = end(process)
            else:
                process.kill()
                code = process.wait(timeout=60)
            figure.ended["killed" if code == -signal.SIGKILL else "already ended"] += 1
        else:
            deadline = time.monotonic() + 60
            while not workers_of(process) and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.002)
            time.sleep(moment * victim.seconds / 4)
            there = workers_of(process) if kind == _WORKER else children(process.pid)
            if there:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(there[number % len(there)], signal.SIGKILL)
            run = project.finish(process, 120)
            assert "Traceback" not in run.output, run.output
            if run.code:
                one_clear_error(run)
            ended = "completed" if run.code == 0 else "one clear error"
            figure.ended[ended if there else "no such process any more"] += 1
        victim.check_resume()
