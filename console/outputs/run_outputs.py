"""What a run tells machines when it ends: a JSON summary, a JUnit file of the stages, annotations for a CI.

All three are made from the account that the reporter keeps (`StageProgress`, failures, warnings).
"""

from __future__ import annotations

import datetime
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from doit import get_initial_workdir

from checkpoint.progress import RunOutcome, StageProgress
from config import ConfigError
from config.request import Request
from console.display.plain import amount, printable, warning_text, write_line
from stages.failures import StageError
from stages.storage.jsonfile import write_bytes

SCHEMA_VERSION = 1
# GitHub shows no more annotations than this of a job, and drops the others silently.
MAX_ANNOTATIONS = 50
# Warnings that stand in the JUnit file for each stage; the completion report has all.
_MAX_IN_JUNIT = 100


# --- JSON ------------------------------------------------------------------------------------------------------------


def summary(outcome: RunOutcome) -> dict[str, Any]:
    """Return the JSON summary of a run; the keys are documented, and only added to within a ``schema_version``."""
    return {
        "schema_version": SCHEMA_VERSION,
        "result": outcome.result,
        "message": outcome.message,
        "seconds": round(outcome.seconds, 3),
        **outcome.places,
        "stages": [
            {
                "name": stage.name,
                "state": _state(stage, outcome),
                "why": stage.left_out or stage.not_checked or None,
                "seconds": round(stage.seconds, 3),
                "tasks": stage.total,
                "ran": stage.ran,
                "up_to_date": stage.up_to_date,
                "failed": stage.failed,
                "warnings": stage.warnings,
            }
            for stage in outcome.stages
        ],
        "failures": [
            {"task": item.task, "stage": item.stage, "type": item.kind, "message": item.message}
            for item in outcome.failures
        ],
        "notices": [{"level": level, "message": message} for level, message in outcome.notices],
        "warnings": [{"stage": item.stage, **item.warning, "path": item.path or None} for item in outcome.warnings],
    }


def summary_text(outcome: RunOutcome) -> str:
    """Return `summary` as the text to print: plain ASCII, whatever the terminal's or pipe's encoding is."""
    return json.dumps(summary(outcome), indent=2) + "\n"


def _state(stage: StageProgress, outcome: RunOutcome) -> str:
    """Return a stage's state in one word: a run that is over leaves no stage running."""
    state = stage.state
    if state in ("running", "waiting"):
        state = "not reached" if state == "waiting" else outcome.result if outcome.failed else "stopped"
    return state.replace(" ", "-")


# --- JUnit -----------------------------------------------------------------------------------------------------------


def junit(outcome: RunOutcome, timestamp: str) -> bytes:
    """Return the stages as a JUnit file: a test suite with a test case for each stage.

    A stage that ran or was up to date has passed; one with failed tasks has a failure for each; one that was left out
    or not reached is skipped, and says why. The warnings of a stage are its output.

    Args:
        outcome: How the run ended.
        timestamp: When it began, in ISO form.
    """
    from io import BytesIO

    from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

    suite = TestSuite("pipeline")
    suite.timestamp = timestamp
    for name, value in sorted(outcome.places.items()):
        if value is not None:
            suite.add_property(name, printable(value))
    for stage in outcome.stages:
        case = TestCase(f"{stage.label}", "pipeline", round(stage.seconds, 3))
        state = _state(stage, outcome)
        failures = [item for item in outcome.failures if item.stage == stage.name]
        if failures:
            case.result = [_problem(Failure, f"{item.task}: {item.message}", item.kind) for item in failures]
        elif state in ("failed", "interrupted", "stopped"):
            case.result = [_problem(Error, outcome.message or state, state)]
        elif state in ("left-out", "not-reached", "not-checked"):
            case.result = [Skipped(stage.left_out or stage.not_checked or "not reached")]
        warnings = [item for item in outcome.warnings if item.stage == stage.name]
        lines = [f"{state}: {stage.ran} run, {stage.up_to_date} up to date"]
        lines += [printable(warning_text(item.warning)) for item in warnings[:_MAX_IN_JUNIT]]
        if len(warnings) > _MAX_IN_JUNIT:
            lines.append(f"and {amount(len(warnings) - _MAX_IN_JUNIT, 'more warning')}")
        case.system_out = "\n".join(lines)
        suite.add_testcase(case)
    if outcome.failed and not any(case.is_failure or case.is_error for case in suite):
        case = TestCase("run", "pipeline", 0.0)
        case.result = [_problem(Error, outcome.message, outcome.result)]
        suite.add_testcase(case)
    document = JUnitXml("kit-extension-pipeline")
    document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call]
    output = BytesIO()
    document.write(output, pretty=True)
    return output.getvalue()


