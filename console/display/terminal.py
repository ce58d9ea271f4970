"""The terminal display, and the choice of a display."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from checkpoint.progress import Display, StageProgress
from console.display.plain import PlainDisplay
from console.display.text import amount, shown_warnings

if TYPE_CHECKING:
    from console.display.live import LiveView
    from stages.failures import StageWarning


class TerminalDisplay(PlainDisplay):
    """A display with a live view. It starts with the first running task, so a run without tasks never imports rich."""

    def __init__(self, stream: TextIO, *, verbose: bool = False) -> None:
        super().__init__(stream, verbose=verbose)
        self._stages: Sequence[StageProgress] = ()
        self._view: LiveView | None = None

    def begin(self, stages: Sequence[StageProgress]) -> None:
        """Store the stages to draw."""
        self._stages = stages

    def notice(self, level: str, message: str) -> None:
        """Print a message, above the view if there is one."""
        if self._view is None:
            super().notice(level, message)
        else:
            self._view.notice(level, message)

    def detail(self, message: str) -> None:
        """Show the current step of a stage."""
        if self._view is not None:
            self._view.detail = message

    def stage_started(self, stage: StageProgress) -> None:
        """Start the view with the first stage that runs."""
        if self._view is None:
            from console.display.live import LiveView

            self._view = LiveView(self._stream, self._stages)
        self._view.detail = ""

    def task_finished(self, stage: StageProgress, task: str, seconds: float) -> None:
        """Print the task if ``verbose`` is set."""
        if self._verbose and self._view is not None:
            self._view.task(task, seconds)

    def stage_finished(self, stage: StageProgress) -> None:
        """Do nothing: the view shows the stage."""

    def warnings_found(self, stage: StageProgress, warnings: Sequence[StageWarning]) -> None:
        """Print the number of warnings and the first few above the view."""
        if self._view is not None:
            lines, whole = shown_warnings(warnings, self._named, every=self._verbose)
            self._view.warnings(stage, len(warnings), lines, whole=whole)

    def close(self, stages: Sequence[StageProgress], message: str, *, failed: bool) -> None:
        """Replace the view with the closing table, or print a short line if nothing ran."""
        if self._view is not None:
            self._view.close(stages, message, failed=failed)
            return
        super().close(stages, message, failed=failed)
        if not failed:
            done = [stage for stage in stages if stage.complete]
            tasks = sum(stage.up_to_date for stage in done)
            self._write(f"({amount(len(done), 'stage')}, {amount(tasks, 'task')} up to date)")


def choose(
    stream: TextIO, *, quiet: bool = False, verbose: bool = False, environ: Mapping[str, str] | None = None
) -> Display:
    """Return the display for a stream: the live view on an interactive terminal, else plain lines.

    Args:
        stream: The stream for the progress.
        quiet: Show only warnings and errors.
        verbose: Show each task.
        environ: The environment; by default this process's. ``CI`` and ``TERM=dumb`` select plain lines.
    """
    environ = os.environ if environ is None else environ
    in_ci = environ.get("CI", "").lower() not in ("", "0", "false")
    if quiet or in_ci or environ.get("TERM", "") == "dumb" or not stream.isatty():
        return PlainDisplay(stream, quiet=quiet, verbose=verbose)
    return TerminalDisplay(stream, verbose=verbose)
