"""What a run shows: plain lines for pipes, CI and logs, and a live view for a terminal (`console.display.live`).

A display keeps no account of its own. It is told of events, and draws from the `StageProgress` records that the
reporter
keeps.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from checkpoint.progress import Display, StageProgress

if TYPE_CHECKING:
    from console.display.live import LiveView
    from stages.failures import StageWarning

# In a pipe a long stage says that it is alive, no more often than this (seconds).
_ALIVE_EVERY = 30.0
# Warnings of a stage that are shown as they come; the log file and the completion report have all.
SHOWN_WARNINGS = 3


class PlainDisplay:
    """One line an event; with ``verbose`` one for each task too, with ``quiet`` only what is wrong."""

    def __init__(self, stream: TextIO, *, quiet: bool = False, verbose: bool = False) -> None:
        """Write to ``stream``; warnings and errors go to standard error."""
        self._stream = stream
        self._quiet = quiet
        self._verbose = verbose
        self._told = 0.0
        self._named: set[str] = set()

    def _write(self, line: str, stream: TextIO | None = None) -> None:
        write_line(line, stream or self._stream)

    def begin(self, stages: Sequence[StageProgress]) -> None:
        """Print nothing."""

    def notice(self, level: str, message: str) -> None:
        """Print a message, with its level before it unless it is mere information."""
        if level != "info":
            self._write(f"{level.upper()}: {message}", sys.stderr)
        elif not self._quiet:
            self._write(message)

    def detail(self, message: str) -> None:
        """Print nothing."""

    def stage_started(self, stage: StageProgress) -> None:
        """Print the stage's label."""
        self._told = time.monotonic()
        if not self._quiet:
            self._write(stage.label)

    def task_finished(self, stage: StageProgress, task: str, seconds: float) -> None:
        """Print the task where that is wanted; else, in a long stage, how far it is."""
        if self._verbose:
            self._write(f"  {task}: {seconds:.1f} s")
        elif not self._quiet and time.monotonic() - self._told >= _ALIVE_EVERY:
            self._told = time.monotonic()
            left = stage.seconds_left
            about = "" if left is None else f", about {duration(left)} left"
            self._write(f"{stage.label}: {stage.counted}{about}")

    def stage_finished(self, stage: StageProgress) -> None:
        """Print what the stage did."""
        if self._quiet:
            return
        if not stage.ran:
            self._write(f"{stage.label}: up to date")
            return
        rest = f", {stage.up_to_date} up to date" if stage.up_to_date else ""
        self._write(f"{stage.label}: done in {stage.seconds:.1f} s ({stage.ran} run{rest})")

    def warnings_found(self, stage: StageProgress, warnings: Sequence[StageWarning]) -> None:
        """Print the number of warnings and the first few, of different extensions."""
        if self._quiet:
            return
        shown = warnings if self._verbose else first_few(warnings, self._named)
        more = len(warnings) - len(shown)
        told = f", {len(shown)} of them here, all in the log file" if more else ""
        self._write(f"WARNING: {stage.name}: {amount(len(warnings), 'warning')}{told}", sys.stderr)
        for warning in shown:
            self._write(f"  - {warning_text(warning)}", sys.stderr)

    def close(self, stages: Sequence[StageProgress], message: str, *, failed: bool) -> None:
        """Print which stages were not run, and how the run ended."""
        if not self._quiet:
            for line in not_run(stages):
                self._write(line)
        if failed or not self._quiet:
            for line in message.splitlines():
                self._write(line, sys.stderr if self._quiet else None)


