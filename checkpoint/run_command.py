"""The pipeline's ``doit run``: doit's command with the pipeline's options, the lock and the checkpoint.

It handles the lock of the work directory, ``--force``, ``--start``, ``--resume``, signals, the checkpoint and the
exit code. None of these depend on the user's choice of reporter, number of workers or database file.
"""

from __future__ import annotations

import contextlib
import getopt
import logging
import os
import signal
import sys
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from doit import get_initial_workdir
from doit.cmd_run import Run
from doit.cmdparse import CmdParseError
from doit.exceptions import InvalidCommand
from doit.task import Task

from checkpoint import file as checkpoint_file
from checkpoint.account import Account, Scope
from checkpoint.invocation import NOT_STARTED, Invocation, exclusive
from checkpoint.log_file import log_to_file
from checkpoint.plan import plan, stages_up_to_date
from checkpoint.progress import Console, RunOutcome
from checkpoint.reporter import AccountReporter
from checkpoint.selection import Folders, members, resolve, with_merges
from config.request import FLAGS
from stages.failures import StageError
from tasks import doit_internals, lock
from tasks.doit_internals import uptodate_checks
from tasks.stage_names import EXIT_FAILED, EXIT_NOT_STARTED, PRE_STAGES, STAGES, stage_of
from tasks.stage_task import CleanAction
from tasks.uptodate import Freshness


def _option(name: str, text: str, kind: type = str, short: str = "", **more: Any) -> dict[str, Any]:
    default: Any = False if kind is bool else ""
    described = {"name": name, "short": short, "long": name.replace("_", "-"), "type": kind, "default": default}
    return {**described, "section": "pipeline", "help": text, **more}


_STAGE_CHOICES = tuple((stage, "") for stage in STAGES)
OPTIONS = (
    _option("resume", "continue after the last complete stage of the run that failed", bool),
    _option("force", "clean and forget the selected tasks, then run them", bool),
    _option("start", "first stage to run; earlier outputs are not checked", choices=(("", ""), *_STAGE_CHOICES)),
    _option("end", "last stage to run", choices=(("", ""), *_STAGE_CHOICES)),
    _option("config", "the configuration file"),
    _option("kit_cache", "a Kit cache or folder of extensions, instead of the configured sources"),
    _option("max_extensions", "only the first N extensions by id (-1: all)"),
    _option("quick", "no embeddings and no FAISS", bool),
    _option("update", "look for newer commits of git sources", bool),
    _option("no_cache", "ignore the embedding cache and embed every text again", bool),
    _option("yes", "spend more than embeddings.max_cost on a service", bool),
    _option("json", "print a JSON summary on standard output, and everything else on standard error", bool),
    _option("junit", "write the stages as test cases of a JUnit XML file"),
    _option(
        "annotations",
        "show warnings and failures at their lines on GitHub (default: where GITHUB_ACTIONS=true)",
        bool,
        default=None,
        inverse="no-annotations",
    ),
    _option("report", "write an HTML page after the run; - for report.html in the work directory"),
    _option("strict", "exit with code 1 if a file was left out because of an internal error", bool),
    _option("quiet", "print only warnings and errors; the log file has the rest", bool, "q"),
    _option("verbose", "print each task that runs", bool),
)


class RunCommand(Run):  # type: ignore[misc]
    """doit command (plugin category COMMAND) that replaces doit's ``run``."""

    name = "run"
    doc_purpose = "run the pipeline, or the tasks and targets that are named"
    cmd_options = (*Run.cmd_options, *OPTIONS)

    def parse_execute(self, in_args: list[str]) -> int:
        """Parse and execute. Unlike in doit's own commands, options may follow the names of tasks."""
        with contextlib.suppress(getopt.GetoptError):  # doit reports the error
            options, words = getopt.gnu_getopt(in_args, self.cmdparser.get_short(), self.cmdparser.get_long())
            flags = {name for name, value in options if not value}
            in_args = [
                word for name, value in options for word in ([name] if name in flags and not value else [name, value])
            ] + words
        try:
            return int(super().parse_execute(in_args))
        except CmdParseError as error:  # doit adds every option there is, on one line
            reason = str(error).partition(" (parsing options")[0].removeprefix("Error parsing Command: ")
            raise InvalidCommand(f"{reason}; doit help run shows the options.") from None

    def execute(self, params: Any, args: list[str]) -> int:
        """Load ``dodo.py`` while holding the lock of the work directory, and run."""
        for name in doit_internals.options_given(params) & (FLAGS.keys() | {"max_extensions"}):
            value = params[name]
            doit_internals.set_command_line_variable(name, str(int(value)) if isinstance(value, bool) else value)
        self._interrupts = Interrupts()
        self._work_dir: Path | None = None
        with self._interrupts:
            try:
                with exclusive():
                    return int(super().execute(params, args))
            finally:
                if self._work_dir is not None:
                    lock.release(self._work_dir)

    def _execute(  # noqa: PLR0917 - doit passes these by name
        self,
        outfile: Any,
        verbosity: int | None = None,
        always: bool = False,
        continue_: bool = False,
        reporter: Any = "console",
        num_process: int = 0,
        par_type: str = "process",
        single: bool = False,
        auto_delayed_regex: bool = False,
        force_verbosity: bool = False,
        failure_verbosity: int = 0,
        pdb: bool = False,
        backend: str = "",
    ) -> int:
        options = {
            "verbosity": verbosity,
            "always": always,
            "continue_": continue_,
            "num_process": num_process,
            "par_type": par_type,
            "single": single,
            "auto_delayed_regex": auto_delayed_regex,
            "force_verbosity": force_verbosity,
            "failure_verbosity": failure_verbosity,
            "pdb": pdb,
        }
        invocation = getattr(self.loader, "namespace", {}).get("invocation")
        if not isinstance(invocation, Invocation):  # not this project's dodo.py
            return int(super()._execute(outfile, reporter=reporter, **options))
        self._work_dir = invocation.config.work_dir
        if backend != "kit":
            sys.stderr.write(
                f"ERROR: --backend {backend}: the checkpoint needs the backend kit, which records each success at "
                "once. Leave the option out.\n"
            )
            return EXIT_NOT_STARTED
        with contextlib.ExitStack() as stack:
            stream = stack.enter_context(open(outfile, "w", encoding="utf-8")) if isinstance(outfile, str) else outfile
            chosen = None if reporter is AccountReporter else self._chosen(reporter, stream, failure_verbosity)
            return _PipelineRun(self, invocation, stream, self._interrupts).run(chosen, options)

    def _chosen(self, reporter: Any, stream: TextIO, failure_verbosity: int) -> Any:
        """Return the reporter that the user chose."""
        cls = self.reporters[reporter] if isinstance(reporter, str) else reporter
        return cls(stream, {"failure_verbosity": failure_verbosity}) if isinstance(cls, type) else cls

    def run_tasks(self, stream: TextIO, reporter: AccountReporter, options: dict[str, Any]) -> int:
        """Let doit run the selected tasks."""
        return int(super()._execute(stream, reporter=reporter, **options))


