"""How far a run is, stage by stage, how it ended, and the interface to what shows it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tasks.stage_names import STAGES

if TYPE_CHECKING:
    from stages.failures import StageWarning

# What the tasks of a stage are, for people; the merging task is none of them.
_UNITS = {
    "extension_data": "extensions",
    "code_examples": "extensions",
    "settings": "extensions and apps",
}


@dataclass
class StageProgress:
    """How far a stage is in this run.

    Attributes:
        name: The stage.
        total: Number of its tasks; 0 while it is not known.
        ran: Tasks that ran.
        up_to_date: Tasks that had nothing to do.
        failed: Tasks that failed.
        began: When its first task started (`time.monotonic`); 0.0 if none has.
        seconds: Wall-clock time from the first task that ran; 0.0 until the stage is over.
        complete: Whether all its tasks are done.
        left_out: Why it is not part of this run; empty if it is.
        not_checked: Why its outputs are taken as they are; empty if they are checked.
        running: Tasks under way, and when each started (`time.monotonic`).
        warnings: Number of warnings that the stage gave; 0 until it is complete.
        sizes: What tasks there are to do yet, and about how much work each is, in any unit.
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
        """How many of how many are over, and what they are: ``(214, 482, "extensions")``."""
        unit = _UNITS.get(self.name, "")
        total = self.total - 1 if unit else self.total
        return min(self.ran + self.up_to_date + self.failed, total), total, unit

    @property
    def counted(self) -> str:
        """`count` in words: ``214 of 482 extensions``."""
        done, total, unit = self.count
        return f"{done} of {total} {unit}".rstrip()

    @property
    def seconds_left(self) -> float | None:
        """About how long the rest takes if it goes on as it did; None while that cannot be told."""
        if not self.size_ran or not self.began or self.complete:
            return None
        return self.elapsed * sum(list(self.sizes.values())) / self.size_ran

    def started(self, task: str) -> None:
        """Note that a task starts."""
        now = time.monotonic()
        self.running[task] = now
        self.began = self.began or now

    def finished(self, task: str, *, ran: bool) -> float:
        """Note that a task is over; return how many seconds it took."""
        size = self.sizes.pop(task, 0)
        if ran:
            self.size_ran += size
        return time.monotonic() - self.running.pop(task, time.monotonic())

    def end(self) -> None:
        """Stop the clock."""
        if self.began and not self.seconds:
            self.seconds = time.monotonic() - self.began


class Display(Protocol):
    """What the reporter tells of a run."""

    def begin(self, stages: Sequence[StageProgress]) -> None:
        """The run begins; these are its stages in order, and those that are left out."""

    def notice(self, level: str, message: str) -> None:
        """Say something: ``level`` is ``info``, ``warning`` or ``error``."""

    def detail(self, message: str) -> None:
        """A stage tells what it is at; the next such message replaces it."""

    def stage_started(self, stage: StageProgress) -> None:
        """The first task of a stage runs."""

    def task_finished(self, stage: StageProgress, task: str, seconds: float) -> None:
        """A task ran."""

    def stage_finished(self, stage: StageProgress) -> None:
        """A stage is complete."""

    def warnings_found(self, stage: StageProgress, warnings: Sequence[StageWarning]) -> None:
        """A stage that is complete has left out or repaired something."""

    def close(self, stages: Sequence[StageProgress], message: str, *, failed: bool) -> None:
        """The run ends; ``message`` says how."""


class Console(Protocol):
    """Everything that tells people and machines of a run."""

    display: Display

    def stage_complete(self, stage: StageProgress) -> None:
        """Show a stage that is complete, with its warnings."""

    def write_report(self, tasks: list[Any], planned: list[Any], records: Mapping[str, dict[str, Any]]) -> None:
        """Write the HTML page that ``--report`` asks for."""

    def close(self, outcome: RunOutcome, *, started_at: str) -> RunOutcome:
        """Show how the run ended, write the outputs that were asked for, and return the outcome with its warnings."""


@dataclass(frozen=True)
class LocatedWarning:
    """A warning and where its file is.

    Attributes:
        stage: The stage that gave it.
        warning: What it says.
        path: The file on this machine; empty if it is of no file, or the file cannot be told from the record.
    """

    stage: str
    warning: StageWarning
    path: str


@dataclass(frozen=True)
class TaskFailure:
    """A task that failed: its name, its stage, the kind of failure, and what it says."""

    task: str
    stage: str
    kind: str
    message: str


@dataclass
class RunOutcome:
    """How a run ended.

    Attributes:
        result: ``complete``, ``nothing-to-do``, ``stopped`` (as asked for, before the last stage), ``failed``,
            ``interrupted`` or ``not-started``.
        message: The same for people.
        seconds: How long it took.
        stages: All stages of the pipeline, in order, those too that were left out.
        failures: The tasks that failed.
        warnings: What stages left out or repaired.
        notices: What was said of resuming and of the checkpoint: level and message.
        places: Where things are and what was found: ``work_dir``, ``data_set``, ``log_file``, ``checkpoint``,
            ``kit_version``; None for what there is not.
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
        """Whether the run's exit code is not 0."""
        return self.result in ("failed", "interrupted", "not-started")
