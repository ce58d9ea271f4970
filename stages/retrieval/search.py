"""Search in a finished data set, with the model of its indexes.

>>> from pathlib import Path
>>> from search import search
>>> for hit in search("open a usd stage", data_dir=Path("data"), kind="code_examples"):
...     print(hit.score, hit.id)
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from stages.artifacts.embeddings import KINDS
from stages.failures import StageError
from stages.retrieval import backends as embedding_backends
from stages.retrieval.filters import Facets, Filter
from stages.retrieval.lexical import Place, WordIndex
from stages.storage.jsonfile import read_json

if TYPE_CHECKING:
    import numpy

    from stages.retrieval.backends import Backend

Mode = Literal["hybrid", "vector", "lexical"]


class SearchError(Exception):
    """A search is impossible. The message names the reason and the remedy."""


@dataclass(frozen=True)
class Hit:
    """One search result.

    Attributes:
        kind: ``extensions``, ``code_examples`` or ``settings``.
        id: The document's id: an extension's id, ``<extension id>:<full name>`` of an example, a setting's path.
        score: Higher is better; comparable within one search only.
        page_content: The searched text.
        metadata: The document's metadata in the index.
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
    extensions: Sequence[str] = (),
    prefix: str = "",
    options: dict[str, Any] | None = None,
    api_key: str | None = None,
) -> list[Hit]:
    """Return the best ``k`` documents for ``query``, best first.

    Args:
        query: Words, a question, a name or a part of one.
        data_dir: A target folder (its highest Kit version is searched), one version's folder in it, or a work folder.
        kind: One of ``extensions``, ``code_examples``, ``settings``, ``nodes``; None for all four.
        k: The maximum number of hits.
        mode: Search by meaning, by words, or by both.
        extensions: Ids or patterns (``omni.ui*``) of the extensions to search; empty for all.
        prefix: The beginning of a hit's name: an extension's id, an example's full name, a setting's path, or a node
            type's name.
        options: The ``[embeddings]`` section of a configuration. Its model must be the index's, and its endpoint is
            used. None to use the model and endpoint in the index's metadata.
        api_key: The key of a service, for an index made with a service.

    Raises:
        SearchError: There is no index, its files do not belong together, the options name another model, the model
            cannot be used, or the filters match no document.
    """
    if not query.strip():
        raise SearchError("The query is empty.")
    if k < 1:
        raise SearchError(f"k is {k}; it must be at least 1.")
    if kind is not None and kind not in KINDS:
        raise SearchError(f'"{kind}" is not a kind of document; use one of {", ".join(KINDS)}.')
    only = Filter(tuple(extensions), prefix)
    backends: dict[str, Backend] = {}
    vectors: dict[str, numpy.ndarray] = {}
    hits: list[Hit] = []
    left_out: list[Facets] = []
    searched = False
    for one in _kinds_in(data_dir) if kind is None else (kind,):
        with Index(find_index(data_dir, one), one) as index:
            rows = index.rows(only)
            if only and not len(rows if rows is not None else ()):
                left_out += index.facets
                continue
            searched = True
            if mode == "lexical" or not index.count:
                hits += index.search(query, None, k=k, mode="lexical", rows=rows)
                continue
            try:
                if index.model not in backends:
                    backends[index.model] = index.backend(options, api_key)
                    vectors[index.model] = embedding_backends.embed_query(backends[index.model], query)
            except StageError as error:
                raise SearchError(str(error)) from error
            hits += index.search(query, vectors[index.model], k=k, mode=mode, rows=rows)
    if not searched:
        raise SearchError(only.no_match_message(left_out))
    return sorted(hits, key=lambda hit: (-hit.score, hit.kind, hit.id))[:k]


def _kinds_in(data_dir: Path) -> list[str]:
    """Return the kinds to search. Older data sets have no index of nodes."""
    kinds: list[str] = [kind for kind in KINDS if kind != "nodes"]
    with contextlib.suppress(SearchError):
        find_index(data_dir, "nodes")
        kinds.append("nodes")
    return kinds


def find_index(data_dir: Path, kind: str) -> Path:
    """Return the FAISS folder of ``kind`` in a target, version or work folder.

    Raises:
        SearchError: There is no index of this kind.
    """
    candidates = [data_dir / "faiss_databases" / f"{kind}_faiss", data_dir / kind / f"{kind}_faiss"]
    versions = [path for path in data_dir.glob("*.*") if re.fullmatch(r"\d+\.\d+", path.name)]
    for version in sorted(versions, key=lambda path: [int(part) for part in path.name.split(".")], reverse=True):
        candidates.append(version / kind / f"{kind}_faiss")
    for folder in candidates:
        if (folder / "metadata.json").is_file():
            return folder
    raise SearchError(f"{data_dir}: has no search index for {kind}. Run the pipeline first.")


