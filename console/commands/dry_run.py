"""``doit dry-run``: show the tasks that a run would execute, and why. Changes nothing on disk."""

from __future__ import annotations

import json
from typing import ClassVar

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from checkpoint.invocation import Invocation
from checkpoint.plan import PlannedTask, plan
from console.commands.options import OPT_JSON
from console.display.text import write_line
from stages.failures import StageError
from tasks.stage_names import STAGES, UnknownStage, position

_SHOWN_REASONS = 3
_READ = ("code_examples", "settings")


class DryRun(DoitCmdBase):  # type: ignore[misc]
    """The doit command ``dry-run`` (plugin category COMMAND)."""

    name = "dry-run"
    doc_purpose = "show the tasks that a run would execute, and why, without running them"
    doc_usage = "[STAGE ...]"
    doc_description = None
    cmd_options = (OPT_JSON,)
    execute_tasks: ClassVar[bool] = False

    def _execute(self, as_json: bool, pos_args: list[str] | None = None) -> int:
        invocation: Invocation = self.loader.namespace["invocation"]
        try:
            for name in pos_args or ():
                position(name)
        except UnknownStage as error:
            raise InvalidCommand(str(error)) from None
        forced = invocation.request.force or bool(invocation.unusable and invocation.resuming)
        planned = plan(self.task_list, pos_args or invocation.selected, self.dep_manager, forced=forced)
        if as_json:
            self.outstream.write(json.dumps([task.to_dict() for task in planned], indent=2) + "\n")
            return 0
        notices = [*invocation.made_elsewhere(self.dep_manager.backend.former), *invocation.notices]
        lines = [f"{'' if level == 'info' else level.upper() + ': '}{message}" for level, message in notices]
        if invocation.unusable:
            effect = ": everything would run" if invocation.resuming else ""
            lines.append(f"WARNING: the checkpoint is not usable ({invocation.unusable}){effect}.")
        lines += text(planned).splitlines()
        if any(task.stage == "embeddings" and task.action in ("run", "maybe") for task in planned):
            lines += _cost(invocation, planned).splitlines()
        for line in lines:
            write_line(line, self.outstream)
        return 0


def _cost(invocation: Invocation, planned: list[PlannedTask]) -> str:
    """Return a line with the estimated requests to the embedding service; empty if no service is used."""
    if not invocation.config.uses_service:
        return ""
    before = [task for task in planned if task.action != "up-to-date" and task.stage in ("extension_data", *_READ)]
    try:
        found = invocation.pipeline.embedding_cost()
    except StageError:
        return "The cost of embedding is known once the earlier stages have run.\n"
    changed = " This excludes changes by the earlier stages." if before else ""
    return f"embeddings: {found}{changed}\n"


def text(planned: list[PlannedTask]) -> str:
    """Return the plan as readable text: a line per stage, and a line with reasons per task that would run."""
    lines = []
    for number, stage in enumerate(STAGES, 1):
        tasks = [task for task in planned if task.stage == stage]
        if not tasks:
            continue
        run = [task for task in tasks if task.action == "run"]
        maybe = [task for task in tasks if task.action == "maybe"]
        if not run and not maybe:
            lines.append(f"[{number}/{len(STAGES)}] {stage}: up to date")
            continue
        parts = [f"{len(run)} of {len(tasks)} would run"] if run else []
        parts += [f"{len(maybe)} of {len(tasks)} may run"] if maybe else []
        lines.append(f"[{number}/{len(STAGES)}] {stage}: {', '.join(parts)}")
        for task in [*run, *maybe]:
            more = len(task.reasons) - _SHOWN_REASONS
            why = "; ".join(task.reasons[:_SHOWN_REASONS]) + (f"; and {more} more" if more > 0 else "")
            lines.append(f"  {'run  ' if task.action == 'run' else 'maybe'}  {task.name}: {why}")
    if any(task.name == "preparation" and task.action != "up-to-date" for task in planned):
        lines.append("The preparation stage may change the list of extensions; the current one is shown.")
    return "\n".join(lines) + "\n"
