"""Ctrl-C and SIGTERM during a command."""

from __future__ import annotations

import atexit
import signal
import sys
import threading
from types import FrameType
from typing import Any


class Interrupts:
    """Handles Ctrl-C and SIGTERM while a command runs.

    Restores the previous handlers afterwards, unless the command was interrupted: the process then ends, and a second
    Ctrl-C must not interrupt that. While the process exits after a run, signals are ignored.
    """

    def __init__(self) -> None:
        self.number = 0
        self.tasks_started = False
        self._ending = False
        self._former: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._former[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        if self.number:
            return
        if self._ending:
            atexit.register(_ignore_signals)
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def end(self) -> None:
        """Ignore further signals: the run is ending."""
        self._ending = True

    def _take(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._ending or self.number:
            return
        self.number = number
        if not self.tasks_started:
            sys.stderr.write("Interrupted before any task ran.\n")
        raise SystemExit(128 + number)


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
