"""``doit checkpoint show`` and ``doit checkpoint clear``."""

from __future__ import annotations

import json
import sys
from typing import ClassVar

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from checkpoint import file as checkpoint_file
from checkpoint.file import Checkpoint
from checkpoint.invocation import Invocation
from checkpoint.plan import PlannedTask, plan
from console.commands.options import OPT_JSON
from stages.failures import StageError
from tasks import lock
from tasks.stage_names import EXIT_NOT_STARTED, STAGES


class CheckpointCommand(DoitCmdBase):  # type: ignore[misc]
    """The doit command ``checkpoint`` (plugin category COMMAND)."""

    name = "checkpoint"
    doc_purpose = "show or clear the checkpoint of the last run"
    doc_usage = "show|clear"
    doc_description = (
        "show: the completed stages, the failure, and the tasks that a resume would run. clear: remove it."
    )
    cmd_options = (OPT_JSON,)
    execute_tasks: ClassVar[bool] = False

    def _execute(self, as_json: bool, pos_args: list[str] | None = None) -> int:
        if pos_args not in (["show"], ["clear"]):
            raise InvalidCommand(f"checkpoint: expected show or clear, found {' '.join(pos_args or []) or 'nothing'}.")
        invocation: Invocation = self.loader.namespace["invocation"]
        if pos_args == ["clear"]:
            return self._clear(invocation)
        if invocation.unusable:
            sys.stderr.write(f"ERROR: {checkpoint_file.path_in(invocation.config.work_dir)}: {invocation.unusable}\n")
            return 1
        found = invocation.found
        planned = plan(self.task_list, invocation.pipeline.stages, self.dep_manager) if found else []
        if as_json:
            shown = {"checkpoint": found.to_dict() if found else None, "resume": [task.to_dict() for task in planned]}
            self.outstream.write(json.dumps(shown, indent=2, sort_keys=True) + "\n")
        elif found is None:
            self.outstream.write(
                f"No checkpoint in {invocation.config.work_dir}: the last run completed, or none ran.\n"
            )
        else:
            self.outstream.write(text(found, planned))
            if found.overrides and not invocation.resuming:
                self.outstream.write("The plan ignores them; doit checkpoint show resume=1 includes them.\n")
        return 0

    def _clear(self, invocation: Invocation) -> int:
        try:
            lock.acquire(invocation.config.work_dir)
            cleared = checkpoint_file.clear(invocation.config.work_dir)
        except (lock.WorkDirBusy, StageError, OSError) as error:
            sys.stderr.write(f"ERROR: {error}\n")
            return EXIT_NOT_STARTED
        finally:
            lock.release(invocation.config.work_dir)
        self.outstream.write("Checkpoint cleared.\n" if cleared else "There is no checkpoint to clear.\n")
        return 0


def text(found: Checkpoint, planned: list[PlannedTask]) -> str:
    """Return a checkpoint as readable text."""
    lines = [
        f"Checkpoint of {found.timestamp} ({found.status}) in {found.work_dir}",
        f"Kit version {found.kit_version or 'not known yet'}, Kit cache {found.kit_cache_path or 'not known yet'}",
        "",
        f"{'stage':<20}{'state':<12}{'completed':<28}{'seconds':>9}  on resume",
    ]
    for stage in STAGES:
        tasks = [task for task in planned if task.stage == stage]
        counts = {action: sum(task.action == action for task in tasks) for action in ("run", "maybe")}
        times = found.stage_times.get(stage, {})
        failed = found.failure is not None and found.failure["stage"] == stage
        state = "complete" if stage in found.completed_stages else "failed" if failed else "-"
        if failed and found.failure and found.failure["type"] == "interrupted":
            state = "interrupted"
        resume = ", ".join(f"{count} {'to run' if a == 'run' else 'may run'}" for a, count in counts.items() if count)
        reason = next((f" ({t.name}: {t.reasons[0]})" for t in tasks if t.action == "run" and t.reasons), "")
        seconds = f"{times['seconds']:.1f}" if times else ""
        lines.append(
            f"{stage:<20}{state:<12}{times.get('finished', ''):<28}{seconds:>9}  {resume or 'up to date'}{reason}"
        )
    if found.failure is not None:
        failure = found.failure
        where = failure["stage"] + (f":{failure['subtask']}" if failure["subtask"] else "")
        lines += [
            "",
            f"Failed at {where}, attempt {failure['attempts']}, {failure['time']}",
            f"{failure['type']}: {failure['message']}",
            f"Log: {failure['log']}",
        ]
    if found.overrides:
        lines += ["", "From the command line: " + ", ".join(f"{k}={v}" for k, v in sorted(found.overrides.items()))]
    return "\n".join(line.rstrip() for line in lines) + "\n"
