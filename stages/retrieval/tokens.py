"""Exact token counts, and texts cut to a number of tokens, offline.

The tokenizer is ``toktok`` (the distribution ``toktok-rs``): its wheel carries the vocabularies, so nothing is
downloaded, and it counts without building the ids. Its counts are those of OpenAI's ``tiktoken`` (the tests compare
the two); ``tiktoken`` itself fetches its vocabulary when it is first used.
"""

from __future__ import annotations

import re

from stages.failures import StageError

ENCODINGS = ("cl100k_base", "o200k_base")
"""The encodings a count is exact for."""

_SURROGATES = re.compile("[\ud800-\udfff]")
_SENTENCE_END = re.compile(r"[.!?][\"')\]]*(?=\s)")

# A cut at a sentence or line must keep at least this share of the limit. Otherwise the text is cut elsewhere.
_KEEP_AT_LEAST = 0.5


def count(text: str, encoding: str = "cl100k_base") -> int:
    """Return the number of tokens of ``text``.

    What looks like a special token (``<|endoftext|>``) is counted as the plain text it is. A lone surrogate, which no
    tokenizer can take, counts as U+FFFD, which is what the JSON files of the pipeline hold in its place.

    Args:
        text: Any text.
        encoding: One of `ENCODINGS`.

    Raises:
        StageError: The encoding is not known.
    """
    import toktok

    _check(encoding)
    return int(toktok.batch_count((_encodable(text),), encoding, 1)[0])


def truncate(text: str, max_tokens: int, encoding: str = "cl100k_base") -> str:
    """Return a beginning of ``text`` that has at most ``max_tokens`` tokens.

    A text that fits comes back as it is. Otherwise it is cut after a sentence or at the end of a line if that keeps at
    least half of what fits, else between two words, else between two characters.

    Args:
        text: Any text.
        max_tokens: The most tokens the result may have; none are left for 0 or less.
        encoding: One of `ENCODINGS`.

    Raises:
        StageError: The encoding is not known.
    """
    import toktok

    _check(encoding)
    if max_tokens <= 0:
        return ""
    text = _encodable(text)
    cut, total = toktok.truncate(text, max_tokens, encoding)
    if total <= max_tokens:
        return text
    shorter = _at_a_boundary(text[: len(cut) + 1], len(cut))
    # A prefix can have more tokens than the longer text it was cut from: the last word may have to be spelt in pieces.
    while shorter and count(shorter, encoding) > max_tokens:
        shorter = shorter[:-1]
    return shorter


def _check(encoding: str) -> None:
    if encoding not in ENCODINGS:
        raise StageError(
            f"{encoding!r} is not an encoding that tokens can be counted in offline. "
            f"Set embeddings.encoding_model to one of: {', '.join(ENCODINGS)}."
        )


def _encodable(text: str) -> str:
    return text if text.isascii() or not _SURROGATES.search(text) else _SURROGATES.sub("\ufffd", text)


def _at_a_boundary(text: str, fits: int) -> str:
    """Return at most ``fits`` characters of ``text`` (one longer), cut after a complete sentence or word."""
    least = int(fits * _KEEP_AT_LEAST)
    ends = [match.end() for match in _SENTENCE_END.finditer(text, least)]
    best = max(text.rfind("\n"), ends[-1] if ends else -1)
    if best <= least:
        best = max(text.rfind(" "), text.rfind("\t"), text.rfind("\n"))
    return text[:best].rstrip() if best > least else text[:fits]
