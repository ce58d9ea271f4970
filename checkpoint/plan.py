"""The plan of a run: each task with its action and the reasons, in order. Runs and writes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from doit.task import Task

from tasks.doit_internals import uptodate_checks
from tasks.stage_names import STAGES, stage_of
from tasks.uptodate import Freshness, PinnedFreshness


@dataclass(frozen=True)
class PlannedTask:
    """A task and its planned action.

    Attributes:
        name: Name of the task or subtask.
        stage: The task's stage.
        action: ``run``; ``maybe`` (runs only if an earlier task changes its output); ``up-to-date``; ``ignored``
            (``doit ignore``); ``not-checked`` (before ``--start``).
        reasons: Why the task is not up to date.
    """

    name: str
    stage: str
    action: str
    reasons: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"task": self.name, "stage": self.stage, "action": self.action, "reasons": self.reasons}


def plan(tasks: list[Task], selected: Iterable[str], dependencies: Any, *, forced: bool = False) -> list[PlannedTask]:
    """Return the planned action of each task of some stages and of the stages they need.

    Args:
        tasks: All tasks, in the order of definition. They can run in this order.
        selected: Names of stages.
        dependencies: doit's ``Dependency``.
        forced: True if the selected stages are cleaned first.
    """
    selected = set(selected)
    last = max((STAGES.index(stage) for stage in selected), default=-1)
    makers = {target: task.name for task in tasks for target in task.targets}
    by_name = {task.name: task for task in tasks}
    actions: dict[str, str] = {}
    found = []
    for task in tasks:
        stage = stage_of(task.name)
        if stage not in STAGES or STAGES.index(stage) > last or not task.actions:
            continue
        if forced and stage in selected:
            action, why = "run", ["forced"]
        else:
            action, why = _planned_action(task, by_name, dependencies, makers, actions)
        actions[task.name] = action
        found.append(PlannedTask(task.name, stage, action, why))
    return found


def stages_up_to_date(planned: Iterable[PlannedTask]) -> list[str]:
    """Return the stages whose planned tasks are all up to date."""
    seen: dict[str, bool] = {}
    for task in planned:
        seen[task.stage] = seen.get(task.stage, True) and task.action == "up-to-date"
    return [stage for stage in STAGES if seen.get(stage)]


def _planned_action(
    task: Task, by_name: dict[str, Task], dependencies: Any, makers: dict[str, str], actions: dict[str, str]
) -> tuple[str, list[str]]:
    checks = [check for check in uptodate_checks(task) if isinstance(check, Freshness)]
    if any(isinstance(check, PinnedFreshness) for check in checks):
        return "not-checked", []
    if dependencies.status_is_ignore(task):
        return "ignored", ["it is ignored (doit ignore)"]
    status = dependencies.get_status(task, by_name, get_log=True)
    task.value_savers.clear()
    why = [reason for check in checks for reason in check.reasons]
    why += [f"{target} is missing" for target in status.reasons.get("missing_target", ())]
    why += [f"{name} changed" for name in sorted(status.reasons.get("changed_file_dep", ())) if os.path.exists(name)]
    why += [f"{name} is a new input" for name in status.reasons.get("added_file_dep", ())]
    why += [f"{name} is no longer an input" for name in status.reasons.get("removed_file_dep", ())]
    why += [f"{name} does not exist yet" for name in status.reasons.get("missing_file_dep", ())]
    if why:
        return "run", why
    upstream = sorted({makers[name] for name in task.file_dep if actions.get(makers.get(name, ""), "") in _MAY_CHANGE})
    if upstream:
        more = f" and {len(upstream) - 1} more" if len(upstream) > 1 else ""
        return "maybe", [f"{upstream[0]}{more} may change its input"]
    return "up-to-date", []


_MAY_CHANGE = ("run", "maybe")
