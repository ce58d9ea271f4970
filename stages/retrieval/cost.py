"""An estimate of the cost of embedding with a service, from the documents and the cache, before any request."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.artifacts.embeddings import KINDS
from stages.failures import StageError
from stages.retrieval import backends
from stages.retrieval.documents import documents


@dataclass(frozen=True)
class Estimate:
    """The estimated requests to a service.

    Attributes:
        endpoint: Address of the service.
        texts: Number of distinct texts of all documents.
        cached: Number of texts with a cached vector.
        tokens: Tokens of the other texts in ``embeddings.encoding_model``. The service may count differently.
        price: Price per million tokens; None if not configured.
    """

    endpoint: str
    texts: int
    cached: int
    tokens: int
    price: float | None

    @property
    def paid(self) -> int:
        """Number of texts to send to the service."""
        return self.texts - self.cached

    @property
    def sum(self) -> float | None:
        """The cost of these texts in the currency of the price; None without a price."""
        return None if self.price is None else self.tokens * self.price / 1_000_000

    def __str__(self) -> str:
        have = f"{_counted(self.texts, 'text')}, {self.cached:,} of them in the cache"
        if not self.paid:
            return f"{have}; nothing goes to {self.endpoint}."
        cost = "" if self.sum is None else f", for {_money(self.sum)} ({self.price:g} a million)"
        return f"{have}; {self.paid:,} with {_counted(self.tokens, 'token')} go to {self.endpoint}{cost}."

    def check_limit(self, limit: float | None) -> None:
        """Raise an error if the cost exceeds a limit.

        Args:
            limit: The maximum cost, in the currency of the price; None for no limit.

        Raises:
            StageError: The cost is higher.
        """
        if limit is not None and self.sum is not None and self.sum > limit:
            raise StageError(
                f"{_counted(self.paid, 'text')} with {_counted(self.tokens, 'token')} would cost {_money(self.sum)}, "
                f"more than embeddings.max_cost ({limit:g}); nothing has been sent. Run with --yes to spend it, or "
                "raise max_cost."
            )


def estimate(work_dir: Path, options: dict[str, Any], *, use_cache: bool = True) -> Estimate:
    """Return the cost of embedding the current outputs of the earlier stages. Writes nothing.

    Args:
        work_dir: The work directory with the outputs of the earlier stages, and the cache if there is one.
        options: The ``[embeddings]`` section of the configuration; its backend is a service.
        use_cache: True to use vectors of earlier runs.

    Raises:
        StageError: An input is missing or has another form, or an option cannot be used.
    """
    from stages.retrieval import tokens

    encoding = options.get("encoding_model", "cl100k_base")
    namespace = backends.create(options, "-").namespace("passage")  # the namespace does not depend on the key
    have = _cached(work_dir / "embeddings" / "cache.sqlite3", namespace) if use_cache else set()
    seen: set[bytes] = set()
    known = total = 0
    for text in _texts(work_dir, options.get("max_tokens", 500), encoding):
        digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
        if digest in seen:
            continue
        seen.add(digest)
        if digest in have:
            known += 1
        else:
            total += tokens.count(text, encoding)
    endpoint = str(options.get("endpoint_url", ""))
    return Estimate(endpoint, len(seen), known, total, options.get("price_per_million_tokens"))


def _texts(work_dir: Path, max_tokens: int, encoding: str, kinds: Sequence[str] = KINDS) -> Iterator[str]:
    for kind in kinds:
        for document in documents(kind, work_dir, max_tokens=max_tokens, encoding=encoding):
            yield document.page_content


def _cached(path: Path, namespace: str) -> set[bytes]:
    """Return the hashes of texts with a usable vector in the cache; empty if the cache cannot be read.

    A file without a write-ahead log is opened as immutable. Otherwise SQLite would create a log next to it.
    """
    log = path.with_name(path.name + "-wal")
    mode = "mode=ro" if log.exists() else "mode=ro&immutable=1"
    query = (
        "SELECT digest FROM vector JOIN space ON space.id = vector.space "
        "WHERE key = ? AND typeof(vector) = 'blob' AND length(vector) = 4 * dimension"
    )
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)) as connection:
            return {bytes(row[0]) for row in connection.execute(query, (namespace,))}
    except (sqlite3.Error, TypeError):
        return set()  # stage 6 reports the error


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _money(amount: float) -> str:
    return f"{amount:,.2f}" if amount >= 1 else f"{amount:.2g}"