class TerminalDisplay(PlainDisplay):
    """A live view, from the first task that runs on: where there is nothing to do, rich is not even imported."""

    def __init__(self, stream: TextIO, *, verbose: bool = False) -> None:
        super().__init__(stream, verbose=verbose)
        self._stages: Sequence[StageProgress] = ()
        self._view: LiveView | None = None

    def begin(self, stages: Sequence[StageProgress]) -> None:
        """Keep the stages to draw."""
        self._stages = stages

    def notice(self, level: str, message: str) -> None:
        """Print a message, above the view if there is one."""
        if self._view is None:
            super().notice(level, message)
        else:
            self._view.notice(level, message)

    def detail(self, message: str) -> None:
        """Show what a stage is at."""
        if self._view is not None:
            self._view.detail = message

    def stage_started(self, stage: StageProgress) -> None:
        """Start the view with the first stage that has something to do."""
        if self._view is None:
            from console.display.live import LiveView

            self._view = LiveView(self._stream, self._stages)
        self._view.detail = ""

    def task_finished(self, stage: StageProgress, task: str, seconds: float) -> None:
        """Print the task where that is wanted."""
        if self._verbose and self._view is not None:
            self._view.task(task, seconds)

    def stage_finished(self, stage: StageProgress) -> None:
        """The view shows it."""

    def warnings_found(self, stage: StageProgress, warnings: Sequence[StageWarning]) -> None:
        """Print the number of warnings and the first few above the view."""
        if self._view is not None:
            self._view.warnings(stage, warnings, warnings if self._verbose else first_few(warnings, self._named))

    def close(self, stages: Sequence[StageProgress], message: str, *, failed: bool) -> None:
        """Put the closing table in the place of the view; a few words do where nothing ran."""
        if self._view is not None:
            self._view.close(stages, message, failed=failed)
            return
        super().close(stages, message, failed=failed)
        if not failed:
            done = [stage for stage in stages if stage.complete]
            tasks = sum(stage.up_to_date for stage in done)
            self._write(f"({amount(len(done), 'stage')}, {amount(tasks, 'task')} up to date)")


def choose(
    stream: TextIO, *, quiet: bool = False, verbose: bool = False, environ: Mapping[str, str] | None = None
) -> Display:
    """Return the display for a stream: the live view where a person looks at a terminal, else plain lines.

    Args:
        stream: Where the progress goes.
        quiet: Show only what is wrong.
        verbose: Show each task.
        environ: The environment, by default this process's: ``CI`` and ``TERM=dumb`` ask for plain lines.
    """
    environ = os.environ if environ is None else environ
    in_ci = environ.get("CI", "").lower() not in ("", "0", "false")
    if quiet or in_ci or environ.get("TERM", "") == "dumb" or not stream.isatty():
        return PlainDisplay(stream, quiet=quiet, verbose=verbose)
    return TerminalDisplay(stream, verbose=verbose)


def write_line(line: str, stream: TextIO) -> None:
    """Write a line of text that may hold anything; if nobody reads the stream any more, that is no failure.

    The run goes on where its reader (``| head``) has gone: what it makes does not depend on who looks.
    """
    encoding = stream.encoding or "utf-8"
    text = printable(line).encode(encoding, "backslashreplace").decode(encoding)
    try:
        stream.write(f"{text}\n")
        stream.flush()
    except OSError:
        # What is buffered yet must not fail again when Python exits.
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())


def printable(text: str) -> str:
    """Return a text with its control characters, direction marks and lone surrogates written out.

    File names and messages come from other people's extensions; they are not to steer a terminal or a CI's log.
    A line break stays, and what follows it is marked, so that no line of a message is taken for a command of a CI.
    """
    return "\n  | ".join("".join(map(_printable, line)) for line in text.splitlines())


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else character.encode("unicode_escape").decode()


def first_few(warnings: Sequence[StageWarning], named: set[str]) -> list[StageWarning]:
    """Return the first warnings, at most one of an extension, and of none that is in ``named``; add theirs to it."""
    found: list[StageWarning] = []
    for warning in warnings:
        if len(found) == SHOWN_WARNINGS:
            break
        if warning["extension"] not in named:
            found.append(warning)
            if warning["extension"]:
                named.add(warning["extension"])
    return found


def warning_text(warning: StageWarning) -> str:
    """Return a warning in a line: extension, file and line where there are any, and what is wrong."""
    place = warning["file"] + (f":{warning['line']}" if warning["file"] and warning["line"] else "")
    return ": ".join(part for part in (warning["extension"], place, warning["message"]) if part)


def not_run(stages: Sequence[StageProgress]) -> list[str]:
    """Return a line for each reason that stages of the pipeline were not run for."""
    why: dict[str, list[str]] = {}
    for stage in stages:
        if stage.state in ("left out", "waiting"):
            why.setdefault(stage.left_out or "not reached", []).append(stage.name)
        elif stage.not_checked:
            why.setdefault(f"not checked: {stage.not_checked}", []).append(stage.name)
    return [f"Not run ({reason}): {', '.join(names)}." for reason, names in why.items()]


def amount(number: int, noun: str) -> str:
    """Return a number and a noun: ``1 warning``, ``2 warnings``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return a time for people: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``1 h 05 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
