"""The splitting of texts into words, and its cache."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from stages.retrieval.lexical import _KNOWN_PIECES, _LONGEST_PIECE, _WORD, Place, WordIndex, _pieces, words, write


@given(st.lists(st.text(st.sampled_from("abXYZ01_.é /"), max_size=80)))
def test_cached_pieces_are_split_like_others(texts: list[str]) -> None:
    for text in [*texts, *texts]:
        if text.isascii():
            assert words(text) == " ".join(_WORD.findall(text)).lower().split()


def test_few_and_short_pieces_are_cached() -> None:
    words(" ".join(f"x{number}" for number in range(3 * _KNOWN_PIECES)) + " " + "y" * (_LONGEST_PIECE + 1))
    assert len(_pieces) <= _KNOWN_PIECES
    assert max(map(len, _pieces)) <= _LONGEST_PIECE


def test_a_word_index_of_several_megabytes_has_no_free_pages(tmp_path: Path) -> None:
    store, path = tmp_path / "index.json", tmp_path / "words.sqlite3"
    store.write_text("{}")
    texts = [" ".join(f"w{number * step % 99991}" for step in range(300)) for number in range(1500)]
    write(path, [(Place(f"id{number}", number, 1), text) for number, text in enumerate(texts)], store)
    assert path.stat().st_size > 2 * 1024 * 1024
    with contextlib.closing(sqlite3.connect(path)) as connection:
        free = connection.execute("PRAGMA freelist_count").fetchone()[0]
        assert free * 50 < connection.execute("PRAGMA page_count").fetchone()[0]
    index = WordIndex(path)
    assert index.search("w0", 2000)[0][0] == 0  # document 0 consists of this word
    index.close()
