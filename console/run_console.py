"""All outputs of a run: the display for people, and the machine-readable outputs."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from checkpoint import file as checkpoint_file
from checkpoint.file import CheckpointCorrupt
from checkpoint.progress import Display, RunOutcome, StageProgress
from console.display import choose
from console.display.text import warning_text
from console.hint import current_resume_command
from console.outputs.delivery import RequestedOutputs, deliver
from console.outputs.warnings import WarningsOfRun
from console.source_table import source_table
from stages.failures import StageError
from tasks.doit_internals import started_in

if TYPE_CHECKING:
    from checkpoint.invocation import Invocation

_log = logging.getLogger(__name__)


class RunConsole:
    """The console of one run.

    Attributes:
        display: The display of the progress.
    """

    def __init__(self, invocation: Invocation, stream: TextIO) -> None:
        """Create the display and outputs that the command line requests.

        Args:
            invocation: The configured command line.
            stream: The stream for the progress, unless the JSON summary uses standard output.
        """
        request = invocation.request
        self._invocation = invocation
        self._stream = stream
        self._requested = RequestedOutputs.of(request, started_in(), os.environ)
        self.display: Display = choose(
            sys.stderr if request.json else stream, quiet=request.quiet, verbose=request.verbose
        )
        self._warnings = WarningsOfRun(invocation.config.work_dir)

    def stage_complete(self, stage: StageProgress) -> None:
        """Show a complete stage with the warnings in its report. Logs all warnings."""
        self.display.stage_finished(stage)
        if stage.name == "preparation" and stage.ran:
            for line in source_table(self._invocation.config.work_dir).lines():
                self.display.notice("info", line)
        if not (stage.ran or self._requested or self._invocation.request.strict):
            return
        found = self._warnings.read(stage.name)
        stage.warnings = len(found)
        if stage.ran and found:
            self.display.warnings_found(stage, found)
            for warning in found:
                _log.warning("%s: %s", stage.name, warning_text(warning))

    def close(self, outcome: RunOutcome, *, started_at: str) -> RunOutcome:
        """Show the result, and deliver the machine-readable outputs."""
        if outcome.result != "not-started":
            self.display.close(
                list(outcome.stages), outcome.message, failed=outcome.result in ("failed", "interrupted")
            )
            hint = current_resume_command() if outcome.result in ("failed", "interrupted") else ""
            if hint and not self._invocation.request.quiet:
                self.display.notice("info", f"Hint: {hint}")
            warnings = self._warnings.located(self._requested.origin)
            outcome = dataclasses.replace(outcome, warnings=warnings, places=self._places())
        if self._requested:
            try:
                deliver(outcome, self._requested, started_at, self._stream, sys.stderr)
            except StageError as error:
                self.display.notice("error", str(error))
        return outcome

    def write_report(self, tasks: list[Any], planned: list[Any], records: Mapping[str, dict[str, Any]]) -> None:
        """Write the HTML page for ``--report``, with the final checkpoint."""
        from console.commands.report import write_page

        named = self._invocation.request.report
        path = None if named == "-" else started_in() / named
        with contextlib.suppress(CheckpointCorrupt):
            self._invocation.found = checkpoint_file.load(self._invocation.config.work_dir)
        try:
            written = write_page(self._invocation, tasks, planned, records, path)
        except StageError as error:
            self.display.notice("error", str(error))
        else:
            self.display.notice("info", f"Report: {written}")

    def _places(self) -> dict[str, str | None]:
        """Return the paths of the run's files, and the Kit version; None for missing ones."""
        from stages.artifacts.final_assembly import COMPLETION_REPORT

        config = self._invocation.config
        version = self._invocation.pipeline.graph.pulled()[1]
        checkpoint = checkpoint_file.path_in(config.work_dir)
        data_set = config.target_dir / ".".join((version or "").split(".")[:2])
        report = config.target_dir / COMPLETION_REPORT
        return {
            "kit_version": version,
            "work_dir": str(config.work_dir),
            "data_set": str(data_set) if version and data_set.is_dir() else None,
            "completion_report": str(report) if report.is_file() else None,
            "checkpoint": str(checkpoint) if checkpoint.is_file() else None,
            "log_file": str(config.log_file),
        }
