"""What a run shows: plain lines, for pipes, CI and logs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Protocol, TextIO

from checkpoint.stage_names import STAGES


@dataclass
class StageProgress:
    """How far a stage is in this run.

    Attributes:
        name: The stage.
        total: Number of its tasks; 0 while it is not known.
        ran: Tasks that ran.
        up_to_date: Tasks that had nothing to do.
        failed: Tasks that failed.
        seconds: Wall-clock time from the first task that ran; 0.0 until the stage is complete.
        complete: Whether all its tasks are done.
    """

    name: str
    total: int = 0
    ran: int = 0
    up_to_date: int = 0
    failed: int = 0
    seconds: float = 0.0
    complete: bool = False

    @property
    def label(self) -> str:
        """Position and name, such as ``[3/8] extension_data``."""
        return f"[{STAGES.index(self.name) + 1}/{len(STAGES)}] {self.name}"


class Display(Protocol):
    """What the reporter tells of a run."""

    def notice(self, level: str, message: str) -> None:
        """Say something: ``level`` is ``info``, ``warning`` or ``error``."""

    def stage_started(self, stage: StageProgress) -> None:
        """The first task of a stage runs."""

    def task_finished(self, stage: StageProgress, task: str, seconds: float) -> None:
        """A task ran."""

    def stage_finished(self, stage: StageProgress) -> None:
        """A stage is complete."""

    def close(self, stages: list[StageProgress], message: str) -> None:
        """The run ends; ``message`` says how."""


class PlainDisplay:
    """One line an event."""

    def __init__(self, stream: TextIO) -> None:
        """Write to ``stream``; warnings and errors go to standard error."""
        self._stream = stream

    def _write(self, line: str, stream: TextIO | None = None) -> None:
        print(line, file=stream or self._stream, flush=True)

    def notice(self, level: str, message: str) -> None:
        """Print a message, with its level before it unless it is mere information."""
        if level == "info":
            self._write(message)
        else:
            self._write(f"{level.upper()}: {message}", sys.stderr)

    def stage_started(self, stage: StageProgress) -> None:
        """Print the stage's label."""
        self._write(stage.label)

    def task_finished(self, stage: StageProgress, task: str, seconds: float) -> None:
        """Print nothing."""

    def stage_finished(self, stage: StageProgress) -> None:
        """Print what the stage did."""
        if not stage.ran:
            self._write(f"{stage.label}: up to date")
            return
        rest = f", {stage.up_to_date} up to date" if stage.up_to_date else ""
        self._write(f"{stage.label}: done in {stage.seconds:.1f} s ({stage.ran} run{rest})")

    def close(self, stages: list[StageProgress], message: str) -> None:
        """Print how the run ended."""
        if message:
            self._write(message)
