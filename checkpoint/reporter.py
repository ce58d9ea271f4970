"""A doit reporter that passes every event to the run's account, and to the reporter that the user chose."""

from __future__ import annotations

import os
import threading
from typing import Any, TextIO

from doit.exceptions import BaseFail, InvalidTask, UnmetDependency
from doit.task import Task

from checkpoint.account import Account
from stages.failures import StageError
from tasks.graph import Graph
from tasks.stage_names import STAGES
from tasks.stage_task import StageFailed
from tasks.uptodate import reasons


class NotWritten(StageError, InvalidTask):  # type: ignore[misc]
    """The checkpoint cannot be written. Also an `InvalidTask`, on which doit ends a run without a traceback."""


class AccountReporter:
    """A reporter that passes each event to the account, then to the reporter that the user chose, if any."""

    desc = "keeps the checkpoint, shows the eight stages"

    def __init__(self, outstream: TextIO, options: dict[str, Any]) -> None:
        """Create an unconnected reporter; see `attach`. doit sets the signature."""
        del outstream, options
        self._account: Account
        self._graph: Graph
        self._shown: Any = None
        self._guard = threading.RLock()
        self._tasks: dict[str, Task] = {}
        self.selected: list[str] = []
        self.runtime_errors: list[str] = []

    def attach(self, account: Account, graph: Graph, shown: Any) -> None:
        """Connect the reporter.

        Args:
            account: Receives every event.
            graph: Provides the sizes of tasks and the results of ``pull_repo_exts``.
            shown: Another reporter that receives every event; None for none.
        """
        self._account, self._graph, self._shown = account, graph, shown

    def _forward(self, event: str, *arguments: Any) -> None:
        if self._shown is not None and hasattr(self._shown, event):
            getattr(self._shown, event)(*arguments)

    def initialize(self, tasks: dict[str, Task], selected_tasks: list[str]) -> None:
        """The run begins."""
        self._tasks = tasks
        self.selected = list(selected_tasks)
        self._forward("initialize", tasks, selected_tasks)

    def get_status(self, task: Task) -> None:
        """A task is about to be checked."""
        self._forward("get_status", task)

    def execute_task(self, task: Task) -> None:
        """A task starts. doit's threads call this."""
        if task.actions:
            with self._guard:
                self._count(task)
                self._account.task_started(task.name, reasons(task))
        self._forward("execute_task", task)

    def add_success(self, task: Task) -> None:
        """A task succeeded, or all tasks of a group did."""
        with self._guard:
            self._count(task)
            if task.actions:
                self._account.task_succeeded(task.name)
            self._complete(task)
        self._forward("add_success", task)

    def skip_uptodate(self, task: Task) -> None:
        """A task is up to date."""
        with self._guard:
            self._count(task)
            self._account.task_up_to_date(task.name)
            self._complete(task)
        self._forward("skip_uptodate", task)

    def skip_ignore(self, task: Task) -> None:
        """``doit ignore`` excludes the task or one of its dependencies."""
        with self._guard:
            self._account.task_ignored(task.name)
        self._forward("skip_ignore", task)

    def add_failure(self, task: Task, fail: BaseFail) -> None:
        """A task failed or could not be checked."""
        if not isinstance(fail, UnmetDependency):
            kind = str(getattr(fail, "exception_type", fail.get_name()))
            with self._guard:
                self._written(self._account.task_failed, task.name, kind, _message(task, fail), "".join(fail.traceback))
        self._forward("add_failure", task, fail)

    def cleanup_error(self, exception: BaseFail) -> None:
        """A teardown failed."""
        self._account.notice("error", exception.get_msg())

    def runtime_error(self, msg: str) -> None:
        """An error stopped doit."""
        self.runtime_errors.append(msg)

    def teardown_task(self, task: Task) -> None:
        """A teardown starts."""
        self._forward("teardown_task", task)

    def complete_run(self) -> None:
        """The run ended. The command records the result."""
        self._forward("complete_run")

    def _count(self, task: Task) -> None:
        """Record the number of tasks of a stage, once doit has created them."""
        stage = self._account.stage(task.name)
        if not stage.total and stage.name in self._tasks:
            group = self._tasks[stage.name]
            tasks = [dep for dep in group.task_dep if dep.startswith(stage.name + ":")]
            stage.total = len(tasks) or 1
            stage.sizes = self._graph.sizes_of(stage.name, tasks)

    def _complete(self, task: Task) -> None:
        if not task.subtask_of:
            pulled = self._graph.pulled() if task.name == STAGES[0] else None
            self._written(self._account.stage_complete, task.name, pulled)

    @staticmethod
    def _written(function: Any, *arguments: Any) -> None:
        try:
            function(*arguments)
        except StageError as error:
            raise NotWritten(str(error)) from error


def _message(task: Task, fail: BaseFail) -> str:
    """Return the message of a failed task. Replaces doit's message about a missing file with a more helpful one."""
    gone = [] if isinstance(fail, StageFailed) else sorted(name for name in task.file_dep if not os.path.exists(name))
    if not gone:
        return str(fail.message.strip())
    highest = gone[0]
    while os.path.dirname(highest) and not os.path.exists(os.path.dirname(highest)):
        highest = os.path.dirname(highest)
    return f"{highest} was removed during the run. Run again to collect the current files."
