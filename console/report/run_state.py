"""How far a run is: what the page shows of the eight stages. Plain values, so that nothing here knows of doit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# State of a stage -> how the page writes it; the symbol tells them apart without colour.
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
    """What is known of one stage.

    Attributes:
        name: Name of the stage, which is its doit task's.
        purpose: The line that documents it.
        state: A key of `STATES`.
        tasks: Number of its tasks: one, or one for each extension and one that merges.
        recorded: How many of them have succeeded at some time.
        to_run: How many a run would execute now.
        why: Why the first of those is not up to date; empty if there is none.
        started: When the earliest of its recorded tasks began, local time in ISO 8601; empty if none has.
        seconds: What its tasks took together, each as last run.
        subtasks: Seconds of each subtask.
        after: The stages whose output it reads or that must be complete before.
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
    """What is known of the run as a whole.

    Attributes:
        stages: The stages in order.
        status: ``complete``, ``failed``, ``interrupted``, ``unfinished`` or ``waiting`` (nothing has run).
        status_time: When the checkpoint was saved; empty without one.
        failure: The checkpoint's account of the failure: stage, subtask, type, message, time, attempts.
        overrides: What the command line changed in the configuration.
        notes: Things to know before believing the rest, such as a checkpoint that cannot be used.
    """

    stages: list[StageState]
    status: str
    status_time: str = ""
    failure: dict[str, Any] | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
