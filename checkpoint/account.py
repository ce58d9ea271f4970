"""The state of a run, as saved in the checkpoint file: the complete stages and the failure.

This module does not depend on doit. A stage is complete when its last task succeeded or was up to date in this run.
On a resume, a stage that the checkpoint lists also counts as complete until its tasks are checked.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checkpoint import file as checkpoint_file
from checkpoint.file import Checkpoint
from checkpoint.progress import Console, StageProgress, TaskFailure
from checkpoint.resume import Notice
from tasks.stage_names import STAGES, stage_of

_log = logging.getLogger(__name__)
_NUMBERS = re.compile(r"[0-9]+")
RESUME_HINT = "You can resume from this point using: --resume"


@dataclass(frozen=True)
class Scope:
    """The request for a run.

    Attributes:
        work_dir: The work directory.
        log_file: The log file.
        stages: The stages of a full run.
        left_out: Stages that the run skips, each with the reason.
        pinned: Stages whose outputs the run does not check, each with the reason.
        partial: True if the command line names tasks. A partial run keeps the recorded overrides and failure.
        resuming: True if the run continues the run of the checkpoint.
        overrides: Configuration values set on the command line.
        configuration: The configuration without secrets.
    """

    work_dir: Path
    log_file: Path
    stages: Sequence[str]
    left_out: Mapping[str, str]
    pinned: Mapping[str, str]
    partial: bool
    resuming: bool
    overrides: dict[str, Any]
    configuration: dict[str, Any]


class Account:
    """The progress of a run, which it saves to the checkpoint file.

    Attributes:
        stages: Progress of each stage.
        checkpoint: The contents of the checkpoint file.
        failures: The failed tasks, in order.
        ignored: The tasks that ``doit ignore`` excludes.
        notices: Messages shown besides the progress, each with its level.
    """

    def __init__(self, scope: Scope, found: Checkpoint | None, console: Console) -> None:
        """Start from the checkpoint of an earlier run. Writes nothing."""
        self.scope = scope
        self.found = found
        self.console = console
        self.stages = {
            name: StageProgress(name, left_out=scope.left_out.get(name, ""), not_checked=scope.pinned.get(name, ""))
            for name in STAGES
        }
        self.failures: list[TaskFailure] = []
        self.ignored: list[str] = []
        self.notices: list[Notice] = []
        self.began = time.monotonic()
        self.began_at = checkpoint_file.now()
        self.checkpoint = self._first(scope, found)

    @staticmethod
    def _first(scope: Scope, found: Checkpoint | None) -> Checkpoint:
        first = Checkpoint(work_dir=str(scope.work_dir))
        first.overrides, first.configuration = scope.overrides, scope.configuration
        first.not_checked = [] if scope.resuming else list(scope.pinned)
        if found is None:
            return first
        first.failure = found.failure
        first.kit_cache_path, first.kit_version = found.kit_cache_path, found.kit_version
        if scope.resuming or scope.partial:
            first.completed_stages = [stage for stage in found.completed_stages if stage not in first.not_checked]
            first.stage_times = {s: times for s, times in found.stage_times.items() if s not in first.not_checked}
        if scope.partial and not scope.overrides:
            first.overrides, first.configuration = found.overrides, found.configuration
        return first

    def notice(self, level: str, message: str) -> None:
        """Show and log a message; ``level`` is ``info``, ``notice``, ``warning`` or ``error``."""
        self.notices.append((level, message))
        self.console.display.notice(level, message)
        _log.log({"warning": logging.WARNING, "error": logging.ERROR}.get(level, logging.INFO), "%s", message)

    # --- tasks and stages --------------------------------------------------------------------------------------------

    def stage(self, task: str) -> StageProgress:
        """Return the progress of the stage that a task belongs to. A user-defined task counts as its own stage."""
        name = stage_of(task)
        if name not in self.stages:
            self.stages[name] = StageProgress(name)
        return self.stages[name]

    def task_started(self, task: str, reasons: Sequence[str]) -> None:
        """Record that a task started. Its stage and all later stages are no longer complete."""
        stage = self.stage(task)
        first = not stage.began
        stage.started(task)
        if first:
            checkpoint = self.checkpoint
            if stage.name in checkpoint.completed_stages:
                self.notice("info", f"{stage.name} was complete and runs again: {'; '.join(reasons[:3]) or 'forced'}")
            rest = STAGES[STAGES.index(stage.name) :] if stage.name in STAGES else ()
            checkpoint.completed_stages = [name for name in checkpoint.completed_stages if name not in rest]
            checkpoint.stage_times = {s: times for s, times in checkpoint.stage_times.items() if s not in rest}
            self.console.display.stage_started(stage)
            _log.info("%s", stage.label)
        _log.debug("%s runs: %s", task, "; ".join(reasons))

    def task_succeeded(self, task: str) -> None:
        """Record that a task ran successfully."""
        stage = self.stage(task)
        stage.ran += 1
        seconds = stage.finished(task, ran=True)
        self.console.display.task_finished(stage, task, seconds)
        _log.debug("%s: done in %.2f s", task, seconds)

    def task_up_to_date(self, task: str) -> None:
        """Record that a task was up to date."""
        stage = self.stage(task)
        stage.up_to_date += 1
        stage.finished(task, ran=False)

    def task_ignored(self, task: str) -> None:
        """Record that ``doit ignore`` excludes a task. Its stage cannot become complete."""
        self.ignored.append(task)
        stage = self.stage(task)
        if stage.name in self.checkpoint.completed_stages:
            self.checkpoint.completed_stages.remove(stage.name)
        self.notice("warning", f"{task} is ignored (doit ignore): {stage.name} is not complete.")

    def task_failed(self, task: str, kind: str, message: str, traceback: str) -> None:
        """Record that a task failed or could not be checked. Saves the first failure of a run immediately.

        Raises:
            StageError: The checkpoint cannot be written.
        """
        stage = self.stage(task)
        stage.failed += 1
        stage.finished(task, ran=False)
        # A failed cluster or service fails every task that needs it with the same message, except for numbers.
        known = any(_NUMBERS.sub("", earlier.message) == _NUMBERS.sub("", message) for earlier in self.failures)
        self.failures.append(TaskFailure(task, stage.name, kind, message))
        _log.error("%s: %s%s", task, message, traceback)
        if not known:
            self.console.display.notice("error", f"{task}: {message}")
        if len(self.failures) == 1:
            self._record_failure(task, kind, message, "failed")

    def stage_complete(self, name: str, pulled: tuple[str | None, str | None] | None = None) -> None:
        """Record that the last task of a stage is done, and save the checkpoint.

        Args:
            name: The stage.
            pulled: Kit cache and Kit version, if the stage is ``pull_repo_exts``.

        Raises:
            StageError: The checkpoint cannot be written.
        """
        stage = self.stages.get(name)
        if stage is None or name not in STAGES or stage.complete or stage.not_checked:
            return
        if any(stage_of(task) == name for task in self.ignored):
            return
        stage.complete = True
        stage.end()
        checkpoint = self.checkpoint
        checkpoint.stage_times[name] = {"finished": checkpoint_file.now(), "seconds": round(stage.seconds, 3)}
        checkpoint.completed_stages = [*(s for s in checkpoint.completed_stages if s != name), name]
        if checkpoint.failure is not None and checkpoint.failure["stage"] == name and not self.failures:
            checkpoint.failure = None
        if pulled is not None:
            self._take_pulled(*pulled)
        self._save()
        _log.info(
            "%s: complete in %.2f s (%d run, %d up to date)", stage.label, stage.seconds, stage.ran, stage.up_to_date
        )
        self.console.stage_complete(stage)

    def _take_pulled(self, path: str | None, version: str | None) -> None:
        if self.scope.resuming and self.found is not None:
            for name, old, new in (
                ("kit_cache_path", self.found.kit_cache_path, path),
                ("kit_version", self.found.kit_version, version),
            ):
                if old and new and old != new:
                    self.notice("warning", f"{name}: checkpoint {old}, now {new}; the affected stages run again.")
        self.checkpoint.kit_cache_path, self.checkpoint.kit_version = path, version

    # --- the end of the run ------------------------------------------------------------------------------------------

    @property
    def complete(self) -> bool:
        """True if this run checked and completed every stage of a full run."""
        return all(self.stages[name].complete for name in self.scope.stages)

    def interrupted(self, signal_name: str) -> str:
        """Record an interruption; return the documented lines.

        Raises:
            StageError: The checkpoint cannot be written.
        """
        running = [s.name for s in self.stages.values() if s.began and not s.complete and s.name in STAGES]
        left = [stage for stage in self.scope.stages if stage not in self.checkpoint.completed_stages]
        stage = min(running, key=STAGES.index) if running else (left or [STAGES[-1]])[0]
        self._record_failure(stage, "interrupted", f"interrupted by {signal_name}", "interrupted")
        return f"Pipeline interrupted at stage: {stage}\n{RESUME_HINT}"

    def failed(self) -> str:
        """Return the documented lines of a run in which a task failed."""
        if not self.failures:
            self.checkpoint.status = "failed"
            self._save()
            return "Pipeline failed."
        return f"Pipeline failed at stage: {self.failures[0].stage}\n{RESUME_HINT}\nThe log is in {self.scope.log_file}"

    def stopped(self, still_complete: Sequence[str] | None = None) -> str:
        """Record a run that ended as requested, before all stages are complete.

        Args:
            still_complete: Unchecked stages that are up to date; None to keep the list of the checkpoint.

        Returns:
            The closing message.

        Raises:
            StageError: The checkpoint cannot be written.
        """
        checkpoint = self.checkpoint
        if still_complete is not None:
            checked = [name for name, stage in self.stages.items() if stage.complete]
            checkpoint.completed_stages = [
                name for name in checkpoint.completed_stages if name in checked or name in still_complete
            ]
        failure = checkpoint.failure
        checkpoint.status = "stopped" if failure is None else _status_of(failure)
        self._save()
        unchecked = [name for name, stage in self.stages.items() if stage.not_checked]
        not_checked = f" Not checked: {', '.join(unchecked)}." if unchecked else ""
        if self.ignored:
            names = ", ".join(self.ignored[:3]) + (", …" if len(self.ignored) > 3 else "")
            return f"Not complete: {names} is ignored. Run doit forget {self.ignored[0]} to include it.{not_checked}"
        if not any(stage.ran for stage in self.stages.values()):
            return f"All selected stages are already complete: nothing to do.{not_checked}"
        left = [s for s in self.scope.stages if s not in checkpoint.completed_stages and s not in unchecked]
        rest = f" Stages left: {', '.join(left)}." if left else ""
        return f"Done.{rest}{not_checked}"

    def seconds(self) -> float:
        """Return the number of seconds since the run began."""
        return time.monotonic() - self.began

    def end_stages(self) -> None:
        """Stop the clocks of all stages."""
        for stage in self.stages.values():
            stage.end()

    def _record_failure(self, task: str, kind: str, message: str, status: str) -> None:
        stage, _, subtask = task.partition(":")
        before = self.found.failure if self.found else None
        self.checkpoint.status = status
        self.checkpoint.failure = {
            "stage": stage,
            "subtask": subtask or None,
            "type": kind,
            "message": message,
            "log": str(self.scope.log_file),
            "time": checkpoint_file.now(),
            "attempts": (before["attempts"] if before is not None and before["stage"] == stage else 0) + 1,
        }
        self._save()

    def _save(self) -> None:
        checkpoint_file.save(self.checkpoint)


def _status_of(failure: Mapping[str, Any]) -> str:
    return "interrupted" if failure["type"] == "interrupted" else "failed"
