"""FAISS indexes. Flat indexes are written and checked in blocks, because FAISS would need all vectors in memory."""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.failures import StageError

if TYPE_CHECKING:
    import numpy

# Vectors in memory at once.
_BLOCK = 4096
# HNSW links per node, and search depths for building and querying. They give a recall@10 above 0.95.
_HNSW_LINKS = 32
_HNSW_BUILD = 200
_HNSW_SEARCH = 128


class VectorFile:
    """The vectors of a kind in the file of the embeddings stage: float32, n × d, in NumPy's format.

    Attributes:
        count: The n.
        dimension: The d.
    """

    def __init__(self, path: Path, *, count: int, dimension: int) -> None:
        """Check the header of the file.

        Args:
            path: The file.
            count: The expected n.
            dimension: The expected d.

        Raises:
            StageError: The file cannot be read, or has another shape or type.
        """
        from numpy.lib import format as npy

        self._path = path
        self.count = count
        self.dimension = dimension
        try:
            with path.open("rb") as stream:
                if npy.read_magic(stream) != (1, 0):
                    raise ValueError("another version of NumPy's format")
                shape, by_columns, kind = npy.read_array_header_1_0(stream)
                self._begin = stream.tell()
                size = os.fstat(stream.fileno()).st_size
        except (OSError, ValueError) as error:
            raise StageError(f"{path}: cannot be read ({error}). Delete it and run again.") from error
        if shape != (count, dimension) or kind.str != "<f4" or by_columns:
            name = path.name.replace(".npy", ".json")
            raise StageError(
                f"{path}: has {shape} {kind}, but {name} says {count} × {dimension}. Delete both and run again."
            )
        if size - self._begin != 4 * count * dimension:
            raise StageError(f"{path}: cannot be read (it is cut short). Delete it and run again.")

    def blocks(self) -> Iterator[tuple[int, numpy.ndarray]]:
        """Yield the first row and the vectors of each block, float32, at most `_BLOCK` × d.

        Raises:
            StageError: The file cannot be read, or a vector is not finite.
        """
        import numpy

        try:
            with self._path.open("rb") as stream:
                stream.seek(self._begin)
                for start in range(0, self.count, _BLOCK):
                    rows = min(_BLOCK, self.count - start)
                    content = stream.read(4 * rows * self.dimension)
                    block = numpy.frombuffer(content, dtype="<f4").reshape(rows, self.dimension)
                    if not numpy.isfinite(block).all():
                        raise StageError(f"embeddings: a vector in rows {start} to {start + rows - 1} is not finite.")
                    yield start, block
        except (OSError, ValueError) as error:
            raise StageError(f"{self._path}: cannot be read ({error}). Delete it and run again.") from error


def write(path: Path, vectors: VectorFile, *, approximate: bool, shown: Path) -> None:
    """Write an index of vectors and read it back. The metric is the inner product.

    A flat index contains the vectors unchanged. It is written and compared in blocks. A graph is built in memory.

    Args:
        path: The file to write.
        vectors: The vectors.
        approximate: True for a graph (HNSW), False for a flat index.
        shown: Name of the file in messages.

    Raises:
        StageError: The vectors cannot be read, or the index cannot be written or differs when read back.
    """
    faiss = _faiss()
    try:
        if approximate or not _writes_as_expected(faiss, vectors):
            _write_whole(faiss, path, vectors, approximate=approximate)
        else:
            with path.open("wb") as stream:
                stream.write(_flat_head(vectors.count, vectors.dimension))
                for _, block in vectors.blocks():
                    stream.write(block.data)
    except RuntimeError as error:
        raise StageError(f"{shown}: cannot be written ({_first_line(error)}).") from error
    try:
        whole = _reads_back(faiss, path, vectors, mapped=not approximate)
    except RuntimeError as error:
        raise StageError(f"{shown}: cannot be read back ({_first_line(error)}).") from error
    if not whole:
        raise StageError(f"{shown}: differs from the written data when read back. Is the disk full?")


def _flat_head(count: int, dimension: int) -> bytes:
    """Return the file header of a flat index, which precedes the vectors."""
    # The index's kind; d; n; two fields that FAISS no longer uses; trained; the metric (0: inner product); n × d.
    return struct.pack("<4siqqqBiQ", b"IxFI", dimension, count, 1 << 20, 1 << 20, 1, 0, count * dimension)


def _writes_as_expected(faiss: Any, vectors: VectorFile) -> bool:
    """Return True if the installed FAISS writes flat indexes in this module's format."""
    import numpy

    index = faiss.IndexFlatIP(vectors.dimension)
    sample = numpy.ones((2, vectors.dimension), dtype="<f4")
    index.add(sample)
    written = faiss.serialize_index(index).tobytes()
    return bool(written == _flat_head(2, vectors.dimension) + sample.tobytes())


def _write_whole(faiss: Any, path: Path, vectors: VectorFile, *, approximate: bool) -> None:
    if approximate:
        index = faiss.IndexHNSWFlat(vectors.dimension, _HNSW_LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = _HNSW_BUILD
        index.hnsw.efSearch = _HNSW_SEARCH
    else:
        index = faiss.IndexFlatIP(vectors.dimension)
    threads = faiss.omp_get_max_threads()
    # Threads link the nodes of a graph in an order that changes from run to run.
    faiss.omp_set_num_threads(1)
    try:
        for _, block in vectors.blocks():
            index.add(block)
        faiss.write_index(index, str(path))
    finally:
        faiss.omp_set_num_threads(threads)


def _reads_back(faiss: Any, path: Path, vectors: VectorFile, *, mapped: bool) -> bool:
    """Compare every vector with the file, so that no unreadable index replaces a good one."""
    import numpy

    # Mapped again for each block: accessed pages count as the process's memory until they are unmapped.
    flags = getattr(faiss, "IO_FLAG_MMAP_IFC", 0) if mapped else 0
    index = faiss.read_index(str(path), flags)
    whole = index.ntotal == vectors.count and index.d == vectors.dimension
    for start, block in vectors.blocks() if whole else ():
        index = faiss.read_index(str(path), flags) if mapped else index
        whole = whole and numpy.array_equal(index.reconstruct_n(start, len(block)), block)
    return bool(whole)


def _faiss() -> Any:
    # FAISS's loader logs the processor features at INFO.
    logging.getLogger("faiss").setLevel(logging.WARNING)
    import faiss

    return faiss


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
