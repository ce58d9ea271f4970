"""The live view of a run on a terminal, with its closing table. Imported only when a task runs on a terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from rich.box import ASCII, ROUNDED
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from checkpoint.progress import StageProgress
from console.display.text import amount, duration, printable

if TYPE_CHECKING:
    pass

_REFRESHES_A_SECOND = 8
_BAR_WIDTH = 18
# Narrower terminals get no progress bar, to leave room for names and counts.
_BAR_FROM_WIDTH = 76
_SHOWN_FAILURES = 5
_STYLES = {
    "done": "green",
    "up to date": "cyan",
    "running": "bold",
    "failed": "bold red",
    "interrupted": "bold yellow",
    "waiting": "dim",
    "not reached": "dim",
    "left out": "dim",
}
_SIGNS = {
    "done": "✓",
    "up to date": "=",
    "running": "»",
    "failed": "✗",
    "interrupted": "!",
    "waiting": "·",
    "not reached": "·",
    "left out": "–",
}
_ASCII_SIGNS = {"✓": "+", "✗": "x", "·": ".", "–": "-", "»": ">"}
_LEVELS = {"info": "", "warning": "yellow", "error": "red"}


class LiveView:
    """A view that redraws the stages of a run in place, from their `StageProgress`. Messages scroll above it.

    Attributes:
        detail: The current step of a stage.
    """

    def __init__(self, stream: TextIO, stages: Sequence[StageProgress]) -> None:
        """Start drawing on a terminal. rich respects ``NO_COLOR``."""
        self.detail = ""
        self._stages = stages
        self._began = time.monotonic()
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._unicode = self._console.encoding.lower().startswith("utf")
        self._spinner = Spinner("dots" if self._unicode else "line", style="bold")
        self._failures: list[str] = []
        self._live = Live(
            get_renderable=self._draw,
            console=self._console,
            refresh_per_second=_REFRESHES_A_SECOND,
            transient=True,
        )
        self._live.start(refresh=True)

    # --- events ------------------------------------------------------------------------------------------------------

    def notice(self, level: str, message: str) -> None:
        """Print a message above the view."""
        style = _LEVELS.get(level, "red")
        if level == "error":
            self._failures.append(message)
        self._print(f"{level.upper()}: {message}" if style else message, style)

    def task(self, name: str, seconds: float) -> None:
        """Print a completed task."""
        self._print(f"  {name}: {duration(seconds)}", "dim")

    def warnings(self, stage: StageProgress, number: int, lines: Sequence[str], *, whole: bool) -> None:
        """Print the number of warnings of a stage, and lines about some or all of them."""
        more = "" if whole else ", all in the log file"
        self._print(f"{stage.name}: {amount(number, 'warning')}{more}", "yellow")
        for line in lines:
            self._print(f"  {line}", "")

    def close(self, stages: Sequence[StageProgress], message: str, *, failed: bool) -> None:
        """Close the view, and print the closing table, the failures and the result."""
        self._live.stop()
        console = self._console
        console.print(self._closing_table(stages))
        for failure in self._failures[:_SHOWN_FAILURES]:
            self._print(f"{self._sign('✗')} {failure}", "red")
        if len(self._failures) > _SHOWN_FAILURES:
            self._print(f"  and {amount(len(self._failures) - _SHOWN_FAILURES, 'more error')}", "red")
        style = "bold red" if failed else "bold green"
        for line in message.splitlines():
            self._print(line, style)
            style = ""

    def _print(self, message: str, style: str) -> None:
        self._console.print(Text(printable(message), style=style), soft_wrap=not self._live.is_started)

    # --- drawing -----------------------------------------------------------------------------------------------------

    def _sign(self, sign: str) -> str:
        return sign if self._unicode else _ASCII_SIGNS.get(sign, sign)

    def _draw(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        with_bar = self._console.width >= _BAR_FROM_WIDTH
        table.add_column(width=1)
        table.add_column(width=1, justify="right", style="dim")
        table.add_column(no_wrap=True)
        if with_bar:
            table.add_column(width=_BAR_WIDTH)
        table.add_column(no_wrap=True, overflow="ellipsis")
        for number, stage in enumerate(self._stages, 1):
            state = stage.state
            sign: RenderableType = Text(self._sign(_SIGNS[state]), style=_STYLES[state])
            bar: RenderableType = ""
            if state == "running":
                sign = self._spinner
                done, total, _ = stage.count
                bar = ProgressBar(total=max(total, 1), completed=done, width=_BAR_WIDTH)
            row = [sign, str(number), Text(stage.name, style=_STYLES[state] if state != "done" else "")]
            table.add_row(*row, *([bar] if with_bar else []), self._status_text(stage))
        return Group(table, *self._below())

    def _status_text(self, stage: StageProgress) -> Text:
        """Return a short status text of a stage."""
        state = stage.state
        if state == "running":
            text = Text(stage.counted if stage.total > 1 else "running")
            text.append(f", {duration(stage.elapsed)}")
            left = stage.seconds_left
            if left is not None and left >= 1:
                text.append(f", about {duration(left)} left", style="bold")
            return text
        if state == "done":
            text = Text(f"{stage.counted}, {duration(stage.seconds)}" if stage.total > 1 else duration(stage.seconds))
            if stage.up_to_date:
                text.append(f", {stage.up_to_date} up to date", style="cyan")
            if stage.warnings:
                text.append(f", {amount(stage.warnings, 'warning')}", style="yellow")
            return text
        if state == "failed":
            return Text(f"{stage.counted}, {stage.failed} failed", style="red")
        return Text(stage.left_out or state, style=_STYLES[state])

    def _below(self) -> list[Text]:
        """Return the lines below the stages: running tasks, the current step, and the elapsed time."""
        now = time.monotonic()
        under_way = sorted((start, name) for stage in self._stages for name, start in list(stage.running.items()))
        names = [f"{printable(name.partition(':')[2] or name)} ({now - start:.0f} s)" for start, name in under_way]
        lines = [Text(f"  {', '.join(names)}" if names else "", style="dim", no_wrap=True, overflow="ellipsis")]
        if self.detail:
            lines.append(
                Text(
                    f"  {printable(self.detail).partition(chr(10))[0]}",
                    style="dim",
                    no_wrap=True,
                    overflow="ellipsis",
                )
            )
        total = duration(now - self._began)
        lines.append(Text(f"  {total}. Ctrl-C stops; --resume continues.", style="dim", no_wrap=True))
        return lines

    def _closing_table(self, stages: Sequence[StageProgress]) -> Table:
        table = Table(
            box=ROUNDED if self._unicode else ASCII, border_style="dim", header_style="bold", show_footer=True
        )
        total = sum(stage.seconds for stage in stages)
        table.add_column("Stage", "total", no_wrap=True)
        table.add_column("Result", no_wrap=True)
        table.add_column("Ran", str(sum(s.ran for s in stages)), justify="right")
        table.add_column("Up to date", str(sum(s.up_to_date for s in stages)), justify="right")
        table.add_column("Time", duration(total), justify="right", no_wrap=True)
        table.add_column("Warnings", str(sum(s.warnings for s in stages) or ""), justify="right", style="yellow")
        for number, stage in enumerate(stages, 1):
            state = {"running": "interrupted", "waiting": "not reached"}.get(stage.state, stage.state)
            result = Text(f"{self._sign(_SIGNS[state])} {state}", style=_STYLES[state])
            if state == "left out":
                result.append(f": {stage.left_out}")
            if stage.failed:
                result.append(f": {amount(stage.failed, 'task')}")
            table.add_row(
                Text(f"{number} {stage.name}", style="dim" if state in ("not reached", "left out") else ""),
                result,
                str(stage.ran or ""),
                str(stage.up_to_date or ""),
                duration(stage.seconds) if stage.began else "",
                str(stage.warnings or ""),
            )
        return table
