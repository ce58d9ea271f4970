"""The doit reporter that keeps the checkpoint in step with what doit does."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar, TextIO

from doit import Globals
from doit.exceptions import BaseFail, InvalidTask, UnmetDependency
from doit.loader import load_tasks
from doit.task import Task

from checkpoint import file as checkpoint_file
from checkpoint import lock
from checkpoint.file import Checkpoint
from config import ConfigError
from console.display.plain import Display, StageProgress, choose, warning_text
from console.outputs import run_outputs
from console.outputs.warnings import LocatedWarning, WarningsOfRun
from stages.failures import StageError
from tasks.pipeline import Pipeline
from tasks.stage_names import EXIT_NOT_STARTED, PRE_STAGES, STAGES, stage_of
from tasks.uptodate import reasons
from tasks.workers.local import quiet_libraries

_log = logging.getLogger(__name__)


class PipelineReporter:
    """Follows a run task by task, and rewrites the checkpoint after every stage.

    doit's database is the truth about tasks; this is the account of it that people read. A stage is complete when its
    last task has succeeded or was up to date.
    """

    desc = "keeps the checkpoint, shows the eight stages"
    pipeline: ClassVar[Pipeline]

    def __init__(self, outstream: TextIO, options: dict[str, Any]) -> None:
        """Take doit's output stream; ``options`` is part of doit's interface and not used."""
        del options
        self._outstream = outstream
        flags = self.pipeline.flags
        self._wanted = self.pipeline.wanted
        progress = sys.stderr if self._wanted.json else outstream
        self._display: Display = choose(progress, quiet=flags.quiet, verbose=flags.verbose)
        self._guard = threading.RLock()
        self._stages: dict[str, StageProgress] = {
            name: StageProgress(name, left_out=self.pipeline.why_left_out(name)) for name in STAGES
        }
        self._warnings = WarningsOfRun(self.pipeline.config.work_dir)
        self._failures: list[tuple[Task, BaseFail]] = []
        self._runtime_errors: list[str] = []
        self._under_way = False
        self._interrupted = 0
        self._started = time.monotonic()
        self._started_at = checkpoint_file.now()
        self._checkpoint = Checkpoint(work_dir=str(self.pipeline.config.work_dir))
        self._previous_failure: dict[str, Any] | None = None
        self._times: dict[str, dict[str, Any]] = {}
        self._tasks: dict[str, Task] = {}
        self._selected: list[str] = []

    # --- doit's reporter interface -----------------------------------------------------------------------------------

    def initialize(self, tasks: dict[str, Task], selected_tasks: list[str]) -> None:
        """Take the work directory, and do what must be done before the first task.

        Raises:
            SystemExit: The run cannot start (code 2).
        """
        self._tasks = tasks
        self._selected = list(selected_tasks)
        pipeline = self.pipeline
        database = Globals.dep_manager.backend
        try:
            if "embeddings" in map(stage_of, selected_tasks):
                pipeline.api_key()
            database.open_for_writing()
            self._log_to_file()
            self._display.begin(list(self._stages.values()))
            for level, message in pipeline.notices:
                self._notice(level, message)
            if pipeline.flags.start and not pipeline.resuming:
                self._check_earlier_outputs()
            if pipeline.distrust:
                self._distrust(pipeline.distrust)
            elif pipeline.flags.force:
                self._clean_selected(selected_tasks)
            elif pipeline.checkpoint is not None:
                self._continue(pipeline.checkpoint)
        except (lock.WorkDirBusy, ConfigError, StageError, OSError) as error:
            sys.stderr.write(f"ERROR: {error}\n")
            run_outputs.deliver_not_started(str(error), self._wanted)
            raise SystemExit(EXIT_NOT_STARTED) from None
        self._under_way = True
        self._checkpoint.configuration = pipeline.config.public()
        self._checkpoint.overrides = pipeline.overrides
        self._on_signals(self._interrupt)

    def get_status(self, task: Task) -> None:
        """Doit is about to check a task."""

    def execute_task(self, task: Task) -> None:
        """A task starts; doit's threads call this."""
        if not task.actions:
            return
        with self._guard:
            stage = self._stage(task)
            first = not stage.began
            stage.started(task.name)
            if first:
                self._not_complete(stage.name, task)
                self._display.stage_started(stage)
                _log.info("%s", stage.label)
            _log.debug("%s runs: %s", task.name, "; ".join(reasons(task)))

    def add_success(self, task: Task) -> None:
        """A task has succeeded, or a stage's tasks all have."""
        with self._guard:
            stage = self._stage(task)
            if task.actions:
                stage.ran += 1
                seconds = stage.finished(task.name, ran=True)
                self._display.task_finished(stage, task.name, seconds)
                _log.debug("%s: done in %.2f s", task.name, seconds)
            self._complete(task, stage)

    def skip_uptodate(self, task: Task) -> None:
        """A task is up to date."""
        with self._guard:
            stage = self._stage(task)
            stage.up_to_date += 1
            stage.finished(task.name, ran=False)
            self._complete(task, stage)

    def skip_ignore(self, task: Task) -> None:
        """A task is left out because the user said ``doit ignore``."""
        self._notice("warning", f"{task.name} is ignored (doit ignore); its stage does not become complete.")

    def add_failure(self, task: Task, fail: BaseFail) -> None:
        """A task has failed, or cannot be checked."""
        if isinstance(fail, UnmetDependency):
            return
        with self._guard:
            stage = self._stage(task)
            stage.failed += 1
            stage.finished(task.name, ran=False)
            message = fail.message.strip()
            # What is wrong with a whole cluster, each task that was on it says.
            told = any(earlier.message.strip() == message for _, earlier in self._failures)
            self._failures.append((task, fail))
            _log.error("%s: %s%s", task.name, message, "".join(fail.traceback))
            if not told:
                self._display.notice("error", f"{task.name}: {message}")
            if len(self._failures) == 1:
                self._checkpoint.status = "failed"
                self._checkpoint.failure = self._failure(task.name, _type_of(fail), message)
                self._save()

    def cleanup_error(self, exception: BaseFail) -> None:
        """A teardown has failed."""
        self._notice("error", exception.get_msg())

    def runtime_error(self, msg: str) -> None:
        """Doit cannot go on."""
        self._runtime_errors.append(msg)

    def teardown_task(self, task: Task) -> None:
        """A teardown starts."""

    def complete_run(self) -> None:
        """The run ends, whichever way."""
        if not self._under_way:  # it could not start, and what another run may be doing is not ours to describe
            return
        pipeline = self.pipeline
        pipeline.stop_workers(at_once=bool(self._interrupted))
        for message in self._runtime_errors:
            self._notice("error", message)
        stages = list(self._stages.values())
        for stage in stages:
            stage.end()
        warnings = self._warnings.located(self._wanted.origin) if self._wanted else []
        # Which subtasks there are is known when preparation has run: only now can doit be told that one is none.
        unknown = [name for name in self._selected if ":" in name and not self._tasks[name].actions]
        try:
            result, message = self._end(unknown=bool(unknown))
        except StageError as error:
            self._notice("error", str(error))
            result, message = "failed", str(error)
        self._display.close(stages, message, failed=result in ("failed", "interrupted"))
        if message:
            _log.info("%s", message)
        if self._wanted:
            self._deliver(result, message, warnings)
        logging.shutdown()
        if result == "interrupted":
            raise SystemExit(128 + self._interrupted)
        if unknown and not (self._interrupted or self._failures or self._runtime_errors):
            raise InvalidTask(f"there is no task {unknown[0]!r}; doit list --all shows the tasks.")

    def _deliver(self, result: str, message: str, warnings: list[LocatedWarning]) -> None:
        """Print and write what machines are to know of the run."""
        pipeline = self.pipeline
        outcome = run_outputs.RunOutcome(
            result,
            message,
            time.monotonic() - self._started,
            list(self._stages.values()),
            [
                run_outputs.TaskFailure(task.name, stage_of(task.name), _type_of(fail), fail.message.strip())
                for task, fail in self._failures
            ],
            warnings,
            pipeline.places(),
        )
        try:
            run_outputs.deliver(outcome, self._wanted, self._started_at, self._outstream, sys.stderr)
        except StageError as error:
            self._notice("error", str(error))

    # --- the stages --------------------------------------------------------------------------------------------------

    def _stage(self, task: Task) -> StageProgress:
        name = stage_of(task.name)
        stage = self._stages.get(name)
        if stage is None:
            stage = self._stages[name] = StageProgress(name)
        if not stage.total and name in self._tasks:
            group = self._tasks[name]
            tasks = [dep for dep in group.task_dep if dep.startswith(name + ":")]
            stage.total = len(tasks) or 1
            stage.sizes = self.pipeline.sizes_of(name, tasks)
        return stage

    def _complete(self, task: Task, stage: StageProgress) -> None:
        """If this was the end of its stage: record that, and rewrite the checkpoint."""
        if task.name != stage.name or stage.complete or stage.name not in STAGES:
            return
        stage.complete = True
        stage.end()
        checkpoint = self._checkpoint
        checkpoint.stage_times[stage.name] = {"finished": checkpoint_file.now(), "seconds": round(stage.seconds, 3)}
        checkpoint.completed_stages = [*(s for s in checkpoint.completed_stages if s != stage.name), stage.name]
        if checkpoint.failure is not None and checkpoint.failure["stage"] == stage.name and not self._failures:
            checkpoint.failure, checkpoint.status = None, "running"
        if stage.name in STAGES[:1]:
            self._snapshot()
        self._save()
        self._display.stage_finished(stage)
        _log.info(
            "%s: complete in %.2f s (%d run, %d up to date)", stage.label, stage.seconds, stage.ran, stage.up_to_date
        )
        if stage.ran or self._wanted:
            self._tell_warnings(stage)

    def _tell_warnings(self, stage: StageProgress) -> None:
        """Read what a stage had to leave out or repair; the log file gets all of it."""
        found = self._warnings.read(stage.name)
        stage.warnings = len(found)
        if stage.ran and found:
            self._display.warnings_found(stage, found)
            for warning in found:
                _log.warning("%s: %s", stage.name, warning_text(warning))

    def _not_complete(self, name: str, task: Task) -> None:
        """A task of this stage runs: whatever was said of it and of the stages after it has to be shown again."""
        checkpoint = self._checkpoint
        if name in checkpoint.completed_stages:
            self._notice("info", f"{name} was complete and runs again: {'; '.join(reasons(task)[:3]) or 'forced'}")
        rest = STAGES[STAGES.index(name) :] if name in STAGES else ()
        checkpoint.completed_stages = [stage for stage in checkpoint.completed_stages if stage not in rest]
        checkpoint.stage_times = {s: told for s, told in checkpoint.stage_times.items() if s not in rest}

    def _snapshot(self) -> None:
        """Keep what pull_repo_exts found."""
        path, version = self.pipeline.found()
        before = self.pipeline.checkpoint
        if self.pipeline.resuming and before is not None:
            for name, old, new in (
                ("kit_cache_path", before.kit_cache_path, path),
                ("kit_version", before.kit_version, version),
            ):
                if old and new and old != new:
                    self._notice("warning", f"{name}: checkpoint {old}, now {new}; the affected stages run again.")
        self._checkpoint.kit_cache_path, self._checkpoint.kit_version = path, version

    def _save(self) -> None:
        """Write the checkpoint.

        Raises:
            _NotWritten: It cannot be written; doit ends the run.
        """
        try:
            checkpoint_file.save(self._checkpoint)
        except StageError as error:
            raise _NotWritten(str(error)) from error

    # --- before the first task ---------------------------------------------------------------------------------------

    def _continue(self, found: Checkpoint) -> None:
        """Take over what an earlier run had completed; each stage is still checked before it counts."""
        self._previous_failure = found.failure
        self._checkpoint.completed_stages = list(found.completed_stages)
        self._checkpoint.stage_times = dict(found.stage_times)
        self._checkpoint.kit_cache_path, self._checkpoint.kit_version = found.kit_cache_path, found.kit_version
        if self.pipeline.resuming:
            if not set(PRE_STAGES) <= set(found.completed_stages):
                for stage in PRE_STAGES:
                    Globals.dep_manager.backend.remove(stage)
            left = [stage for stage in self.pipeline.selected if stage not in found.completed_stages]
            done = ", ".join(found.completed_stages) or "none"
            self._notice("info", f"Resuming from the checkpoint of {found.timestamp}. Completed stages: {done}.")
            if left:
                self._notice("info", f"Continuing at stage: {left[0]}")

    def _distrust(self, reason: str) -> None:
        aside = checkpoint_file.set_aside(self.pipeline.config.work_dir)
        self._notice(
            "warning",
            f"{checkpoint_file.path_in(self.pipeline.config.work_dir)}: not a usable checkpoint: {reason}. "
            f"It is kept as {aside.name}; every stage runs from the beginning.",
        )
        Globals.dep_manager.backend.remove_all()

    def _clean_selected(self, selected: list[str]) -> None:
        """Clean and forget the selected stages' tasks, all that doit would create now, and clear the checkpoint."""
        wanted = {stage_of(name) for name in selected}
        for task in load_tasks(self.pipeline.namespace):
            if stage_of(task.name) in wanted:
                task.clean(_Silent(), False)
        database = Globals.dep_manager.backend
        for name in database.names():
            if stage_of(name) in wanted:
                database.remove(name)
        if os.path.lexists(checkpoint_file.path_in(self.pipeline.config.work_dir)):
            checkpoint_file.clear(self.pipeline.config.work_dir)
        self._notice("info", f"Forced: cleaned and forgot {', '.join(s for s in STAGES if s in wanted)}.")

    def _remove_intermediates(self) -> None:
        """Clean the stages before the final assembly, whose output is the result. The embedding cache stays."""
        database = Globals.dep_manager.backend
        before = STAGES[: STAGES.index("final_assembly")]
        for task in load_tasks(self.pipeline.namespace):
            if stage_of(task.name) in before:
                task.clean(_Silent(), False)
        database.remove_all()
        database.dump()

    def _check_earlier_outputs(self) -> None:
        """A run that starts in the middle takes earlier outputs as they are: they must be there.

        Raises:
            StageError: One is missing.
        """
        pinned = STAGES[: STAGES.index(self.pipeline.flags.start)]
        Globals.dep_manager.backend.pin(pinned)
        for task in load_tasks(self.pipeline.namespace):
            if stage_of(task.name) not in pinned:
                continue
            for target in task.targets:
                if not os.path.exists(target):
                    raise StageError(
                        f"--start {self.pipeline.flags.start}: the output of an earlier stage is missing: {target} "
                        f"(made by {task.name}). Start at {stage_of(task.name)}, or without --start."
                    )

    def _log_to_file(self) -> None:
        config = self.pipeline.config
        try:
            config.log_file.parent.mkdir(parents=True, exist_ok=True)
            handler = _LogFile(config.log_file, self._display)
        except OSError as error:
            raise StageError(
                f"{config.log_file}: logging.log_file: the log cannot be written ({error.strerror or error})."
            ) from error
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root = logging.getLogger()
        root.addHandler(handler)
        root.setLevel(config.values["logging"]["level"])
        quiet_libraries()
        console = _ToDisplay(self._display)
        logging.getLogger("stages").addHandler(console)
        logging.getLogger("tasks.workers.local").addHandler(console)
        logging.getLogger("tasks.workers.dask").addHandler(console)
        logging.getLogger("checkpoint.database").addHandler(console)

    # --- how it ends -------------------------------------------------------------------------------------------------

    def _end(self, *, unknown: bool) -> tuple[str, str]:
        """Record how the run ends; return the result, as `RunOutcome` names it, and the message.

        Args:
            unknown: A subtask was asked for that there is not; doit says so.
        """
        done, pipeline = self._checkpoint.completed_stages, self.pipeline
        if self._interrupted:
            return "interrupted", self._end_interrupted()
        if self._failures or self._runtime_errors:
            return "failed", self._end_failed()
        if not unknown and pipeline.to_the_end and all(stage in done for stage in pipeline.selected):
            ran = any(stage.ran for stage in self._stages.values())
            return "complete" if ran else "nothing-to-do", self._end_complete()
        message = self._end_stopped()
        return ("failed", "") if unknown else ("stopped", message)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-C or SIGTERM: end the run; doit then calls `complete_run`."""
        del frame
        self._on_signals(signal.SIG_IGN)
        self._interrupted = number
        # Once doit has closed the database it is on its way to `complete_run`, and an exception would skip that.
        if Globals.dep_manager.backend.is_open:
            raise SystemExit(128 + number)

    def _on_signals(self, handler: Any) -> None:
        """Let a function, or the system's own way, take Ctrl-C and SIGTERM from now on."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, handler)

    def _end_interrupted(self) -> str:
        name = signal.Signals(self._interrupted).name
        running = [s.name for s in self._stages.values() if not s.complete and s.began]
        left = [stage for stage in self.pipeline.stages if stage not in self._checkpoint.completed_stages]
        stage = min(running, key=STAGES.index) if running else (left or [STAGES[-1]])[0]
        self._checkpoint.status = "interrupted"
        self._checkpoint.failure = self._failure(stage, "interrupted", f"interrupted by {name}")
        self._save()
        return f"Pipeline interrupted at stage: {stage}\nYou can resume from this point using: --resume"

    def _end_failed(self) -> str:
        if not self._failures:
            self._checkpoint.status = "failed"
            self._save()
            return "Pipeline failed."
        stage = stage_of(self._failures[0][0].name)
        return (
            f"Pipeline failed at stage: {stage}\n"
            f"You can resume from this point using: --resume\n"
            f"The log is in {self.pipeline.config.log_file}"
        )

    def _end_complete(self) -> str:
        self._write_completion_report()
        checkpoint_file.clear(self.pipeline.config.work_dir)
        if not self.pipeline.config.values["output"]["keep_intermediates"]:
            self._remove_intermediates()
        ran = sum(stage.ran for stage in self._stages.values())
        if not ran:
            return "All stages are already complete: nothing to do."
        return f"Pipeline completed successfully in {time.monotonic() - self._started:.1f} s."

    def _end_stopped(self) -> str:
        self._checkpoint.status = "stopped"
        self._save()
        if not sum(stage.ran for stage in self._stages.values()):
            return "All selected stages are already complete: nothing to do."
        left = [stage for stage in self.pipeline.stages if stage not in self._checkpoint.completed_stages]
        return f"Done. Stages left: {', '.join(left)}."

    def _write_completion_report(self) -> None:
        from stages import final_assembly

        config = self.pipeline.config
        ran = any(stage.ran for stage in self._stages.values())
        if ran or not (config.target_dir / final_assembly.REPORT_NAME).exists():
            final_assembly.write_completion_report(
                config.work_dir,
                config.target_dir,
                configuration=config.public(),
                times=self.pipeline.times(Globals.dep_manager.backend.records()),
            )

    def _failure(self, task_name: str, kind: str, message: str) -> dict[str, Any]:
        stage, _, subtask = task_name.partition(":")
        before = self._previous_failure
        again = before is not None and before["stage"] == stage
        return {
            "stage": stage,
            "subtask": subtask or None,
            "type": kind,
            "message": message,
            "log": str(self.pipeline.config.log_file),
            "time": checkpoint_file.now(),
            "attempts": (before["attempts"] if again and before is not None else 0) + 1,
        }

    def _notice(self, level: str, message: str) -> None:
        self._display.notice(level, message)
        _log.log({"info": logging.INFO, "warning": logging.WARNING}.get(level, logging.ERROR), "%s", message)


class _Silent:
    def write(self, text: str) -> None:
        """Swallow doit's line for each clean action."""


class _NotWritten(StageError, InvalidTask):  # type: ignore[misc]
    """The checkpoint cannot be written: also the one kind of error that ends a run of doit without a traceback."""


class _LogFile(logging.FileHandler):
    """The log file; a full disk costs the log, told once, rather than a traceback for each line."""

    def __init__(self, path: Path, display: Display) -> None:
        super().__init__(path, encoding="utf-8")
        self._display = display
        self._told = False

    def handleError(self, record: logging.LogRecord) -> None:
        del record
        if not self._told:
            self._told = True
            self._display.notice("warning", f"{self.baseFilename}: the log cannot be written ({sys.exc_info()[1]}).")


class _ToDisplay(logging.Handler):
    """Shows the warnings of stages, and in a live view what they are at."""

    def __init__(self, display: Display) -> None:
        super().__init__()
        self._display = display

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self._display.notice(record.levelname.lower(), record.getMessage())
        elif record.levelno == logging.INFO and record.name.startswith("stages"):
            self._display.detail(record.getMessage())


def _type_of(fail: BaseFail) -> str:
    return str(getattr(fail, "exception_type", fail.get_name()))
