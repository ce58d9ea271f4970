"""Run the build command of a clone, and stop its process group after the time limit."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from pathlib import Path

from stages.failures import StageError
from stages.sources.git.command import LAST_LINES

logger = logging.getLogger(__name__)


def run_build(command: list[str], *, name: str, folder: Path, log: Path, timeout: int) -> None:
    """Run a build command.

    Args:
        command: The program and its arguments.
        name: Name of the source in messages.
        folder: The clone, used as the working directory.
        log: File for the build's output.
        timeout: The time limit, in seconds.

    Raises:
        StageError: The command cannot be started, fails, or takes too long.
        OSError: The log cannot be written.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    logger.info("%s: building; output goes to %s", name, log)
    shown = " ".join(command)
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise StageError(
                f"{name}: build_command {shown!r} cannot be started ({error.strerror or error}). Correct it in"
                " [[input.sources]], and run again; the clone is kept."
            ) from error
        code = _wait(process, timeout)
    if code is None:
        raise StageError(
            f"{name}: the build {shown!r} did not end in {timeout} seconds and was stopped. Raise"
            f" build_timeout_seconds, or find out from the log why it takes so long. {_end_of_log(log)}"
        )
    if code:
        raise StageError(
            f"{name}: the build {shown!r} failed (exit code {code}). Correct it and run again; the clone is kept."
            f" {_end_of_log(log)}"
        )


def _end_of_log(log: Path) -> str:
    lines = _last_lines(log)
    return f"The last lines of {log}:\n{lines}" if lines else f"It printed nothing into {log}."


def _last_lines(log: Path) -> str:
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, os.path.getsize(log) - 16_384))
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in lines[-LAST_LINES:])


def _wait(process: subprocess.Popen[bytes], timeout: int) -> int | None:
    """Wait for a build. Stop its process group if it takes too long or the run is interrupted."""
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except (ProcessLookupError, PermissionError):
            break
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            continue
        break
