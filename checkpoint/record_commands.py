"""``doit clean``, ``forget``, ``ignore`` and ``reset-dep`` of the pipeline.

They take the lock of the work directory. Afterwards they remove stages that doit would run from the checkpoint.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from typing import Any

from doit.cmd_clean import Clean
from doit.cmd_forget import Forget
from doit.cmd_ignore import Ignore
from doit.cmd_resetdep import ResetDep

from checkpoint import file as checkpoint_file
from checkpoint.invocation import Invocation, exclusive
from checkpoint.plan import plan, stages_up_to_date
from stages.failures import StageError
from tasks import lock
from tasks.stage_names import EXIT_NOT_STARTED, STAGES
from tasks.stage_task import CleanAction


class _Record:
    """The common part of the four commands. A mixin, because doit's commands have no hook for it."""

    loader: Any
    task_list: list[Any]
    dep_manager: Any

    def execute(self, params: Any, args: list[str]) -> int:
        """Run doit's command while holding the lock, then correct the checkpoint."""
        invocation: Any = None
        try:
            with exclusive():
                code = super().execute(params, args)  # type: ignore[misc]
            invocation = self.loader.namespace.get("invocation")
            if isinstance(invocation, Invocation):
                self._correct(invocation)
            return int(code or 0)
        except (StageError, OSError) as error:
            sys.stderr.write(f"ERROR: {error}\n")
            return EXIT_NOT_STARTED
        finally:
            invocation = invocation or (getattr(self.loader, "namespace", None) or {}).get("invocation")
            if isinstance(invocation, Invocation):
                lock.release(invocation.config.work_dir)

    def _correct(self, invocation: Invocation) -> None:
        found = invocation.found
        if found is None or not os.path.lexists(checkpoint_file.path_in(invocation.config.work_dir)):
            return
        still = stages_up_to_date(plan(self.task_list, STAGES, self.dep_manager))
        kept = [stage for stage in found.completed_stages if stage in still]
        if kept != found.completed_stages:
            times = {stage: found.stage_times[stage] for stage in kept if stage in found.stage_times}
            checkpoint_file.save(dataclasses.replace(found, completed_stages=kept, stage_times=times))


class CleanCommand(_Record, Clean):  # type: ignore[misc]
    """doit command (plugin category COMMAND) that replaces doit's ``clean``."""

    name = "clean"

    def _execute(self, dryrun: bool, cleandep: bool, cleanall: bool, cleanforget: bool, pos_args: Any = None) -> Any:
        result = super()._execute(dryrun, cleandep, cleanall, cleanforget, pos_args)
        chosen = set(pos_args or ())
        for task in self.task_list:
            for action in task.clean_actions:
                if isinstance(action, CleanAction) and action.published and (not chosen or task.name in chosen):
                    would = "would be removed" if dryrun else "is removed"
                    self.outstream.write(f"The published data set in {action.roots[1]} {would}.\n")
        return result


class ForgetCommand(_Record, Forget):  # type: ignore[misc]
    """doit command (plugin category COMMAND) that replaces doit's ``forget``."""

    name = "forget"


class IgnoreCommand(_Record, Ignore):  # type: ignore[misc]
    """doit command (plugin category COMMAND) that replaces doit's ``ignore``."""

    name = "ignore"


class ResetDepCommand(_Record, ResetDep):  # type: ignore[misc]
    """doit command (plugin category COMMAND) that replaces doit's ``reset-dep``."""

    name = "reset-dep"
