"""The display of a terminal, and the choice of a display."""

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
    """A live view, from the first task that runs on: where there is nothing to do, rich is not even imported."""

    def __init__(self, stream: TextIO, *, verbose: bool = False) -> None:
        super().__init__(stream, verbose=verbose)
        self._stages: Sequence[StageProgress] = ()
        self._view: LiveView | None = None

    def begin(self, stages: Sequence[StageProgress]) -> None:
        """Keep the stages to draw."""
        self._stages = stages

    def notice(self, level: str, message: str) -> None:
        """Print a message, above the view if there is one."""
        if self._view is None:
            super().notice(level, message)
        else:
            self._view.notice(level, message)

    def detail(self, message: str) -> None:
        """Show what a stage is at."""
        if self._view is not None:
            self._view.detail = message

    def stage_started(self, stage: StageProgress) -> None:
        """Start the view with the first stage that has something to do."""
        if self._view is None:
            from console.display.live import LiveView

            self._view = LiveView(self._stream, self._stages)
        self._view.detail = ""

    def task_finished(self, stage: StageProgress, task: str, seconds: float) -> None:
        """Print the task where that is wanted."""
        if self._verbose and self._view is not None:
            self._view.task(task, seconds)

    def stage_finished(self, stage: StageProgress) -> None:
        """The view shows it."""

    def warnings_found(self, stage: StageProgress, warnings: Sequence[StageWarning]) -> None:
        """Print the number of warnings and the first few above the view."""
        if self._view is not None:
            lines, whole = shown_warnings(warnings, self._named, every=self._verbose)
            self._view.warnings(stage, len(warnings), lines, whole=whole)

    def close(self, stages: Sequence[StageProgress], message: str, *, failed: bool) -> None:
        """Put the closing table in the place of the view; a few words do where nothing ran."""
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
    """Return the display for a stream: the live view where a person looks at a terminal, else plain lines.

    Args:
        stream: Where the progress goes.
        quiet: Show only what is wrong.
        verbose: Show each task.
        environ: The environment, by default this process's: ``CI`` and ``TERM=dumb`` ask for plain lines.
    """
    environ = os.environ if environ is None else environ
    in_ci = environ.get("CI", "").lower() not in ("", "0", "false")
    if quiet or in_ci or environ.get("TERM", "") == "dumb" or not stream.isatty():
        return PlainDisplay(stream, quiet=quiet, verbose=verbose)
    return TerminalDisplay(stream, verbose=verbose)
