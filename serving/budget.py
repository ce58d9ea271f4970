"""Answers with a limited number of tokens."""

from __future__ import annotations

from collections.abc import Sequence

from stages.retrieval.tokens import count, truncate

DEFAULT_TOKENS = 4000
LEAST_TOKENS = 100
MOST_TOKENS = 100_000

# Tokens reserved for the line about omitted parts.
_LAST_LINE = 40


def fitted(head: str, parts: Sequence[str], max_tokens: int, *, nouns: str = "results") -> str:
    """Return an answer of at most ``max_tokens`` tokens (``cl100k_base``).

    Omits parts from the end. A last line gives the number of omitted parts. If the first part does not fit, it is cut.

    Args:
        head: The beginning of the answer.
        parts: The other parts, most important first.
        max_tokens: The limit of tokens.
        nouns: The name of the parts.
    """
    text, room = head, max_tokens - _LAST_LINE - count(head)
    shown = 0
    for part in parts:
        needed = count(part) + 1
        if needed > room:
            break
        room -= needed
        text += f"\n\n{part}" if text else part
        shown += 1
    if shown == len(parts):
        return truncate(text, max_tokens)
    if not shown and room > LEAST_TOKENS // 2:
        cut = _closed(truncate(parts[0], room))
        text += f"\n\n{cut}\n… (cut)" if text else f"{cut}\n… (cut)"
        shown = 1
    left_out = len(parts) - shown
    if left_out:
        hint = f"{left_out:,} more {nouns} are omitted. Request fewer, or raise max_tokens (it was {max_tokens:,})."
        text = f"{truncate(text, max_tokens - _LAST_LINE)}\n\n{hint}"
    return truncate(text, max_tokens)


def _closed(text: str) -> str:
    """Return Markdown with the fence of a truncated code block closed."""
    fence = ""
    for line in text.split("\n"):
        mark = line[: len(line) - len(line.lstrip("`"))]
        if not fence and len(mark) >= 3:
            fence = mark
        elif fence and line == fence:
            fence = ""
    return f"{text}\n{fence}" if fence else text
