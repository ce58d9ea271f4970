"""Stage 6: the documents of a kind and their vectors, from the cache or from the backend."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages import artifacts
from stages.artifacts.code_examples import SUMMARY as EXAMPLE_SUMMARY
from stages.artifacts.embeddings import CACHE, Document, EmbeddingInfo, embedding_files
from stages.artifacts.extension_data import DATABASE
from stages.artifacts.nodes import DATABASE as NODES
from stages.artifacts.preparation import EXTENSIONS, Extensions
from stages.artifacts.settings import SUMMARY as SETTING_SUMMARY
from stages.failures import StageError
from stages.retrieval import backends as embedding_backends
from stages.retrieval.cache import EmbeddingCache
from stages.retrieval.documents import documents, in_chunks
from stages.storage.jsonfile import to_json, write_json
from stages.storage.streamed_file import replacing

if TYPE_CHECKING:
    from stages.retrieval.backends import Backend, Batch

_LOG = logging.getLogger(__name__)
# Number of documents looked up in the cache at once.
_CHUNK = 500

_INPUTS = {
    "extensions": [DATABASE],
    "code_examples": [EXAMPLE_SUMMARY],
    "settings": [SETTING_SUMMARY],
    "nodes": [NODES],
}


def targets(kind: str) -> list[str]:
    """Return the files that `embed` writes, relative to the work directory."""
    return list(embedding_files(kind))


def dependencies(kind: str, examples: Sequence[str] = ()) -> list[str]:
    """Return the files that `embed` reads, relative to the work directory.

    The database stands for the API docs of single extensions, which are read as well. The summary of the examples does
    not stand for the files of examples, because it changes with every function, selected or not.

    Args:
        kind: One of `KINDS`.
        examples: The files of code examples.
    """
    return list(examples) if kind == "code_examples" and examples else list(_INPUTS[kind])


def relevant_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that affect the result, and the release of the local model."""
    always = ("backend", "model", "dimensions", "max_tokens", "encoding_model")
    if options.get("backend", "local") == "openai":
        remote = ("endpoint_url", "input_type", "truncate")
        return {key: options[key] for key in (*always, *remote) if key in options}
    relevant = {key: options[key] for key in always if key in options}
    return relevant | {"model_release": embedding_backends.local_release()}


def embed(kind: str, *, work_dir: Path, options: dict[str, Any], api_key: str | None, use_cache: bool = True) -> None:
    """Write the documents of ``kind`` and their vectors.

    ``<kind>_documents.json`` is a list of ``{id, page_content, metadata}``, one per line, sorted by id.
    ``<kind>_embeddings.npy`` is float32, n × d; row i is the vector of document i, of length 1.
    ``<kind>_embeddings.json`` is ``{backend, model, revision, endpoint, dimension, count, kit_version, …}``.

    Every embedded batch is stored in the cache at once. A run that fails or is killed only loses its open requests.

    Args:
        kind: One of `KINDS`.
        work_dir: The work directory with the outputs of the earlier stages. The cache is ``embeddings/cache.sqlite3``.
        options: The ``[embeddings]`` section of the configuration.
        api_key: The key for a service; never written to a file.
        use_cache: True to use vectors of earlier runs. New vectors are stored in either case.

    Raises:
        StageError: An input is missing or has another form, or the backend failed. Only the cache is written then.
    """
    files = embedding_files(kind)
    backend = embedding_backends.create(options, api_key, load=False)
    kit_version = artifacts.read(work_dir / EXTENSIONS, Extensions).kit_version
    with (
        EmbeddingCache(work_dir / CACHE, backend.namespace("passage"), durable=backend.remote) as cache,
        replacing(work_dir / files.documents) as documents_path,
        replacing(work_dir / files.vectors) as vectors_path,
    ):
        source = documents(
            kind,
            work_dir,
            max_tokens=options.get("max_tokens", 500),
            encoding=options.get("encoding_model", "cl100k_base"),
        )
        writer = _DocumentWriter(kind, source, cache if use_cache else None)
        expected = backend.dimension or (cache.dimension if use_cache else 0)
        size = int(options.get("batch_size", 50))
        _embed_missing(backend, cache, writer, documents_path, expected=expected, size=size)
        digests = writer.digests
        dimension = cache.dimension or backend.dimension or _probed_dimension(backend)
        _write_vectors(vectors_path, digests, dimension, cache)
    model = backend.description
    info = EmbeddingInfo(
        backend=model.backend,
        model=model.model,
        revision=model.revision,
        endpoint=model.endpoint,
        dimension=dimension,
        count=len(digests),
        kit_version=kit_version,
        input_type="passage" if backend.remote and options.get("input_type", True) else None,
        max_tokens=options.get("max_tokens", 500),
    )
    write_json(work_dir / files.embeddings, info)


