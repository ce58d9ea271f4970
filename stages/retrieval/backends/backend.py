"""The interface of embedding backends, and the checks of their vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from stages.artifacts.embeddings import ModelInfo

if TYPE_CHECKING:
    import numpy

Purpose = Literal["passage", "query"]
Batch = list[tuple[bytes, str]]
Store = Callable[[Sequence[bytes], "numpy.ndarray"], None]


class Backend(Protocol):
    """An embedding model: maps texts to vectors of length 1."""

    @property
    def description(self) -> ModelInfo:
        """The model and its settings, without secrets."""
        ...

    @property
    def remote(self) -> bool:
        """True if embedding takes requests to a service."""
        ...

    @property
    def dimension(self) -> int:
        """The dimension of the vectors; 0 if only the service knows it."""
        ...

    def namespace(self, purpose: Purpose) -> str:
        """Return the cache namespace: everything that the vector of a text depends on, except the API key."""
        ...

    def embed(self, batches: Iterable[Batch], store: Store, *, purpose: Purpose, label: str, total: int) -> None:
        """Embed batches of texts. Passes each to ``store`` as soon as it is done, in any order.

        Args:
            batches: Batches of (digest, text); no text is blank.
            store: Receives the digests of a batch and its vectors, float32, n × d, finite and of length 1.
            purpose: The purpose of the texts, passages or queries. Some models embed them differently.
            label: Name of the documents, for messages.
            total: Number of batches, for messages.

        Raises:
            StageError: A batch failed permanently; the message names it. Finished batches have been stored.
        """
        ...


def embed_query(backend: Backend, text: str) -> numpy.ndarray:
    """Return the vector of a query, float32, d.

    Raises:
        StageError: The backend failed.
    """
    result: list[numpy.ndarray] = []
    backend.embed(
        [[(b"", text)]], lambda _, vectors: result.append(vectors[0]), purpose="query", label="query", total=1
    )
    return result[0]


def checked(vectors: numpy.ndarray, *, count: int, dimension: int) -> numpy.ndarray:
    """Return ``vectors`` scaled to length 1, float32.

    The squares are added in the order of the dimensions, so that the result is the same on every machine and in every
    batch.

    Args:
        vectors: The output of a model, n × d.
        count: The requested n.
        dimension: The expected d; 0 for any.

    Raises:
        ValueError: The vectors are invalid. The message is the end of a sentence.
    """
    import numpy

    if vectors.ndim != 2 or len(vectors) != count:
        raise ValueError(f"gave {len(vectors)} vectors for {count} texts")
    if vectors.shape[1] == 0:
        raise ValueError("gave vectors without numbers")
    if dimension and vectors.shape[1] != dimension:
        raise ValueError(f"gave vectors of {vectors.shape[1]} dimensions where {dimension} are expected")
    exact = vectors.astype(numpy.float64)
    if not numpy.isfinite(exact).all():
        raise ValueError("gave a vector that is not finite (NaN or infinity)")
    # Scaled first, because squares of very large or small numbers would overflow or underflow.
    largest = numpy.abs(exact).max(axis=1, keepdims=True, initial=0.0)
    if not largest.all():
        raise ValueError("gave a vector of zeros")
    exact /= largest
    squares = numpy.zeros(len(exact))
    for column in exact.T:
        squares += column * column
    return (exact / numpy.sqrt(squares)[:, None]).astype(numpy.float32)
