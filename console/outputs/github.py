"""GitHub annotations, shown at the lines of files."""

from __future__ import annotations

from checkpoint.progress import RunOutcome
from console.display.text import warning_text

# GitHub shows at most this number of annotations per job, and drops the others silently.
MAX_ANNOTATIONS = 50


def workflow_commands(outcome: RunOutcome) -> list[str]:
    """Return GitHub workflow commands: an error per failure, then a warning per warning, up to `MAX_ANNOTATIONS`.

    Warnings with a file and a line come first. If there are too many, the last command gives the number of the others.
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
    """Return a text with the special characters of workflow commands escaped."""
    for character in "%\r\n" + more:
        text = text.replace(character, f"%{ord(character):02X}")
    return text
