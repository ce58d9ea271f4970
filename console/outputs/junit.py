"""The stages as test cases of a JUnit XML file."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from checkpoint.progress import RunOutcome
from console.display.text import amount, printable, warning_text
from console.outputs.json_summary import state_of

# Most warnings per stage in the JUnit file. The completion report has all.
_MAX_IN_JUNIT = 100


def junit(outcome: RunOutcome, timestamp: str) -> bytes:
    """Return the stages as a JUnit file: a test suite with a test case per stage.

    A stage that ran or was up to date passes. A stage with failed tasks has a failure per task. A stage that was
    skipped or not reached is skipped, with the reason. The warnings of a stage are its output.

    Args:
        outcome: The outcome of the run.
        timestamp: Start of the run, ISO 8601.
    """
    from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

    suite = TestSuite("pipeline")
    suite.timestamp = timestamp
    for name, value in sorted(outcome.places.items()):
        if value is not None:
            suite.add_property(name, printable(value))
    for stage in outcome.stages:
        case = TestCase(f"{stage.label}", "pipeline", round(stage.seconds, 3))
        state = state_of(stage, outcome)
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
    """Return a failure or an error, with the first line as its message and the full text as its body."""
    found = kind(printable(message.strip().partition("\n")[0]), type_)
    found.text = printable(message)
    return found
