"""``doit report``: one HTML page on the last run and its data set."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import orjson
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand
from doit.task import Task

from checkpoint import database
from checkpoint.invocation import DATABASE_NAME, Invocation
from checkpoint.plan import PlannedTask, plan
from config import Config
from console.report.run_state import RunState, StageState
from stages.artifacts.final_assembly import PREVIOUS
from stages.failures import StageError
from tasks.command_option import option
from tasks.doit_internals import started_in
from tasks.stage_names import EXIT_FAILED, stage_of

if TYPE_CHECKING:
    from comparison.changes import Comparison

REPORT_NAME = "report.html"
COMPLETION_REPORT = "pipeline_completion_report.json"

_OPT_OUTPUT = option(
    "report_file", f"write the page here instead of {REPORT_NAME} in the work directory", short="o", long="output"
)


class Report(DoitCmdBase):  # type: ignore[misc]
    """The doit command ``report`` (plugin category COMMAND)."""

    name = "report"
    doc_purpose = "write one HTML page on the last run and its data set"
    doc_usage = ""
    doc_description = (
        "States and times of the stages, extensions with API, examples and settings, dependencies, warnings, "
        "configuration. The page needs no network. It can be written at any time, also after a failure."
    )
    cmd_options = (_OPT_OUTPUT,)
    execute_tasks: ClassVar[bool] = False

    def _execute(self, report_file: str, pos_args: list[str] | None = None) -> int:
        if pos_args:
            raise InvalidCommand(f"report: expected no task, found {' '.join(pos_args)}.")
        invocation: Invocation = self.loader.namespace["invocation"]
        named = started_in() / report_file if report_file else None
        records = database.records(invocation.pipeline.path(DATABASE_NAME))
        planned = plan(self.task_list, invocation.pipeline.stages, self.dep_manager)
        try:
            path = write_page(invocation, self.task_list, planned, records, named)
        except StageError as error:
            sys.stderr.write(f"ERROR: {error}\n")
            return EXIT_FAILED
        self.outstream.write(f"Report: {path}\n")
        return 0


def write_page(
    invocation: Invocation,
    tasks: list[Task],
    planned: list[PlannedTask],
    records: Mapping[str, dict[str, Any]],
    path: Path | None,
) -> Path:
    """Write the page and return its path.

    Args:
        invocation: The configured command line.
        tasks: All tasks, in the order of definition.
        planned: The plan of the next run.
        records: Each task's record in the dependency database.
        path: The file to write; None for ``report.html`` in the work directory.

    Raises:
        StageError: The page cannot be written.
    """
    from console.report import page

    config = invocation.config
    path = Path(os.path.abspath(path or config.work_dir / REPORT_NAME))
    run = run_state(invocation, tasks, planned, records)
    page.write(
        path,
        work_dir=config.work_dir,
        target_dir=config.target_dir,
        mode=config.effective["processing"]["code_examples_scan_mode"],
        run=run,
        configuration=config.public(),
        changes=_changes(config, run.notes),
    )
    return path


def _changes(config: Config, notes: list[str]) -> Comparison | None:
    """Return the comparison of the published data set with the one it replaced; None if one of them is missing.

    An incomplete data set must not prevent the report: a note states the error.
    """
    from comparison.compare import compare
    from comparison.data_set import DataSet, find_data_set

    folders = sorted((config.work_dir / PREVIOUS).glob("*"))
    if not folders:
        return None
    try:
        new = find_data_set(str(config.target_dir), config.target_dir, config.target_dir)
        previous = config.work_dir / PREVIOUS / new.name
        return compare(DataSet(previous), DataSet(new)) if previous in folders else None
    except StageError as error:
        notes.append(f"The changes since the previous data set cannot be shown: {error}")
        return None


def run_state(
    invocation: Invocation, tasks: list[Task], planned: list[PlannedTask], records: Mapping[str, dict[str, Any]]
) -> RunState:
    """Return the state of the stages, from the plan of the next run, doit's records and the checkpoint.

    Args:
        invocation: The configured command line.
        tasks: All tasks, in the order of definition.
        planned: The plan of the next run.
        records: Each task's record in the dependency database.
    """
    found = invocation.found
    failure = found.failure if found else None
    finished = {} if records or found else _completed_run(invocation)
    records = finished or records
    makers = {target: stage_of(task.name) for task in tasks for target in task.targets}
    stages = []
    for group in (task for task in tasks if not task.subtask_of):
        members = [task for task in tasks if stage_of(task.name) == group.name and task.actions]
        names = records if finished else [task.name for task in members]
        recorded = {name: records[name] for name in names if name in records and stage_of(name) == group.name}
        values = {
            name: record["_values_:"]
            for name, record in recorded.items()
            if "seconds" in (record.get("_values_:") or {})
        }
        to_run = [task for task in planned if task.stage == group.name and task.action == "run"]
        maybe = [task for task in planned if task.stage == group.name and task.action == "maybe"]
        if group.name not in invocation.pipeline.stages:
            state = "skipped"
        elif failure and failure["stage"] == group.name:
            state = "interrupted" if failure["type"] == "interrupted" else "failed"
        elif not recorded:
            state = "waiting"
        elif finished or (len(recorded) >= len(members) and not to_run and not maybe):
            state = "complete"
        else:
            state = "outdated" if len(recorded) >= len(members) else "partial"
        waits = {before for task in members for before in map(stage_of, task.task_dep)}
        waits |= {makers[name] for task in members for name in task.file_dep if name in makers}
        stages.append(
            StageState(
                name=group.name,
                purpose=group.doc or "",
                state=state,
                tasks=max(len(members), len(recorded)),
                recorded=len(recorded),
                to_run=len(to_run) or len(maybe),
                why=next((f"{task.name}: {task.reasons[0]}" for task in to_run + maybe if task.reasons), ""),
                started=min((value["started"] for value in values.values()), default=""),
                seconds=round(sum(value["seconds"] for value in values.values()), 3) if values else None,
                subtasks={name.partition(":")[2]: value["seconds"] for name, value in values.items() if ":" in name},
                after=tuple(task.name for task in tasks if not task.subtask_of and task.name in waits - {group.name}),
            )
        )
    return RunState(
        stages=stages,
        status=_status(stages, failure),
        status_time=found.timestamp if found else "",
        failure=failure,
        overrides=invocation.kept_overrides,
        notes=[f"The checkpoint cannot be used: {invocation.unusable}"] if invocation.unusable else [],
    )


def _completed_run(invocation: Invocation) -> dict[str, dict[str, Any]]:
    """Return task records built from the completion report, for a run that kept no database."""
    if invocation.config.values["output"]["keep_intermediates"]:
        return {}
    try:
        report = orjson.loads((invocation.config.target_dir / COMPLETION_REPORT).read_bytes())
        found: dict[str, dict[str, Any]] = {}
        for stage, times in report["times"].items():
            parts = {f"{stage}:{name}": seconds for name, seconds in times["subtasks"].items()}
            for name, seconds in (parts or {stage: times["seconds"]}).items():
                found[name] = {"_values_:": {"started": times["started"], "seconds": seconds}}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return found


def _status(stages: list[StageState], failure: dict[str, Any] | None) -> str:
    states = {stage.state for stage in stages if stage.state != "skipped"}
    if failure:
        return "interrupted" if failure["type"] == "interrupted" else "failed"
    if states <= {"waiting"}:
        return "waiting"
    return "complete" if states <= {"complete"} else "unfinished"
