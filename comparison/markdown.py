"""A comparison as Markdown, for a comment on a pull request or for an assistant."""

from __future__ import annotations

from collections.abc import Iterator

from comparison import wording
from comparison.changes import GROUPS, Change, Comparison, ExtensionChanges

MOST_CHARACTERS = 60_000
"""Below GitHub's limit for a comment, 65,536."""


def markdown(comparison: Comparison, *, most: int = MOST_CHARACTERS) -> str:
    """Return the comparison as GitHub's Markdown: a table, then the changes of each extension, breaking changes first.

    Args:
        comparison: The comparison.
        most: Most characters. A last line gives the number of omitted changes.
    """
    head = [
        f"## {_text(wording.heading(comparison))}",
        "",
        _text(wording.summary(comparison)),
        "",
        *_table(comparison),
    ]
    text = "\n".join(head).rstrip() + "\n"
    # Room for the last line.
    most -= 200
    if len(text) > most:
        text = text[: text.rfind("\n", 0, most) + 1]
    left_out = 0
    for breaking in (True, False):
        for extension in comparison.largest_first():
            changes = [change for change in extension.changes if bool(change.breakages) == breaking]
            part = _part(extension, changes, breaking=breaking, most=most - len(text)) if not left_out else []
            left_out += len(changes) - max(len(part) - 1, 0)
            text += "".join(part)
    if left_out:
        text += f"\n{left_out:,} more changes are not shown here.\n"
    return text


def _part(extension: ExtensionChanges, changes: list[Change], *, breaking: bool, most: int) -> list[str]:
    """Return a heading and as many changes as fit; an empty list if no change fits."""
    title = f"`{_code(extension.id)}` {_text(wording.version(extension))}".rstrip()
    lines = [f"\n### {title}: {'breaking changes' if breaking else 'other changes'}\n\n"]
    most -= len(lines[0])
    for change in changes:
        line = _entry(change) + "\n"
        most -= len(line)
        if most < 0:
            break
        lines.append(line)
    return lines if len(lines) > 1 else []


def _table(comparison: Comparison) -> Iterator[str]:
    if not comparison.extensions:
        return
    groups = [group for group in GROUPS if wording.has_group(comparison, group)]
    yield "| extension | version | " + " | ".join([*groups, "breaking"]) + " |"
    yield "|---|---|" + "---|" * len(groups) + "---:|"
    for extension in comparison.largest_first():
        cells = [wording.counts(extension, group) for group in groups]
        yield (
            f"| {_text(extension.id)} | {_text(wording.version(extension))} | "
            + " | ".join([*cells, str(extension.breaking or "")])
            + " |"
        )
    yield ""
    yield f"{wording.LEGEND}."


def _entry(change: Change) -> str:
    mark = "**!** " if change.breakages else ""
    line = f"- {mark}{change.subject} {change.action}: `{_code(change.name)}`"
    if to := wording.move_target(change):
        line += f" → `{_code(to)}`"
    if change.breakages:
        line += " — " + "; ".join(_text(wording.reason(breakage)) for breakage in change.breakages)
    if change.action == "changed" or (change.old != change.new and change.action == "moved"):
        line += f"\n  - was `{_code(change.old)}`\n  - is `{_code(change.new)}`"
    return line


def _code(text: str) -> str:
    """Return a text that stays within one span of code."""
    plain = " ".join(text.replace("`", "'").split())
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…"


def _text(text: str) -> str:
    """Return a text with Markdown, HTML, mentions and cell separators escaped."""
    return " ".join(text.translate(_ESCAPED).replace("-&gt;", "→").split())


_ESCAPED = str.maketrans(
    {character: f"\\{character}" for character in "\\`*_[]|#"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"}
)
_LONGEST = 400
