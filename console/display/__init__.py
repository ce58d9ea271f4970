"""Displays of the progress of a run, on a terminal or in a log."""

from console.display.terminal import choose

__all__ = ["choose"]
