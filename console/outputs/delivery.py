"""The requested outputs of a command line, and their delivery when the run ends."""

from __future__ import annotations

import datetime
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from checkpoint.progress import RunOutcome
from config import ConfigError
from config.request import Request
from console.display.text import write_line
from console.outputs.github import workflow_commands
from console.outputs.json_summary import summary_text
from stages.failures import StageError
from stages.storage.jsonfile import write_bytes
from tasks.doit_internals import started_in


@dataclass(frozen=True)
class RequestedOutputs:
    """The requested outputs of a command line.

    Attributes:
        json: True to print the summary on standard output.
        junit: Absolute path of the JUnit file; None for none.
        annotate: True to print annotations.
        origin: Base folder of paths: the checkout in CI, else the folder where the run was started.
    """

    json: bool = False
    junit: Path | None = None
    annotate: bool = False
    origin: Path = Path()

    def __bool__(self) -> bool:
        return self.json or self.annotate or self.junit is not None

    @classmethod
    def of(cls, request: Request, started_in: Path, environ: Mapping[str, str]) -> RequestedOutputs:
        """Return the requested outputs of a command line.

        Args:
            request: The command line.
            started_in: The folder that ``junit`` is relative to.
            environ: The environment. ``GITHUB_ACTIONS=true`` enables annotations; ``GITHUB_WORKSPACE`` is the checkout.
        """
        flag = request.annotations.lower()
        return cls(
            json=request.json,
            junit=Path(os.path.abspath(started_in / request.junit)) if request.junit else None,
            annotate=flag not in ("0", "false", "no") if flag else environ.get("GITHUB_ACTIONS") == "true",
            origin=Path(os.path.abspath(environ.get("GITHUB_WORKSPACE") or started_in)),
        )


def not_started(message: str, variables: Mapping[str, str]) -> None:
    """Write the outputs of a run that could not start, so that no outputs of an earlier run remain.

    Args:
        message: The error message.
        variables: The variables of the command line. Invalid ones are ignored.
    """
    requested = {name: variables[name] for name in ("json", "junit", "annotations") if variables.get(name)}
    try:
        request = Request.from_variables(requested, Path())
    except ConfigError:
        return
    deliver_not_started(message, RequestedOutputs.of(request, started_in(), os.environ))


def deliver_not_started(message: str, requested: RequestedOutputs) -> None:
    """Write the outputs of a run that could not start, so that no outputs of an earlier run remain."""
    if not requested:
        return
    now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    try:
        deliver(RunOutcome("not-started", message), requested, now, sys.stdout, sys.stderr)
    except StageError as error:
        write_line(f"ERROR: {error}", sys.stderr)


def deliver(outcome: RunOutcome, requested: RequestedOutputs, timestamp: str, stdout: TextIO, stderr: TextIO) -> None:
    """Print and write the requested outputs.

    If the JSON summary goes to standard output, annotations go to standard error. GitHub's runner reads both.

    Raises:
        StageError: The JUnit file cannot be written.
    """
    if requested.annotate:
        for line in workflow_commands(outcome):
            write_line(line, stderr if requested.json else stdout)
    if requested.json:
        for line in summary_text(outcome).splitlines():
            write_line(line, stdout)
    if requested.junit is not None:
        from console.outputs.junit import junit

        write_bytes(requested.junit, junit(outcome, timestamp))