def _probed_dimension(backend: Backend) -> int:
    """Return the dimension of a service's vectors, found with a request.

    Needed for an index without documents. It must have the same dimension as the other indexes.
    """
    return int(embedding_backends.embed_query(backend, "dimension").shape[0])


class _DocumentWriter:
    """Writes the documents of a kind, and finds the texts to embed.

    Attributes:
        kind: The kind.
        digests: The text hash of each written document, in order.
    """

    def __init__(self, kind: str, source: Iterator[Document], cache: EmbeddingCache | None) -> None:
        self.kind = kind
        self.digests: list[bytes] = []
        self._source = source
        self._cache = cache

    def write(self, path: Path) -> Iterator[Batch]:
        """Write the documents in chunks, and yield the texts of each chunk that the cache lacks."""
        last = None
        seen: set[bytes] = set()
        with path.open("wb") as stream:
            for chunk in in_chunks(self._source):
                for document in chunk:
                    if last is not None and document.id <= last:
                        raise StageError(f'embeddings/{self.kind}: document "{document.id}" does not follow "{last}".')
                    stream.write(b"[\n" if last is None else b",\n")
                    last = document.id
                    stream.write(to_json(document).rstrip())
                texts = [item.page_content for item in chunk]
                digests = [hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in texts]
                self.digests += digests
                new = {digest: text for digest, text in zip(digests, texts, strict=True) if digest not in seen}
                seen.update(new)
                known = self._cache.known(list(new)) if self._cache is not None else set()
                missing = [(digest, text) for digest, text in new.items() if digest not in known]
                if missing:
                    yield missing
            stream.write(b"[\n]\n" if last is None else b"\n]\n")


def _embed_missing(
    backend: Backend, cache: EmbeddingCache, writer: _DocumentWriter, path: Path, *, expected: int, size: int
) -> None:
    """Write the documents to ``path``, and embed the texts that the cache lacks.

    The local model embeds a chunk while the next documents are written. A service gets its first request when all
    documents are written, and batches of ``size`` texts.
    """
    texts = batches = total = 0

    def store(batch: Any, vectors: Any) -> None:
        nonlocal texts, batches
        if expected and vectors.shape[1] != expected:
            raise StageError(
                f"The model now gives {vectors.shape[1]} dimensions, but the cache has {expected}: the model has "
                "changed under the same name. Run with --no-cache to embed everything again."
            )
        cache.store(batch, vectors)
        texts += len(batch)
        batches += 1

    missing = writer.write(path)
    if backend.remote:
        for batch in missing:
            cache.enqueue(batch)
        total = -(-cache.pending // size)
        missing = cache.batches(size)
    if total or not backend.remote:
        backend.embed(missing, store, purpose="passage", label=f"embeddings:{writer.kind}", total=total)
    count = len(writer.digests)
    _LOG.info(
        "embeddings:%s: %d documents, %d texts embedded in %d batches, %.1f %% from the cache (%.1f MB)",
        writer.kind,
        count,
        texts,
        batches,
        100.0 * (count - texts) / count if count else 100.0,
        cache.size / 1e6,
    )


def _write_vectors(path: Path, digests: list[bytes], dimension: int, cache: EmbeddingCache) -> None:
    import numpy

    header = {"descr": "<f4", "fortran_order": False, "shape": (len(digests), dimension)}
    with path.open("wb") as stream:
        numpy.lib.format.write_array_header_1_0(stream, header)
        for start in range(0, len(digests), _CHUNK):
            some = digests[start : start + _CHUNK]
            vectors = cache.vectors(sorted(set(some)))
            if any(digest not in vectors for digest in some):
                raise StageError("embeddings: the embedding cache lost vectors while it was used. Run again.")
            stream.write(numpy.stack([vectors[digest] for digest in some]).astype("<f4", copy=False).tobytes())
