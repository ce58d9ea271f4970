"""Concurrent delivery of batches to a service, with retries."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

from stages.failures import StageError
from stages.retrieval.backends.backend import Batch, Purpose, Store, checked

if TYPE_CHECKING:
    import numpy
    from openai import AsyncOpenAI
    from tenacity import RetryCallState

_LOG = logging.getLogger(__name__)


class Fatal(Exception):
    """A permanent failure of a request. It is not retried."""


class Transient(Exception):
    """A temporary failure of a request. It is retried, after ``after`` seconds if the service gives a time."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class Service(Protocol):
    """The interface of a service.

    Attributes:
        endpoint: Its address, for messages.
        dimension: The dimension of its vectors; 0 if only the service knows it.
        tries: The maximum number of attempts per batch.
        in_flight: Number of concurrent requests.
        longest_wait: The longest pause between two tries, in seconds.
    """

    endpoint: str
    dimension: int
    tries: int
    in_flight: int
    longest_wait: float

    def client(self) -> AsyncOpenAI:
        """Return an unopened client."""
        ...

    async def request(self, client: AsyncOpenAI, texts: list[str], purpose: Purpose) -> bytes:
        """Return the answer to one request, or raise `Fatal` or `Transient`."""
        ...

    def parse(self, body: bytes, count: int) -> numpy.ndarray:
        """Return the vectors of an answer, or raise `ValueError`."""
        ...


class Delivery:
    """One delivery of batches to a service: its workers, their pauses, and the first failure."""

    def __init__(self, backend: Service, purpose: Purpose, label: str, total: int) -> None:
        self._backend = backend
        self._purpose: Purpose = purpose
        self._label = label
        self._total = total
        self._dimension = backend.dimension
        self._not_before = 0.0
        self.failure: Exception | None = None

    async def work(self, batches: Iterable[Batch], store: Store) -> None:
        """Embed all batches. Stops at the first permanent failure and sets `failure`."""
        import asyncio

        self._stopped = asyncio.Event()
        numbered = iter(enumerate(batches, start=1))
        async with self._backend.client() as client, asyncio.TaskGroup() as group:
            for _ in range(min(self._backend.in_flight, self._total)):
                group.create_task(self._worker(client, numbered, store))

    async def _worker(self, client: AsyncOpenAI, numbered: Iterator[tuple[int, Batch]], store: Store) -> None:
        try:
            while not self.failure:
                number, batch = next(numbered, (0, []))
                if not batch:
                    return
                try:
                    vectors = await self._vectors(client, number, [text for _, text in batch])
                except (Fatal, Transient) as error:
                    self._stop(self._failure_of(number, error))
                    return
                store([digest for digest, _ in batch], vectors)
                _LOG.info("%s: batch %d of %d embedded", self._label, number, self._total)
        except Exception as error:
            self._stop(error)

    def _stop(self, failure: Exception) -> None:
        """Stop new requests. Running requests are already paid for and finish."""
        self.failure = self.failure or failure
        self._stopped.set()

    def _failure_of(self, number: int, error: Exception) -> StageError:
        count = self._backend.tries
        tries = f" after {count} {'try' if count == 1 else 'tries'}" if isinstance(error, Transient) else ""
        kept = " Finished batches are in the cache: run again to continue." if self._total > 1 else ""
        return StageError(f"batch {number} of {self._total}: {self._backend.endpoint} {error}{tries}.{kept}")

    async def _vectors(self, client: AsyncOpenAI, number: int, texts: list[str]) -> numpy.ndarray:
        import tenacity

        def log(state: RetryCallState) -> None:
            _LOG.warning(
                "%s: batch %d of %d: %s %s; try %d of %d in %.1f s",
                self._label,
                number,
                self._total,
                self._backend.endpoint,
                state.outcome.exception() if state.outcome else "",
                state.attempt_number + 1,
                self._backend.tries,
                state.upcoming_sleep,
            )

        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(self._backend.tries),
            wait=self._wait,
            retry=tenacity.retry_if_exception_type(Transient),
            sleep=self._sleep,
            before_sleep=log,
            reraise=True,
        )
        return await retrying(self._attempt, client, texts)

    async def _attempt(self, client: AsyncOpenAI, texts: list[str]) -> numpy.ndarray:
        import asyncio

        if self.failure:
            raise Fatal("received no further requests")
        pause = self._not_before - asyncio.get_running_loop().time()
        if pause > 0:
            await self._sleep(pause)
        body = await self._backend.request(client, texts, self._purpose)
        try:
            vectors = checked(self._backend.parse(body, len(texts)), count=len(texts), dimension=self._dimension)
        except ValueError as error:
            # A repeated request would cost again and give the same answer.
            raise Fatal(str(error)) from None
        self._dimension = int(vectors.shape[1])
        return vectors

    def _wait(self, state: RetryCallState) -> float:
        import asyncio

        import tenacity

        error = state.outcome.exception() if state.outcome else None
        doubling = tenacity.wait_exponential(multiplier=0.5, max=self._backend.longest_wait)
        wait = float((doubling + tenacity.wait_random(0, 0.25))(state))
        if isinstance(error, Transient) and error.after is not None:
            if error.after > self._backend.longest_wait:
                raise Fatal(
                    f"{error} and asks to wait {error.after:.0f} s, longer than embeddings.max_wait_seconds "
                    f"({self._backend.longest_wait:g})"
                )
            wait = max(wait, error.after)
            # The limit applies to the key, not to the request: all requests pause.
            self._not_before = max(self._not_before, asyncio.get_running_loop().time() + error.after)
        return wait

    async def _sleep(self, seconds: float) -> None:
        import asyncio

        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)
