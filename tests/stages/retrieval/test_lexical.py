"""The splitting of texts into words, and its cache."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stages.retrieval.lexical import _KNOWN_PIECES, _LONGEST_PIECE, _WORD, _pieces, words


@given(st.lists(st.text(st.sampled_from("abXYZ01_.é /"), max_size=80)))
def test_cached_pieces_are_split_like_others(texts: list[str]) -> None:
    for text in [*texts, *texts]:
        if text.isascii():
            assert words(text) == " ".join(_WORD.findall(text)).lower().split()


def test_few_and_short_pieces_are_cached() -> None:
    words(" ".join(f"x{number}" for number in range(3 * _KNOWN_PIECES)) + " " + "y" * (_LONGEST_PIECE + 1))
    assert len(_pieces) <= _KNOWN_PIECES
    assert max(map(len, _pieces)) <= _LONGEST_PIECE
