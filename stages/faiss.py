"""Stage 7: a FAISS folder for each kind of document, in the format of the search service, without pickle files."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from stages import artifacts
from stages.artifacts.embeddings import EmbeddingInfo, embedding_files
from stages.artifacts.faiss import FORMAT_VERSION, IndexMetadata, index_files
from stages.failures import StageError
from stages.retrieval import lexical as word_index
from stages.retrieval import vector_index
from stages.retrieval.documents import read_documents
from stages.storage.jsonfile import to_json, write_json
from stages.storage.streamed_file import replacing

_LOG = logging.getLogger(__name__)

# Above this number of documents an index is approximate. A flat index compares every vector and is exact. It takes
# about 10 ms per query (100,000 documents of 256 dimensions, one core).
HNSW_ABOVE = 100_000


def targets(kind: str) -> list[str]:
    """Return the files that `build` writes, relative to the work directory."""
    return list(index_files(kind))


def dependencies(kind: str) -> list[str]:
    """Return the files that `build` reads, relative to the work directory."""
    return list(embedding_files(kind))


def relevant_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that affect the result."""
    return {"hnsw_above": options.get("hnsw_above", HNSW_ABOVE)}


def build(kind: str, *, work_dir: Path, options: dict[str, Any] | None = None) -> None:
    """Write the FAISS folder of ``kind``.

    The metric is the inner product, which equals the cosine similarity for vectors of length 1.

    Args:
        kind: One of `KINDS`.
        work_dir: The work directory with the outputs of the embeddings stage.
        options: The ``[embeddings]`` section of the configuration; ``hnsw_above`` is used.

    Raises:
        StageError: An input is missing, the inputs do not belong together, or an output cannot be read back. The files
            of an earlier run are then unchanged.
    """
    source, target = embedding_files(kind), index_files(kind)
    described = artifacts.read(work_dir / source.embeddings, EmbeddingInfo)
    count = described.count
    vectors = vector_index.VectorFile(work_dir / source.vectors, count=count, dimension=described.dimension)
    approximate = count > relevant_options(options or {})["hnsw_above"]
    with (
        replacing(work_dir / target.vectors) as index_path,
        replacing(work_dir / target.store) as store_path,
        replacing(work_dir / target.words) as words_path,
    ):
        vector_index.write(index_path, vectors, approximate=approximate, shown=work_dir / target.vectors)
        try:
            places = _write_store(store_path, work_dir / source.documents, count)
            word_index.write(words_path, places, store_path)
            _verify_store(store_path, words_path, count)
        except (sqlite3.Error, ValueError) as error:
            raise StageError(f"{work_dir / target.words}: cannot be written or read back ({error}).") from error
    metadata = IndexMetadata(
        **msgspec.structs.asdict(described),
        metric="inner_product",
        index_type="hnsw" if approximate else "flat",
        format_version=FORMAT_VERSION,
    )
    write_json(work_dir / target.metadata, metadata)
    _LOG.info("faiss:%s: %d documents, %d dimensions, %s", kind, count, described.dimension, metadata.index_type)


def _write_store(path: Path, documents: Path, count: int) -> Iterator[tuple[word_index.Place, str]]:
    """Write ``index.json``, one document per line, and yield the location and text of each document.

    The documents are sorted by id, so the keys are sorted as well.
    """
    ids: list[str] = []
    with path.open("wb") as stream:
        stream.write(b'{"docstore":{')
        for document in read_documents(documents):
            stream.write((b",\n" if ids else b"\n") + to_json(document.id).rstrip() + b":")
            # The metadata is already sorted.
            content = to_json(document.page_content).rstrip()
            value = b'{"metadata":%b,"page_content":%b}' % (bytes(document.metadata), content)
            yield word_index.Place(document.id, stream.tell(), len(value)), document.page_content
            stream.write(value)
            ids.append(document.id)
        if len(ids) != count:
            raise StageError(f"{documents}: has {len(ids)} documents, but {count} are embedded. Run again.")
        rows = to_json({str(row): identifier for row, identifier in enumerate(ids)}).rstrip()
        stream.write(b'\n},"format_version":%d,"index_to_docstore_id":%s}\n' % (FORMAT_VERSION, rows))


def _verify_store(path: Path, words_path: Path, count: int) -> None:
    """Read both files back. Every document must be at its location in the word index."""
    import orjson

    index = word_index.WordIndex(words_path)
    try:
        whole = index.count == count and index.store_size == path.stat().st_size
        with path.open("rb") as stream:
            for place in index.places():
                stream.seek(place.start)
                whole = whole and set(orjson.loads(stream.read(place.length))) == {"metadata", "page_content"}
    finally:
        index.close()
    if not whole:
        raise StageError(
            f"{path.parent / 'index.json'}: differs from the written data when read back. Is the disk full?"
        )
