"""Text for display: lines that are safe to print, amounts, durations, warnings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from checkpoint.progress import StageProgress

if TYPE_CHECKING:
    from stages.failures import StageWarning

# Most warnings to show per stage. The log file and the completion report have all.
SHOWN_WARNINGS = 3


def write_line(line: str, stream: TextIO) -> None:
    """Write a line of any text. A closed stream is not an error.

    The run continues after its reader (``| head``) exits: its outputs do not depend on the reader.
    """
    encoding = stream.encoding or "utf-8"
    text = printable(line).encode(encoding, "backslashreplace").decode(encoding)
    try:
        stream.write(f"{text}\n")
        stream.flush()
    except OSError:
        # The buffered rest must not fail again when Python exits.
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())


def printable(text: str) -> str:
    """Return a text with escaped control characters, direction marks and lone surrogates.

    File names and messages may come from third-party extensions. They must not control a terminal or a CI log. Line
    breaks stay. Each further line is marked, so that a CI does not interpret it as a command.
    """
    return "\n  | ".join("".join(map(_printable, line)) for line in text.splitlines())


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else character.encode("unicode_escape").decode()


def shown_warnings(warnings: Sequence[StageWarning], named: set[str], *, every: bool = False) -> tuple[list[str], bool]:
    """Return lines for the first few kinds of warnings, and True if every warning has its own line.

    A line combines the warnings of one kind in one folder and gives their number. Extensions in ``named`` are skipped;
    the extensions of the returned lines are added to it.

    Args:
        warnings: All warnings.
        named: Extensions that earlier lines were about. Modified.
        every: True to return a line per warning instead.
    """
    if every:
        return [warning_text(warning) for warning in warnings], True
    groups: dict[tuple[str, str], list[StageWarning]] = {}
    for warning in warnings:
        groups.setdefault((warning["kind"], os.path.dirname(warning["file"])), []).append(warning)
    shown: list[list[StageWarning]] = []
    for group in groups.values():
        if len(shown) < SHOWN_WARNINGS and group[0]["extension"] not in named:
            shown.append(group)
            named |= {group[0]["extension"]} - {""}
    return [_group_text(group) for group in shown], len(shown) == len(warnings)


def _group_text(group: Sequence[StageWarning]) -> str:
    first, *others = group
    if not others:
        return warning_text(first)
    extensions = sorted({warning["extension"] for warning in others} - {"", first["extension"]})
    folder = os.path.dirname(first["file"])
    where = ""
    if extensions:
        where = f" ({', '.join(extensions[:3])}{', …' if len(extensions) > 3 else ''})"
    elif folder:
        where = f" in {folder}/"
    return f"{warning_text(first).rstrip('.')}; and {len(others)} more of this kind{where}."


def warning_text(warning: StageWarning) -> str:
    """Return a warning as one line: extension, file and line if known, and the message."""
    place = warning["file"] + (f":{warning['line']}" if warning["file"] and warning["line"] else "")
    return ": ".join(part for part in (warning["extension"], place, warning["message"]) if part)


def not_run(stages: Sequence[StageProgress]) -> list[str]:
    """Return a line for each reason why stages did not run, with their names."""
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


def duration(seconds: float | None) -> str:
    """Return a readable duration: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``1 h 05 min``; empty for None."""
    if seconds is None:
        return ""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
