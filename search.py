"""Search in a finished data set, with the model that its indexes were made with.

>>> from pathlib import Path
>>> from search import search
>>> for hit in search("open a usd stage", data_dir=Path("data"), kind="code_examples"):
...     print(hit.score, hit.id)
"""

from __future__ import annotations

import logging
import re
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stages import embedding_backends
from stages.documents import KINDS, words
from stages.errors import StageError
from stages.jsonfile import read_json

if TYPE_CHECKING:
    import numpy

    from stages.embedding_backends import Backend

Mode = Literal["hybrid", "vector", "lexical"]


class SearchError(Exception):
    """A search cannot be made; the message says why and what to do."""


@dataclass(frozen=True)
class Hit:
    """One thing found.

    Attributes:
        kind: ``extensions``, ``code_examples`` or ``settings``.
        id: The document's id: an extension's id, ``<extension id>:<full name>`` of an example, a setting's path.
        score: Higher is better; comparable within one search only.
        page_content: The text that was searched.
        metadata: As in the index.
    """

    kind: str
    id: str
    score: float
    page_content: str
    metadata: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return the hit as JSON-able values."""
        return asdict(self)


def search(
    query: str,
    *,
    data_dir: Path,
    kind: str | None = None,
    k: int = 10,
    mode: Mode = "hybrid",
    options: dict[str, Any] | None = None,
    api_key: str | None = None,
) -> list[Hit]:
    """Return the best ``k`` documents for ``query``, best first.

    Args:
        query: Words, a question, a name or a part of one.
        data_dir: A target folder (its highest Kit version is searched), one version's folder in it, or a work folder.
        kind: One of ``extensions``, ``code_examples``, ``settings``; None for all three.
        k: How many hits at most.
        mode: By meaning and words together, or by one of them.
        options: The ``[embeddings]`` section of a configuration: its model must be the index's, and its endpoint is
            asked. None: what the index says of its model is used.
        api_key: For an index whose model is behind a service.

    Raises:
        SearchError: There is no index, its files do not fit together, it was made with another model, or the model
            cannot be asked.
    """
    if not query.strip():
        raise SearchError("The query is empty.")
    if k < 1:
        raise SearchError(f"k is {k}; at least one hit must be asked for.")
    if kind is not None and kind not in KINDS:
        raise SearchError(f'"{kind}" is not a kind of document; use one of {", ".join(KINDS)}.')
    backends: dict[str, Backend] = {}
    vectors: dict[str, numpy.ndarray] = {}
    hits: list[Hit] = []
    for one in KINDS if kind is None else (kind,):
        index = Index(find_index(data_dir, one), one)
        if mode == "lexical" or not index.count:
            hits += index.search(query, None, k=k, mode="lexical")
            continue
        name = index.model
        try:
            if name not in backends:
                backends[name] = index.backend(options, api_key)
                vectors[name] = embedding_backends.embed_query(backends[name], query)
        except StageError as error:
            raise SearchError(str(error)) from error
        hits += index.search(query, vectors[name], k=k, mode=mode)
    return sorted(hits, key=lambda hit: (-hit.score, hit.kind, hit.id))[:k]


def find_index(data_dir: Path, kind: str) -> Path:
    """Return the FAISS folder of ``kind`` in a target, version or work folder.

    Raises:
        SearchError: There is none.
    """
    candidates = [data_dir / "faiss_databases" / f"{kind}_faiss", data_dir / kind / f"{kind}_faiss"]
    versions = [path for path in data_dir.glob("*.*") if re.fullmatch(r"\d+\.\d+", path.name)]
    for version in sorted(versions, key=lambda path: [int(part) for part in path.name.split(".")], reverse=True):
        candidates.append(version / kind / f"{kind}_faiss")
    for folder in candidates:
        if (folder / "index.faiss").is_file():
            return folder
    raise SearchError(f"{data_dir}: no search index for {kind} is in it. Run the pipeline first.")


class Index:
    """One FAISS folder, open for searching."""

    def __init__(self, folder: Path, kind: str) -> None:
        """Open the folder.

        Raises:
            SearchError: A file is missing, broken or does not fit the others.
        """
        logging.getLogger("faiss").setLevel(logging.WARNING)
        import faiss

        self._folder = folder
        self.kind = kind
        try:
            self.metadata: dict[str, Any] = read_json(folder / "metadata.json")
            store = read_json(folder / "index.json")
            self._faiss = faiss.read_index(str(folder / "index.faiss"))
            version = store["format_version"]
            rows = store["index_to_docstore_id"]
            self._ids = [rows[str(row)] for row in range(len(rows))]
            self._store: dict[str, Any] = store["docstore"]
            whole = self._faiss.ntotal == len(rows) == self.metadata["count"]
            whole = whole and self._faiss.d == self.metadata["dimension"] and all(i in self._store for i in self._ids)
        except (StageError, RuntimeError, KeyError, TypeError) as error:
            raise SearchError(f"{folder}: the index cannot be read ({error}). Build it again.") from error
        if version != 1:
            raise SearchError(f"{folder}: has format {version}; this program reads format 1.")
        if not whole:
            raise SearchError(f"{folder}: its files do not belong together. Build it again.")
        self._lexical: sqlite3.Connection | None = None

    @property
    def count(self) -> int:
        """How many documents it holds."""
        return len(self._ids)

    @property
    def model(self) -> str:
        """The model's full name."""
        return " ".join(
            str(self.metadata.get(key)) for key in ("backend", "model", "revision", "endpoint", "dimension")
        )

    def backend(self, options: dict[str, Any] | None, api_key: str | None) -> Backend:
        """Return the backend that the index was made with.

        Raises:
            SearchError: ``options`` name another, or the model is here in another revision.
            StageError: The backend cannot work.
        """
        made = self.metadata
        named = dict(options or {})
        if options is None:
            named = {"backend": made["backend"], "model": made["model"], "endpoint_url": made.get("endpoint")}
            named["input_type"] = made.get("input_type") is not None
        backend = embedding_backends.create(named, api_key)
        here = backend.description
        for key, value in (*here.items(), ("dimension", backend.dimension or made["dimension"])):
            if key in made and made[key] != value and not (key == "endpoint" and options is not None):
                raise SearchError(
                    f"{self._folder}: was made with {key} {made[key]}, but {value} is to search it: the vectors do not "
                    "compare. Set the index's in [embeddings], or run the pipeline again to build it anew."
                )
        return backend

    def search(self, query: str, vector: numpy.ndarray | None, *, k: int, mode: Mode = "hybrid") -> list[Hit]:
        """Return the best ``k`` documents.

        Args:
            query: The words.
            vector: The query's vector, float32, length 1; may be None when ``mode`` is ``lexical``.
            k: How many at most.
            mode: What the score is made from.
        """
        if not self._ids:
            return []
        depth = max(10 * k, 100)
        scores: dict[int, float] = {}
        if mode != "lexical" and vector is not None:
            values, rows = self._faiss.search(vector[None, :], min(depth, len(self._ids)))
            ranked = [(int(row), float(value)) for row, value in zip(rows[0], values[0], strict=True) if row >= 0]
            if mode == "vector":
                scores = dict(ranked)
            else:
                scores = {row: 1.0 / (60 + rank) for rank, (row, _) in enumerate(ranked, start=1)}
        if mode != "vector":
            for rank, (row, score) in enumerate(self._words_match(query, depth), start=1):
                scores[row] = score if mode == "lexical" else scores.get(row, 0.0) + 1.0 / (60 + rank)
        best = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:k]
        return [self._hit(row, score) for row, score in best]

    def _hit(self, row: int, score: float) -> Hit:
        entry = self._store[self._ids[row]]
        return Hit(self.kind, self._ids[row], round(score, 6), entry["page_content"], entry["metadata"])

    def _words_match(self, query: str, depth: int) -> list[tuple[int, float]]:
        if self._lexical is None:
            self._lexical = sqlite3.connect(":memory:")
            self._lexical.execute(
                "CREATE VIRTUAL TABLE text USING fts5(id, body, content='', tokenize='porter unicode61')"
            )
            self._lexical.executemany(
                "INSERT INTO text (rowid, id, body) VALUES (?, ?, ?)",
                ((row, spread(i), spread(self._store[i]["page_content"])) for row, i in enumerate(self._ids)),
            )
        terms = list(dict.fromkeys(spread(query).split()))
        if not terms:
            return []
        match = " OR ".join(f'"{term}"' for term in terms)
        return [
            (row, -score)
            for row, score in self._lexical.execute(
                "SELECT rowid, bm25(text, 2, 1) AS score FROM text WHERE text MATCH ? ORDER BY score, rowid LIMIT ?",
                (match, depth),
            )
        ]


def spread(text: str) -> str:
    """Return the words of ``text`` with identifiers split, ready for a word index."""
    return " ".join(words(text))