class Index:
    """One FAISS folder, open for searching."""

    def __init__(self, folder: Path, kind: str) -> None:
        """Open the folder.

        Raises:
            SearchError: A file is missing or broken, or the files do not belong together.
        """
        logging.getLogger("faiss").setLevel(logging.WARNING)
        import faiss

        self._folder = folder
        self.kind = kind
        for name in ("metadata.json", "words.sqlite3", "index.faiss", "index.json"):
            if not (folder / name).is_file():
                raise SearchError(f"{folder / name}: missing. Run the pipeline again.")
        try:
            self.metadata: dict[str, Any] = read_json(folder / "metadata.json")
            self._words = WordIndex(folder / "words.sqlite3")
            self._vectors = faiss.read_index(str(folder / "index.faiss"))
            self._store = (folder / "index.json").open("rb")
            self.count: int = self.metadata["count"]
            whole = self._vectors.ntotal == self._words.count == self.count
            whole = whole and self._vectors.d == self.metadata["dimension"]
            whole = whole and os.fstat(self._store.fileno()).st_size == self._words.store_size
        except (StageError, OSError, RuntimeError, sqlite3.Error, ValueError, KeyError, TypeError) as error:
            raise SearchError(f"{folder}: the index cannot be read ({error}). Run the pipeline again.") from error
        if not whole:
            raise SearchError(f"{folder}: its files do not belong together. Run the pipeline again.")
        self._lock = threading.Lock()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *exception: object) -> None:
        self._words.close()
        self._store.close()

    @property
    def model(self) -> str:
        """The model's full name."""
        return " ".join(
            str(self.metadata.get(key)) for key in ("backend", "model", "revision", "endpoint", "dimension")
        )

    def backend(self, options: dict[str, Any] | None, api_key: str | None) -> Backend:
        """Return the backend of the index.

        Raises:
            SearchError: ``options`` name another backend, or the installed model has another revision.
            StageError: The backend cannot be used.
        """
        made = self.metadata
        named = dict(options or {})
        if options is None:
            named = {"backend": made["backend"], "model": made["model"], "endpoint_url": made.get("endpoint")}
            named["input_type"] = made.get("input_type") is not None
        backend = embedding_backends.create(named, api_key)
        here = msgspec.structs.asdict(backend.description)
        for key, value in (*here.items(), ("dimension", backend.dimension or made["dimension"])):
            if key in made and made[key] != value and not (key == "endpoint" and options is not None):
                raise SearchError(
                    f"{self._folder}: was made with {key} {made[key]}, not {value}: the vectors cannot be compared. "
                    "Use the index's model in [embeddings], or run the pipeline again to rebuild the index."
                )
        return backend

    @cached_property
    def facets(self) -> list[Facets]:
        """The filterable attributes of each document, in the order of the rows."""
        return [self._facets(place) for place in self._words.places()]

    def _facets(self, place: Place) -> Facets:
        if self.kind == "extensions":
            return Facets(place.id, (place.id,))
        if self.kind == "code_examples":
            extension, _, name = place.id.partition(":")
            return Facets(name, (extension,))
        try:
            metadata = self._entry(place)["metadata"]
            if self.kind == "nodes":
                return Facets(place.id, (metadata["extension"],))
            return Facets(place.id, tuple(metadata["extensions"].split(", ")))
        except KeyError as error:
            raise SearchError(f"{self._folder}: its documents have no extension. Run the pipeline again.") from error

    def rows(self, only: Filter) -> numpy.ndarray | None:
        """Return the rows of the documents that pass a filter, int64, ascending; None for all."""
        import numpy

        if not only:
            return None
        return numpy.array([row for row, facets in enumerate(self.facets) if only.passes(facets)], dtype=numpy.int64)

    def search(
        self,
        query: str,
        vector: numpy.ndarray | None,
        *,
        k: int,
        mode: Mode = "hybrid",
        rows: numpy.ndarray | None = None,
    ) -> list[Hit]:
        """Return the best ``k`` documents.

        Args:
            query: The words.
            vector: The query's vector, float32, length 1; may be None if ``mode`` is ``lexical``.
            k: The maximum number of hits.
            mode: Search by meaning, by words, or by both.
            rows: The rows to search, from `rows`; None for all.
        """
        if not self.count or (rows is not None and not len(rows)):
            return []
        depth = max(10 * k, 200)
        scores: dict[int, float] = {}
        if mode != "lexical" and vector is not None:
            values, nearest = self._nearest(vector, min(depth, self.count), rows)
            scores = {int(row): float(value) for row, value in zip(nearest, values, strict=True) if row >= 0}
        if mode != "vector":
            matches = self._words.search(query, depth, None if rows is None else rows.tolist())
            if mode == "hybrid":
                # The mean of the cosine and the BM25 score divided by the best BM25 score.
                scores = {row: score / 2 for row, score in scores.items()}
                for row, score in matches:
                    scores[row] = scores.get(row, 0.0) + score / matches[0][1] / 2
            else:
                scores = dict(matches)
        best = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:k]
        return [self._hit(row, score) for row, score in best]

    def _nearest(
        self, vector: numpy.ndarray, count: int, rows: numpy.ndarray | None
    ) -> tuple[numpy.ndarray, numpy.ndarray]:
        if rows is None:
            values, nearest = self._vectors.search(vector[None, :], count)
            return values[0], nearest[0]
        import faiss

        # A graph misses results of a narrow filter. The filtered vectors are searched one by one instead.
        flat: Any = self._vectors
        if hasattr(flat, "hnsw"):
            flat = faiss.downcast_index(flat.storage)
        only = faiss.SearchParameters(sel=faiss.IDSelectorBatch(rows))  # type: ignore[call-arg]
        values, nearest = flat.search(vector[None, :], min(count, len(rows)), params=only)
        return values[0], nearest[0]

    def _entry(self, place: Place) -> dict[str, Any]:
        import orjson

        with self._lock:
            self._store.seek(place.start)
            found: dict[str, Any] = orjson.loads(self._store.read(place.length))
        return found

    def _hit(self, row: int, score: float) -> Hit:
        place = self._words.place(row)
        entry = self._entry(place)
        return Hit(self.kind, place.id, round(score, 6), entry["page_content"], entry["metadata"])
