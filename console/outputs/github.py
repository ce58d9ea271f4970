"""Annotations that GitHub shows at the lines of the files."""

from __future__ import annotations

from checkpoint.progress import RunOutcome
from console.display.text import warning_text

# GitHub shows no more annotations than this of a job, and drops the others silently.
MAX_ANNOTATIONS = 50


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