class Interrupts:
    """Handles Ctrl-C and SIGTERM while a command runs. Restores the previous handlers afterwards."""

    def __init__(self) -> None:
        self.number = 0
        self.at_work = False
        self._ending = False
        self._former: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._former[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def end(self) -> None:
        """Ignore further signals: the run is ending."""
        self._ending = True

    def _take(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._ending or self.number:
            return
        self.number = number
        if not self.at_work:
            sys.stderr.write("Interrupted before any task ran.\n")
        raise SystemExit(128 + number)


class _PipelineRun:
    """One run, from the open database to the exit code."""

    def __init__(self, command: RunCommand, invocation: Invocation, stream: TextIO, interrupts: Interrupts) -> None:
        self.command = command
        self.invocation = invocation
        self.interrupts = interrupts
        self.pipeline = invocation.pipeline
        self.config = invocation.config
        self.database = command.dep_manager.backend
        self.partial = not command.sel_default_tasks
        assert invocation.make_console is not None  # noqa: S101 - dodo.py gives it
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
        self.interrupts.at_work = True
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
        started_in = Path(get_initial_workdir() or ".")
        words = self.command.sel_tasks if self.partial else invocation.selected
        selected = resolve(
            words,
            [task.name for task in self.command.task_list],
            self._tasks,
            Folders(Path.cwd(), started_in),
            self.command.loader.cmd_names,
        )
        if request.force:
            selected = with_merges(selected, self._tasks() if any(":" in name for name in selected) else ())
        self.command.sel_tasks = selected
        if "embeddings" in map(stage_of, selected) or selected == ["final_assembly"]:
            self.pipeline.api_key()
        lock.remove_leftovers(self.config.work_dir)
        self.database.open_for_writing()
        self.pipeline.tell = lambda message: self.account.notice("info", message)
        self.shown_log = log_to_file(self.config, self.console.display)
        self.console.display.begin(list(self.account.stages.values()))
        told = invocation.made_elsewhere(self.database.former)
        for level, message in [*told, *invocation.notices]:
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
        asked = self.invocation.resuming
        what = "every stage runs from the beginning" if asked else "doit's database decides which tasks run"
        self.account.notice(
            "warning",
            f"{checkpoint_file.path_in(self.config.work_dir)}: not a usable checkpoint: {self.invocation.unusable}. "
            f"It is kept as {aside.name}; {what}.",
        )
        if asked:
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
                    asked = f"--start {start}: " if start else ""
                    raise StageError(
                        f"{asked}the output of an earlier stage is missing: {target} (made by {task.name}). "
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
        """Forget what is recorded of tasks; those that are known before the run tell why they run."""
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

    # --- how it ends -------------------------------------------------------------------------------------------------

    def _end(self, *, failed: bool) -> int:
        """Record and show the result, and return the exit code."""
        account = self.account
        for message in self.reporter.runtime_errors:
            account.notice("error", message)
        account.end_stages()
        self.shown_log.tell_rest()
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
        if (self.partial or self.invocation.request.start) and account.checkpoint.completed_stages:
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

        if ran or not (self.config.target_dir / COMPLETION_REPORT).exists():
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
        told = found.setdefault(stage, {"started": values["started"], "seconds": 0.0, "subtasks": {}})
        told["started"] = min(told["started"], values["started"])
        told["seconds"] = round(told["seconds"] + values["seconds"], 3)
        if subtask:
            told["subtasks"][subtask] = values["seconds"]
    return found
