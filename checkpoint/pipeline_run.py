"""One run of the pipeline, from the open database to the exit code."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Protocol, TextIO

from doit.exceptions import InvalidCommand
from doit.task import Task

from checkpoint import file as checkpoint_file
from checkpoint.account import Account, Scope
from checkpoint.interrupts import Interrupts
from checkpoint.invocation import NOT_STARTED, Invocation
from checkpoint.log_file import log_to_file
from checkpoint.plan import plan, stages_up_to_date
from checkpoint.progress import Console, RunOutcome
from checkpoint.reporter import AccountReporter
from checkpoint.selection import Folders, members, resolve, with_merges
from stages.failures import StageError
from tasks import lock
from tasks.doit_internals import started_in, uptodate_checks
from tasks.stage_names import EXIT_FAILED, EXIT_NOT_STARTED, PRE_STAGES, STAGES, stage_of
from tasks.stage_task import CleanAction
from tasks.uptodate import Freshness


class TaskCommand(Protocol):
    """doit's command as the run uses it: the loaded tasks, the selection, the open database."""

    dep_manager: Any
    loader: Any
    control: Any
    task_list: list[Task]
    sel_tasks: list[str]
    sel_default_tasks: bool

    def run_tasks(self, stream: TextIO, reporter: AccountReporter, options: dict[str, Any]) -> int:
        """Let doit run the selected tasks; return its exit code."""
        ...


