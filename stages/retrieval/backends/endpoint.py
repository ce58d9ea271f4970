"""A backend for services with OpenAI's protocol: requests, and validation of the answers."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stages.artifacts.embeddings import ModelInfo
from stages.failures import StageError
from stages.retrieval.backends.backend import Batch, Purpose, Store
from stages.retrieval.backends.delivery import Delivery, Fatal, Transient

if TYPE_CHECKING:
    import numpy
    from openai import AsyncOpenAI

NVIDIA_MODEL = "nvidia/nv-embedqa-e5-v5"
NVIDIA_ENDPOINT = "https://integrate.api.nvidia.com/v1"


class OpenAIBackend:
    """A service with ``POST <endpoint_url>/embeddings``: NVIDIA NIM, OpenAI, vLLM and many more.

    The client library makes the requests, but `Delivery` does the retries. So a ``Retry-After`` pauses all requests,
    the time limit applies to the whole request, and every error names its batch.
    """

    remote = True

    def __init__(self, options: dict[str, Any], api_key: str | None) -> None:
        """Check the options. Nothing is sent.

        Raises:
            StageError: The address is unusable, or a required key is missing.
        """
        self.endpoint = _checked_endpoint(options.get("endpoint_url") or NVIDIA_ENDPOINT)
        self._model = options.get("model") or NVIDIA_MODEL
        self.dimension = int(options.get("dimensions", 0))
        self._input_type = bool(options.get("input_type", True))
        self._truncate = options.get("truncate", "END")
        self._timeout = float(options.get("timeout_seconds", 60))
        self.tries = int(options.get("max_tries", 5))
        self.longest_wait = float(options.get("max_wait_seconds", 60))
        self.in_flight = int(options.get("max_in_flight", 4))
        self._key = (api_key or "").strip()
        if not self._key and urlsplit(self.endpoint).hostname == urlsplit(NVIDIA_ENDPOINT).hostname:
            raise StageError(
                f"embeddings.api_key: {self.endpoint} needs a key and there is none. Set the environment variable in "
                "api_key (NVIDIA_API_KEY by default)."
            )

    @property
    def description(self) -> ModelInfo:
        """See `Backend.description`. The revision is None: services do not give one."""
        return ModelInfo(backend="openai", model=self._model, revision=None, endpoint=self.endpoint)

    def namespace(self, purpose: Purpose) -> str:
        """See `Backend.namespace`."""
        kind = purpose if self._input_type else "-"
        return f"openai {self.endpoint} {self._model} {self.dimension} {kind} {self._truncate or '-'}"

    def embed(self, batches: Iterable[Batch], store: Store, *, purpose: Purpose, label: str, total: int) -> None:
        """See `Backend.embed`."""
        import asyncio

        run = Delivery(self, purpose, label, total)
        _quiet_clients()
        asyncio.run(run.work(batches, store))
        if run.failure:
            # Raised outside of any except block, because the client's exceptions contain the request and its headers.
            raise run.failure

    def _scrub(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text

    def client(self) -> AsyncOpenAI:
        """Return a new client, to be used in one event loop."""
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        return AsyncOpenAI(
            # Never None: the client would take the user's OPENAI_API_KEY from the environment.
            api_key=self._key or "none",
            base_url=self.endpoint,
            max_retries=0,
            timeout=self._timeout,
            # A redirected POST would arrive as a GET, or elsewhere with the key.
            http_client=DefaultAsyncHttpxClient(follow_redirects=False, timeout=self._timeout),
        )

    async def request(self, client: AsyncOpenAI, texts: list[str], purpose: Purpose) -> bytes:
        """Send one request and return the body of the answer.

        Raises:
            Transient: The failure is temporary.
            Fatal: The failure is permanent.
        """
        import asyncio

        import openai

        extra: dict[str, Any] = {}
        if self._input_type:
            extra["input_type"] = purpose
        if self._truncate:
            extra["truncate"] = self._truncate
        try:
            # The client's own limit applies to each read. A service that sends single bytes would never reach it.
            async with asyncio.timeout(self._timeout):
                response = await client.embeddings.with_raw_response.create(
                    input=texts,
                    model=self._model,
                    encoding_format="float",
                    dimensions=self.dimension or openai.omit,
                    extra_body=extra,
                    extra_headers=None if self._key else {"Authorization": openai.Omit()},
                )
                return bytes(response.content)
        except (TimeoutError, openai.APITimeoutError):
            raise Transient(f"did not answer within {self._timeout:g} s") from None
        except openai.APIStatusError as error:
            raise self._status_error(error) from None
        except openai.APIConnectionError as error:
            raise Transient(f"cannot be reached ({self._excerpt(_cause(error))})") from None
        except openai.OpenAIError as error:
            raise Fatal(f"rejected the request ({self._excerpt(str(error))})") from None

    def _status_error(self, error: Any) -> Exception:
        status = int(error.status_code)
        said = f"answered {status}"
        excerpt = self._excerpt(error.response.text)
        if excerpt:
            said += f" ({excerpt})"
        if status in {408, 409, 425, 429} or (status >= 500 and status != 501):
            return Transient(said, _retry_after(error.response.headers))
        advice = ""
        if status in {401, 403}:
            advice = (
                "; the API key is wrong or may not use this model: check the environment variable in embeddings.api_key"
            )
        elif 300 <= status < 400:
            advice = f"; it redirects to {self._excerpt(error.response.headers.get('location', '?'))}: set endpoint_url"
        elif status == 404:
            advice = f'; check embeddings.endpoint_url and embeddings.model ("{self._model}")'
        elif status in {400, 422}:
            advice = (
                "; if it refuses input_type or truncate, which are NVIDIA's, set embeddings.input_type = false and "
                'embeddings.truncate = ""'
            )
        return Fatal(said + advice)

    def _excerpt(self, text: str) -> str:
        plain = " ".join(
            "".join(character if character.isprintable() else " " for character in self._scrub(text)).split()
        )
        return plain if len(plain) <= 200 else plain[:199] + "…"

    def parse(self, body: bytes, count: int) -> numpy.ndarray:
        """Return the vectors of an answer in the order of its texts, unchecked.

        Raises:
            ValueError: The body is not a valid answer to the request. The message is the end of a sentence.
        """
        import base64

        import numpy
        import orjson

        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            # Some services write NaN and Infinity, which are not valid JSON.
            start = body.lstrip()[:200]
            if start[:1] == b"{":
                if any(word in body for word in (b"NaN", b"Infinity")):
                    raise ValueError("gave a vector that is not finite (NaN or infinity)") from None
                raise ValueError("gave broken or incomplete JSON") from None
            kind = "HTML" if start[:1] == b"<" else "something that is not JSON"
            raise ValueError(
                f"gave {kind} ({self._excerpt(start.decode('utf-8', 'replace'))}); check embeddings.endpoint_url"
            ) from None
        items = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise ValueError(f"gave no list of vectors ({self._excerpt(body[:500].decode('utf-8', 'replace'))})")
        if len(items) != count:
            raise ValueError(f"gave {len(items)} vectors for {count} texts")
        indices = [item.get("index") for item in items]
        if any(type(index) is not int for index in indices) or set(indices) != set(range(count)):
            raise ValueError("gave vectors with invalid index numbers")
        rows = []
        for item in sorted(items, key=lambda item: int(item["index"])):
            vector = item.get("embedding")
            if isinstance(vector, str):
                rows.append(numpy.frombuffer(base64.b64decode(vector), dtype="<f4").astype(numpy.float64))
            elif isinstance(vector, list):
                if any(not isinstance(number, int | float) or isinstance(number, bool) for number in vector):
                    raise ValueError("gave a vector that is not finite (NaN, infinity or null)")
                rows.append(numpy.array(vector, dtype=numpy.float64))
            else:
                raise ValueError("gave an item without a vector")  # noqa: TRY004 (the service's fault, not a type's)
        if len({len(row) for row in rows}) > 1:
            raise ValueError("gave vectors of different dimensions in one answer")
        return numpy.stack(rows)


def _checked_endpoint(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise StageError(f'embeddings.endpoint_url: "{parts.scheme}:…" is not an http(s) address.')
    if parts.username or parts.password or parts.query or parts.fragment:
        raise StageError(
            "embeddings.endpoint_url: must not contain a user, a password, a query or a fragment, because the address "
            "is written into the data; give the key as embeddings.api_key."
        )
    return url.rstrip("/").removesuffix("/embeddings")


def _retry_after(headers: Any) -> float | None:
    """Return the seconds in a ``Retry-After`` header: a number, or an HTTP date (RFC 9110, 10.2.3)."""
    import time
    from email.utils import parsedate_to_datetime

    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _cause(error: BaseException) -> str:
    """Return the message of the root exception, which is more specific than "Connection error."."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return str(error) or type(error).__name__


def _quiet_clients() -> None:
    """Disable the HTTP libraries' log messages, which contain the texts and headers of every request.

    The change is permanent, because several threads may embed at the same time.
    """
    import openai  # noqa: F401 (importing it sets its logger's level from the variable OPENAI_LOG)

    for name in ("openai", "httpx", "httpx2", "httpcore", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
