"""Embedding backends: an offline model in a Python package, or any service with OpenAI's protocol."""

from __future__ import annotations

from functools import cache
from typing import Any

from stages.failures import StageError
from stages.retrieval.backends.backend import Backend, Batch, Purpose, Store, checked, embed_query
from stages.retrieval.backends.local import LOCAL_MODEL, LocalBackend, local_release

__all__ = [
    "LOCAL_MODEL",
    "Backend",
    "Batch",
    "LocalBackend",
    "Purpose",
    "Store",
    "checked",
    "create",
    "embed_query",
    "local_release",
]


@cache
def _local(model: str, dimensions: int) -> LocalBackend:
    """Return the local backend. A process loads the model once at most, for all kinds of documents."""
    return LocalBackend(model=model, dimensions=dimensions, load=False)


def create(options: dict[str, Any], api_key: str | None, *, load: bool = True) -> Backend:
    """Return the backend selected by the ``[embeddings]`` options.

    Args:
        options: The options.
        api_key: The key of a service.
        load: True to load the local model now, False with the first text that it embeds.

    Raises:
        StageError: The backend is unknown, its model is missing, its address is invalid, or its key is missing.
    """
    name = options.get("backend", "local")
    if name == "local":
        backend = _local(options.get("model") or LOCAL_MODEL, options.get("dimensions", 0))
        if load:
            backend.load()
        return backend
    if name == "openai":
        from stages.retrieval.backends.endpoint import OpenAIBackend

        return OpenAIBackend(options, api_key)
    raise StageError(f'embeddings.backend: "{name}" is unknown; use "local" or "openai".')
