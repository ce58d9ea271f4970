"""The state of the run's eight stages for the page. Plain values, independent of doit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# State of a stage -> its label on the page. The symbol distinguishes states without colour.
STATES = {
    "complete": ("Complete", "✓"),
    "outdated": ("Out of date", "↻"),
    "partial": ("Partly done", "◐"),
    "failed": ("Failed", "✕"),
    "interrupted": ("Interrupted", "■"),
    "waiting": ("Not run yet", "○"),
    "skipped": ("Left out", "–"),
}


@dataclass(frozen=True)
class StageState:
    """The state of one stage.

    Attributes:
        name: Name of the stage and of its doit task.
        purpose: The first line of the task's docstring.
        state: A key of `STATES`.
        tasks: Number of its tasks: one, or one per extension and one merge task.
        recorded: Number of tasks with a recorded success.
        to_run: Number of tasks that the next run would execute.
        why: Why the first of these is not up to date; empty if there is none.
        started: Start of the earliest recorded task, local time, ISO 8601; empty if there is none.
        seconds: Total time of its tasks, each from its last run.
        subtasks: Seconds of each subtask.
        after: The stages that must be complete before it.
    """

    name: str
    purpose: str
    state: str
    tasks: int = 0
    recorded: int = 0
    to_run: int = 0
    why: str = ""
    started: str = ""
    seconds: float | None = None
    subtasks: dict[str, float] = field(default_factory=dict)
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunState:
    """The state of the run.

    Attributes:
        stages: The stages in order.
        status: ``complete``, ``failed``, ``interrupted``, ``unfinished`` or ``waiting`` (nothing has run).
        status_time: Time when the checkpoint was saved; empty without one.
        failure: The failure in the checkpoint: stage, subtask, type, message, time, attempts.
        overrides: Configuration values set on the command line.
        notes: Caveats about the page, such as an unusable checkpoint.
    """

    stages: list[StageState]
    status: str
    status_time: str = ""
    failure: dict[str, Any] | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
