"""SIGTERM and SIGINT at any time: the run ends in order, and a resume completes it."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.faults.harness import FULL, MAIN, Victim, counted

_MOMENTS = 15 if FULL else 1


@pytest.mark.parametrize("moment", [(number + 0.5) / _MOMENTS for number in range(_MOMENTS)])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signalled_run_resumes(victim: Victim, number: signal.Signals, moment: float) -> None:
    with counted(number.name) as figure:
        project = victim.fresh()
        process = project.start(MAIN)
        time.sleep(moment * victim.seconds)
        os.kill(process.pid, number)
        run = project.finish(process, 60)
        # Before and after the run, the signal has its default effect.
        assert run.code in (0, 128 + number, -number), run.output
        assert "During handling" not in run.output, run.output
        if run.code == 128 + number:
            assert "Traceback" not in run.output, run.output
            assert "interrupted" in run.output.lower()
        early = run.code == -number or "before any task ran" in run.output or run.output == "Interrupted.\n"
        ended = "already ended" if run.code == 0 else "ended before the first task" if early else "interrupted in order"
        figure.ended[ended] += 1
        victim.check_resume()


@pytest.mark.skipif(not FULL, reason="only in a full run (make faults)")
def test_signalled_twice(victim: Victim) -> None:
    """A second Ctrl-C does not disturb the end of the run."""
    with counted("SIGINT twice") as figure:
        project = victim.fresh()
        process = project.start(MAIN)
        time.sleep(victim.seconds / 2)
        for _ in range(3):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.02)
        run = project.finish(process, 60)
        assert "Traceback" not in run.output, run.output
        figure.ended["interrupted in order" if run.code == 130 else "already ended"] += 1
        victim.check_resume()
