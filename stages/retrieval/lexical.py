"""The word index of an index's documents, for lexical search: an SQLite FTS5 table in the index's folder.

On the queries of ``benchmarks/search_queries.toml``, FTS5 had a higher recall than ``bm25s`` and ``rank-bm25``, because
it stems words. It also needs no further package; see ``docs/search_quality.md``.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

FORMAT_VERSION = 1
# A word in the document's name counts as much as two in its text.
_NAME_WEIGHT = 2.0
# An acronym before a capitalised word, a word, an acronym, a number.
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_OTHER = re.compile(r"[^\x00-\x7f]")
# ASCII with a space in place of every character that is neither letter nor digit. These end a word.
_SEPARATED = "".join(character if character.isalnum() else " " for character in map(chr, range(128)))
_KNOWN_PIECES = 20_000
_LONGEST_PIECE = 64

# The text is not stored here (content=''): `place` gives its position in index.json.
_SCHEMA = """
CREATE TABLE about (format_version INTEGER, store_size INTEGER);
CREATE TABLE place (row INTEGER PRIMARY KEY, id TEXT NOT NULL, start INTEGER NOT NULL, length INTEGER NOT NULL);
CREATE VIRTUAL TABLE words USING fts5(name, body, content='', tokenize='porter unicode61');
"""
# Bytes of words that FTS5 collects before it writes them, instead of 1 MiB. Fewer parts to merge take a third less time
# and leave no free pages in the file.
_COLLECTED = 8 * 1024 * 1024


class Place(NamedTuple):
    """The location of a document: its id, and the byte range of its JSON value in ``index.json``."""

    id: str
    start: int
    length: int


class _Pieces(dict[str, str]):
    """Cache of the words in a piece of ASCII text without separators. The same names are frequent in code."""

    def __missing__(self, piece: str) -> str:
        found = " ".join(_WORD.findall(piece)).lower()
        if len(piece) <= _LONGEST_PIECE:
            if len(self) >= _KNOWN_PIECES:
                self.clear()
            self[piece] = found
        return found


_pieces = _Pieces()


def words(text: str) -> list[str]:
    """Return the words of a text in lower case, with identifiers split: ``/app/drawMouse2`` → ``app draw mouse 2``."""
    return spaced(text).split()


def spaced(text: str) -> str:
    """Return the words of a text (see `words`), separated by spaces."""
    if text.isascii():
        return " ".join(map(_pieces.__getitem__, text.translate(_SEPARATED).split()))
    text = unicodedata.normalize("NFC", text)
    # One rule for all scripts: it is applied to a text of the same length that encodes the case of each letter.
    shadow = _OTHER.sub(_case_pattern, text)
    return " ".join(text[match.start() : match.end()] for match in _WORD.finditer(shadow)).lower()


def _case_pattern(match: re.Match[str]) -> str:
    character = match[0]
    if character.isupper() or character.istitle():
        return "A"
    if character.isalpha() or unicodedata.category(character)[0] == "M":
        return "a"
    return "0" if character.isalnum() else " "


def write(path: Path, documents: Iterable[tuple[Place, str]], store: Path) -> None:
    """Write the word index. The same documents give the same bytes.

    Args:
        path: The file to write; empty or missing.
        documents: The location and text of each document, in the order of rows.
        store: The ``index.json`` of the locations; complete when ``documents`` ends.

    Raises:
        sqlite3.Error: The file cannot be written.
    """
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # No journal is needed: a crash leaves a temporary file that nobody reads.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript(_SCHEMA)
        connection.execute("INSERT INTO words (words, rank) VALUES ('hashsize', ?)", (_COLLECTED,))
        connection.execute("BEGIN")
        for row, (place, text) in enumerate(documents):
            connection.execute("INSERT INTO place VALUES (?, ?, ?, ?)", (row, *place))
            connection.execute(
                "INSERT INTO words (rowid, name, body) VALUES (?, ?, ?)",
                (row, spaced(place.id), spaced(text)),
            )
        connection.execute("INSERT INTO words (words) VALUES ('optimize')")
        connection.execute("INSERT INTO about VALUES (?, ?)", (FORMAT_VERSION, store.stat().st_size))
        connection.execute("COMMIT")


class WordIndex:
    """A word index, open for reading; several threads may use it."""

    def __init__(self, path: Path) -> None:
        """Open the index.

        Raises:
            sqlite3.Error: The file is missing or broken.
            ValueError: The file has another format.
        """
        address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
        self._connection = sqlite3.connect(address, uri=True, check_same_thread=False)
        version, self.store_size = self._connection.execute("SELECT format_version, store_size FROM about").fetchone()
        if version != FORMAT_VERSION:
            raise ValueError(f"format {version} where {FORMAT_VERSION} is expected")
        self.count: int = self._connection.execute("SELECT count(*) FROM place").fetchone()[0]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def places(self) -> Iterator[Place]:
        """Yield the location of every document, in the order of rows."""
        for row in self._connection.execute("SELECT id, start, length FROM place ORDER BY row"):
            yield Place(*row)

    def place(self, row: int) -> Place:
        """Return the location of a row's document."""
        return Place(*self._connection.execute("SELECT id, start, length FROM place WHERE row = ?", (row,)).fetchone())

    def search(self, query: str, count: int, rows: Sequence[int] | None = None) -> list[tuple[int, float]]:
        """Return the best rows for ``query`` by BM25, with their scores, best first.

        Rare words count most. A document need not contain all words.

        Args:
            query: Any text.
            count: The maximum number of rows.
            rows: The rows to search; None for all.
        """
        terms = dict.fromkeys(words(query))
        if not terms:
            return []
        # Only letters and digits, so that no query contains an operator of the query language.
        match = " OR ".join(f'"{term}"' for term in terms)
        among = "" if rows is None else "AND rowid IN (SELECT value FROM json_each(?)) "
        return [
            (row, -score)
            for row, score in self._connection.execute(
                f"SELECT rowid, bm25(words, {_NAME_WEIGHT}, 1.0) AS score FROM words WHERE words MATCH ? {among}"  # noqa: S608
                "ORDER BY score, rowid LIMIT ?",
                (match, count) if rows is None else (match, json.dumps(list(rows)), count),
            )
        ]
