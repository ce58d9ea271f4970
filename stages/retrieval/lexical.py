"""The words of an index's documents, for the lexical half of the search: SQLite's FTS5, in the index's folder.

Measured on the questions of ``benchmarks/search_queries.toml``, FTS5 found more than ``bm25s`` and ``rank-bm25``, since
it also compares the stems of words, and it needs no further package; see ``docs/search_quality.md``.
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
# ASCII with a space for all that is neither letter nor digit: no word goes across it.
_APART = "".join(character if character.isalnum() else " " for character in map(chr, range(128)))
_KNOWN_PIECES = 20_000
_LONGEST_PIECE = 64

# No text is stored again (content=''): index.json has it, and `place` says where.
_SCHEMA = """
CREATE TABLE about (format_version INTEGER, store_size INTEGER);
CREATE TABLE place (row INTEGER PRIMARY KEY, id TEXT NOT NULL, start INTEGER NOT NULL, length INTEGER NOT NULL);
CREATE VIRTUAL TABLE words USING fts5(name, body, content='', tokenize='porter unicode61');
"""


class Place(NamedTuple):
    """Where a document is: its id, and the bytes of its JSON value in ``index.json``."""

    id: str
    start: int
    length: int


class _Pieces(dict[str, str]):
    """The words of a piece of ASCII text without separators, remembered: code says the same names again and again."""

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
    """Return the words of a text as `words` does, with a space between."""
    if text.isascii():
        return " ".join([_pieces[piece] for piece in text.translate(_APART).split()])
    text = unicodedata.normalize("NFC", text)
    # The same rule for every script: it looks at a text of the same length that shows the case of each letter.
    shadow = _OTHER.sub(_shadow, text)
    return " ".join(text[match.start() : match.end()] for match in _WORD.finditer(shadow)).lower()


def _shadow(match: re.Match[str]) -> str:
    character = match[0]
    if character.isupper() or character.istitle():
        return "A"
    if character.isalpha() or unicodedata.category(character)[0] == "M":
        return "a"
    return "0" if character.isalnum() else " "


def write(path: Path, documents: Iterable[tuple[Place, str]], store: Path) -> None:
    """Write the word index. The same documents give the same bytes.

    Args:
        path: Where to; an empty file or none.
        documents: The place and the text of each, in the order of their rows.
        store: The ``index.json`` that the places are in; complete when ``documents`` ends.

    Raises:
        sqlite3.Error: The file cannot be written.
    """
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # A crash leaves a temporary file that nobody reads: no journal is needed.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript(_SCHEMA)
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
            sqlite3.Error: It is missing or broken.
            ValueError: It is of another format.
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
        """Yield the place of every document, in the order of their rows."""
        for row in self._connection.execute("SELECT id, start, length FROM place ORDER BY row"):
            yield Place(*row)

    def place(self, row: int) -> Place:
        """Return where the document of a row is."""
        return Place(*self._connection.execute("SELECT id, start, length FROM place WHERE row = ?", (row,)).fetchone())

    def search(self, query: str, count: int, rows: Sequence[int] | None = None) -> list[tuple[int, float]]:
        """Return the rows that share most words with ``query`` and their BM25 scores, best first.

        Words that few documents have count most; a document need not have all of them.

        Args:
            query: Any text.
            count: How many rows at most.
            rows: The rows to search in; None for all.
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
