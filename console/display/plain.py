"""Progress as plain lines, for pipes, CI and logs.

A display has no state of its own: it reads the `StageProgress` records of the account.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from checkpoint.progress import StageProgress
from console.display.text import amount, duration, not_run, shown_warnings, write_line

if TYPE_CHECKING:
    from stages.failures import StageWarning

# Shortest interval between two progress lines of a long stage, in seconds.
_ALIVE_EVERY = 30.0


class PlainDisplay:
    """A display of one line per event. ``verbose`` adds a line per task; ``quiet`` keeps only warnings and errors."""

    def __init__(self, stream: TextIO, *, quiet: bool = False, verbose: bool = False) -> None:
        """Write to ``stream``. Warnings and errors go to standard error."""
        self._stream = stream
        self._quiet = quiet
        self._verbose = verbose
        self._last_line = 0.0
        self._named: set[str] = set()

    def _write(self, line: str, stream: TextIO | None = None) -> None:
        write_line(line, stream or self._stream)

    def begin(self, stages: Sequence[StageProgress]) -> None:
        """Print nothing."""

    def notice(self, level: str, message: str) -> None:
        """Print a message, with its level unless that is ``info``."""
        if level != "info":
            self._write(f"{level.upper()}: {message}", sys.stderr)
        elif not self._quiet:
            self._write(message)

    def detail(self, message: str) -> None:
        """Print nothing."""

    def stage_started(self, stage: StageProgress) -> None:
        """Print the stage's label."""
        self._last_line = time.monotonic()
        if not self._quiet:
            self._write(stage.label)

    def task_finished(self, stage: StageProgress, task: str, seconds: float) -> None:
        """Print the task if ``verbose`` is set, else the progress of a long stage."""
        if self._verbose:
            self._write(f"  {task}: {seconds:.1f} s")
        elif not self._quiet and time.monotonic() - self._last_line >= _ALIVE_EVERY:
            self._last_line = time.monotonic()
            left = stage.seconds_left
            about = "" if left is None else f", about {duration(left)} left"
            self._write(f"{stage.label}: {stage.counted}{about}")

    def stage_finished(self, stage: StageProgress) -> None:
        """Print the result of the stage."""
        if self._quiet:
            return
        if not stage.ran:
            self._write(f"{stage.label}: up to date")
            return
        rest = f", {stage.up_to_date} up to date" if stage.up_to_date else ""
        self._write(f"{stage.label}: done in {stage.seconds:.1f} s ({stage.ran} run{rest})")

    def warnings_found(self, stage: StageProgress, warnings: Sequence[StageWarning]) -> None:
        """Print the number of warnings and the first few kinds, of different extensions."""
        if self._quiet:
            return
        lines, whole = shown_warnings(warnings, self._named, every=self._verbose)
        more = "" if whole else ", all in the log file"
        self._write(f"WARNING: {stage.name}: {amount(len(warnings), 'warning')}{more}", sys.stderr)
        for line in lines:
            self._write(f"  - {line}", sys.stderr)

    def close(self, stages: Sequence[StageProgress], message: str, *, failed: bool) -> None:
        """Print the stages that did not run, and the result."""
        if not self._quiet:
            for line in not_run(stages):
                self._write(line)
        if failed or not self._quiet:
            for line in message.splitlines():
                self._write(line, sys.stderr if self._quiet else None)
