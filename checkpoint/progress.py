"""The progress of a run by stage, its outcome, and the interfaces of the displays."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tasks.stage_names import STAGES

if TYPE_CHECKING:
    from stages.failures import StageWarning

# The unit of work of a stage's tasks, in the plural. The merge task does not count.
_UNITS = {
    "extension_data": "extensions",
    "code_examples": "extensions",
    "settings": "extensions and apps",
}


@dataclass
class StageProgress:
    """The progress of a stage in this run.

    Attributes:
        name: The stage.
        total: Number of its tasks; 0 while unknown.
        ran: Number of tasks that ran.
        up_to_date: Number of tasks that were up to date.
        failed: Number of tasks that failed.
        began: When its first task started (`time.monotonic`); 0.0 if none has.
        seconds: Wall-clock time from the first task that ran; 0.0 until the stage ends.
        complete: True if all its tasks are done.
        left_out: Why this run skips the stage; empty if it does not.
        not_checked: Why the run does not check its outputs; empty if it does.
        running: Tasks under way, and when each started (`time.monotonic`).
        warnings: Number of warnings; 0 until the stage is complete.
        sizes: The remaining tasks and the approximate cost of each, in any unit.
        size_ran: Sum of the sizes of the tasks that ran.
    """

    name: str
    total: int = 0
    ran: int = 0
    up_to_date: int = 0
    failed: int = 0
    began: float = 0.0
    seconds: float = 0.0
    complete: bool = False
    left_out: str = ""
    not_checked: str = ""
    running: dict[str, float] = field(default_factory=dict)
    warnings: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    size_ran: int = 0

    @property
    def label(self) -> str:
        """Position and name, such as ``[3/8] extension_data``."""
        return f"[{STAGES.index(self.name) + 1}/{len(STAGES)}] {self.name}" if self.name in STAGES else self.name

    @property
    def state(self) -> str:
        """One of ``not checked``, ``left out``, ``done``, ``up to date``, ``failed``, ``running`` and ``waiting``."""
        if self.not_checked:
            return "not checked"
        if self.complete:
            return "done" if self.ran else "up to date"
        if self.failed:
            return "failed"
        if self.began:
            return "running"
        return "left out" if self.left_out else "waiting"

    @property
    def elapsed(self) -> float:
        """Seconds since the first task that ran, to the end of the stage or to now."""
        return self.seconds or (time.monotonic() - self.began if self.began else 0.0)

    @property
    def count(self) -> tuple[int, int, str]:
        """Tasks done, tasks in all, and their unit: ``(214, 482, "extensions")``."""
        unit = _UNITS.get(self.name, "")
        total = self.total - 1 if unit else self.total
        return min(self.ran + self.up_to_date + self.failed, total), total, unit

    @property
    def counted(self) -> str:
        """`count` as text: ``214 of 482 extensions``."""
        done, total, unit = self.count
        return f"{done} of {total} {unit}".rstrip()

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds left, from the pace so far; None while there is no estimate."""
        if not self.size_ran or not self.began or self.complete:
            return None
        return self.elapsed * sum(list(self.sizes.values())) / self.size_ran

    def started(self, task: str) -> None:
        """Record that a task started."""
        now = time.monotonic()
        self.running[task] = now
        self.began = self.began or now

    def finished(self, task: str, *, ran: bool) -> float:
        """Record that a task ended. Return the seconds it took."""
        size = self.sizes.pop(task, 0)
        if ran:
            self.size_ran += size
        return time.monotonic() - self.running.pop(task, time.monotonic())

    def end(self) -> None:
        """Stop the clock."""
        if self.began and not self.seconds:
            self.seconds = time.monotonic() - self.began


class Display(Protocol):
    """Receives the events of a run and shows them."""

    def begin(self, stages: Sequence[StageProgress]) -> None:
        """The run begins. ``stages`` holds all stages in order, including skipped ones."""

    def notice(self, level: str, message: str) -> None:
        """Show a message; ``level`` is ``info``, ``notice``, ``warning`` or ``error``."""

    def detail(self, message: str) -> None:
        """Show the current step of a stage. Replaces the previous step."""

    def stage_started(self, stage: StageProgress) -> None:
        """The first task of a stage started."""

    def task_finished(self, stage: StageProgress, task: str, seconds: float) -> None:
        """A task ran."""

    def stage_finished(self, stage: StageProgress) -> None:
        """A stage is complete."""

    def warnings_found(self, stage: StageProgress, warnings: Sequence[StageWarning]) -> None:
        """A complete stage skipped or repaired some input."""

    def close(self, stages: Sequence[StageProgress], message: str, *, failed: bool) -> None:
        """The run ended; ``message`` says how."""


class Console(Protocol):
    """All outputs of a run, for people and for machines."""

    display: Display

    def stage_complete(self, stage: StageProgress) -> None:
        """Show a complete stage with its warnings."""

    def write_report(self, tasks: list[Any], planned: list[Any], records: Mapping[str, dict[str, Any]]) -> None:
        """Write the HTML page for ``--report``."""

    def close(self, outcome: RunOutcome, *, started_at: str) -> RunOutcome:
        """Show how the run ended, write the requested outputs, and return the outcome with its warnings."""


@dataclass(frozen=True)
class LocatedWarning:
    """A warning and the path of its file.

    Attributes:
        stage: The stage that reported it.
        warning: The warning as recorded.
        path: The file on this machine; empty if the warning is not about a file, or the file is unknown.
    """

    stage: str
    warning: StageWarning
    path: str


@dataclass(frozen=True)
class TaskFailure:
    """A failed task: its name, its stage, the kind of failure, and the message."""

    task: str
    stage: str
    kind: str
    message: str


@dataclass
class RunOutcome:
    """How a run ended.

    Attributes:
        result: ``complete``, ``nothing-to-do``, ``stopped`` (as requested, before the last stage), ``failed``,
            ``interrupted`` or ``not-started``.
        message: The result as text.
        seconds: Duration of the run.
        stages: All stages of the pipeline in order, including skipped ones.
        failures: The failed tasks.
        warnings: Warnings about skipped and repaired input.
        notices: Messages about resuming and the checkpoint, each with its level.
        places: ``work_dir``, ``data_set``, ``log_file``, ``checkpoint`` and ``kit_version``; None if missing.
    """

    result: str
    message: str
    seconds: float = 0.0
    stages: Sequence[StageProgress] = ()
    failures: Sequence[TaskFailure] = ()
    warnings: Sequence[LocatedWarning] = ()
    notices: Sequence[tuple[str, str]] = ()
    places: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """True if the exit code of the run is not 0."""
        return self.result in ("failed", "interrupted", "not-started")