def _problem(kind: Any, message: str, type_: str) -> Any:
    """Return a failure or an error: the first line as its message, the whole as its text."""
    found = kind(printable(message.strip().partition("\n")[0]), type_)
    found.text = printable(message)
    return found


# --- annotations -----------------------------------------------------------------------------------------------------


def workflow_commands(outcome: RunOutcome) -> list[str]:
    """Return GitHub workflow commands: an error for each failure, then a warning for each warning, up to a limit.

    Those with a file and a line come first; where there are more than `MAX_ANNOTATIONS`, the last one says how many.
    The form is ``::warning file=…,line=…,title=…::message``
    (https://docs.github.com/actions/reference/workflow-commands-for-github-actions).
    """
    problems = [_command("error", item.message, title=item.task) for item in outcome.failures]
    if outcome.failed and not problems:
        problems.append(_command("error", outcome.message, title="pipeline"))
    ordered = sorted(outcome.warnings, key=lambda item: (not item.path, not item.warning["line"]))
    for item in ordered:
        warning = item.warning
        line = str(warning["line"]) if item.path and warning["line"] else ""
        text = warning["message"] if item.path else warning_text(warning)
        title = f"{warning['extension']}: {warning['kind']}" if warning["extension"] else warning["kind"]
        problems.append(_command("warning", text, file=item.path, line=line, title=title))
    if len(problems) > MAX_ANNOTATIONS:
        left = len(problems) - (MAX_ANNOTATIONS - 1)
        log = outcome.places.get("log_file") or "the log file"
        problems[MAX_ANNOTATIONS - 1 :] = [_command("notice", f"{left} more are not annotated; all are in {log}.")]
    return problems


def _command(name: str, message: str, **properties: str) -> str:
    given = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in properties.items() if value)
    return f"::{name}{' ' if given else ''}{given}::{_escaped(message.strip())}"


def _escaped(text: str, more: str = "") -> str:
    """Return a text in which what a workflow command is made of stands for itself."""
    for character in "%\r\n" + more:
        text = text.replace(character, f"%{ord(character):02X}")
    return text


# --- all of them -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """What a command line asks for.

    Attributes:
        json: Print the summary on standard output.
        junit: Where the JUnit file goes, absolute; None for none.
        annotate: Print annotations.
        origin: The folder that paths are relative to: the checkout of a CI, else where the run was started.
    """

    json: bool = False
    junit: Path | None = None
    annotate: bool = False
    origin: Path = Path()

    def __bool__(self) -> bool:
        return self.json or self.annotate or self.junit is not None

    @classmethod
    def of(cls, request: Request, started_in: Path, environ: Mapping[str, str]) -> Wanted:
        """Return what a command line asks for.

        Args:
            request: The command line.
            started_in: The folder that ``junit`` is relative to.
            environ: ``GITHUB_ACTIONS=true`` asks for annotations; ``GITHUB_WORKSPACE`` is the checkout.
        """
        flag = request.annotations.lower()
        return cls(
            json=request.json,
            junit=Path(os.path.abspath(started_in / request.junit)) if request.junit else None,
            annotate=flag not in ("0", "false", "no") if flag else environ.get("GITHUB_ACTIONS") == "true",
            origin=Path(os.path.abspath(environ.get("GITHUB_WORKSPACE") or started_in)),
        )


def not_started(message: str, variables: Mapping[str, str]) -> None:
    """Tell machines that a run could not start, so that they do not take an earlier one's outputs for its own.

    Args:
        message: Why.
        variables: The variables of the command line; a wrong one is not looked at.
    """
    told = {name: variables[name] for name in ("json", "junit", "annotations") if variables.get(name)}
    try:
        request = Request.from_variables(told, Path())
    except ConfigError:
        return
    deliver_not_started(message, Wanted.of(request, Path(get_initial_workdir() or "."), os.environ))


def deliver_not_started(message: str, wanted: Wanted) -> None:
    """Tell machines that a run could not start, so that they do not find what an earlier one left."""
    if not wanted:
        return
    now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    try:
        deliver(RunOutcome("not-started", message), wanted, now, sys.stdout, sys.stderr)
    except StageError as error:
        write_line(f"ERROR: {error}", sys.stderr)


def deliver(outcome: RunOutcome, wanted: Wanted, timestamp: str, stdout: TextIO, stderr: TextIO) -> None:
    """Print and write what is wanted.

    With the JSON summary on standard output, annotations go to standard error, which GitHub's runner reads as well.

    Raises:
        StageError: The JUnit file cannot be written.
    """
    if wanted.annotate:
        for line in workflow_commands(outcome):
            write_line(line, stderr if wanted.json else stdout)
    if wanted.json:
        for line in summary_text(outcome).splitlines():
            write_line(line, stdout)
    if wanted.junit is not None:
        write_bytes(wanted.junit, junit(outcome, timestamp))