class PipelineRun:
    """One run, from the open database to the exit code.

    It is one class because beginning, cleaning, resuming and ending share account, database and selection.
    """

    def __init__(self, command: TaskCommand, invocation: Invocation, stream: TextIO, interrupts: Interrupts) -> None:
        self.command = command
        self.invocation = invocation
        self.interrupts = interrupts
        self.pipeline = invocation.pipeline
        self.config = invocation.config
        self.database = command.dep_manager.backend
        self.partial = not command.sel_default_tasks
        assert invocation.make_console is not None  # noqa: S101 - dodo.py sets it
        self.console: Console = invocation.make_console(invocation, stream)
        self.account = Account(
            Scope(
                work_dir=self.config.work_dir,
                log_file=self.config.log_file,
                stages=self.pipeline.stages,
                left_out={stage: invocation.why_left_out(stage) for stage in STAGES},
                pinned=self.pipeline.pinned,
                partial=self.partial,
                resuming=invocation.resuming,
                overrides=invocation.kept_overrides,
                configuration=self.config.public(),
            ),
            invocation.found,
            self.console,
        )
        self.reporter = AccountReporter(stream, {})
        self.stream = stream

    def run(self, chosen: Any, options: dict[str, Any]) -> int:
        """Run the selection and return the exit code: 0, 1 (a stage failed) or 2 (the run could not start)."""
        try:
            refusal = self.pipeline.graph.refusal()
            if refusal and (options["single"] or "preparation" in self.pipeline.pinned):
                raise StageError(f"{refusal} Run the preparation stage.")
            self._begin()
        except (*NOT_STARTED, InvalidCommand) as error:
            return self._not_started(str(error))
        self.reporter.attach(self.account, self.pipeline.graph, chosen)
        self.interrupts.tasks_started = True
        if options["par_type"] == "thread":
            options = options | {"num_process": self.pipeline.placement.share(options["num_process"])}
        code = EXIT_FAILED
        try:
            code = self.command.run_tasks(self.stream, self.reporter, options)
        except InvalidCommand as error:
            return self._not_started(f"{error} doit list --all shows the tasks.")
        except SystemExit:
            if not self.interrupts.number:
                raise
        finally:
            self.interrupts.end()
            self.pipeline.placement.stop(at_once=bool(self.interrupts.number))
        return self._end(failed=code != 0)

    # --- before the first task ---------------------------------------------------------------------------------------

    def _begin(self) -> None:
        invocation, request = self.invocation, self.invocation.request
        words = self.command.sel_tasks if self.partial else invocation.selected
        selected = resolve(
            words,
            [task.name for task in self.command.task_list],
            self._tasks,
            Folders(Path.cwd(), started_in()),
            self.command.loader.cmd_names,
        )
        if request.force:
            selected = with_merges(selected, self._tasks() if any(":" in name for name in selected) else ())
        self.command.sel_tasks = selected
        if "embeddings" in map(stage_of, selected) or selected == ["final_assembly"]:
            self.pipeline.api_key()
        lock.remove_leftovers(self.config.work_dir)
        self.database.open_for_writing()
        self.pipeline.notify = lambda message: self.account.notice("info", message)
        self.shown_log = log_to_file(self.config, self.console.display)
        self.console.display.begin(list(self.account.stages.values()))
        made_elsewhere = invocation.made_elsewhere(self.database.former)
        for level, message in [*made_elsewhere, *invocation.notices]:
            self.account.notice(level, message)
        if invocation.unusable:
            self._set_aside()
        if self.pipeline.pinned:
            self._check_pinned_outputs()
        if request.force:
            self._clean(selected)
        elif invocation.resuming and invocation.found is not None:
            self._continue()

    def _tasks(self) -> list[Task]:
        """Return all currently known tasks, including the subtasks of extensions."""
        loaded: list[Task] = self.command.loader.load_tasks(cmd=_NotExecuting, pos_args=[])
        return loaded

    def _set_aside(self) -> None:
        """Rename an unusable checkpoint. On a resume, also discard doit's records."""
        aside = checkpoint_file.set_aside(self.config.work_dir)
        resuming = self.invocation.resuming
        effect = "every stage runs from the beginning" if resuming else "doit's database decides which tasks run"
        self.account.notice(
            "warning",
            f"{checkpoint_file.path_in(self.config.work_dir)}: not a usable checkpoint: {self.invocation.unusable}. "
            f"It is kept as {aside.name}; {effect}.",
        )
        if resuming:
            self.database.remove_all()

    def _check_pinned_outputs(self) -> None:
        """Check that the outputs of pinned stages exist.

        Raises:
            StageError: An output is missing.
        """
        self.database.pin(self.pipeline.pinned)
        for task in self._tasks():
            if stage_of(task.name) not in self.pipeline.pinned:
                continue
            for target in task.targets:
                if not os.path.exists(target):
                    start = self.invocation.request.start
                    option = f"--start {start}: " if start else ""
                    raise StageError(
                        f"{option}the output of an earlier stage is missing: {target} (made by {task.name}). "
                        f"Start at {stage_of(task.name)}, or without --start."
                    )

    def _clean(self, selected: list[str]) -> None:
        """Clean and forget the selected tasks, and clear the checkpoint.

        Keeps the published data set. The final assembly replaces it with the new one.
        """
        chosen = members(selected, self._tasks())
        for task in chosen:
            for action in task.clean_actions:
                if isinstance(action, CleanAction) and not action.published:
                    action.execute()
        names = {task.name for task in chosen}
        names |= {name for name in self.database.names() if stage_of(name) in selected}
        self._forget(names, "it was forced")
        if not self.partial and os.path.lexists(checkpoint_file.path_in(self.config.work_dir)):
            checkpoint_file.clear(self.config.work_dir)
        self.account.checkpoint.completed_stages = []
        self.account.checkpoint.failure = None
        shown = [stage for stage in STAGES if stage in selected] + [name for name in selected if ":" in name]
        self.account.notice("info", f"Forced: cleaned and forgot {', '.join(shown)}.")

    def _forget(self, names: Collection[str], why: str) -> None:
        """Remove the records of tasks. Tasks known before the run give this as their reason to run."""
        for name in set(names) & set(self.database.names()):
            self.database.remove(name)
        for task in self.command.task_list:
            for check in uptodate_checks(task):
                if task.name in names and isinstance(check, Freshness):
                    check.forgotten = why

    def _continue(self) -> None:
        """Continue from the checkpoint. Every stage is still checked."""
        found = self.invocation.found
        if found is None:
            return
        if not set(PRE_STAGES) <= set(found.completed_stages) and not self._pre_stages_up_to_date():
            self._forget(PRE_STAGES, "one of the pre-stages was not complete, so both run again")
        left = [stage for stage in self.invocation.selected if stage not in found.completed_stages]
        done = ", ".join(found.completed_stages) or "none"
        self.account.notice("info", f"Resuming from the checkpoint of {found.timestamp}. Completed stages: {done}.")
        if left:
            self.account.notice("info", f"Continuing at stage: {left[0]}")

    def _pre_stages_up_to_date(self) -> bool:
        tasks = [task for task in self._tasks() if stage_of(task.name) in PRE_STAGES]
        planned = plan(tasks, PRE_STAGES, self.command.dep_manager)
        return set(PRE_STAGES) <= set(stages_up_to_date(planned))

    def _not_started(self, message: str) -> int:
        sys.stderr.write(f"ERROR: {message}\n")
        self.console.close(RunOutcome("not-started", message), started_at=self.account.began_at)
        return EXIT_NOT_STARTED

    # --- the end of the run ------------------------------------------------------------------------------------------

    def _end(self, *, failed: bool) -> int:
        """Record and show the result, and return the exit code."""
        account = self.account
        for message in self.reporter.runtime_errors:
            account.notice("error", message)
        account.end_stages()
        self.shown_log.show_counts()
        try:
            result, message = self._result(failed=failed)
        except StageError as error:
            account.notice("error", str(error))
            result, message = "failed", str(error)
        outcome = self.console.close(
            RunOutcome(
                result,
                message,
                account.seconds(),
                list(account.stages.values()),
                account.failures,
                notices=account.notices,
            ),
            started_at=account.began_at,
        )
        if message:
            logging.getLogger(__name__).info("%s", message)
        logging.shutdown()
        if self.invocation.request.report and result != "interrupted":
            tasks = self._tasks()
            self.console.write_report(
                tasks, plan(tasks, self.pipeline.stages, self.command.dep_manager), dict(self.database.records())
            )
        if result == "interrupted":
            raise SystemExit(128 + self.interrupts.number)
        strict = self.invocation.request.strict and any(w.warning["kind"] == "internal" for w in outcome.warnings)
        return EXIT_FAILED if outcome.failed or strict else 0

    def _result(self, *, failed: bool) -> tuple[str, str]:
        account = self.account
        if self.interrupts.number:
            return "interrupted", account.interrupted(signal.Signals(self.interrupts.number).name)
        if failed or account.failures or self.reporter.runtime_errors:
            return "failed", account.failed()
        unknown = [name for name in self.reporter.selected if ":" in name and not self._is_there(name)]
        if unknown:
            account.stopped()
            return "failed", f"there is no task {unknown[0]!r}; doit list --all shows the tasks."
        ran = any(stage.ran for stage in account.stages.values())
        if account.complete:
            self._complete(ran=ran)
            if not ran:
                return "nothing-to-do", "All stages are already complete: nothing to do."
            return "complete", f"Pipeline completed successfully in {account.seconds():.1f} s."
        still = None
        if any(not account.stages[stage].complete for stage in account.checkpoint.completed_stages):
            still = self._stages_up_to_date()
        if ran and account.stages["final_assembly"].complete:
            self._write_completion_report()
        return "stopped", account.stopped(still)

    def _is_there(self, name: str) -> bool:
        task = self.command.control.tasks.get(name)
        return task is not None and bool(task.actions)

    def _stages_up_to_date(self) -> list[str]:
        return stages_up_to_date(plan(self._tasks(), STAGES, self.command.dep_manager))

    def _complete(self, *, ran: bool) -> None:
        from stages.artifacts.final_assembly import COMPLETION_REPORT

        # A checkpoint at the beginning of the run means that an earlier run ended before its report, or during it.
        if ran or self.invocation.found is not None or not (self.config.target_dir / COMPLETION_REPORT).exists():
            self._write_completion_report()
        checkpoint_file.clear(self.config.work_dir)
        if not self.config.values["output"]["keep_intermediates"]:
            self._remove_intermediates()

    def _write_completion_report(self) -> None:
        from stages import final_assembly

        final_assembly.write_completion_report(
            self.config.work_dir,
            self.config.target_dir,
            configuration=self.config.public(),
            times=times_of(self.database.records()),
        )

    def _remove_intermediates(self) -> None:
        """Clean all stages before the final assembly. Keeps the embedding cache."""
        before = STAGES[: STAGES.index("final_assembly")]
        for task in members(before, self._tasks()):
            for action in task.clean_actions:
                if isinstance(action, CleanAction):
                    action.execute()
        self.database.remove_all()
        self.database.dump()


class _NotExecuting:
    """The command that `TaskLoader2.load_tasks` expects. Makes delayed creators create their tasks now."""

    execute_tasks = False


def times_of(records: Iterator[tuple[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Return the times of the last run of each stage: start (ISO 8601), seconds, and seconds per subtask.

    Args:
        records: Each task with its record in doit's database.
    """
    found: dict[str, dict[str, Any]] = {}
    for task, record in records:
        values = record.get("_values_:", {})
        if "seconds" not in values:
            continue
        stage, _, subtask = task.partition(":")
        times = found.setdefault(stage, {"started": values["started"], "seconds": 0.0, "subtasks": {}})
        times["started"] = min(times["started"], values["started"])
        times["seconds"] = round(times["seconds"] + values["seconds"], 3)
        if subtask:
            times["subtasks"][subtask] = values["seconds"]
    return found
