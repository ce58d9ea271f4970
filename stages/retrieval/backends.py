"""What turns texts into vectors: a model in the package, offline, or any service that speaks OpenAI's protocol."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import logging
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import urlsplit

from stages.failures import StageError

if TYPE_CHECKING:
    import numpy
    from openai import AsyncOpenAI
    from tenacity import RetryCallState

_LOG = logging.getLogger(__name__)

LOCAL_MODEL = "wordllama-l2-supercat"
NVIDIA_MODEL = "nvidia/nv-embedqa-e5-v5"
NVIDIA_ENDPOINT = "https://integrate.api.nvidia.com/v1"

Purpose = Literal["passage", "query"]
Batch = list[tuple[bytes, str]]
Store = Callable[[Sequence[bytes], "numpy.ndarray"], None]


class Backend(Protocol):
    """A way of turning texts into vectors of length 1."""

    @property
    def description(self) -> dict[str, Any]:
        """What the vectors come from, without secrets: ``backend, model, revision, endpoint`` (see `same_space`)."""
        ...

    @property
    def remote(self) -> bool:
        """Whether a text costs a request."""
        ...

    @property
    def dimension(self) -> int:
        """The dimension of the vectors; 0 where only the service knows it."""
        ...

    def space(self, purpose: Purpose) -> str:
        """The name of everything that the vector of a text depends on; never the key."""
        ...

    def embed(self, batches: Iterable[Batch], store: Store, *, purpose: Purpose, label: str, total: int) -> None:
        """Embed batches of texts and hand each to ``store`` as soon as it is done, in any order.

        Args:
            batches: Batches of (digest, text); no text is blank.
            store: Takes the digests of a batch and its vectors, float32, n × d, finite and of length 1.
            purpose: What the texts are, for models that embed a question unlike a passage.
            label: What is embedded, for messages.
            total: How many batches there are, for messages.

        Raises:
            StageError: A batch failed for good; the message names it. Finished batches have been handed over.
        """
        ...


def create(options: dict[str, Any], api_key: str | None) -> Backend:
    """Return the backend that the ``[embeddings]`` options name.

    Raises:
        StageError: It cannot work: an unknown name, weights that are missing, an unusable address, no key.
    """
    name = options.get("backend", "local")
    if name == "local":
        return LocalBackend(model=options.get("model") or LOCAL_MODEL, dimensions=options.get("dimensions", 0))
    if name == "openai":
        return OpenAIBackend(options, api_key)
    raise StageError(f'embeddings.backend: "{name}" is not known; use "local" or "openai".')


def embed_query(backend: Backend, text: str) -> numpy.ndarray:
    """Return the vector of a question, float32, d.

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

    The length is computed exactly rounded, so that the result is the same on every machine and in every batch.

    Args:
        vectors: What a model gave, n × d.
        count: The n that was asked for.
        dimension: The d that is expected; 0 for any.

    Raises:
        ValueError: Anything is not as it should be, in words.
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
    result = numpy.empty(exact.shape, dtype=numpy.float32)
    for row, vector in enumerate(exact):
        # Scaled first: the squares of very large or small numbers would leave the range.
        largest = float(numpy.abs(vector).max())
        if largest == 0.0:
            raise ValueError("gave a vector of zeros")
        scaled = vector / largest
        result[row] = scaled / math.sqrt(math.fsum((scaled * scaled).tolist()))
    return result


def local_release() -> str:
    """Return the release of the installed package that the local model is part of; empty if it is not installed."""
    import importlib.metadata

    try:
        return importlib.metadata.version("wordllama")
    except importlib.metadata.PackageNotFoundError:
        return ""


class LocalBackend:
    """The 256-dimension static model that the wheel of `wordllama` ships: a mean of learned token vectors.

    The mean is weighted: a token weighs half of one that stands 22 tokens before it (e^(-position / 32)). Such a model
    knows no context, and in a plain mean the code of a function drowns what its name and summary say; the documents
    begin with what matters. See ``docs/search_quality.md`` for what it brings.

    Its files are read directly. The library's own loader would do, but importing it reconfigures the root logger and
    brings in an HTTP client, and it pads the texts of a batch to one length, so that a text's vector depends on the
    batch it is in. Here it depends on the text alone, to the bit.
    """

    remote = False
    _WEIGHTS = "weights/l2_supercat_256.safetensors"
    _TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
    # e^(-1/32), as a literal and multiplied up: exp() may differ between processors in the last bit.
    _DECAY = 0.9692332344763441
    # What is read of a text. The rest, from about its 230th token on, would weigh less than a thousandth of it all, and
    # to split it into tokens takes as long as all else.
    _CHARACTERS = 1024
    _LONGEST = 512

    def __init__(self, *, model: str = LOCAL_MODEL, dimensions: int = 0) -> None:
        """Load the model (0.3 s, 50 MB).

        Args:
            model: Must be `LOCAL_MODEL`.
            dimensions: 64, 128 or 256 (the model was trained so that its first 64 or 128 dimensions stand alone);
                0 for 256.

        Raises:
            StageError: No such model, or its files are missing or broken.
        """
        if model != LOCAL_MODEL:
            raise StageError(f'embeddings.model: "{model}" is not known to the local backend; use "{LOCAL_MODEL}".')
        if dimensions not in {0, 64, 128, 256}:
            raise StageError(f"embeddings.dimensions: {dimensions} is not possible with {model}; use 64, 128 or 256.")
        self.dimension = dimensions or 256
        self._model = model
        self._load(_package_folder("wordllama"))

    def _load(self, folder: Path | None) -> None:
        import hashlib

        repair = "Install it again: pip install --force-reinstall wordllama"
        if folder is None:
            raise StageError(
                "embeddings: wordllama, the local model's package, is not installed: pip install wordllama"
            )
        digest = hashlib.sha256()
        for name in (self._WEIGHTS, self._TOKENIZER):
            try:
                digest.update((folder / name).read_bytes())
            except OSError as error:
                raise StageError(
                    f"{folder / name}: the local model cannot be read ({error.strerror}). {repair}"
                ) from error
        digest.update(f"decay {self._DECAY} {self._CHARACTERS} {self._LONGEST}".encode())
        self._revision = digest.hexdigest()[:16]
        try:
            import numpy
            from safetensors import safe_open
            from tokenizers import Tokenizer

            self._tokenizer = Tokenizer.from_file(str(folder / self._TOKENIZER))
            self._tokenizer.no_padding()
            self._tokenizer.no_truncation()
            with safe_open(str(folder / self._WEIGHTS), framework="np") as weights:
                table = weights.get_tensor("embedding.weight")
            self._table = numpy.ascontiguousarray(table[:, : self.dimension], dtype=numpy.float32)
            weights_by_position = itertools.accumulate(
                itertools.repeat(self._DECAY, self._LONGEST - 1), operator.mul, initial=1.0
            )
            self._decay = numpy.fromiter(weights_by_position, dtype=numpy.float64, count=self._LONGEST)
        except Exception as error:
            raise StageError(f"{folder}: the local model cannot be loaded ({error}). {repair}") from error
        if self._table.ndim != 2 or self._table.shape[1] != self.dimension:
            raise StageError(f"{folder / self._WEIGHTS}: holds a table of shape {table.shape}, not 256 wide. {repair}")

    @property
    def description(self) -> dict[str, Any]:
        """See `Backend.description`; the revision is the hash of the model's files."""
        return {"backend": "local", "model": self._model, "revision": self._revision, "endpoint": None}

    def space(self, purpose: Purpose) -> str:
        """See `Backend.space`; this model embeds questions and passages alike."""
        return f"local {self._model} {self._revision} {self.dimension}"

    def embed(self, batches: Iterable[Batch], store: Store, *, purpose: Purpose, label: str, total: int) -> None:
        """See `Backend.embed`."""
        for number, (batch, encodings) in enumerate(self._encoded(batches), start=1):
            try:
                vectors = self._vectors(encodings)
            except ValueError as error:
                raise StageError(f"batch {number} of {total}: the local model {error}.") from error
            store([digest for digest, _ in batch], vectors)

    def _encoded(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, list[Any]]]:
        """Yield each batch with its texts split into tokens, while a second thread splits those of the next."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as pool:
            waiting: tuple[Batch, Any] | None = None
            for batch in batches:
                beginnings = [text[: self._CHARACTERS] for _, text in batch]
                encoding = pool.submit(self._tokenizer.encode_batch_fast, beginnings, add_special_tokens=False)
                if waiting is not None:
                    yield waiting[0], waiting[1].result()
                waiting = batch, encoding
            if waiting is not None:
                yield waiting[0], waiting[1].result()

    def _vectors(self, encodings: list[Any]) -> numpy.ndarray:
        import numpy

        sums = numpy.zeros((len(encodings), self.dimension), dtype=numpy.float64)
        # Made once: to ask the system for a megabyte for every text takes longer than to fill it.
        rows = numpy.empty((self._LONGEST, self.dimension), dtype=numpy.float32)
        weighted = numpy.empty((self._LONGEST, self.dimension), dtype=numpy.float64)
        for number, encoding in enumerate(encodings):
            # The mean's direction is the sum's. Rows are added one after the other, in float64: no order that
            # depends on the machine, as that of a matrix product does.
            ids = numpy.array(encoding.ids[: self._LONGEST], dtype=numpy.int64)
            some = slice(len(ids))
            numpy.take(self._table, ids, axis=0, out=rows[some], mode="clip")
            numpy.multiply(rows[some], self._decay[some, None], out=weighted[some])
            numpy.add.reduce(weighted[some], axis=0, out=sums[number])
        return checked(sums, count=len(encodings), dimension=self.dimension)


def _package_folder(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


class _Fatal(Exception):
    """The service's answer will not get better by asking again."""


class _Transient(Exception):
    """Asking again may help, in ``after`` seconds if the service said so."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class OpenAIBackend:
    """A service with ``POST <endpoint_url>/embeddings``: NVIDIA NIM, OpenAI, vLLM and many more.

    The client library makes the requests; when to ask again is decided here, so that a ``Retry-After`` holds back all
    requests, a limit holds for the whole of a request, and every end names its batch.
    """

    remote = True

    def __init__(self, options: dict[str, Any], api_key: str | None) -> None:
        """Prepare; nothing is sent yet.

        Raises:
            StageError: The address is unusable, or the key is missing where it is sure to be needed.
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
                f"embeddings.api_key: {self.endpoint} needs a key and there is none. Set the environment variable that "
                "api_key names (NVIDIA_API_KEY by default)."
            )

    @property
    def description(self) -> dict[str, Any]:
        """See `Backend.description`; a service does not tell its model's revision."""
        return {"backend": "openai", "model": self._model, "revision": None, "endpoint": self.endpoint}

    def space(self, purpose: Purpose) -> str:
        """See `Backend.space`."""
        kind = purpose if self._input_type else "-"
        return f"openai {self.endpoint} {self._model} {self.dimension} {kind} {self._truncate or '-'}"

    def embed(self, batches: Iterable[Batch], store: Store, *, purpose: Purpose, label: str, total: int) -> None:
        """See `Backend.embed`."""
        import asyncio

        run = _Run(self, purpose, label, total)
        _quiet_clients()
        asyncio.run(run.work(batches, store))
        if run.failure:
            # Raised here, outside of any except block: the client's exceptions hold the request and its headers.
            raise run.failure

    def _scrub(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text

    def client(self) -> AsyncOpenAI:
        """Return a new client; it lives as long as one event loop."""
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
        """Return the body of the service's answer, asked once.

        Raises:
            _Transient: Asking again may help.
            _Fatal: It will not.
        """
        import asyncio

        import openai

        extra: dict[str, Any] = {}
        if self._input_type:
            extra["input_type"] = purpose
        if self._truncate:
            extra["truncate"] = self._truncate
        try:
            # The client's own limit holds for each read; a service that sends a byte now and then would pass it.
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
            raise _Transient(f"did not answer within {self._timeout:g} s") from None
        except openai.APIStatusError as error:
            raise self._status_error(error) from None
        except openai.APIConnectionError as error:
            raise _Transient(f"cannot be reached ({self._excerpt(_cause(error))})") from None
        except openai.OpenAIError as error:
            raise _Fatal(f"could not be asked ({self._excerpt(str(error))})") from None

    def _status_error(self, error: Any) -> Exception:
        status = int(error.status_code)
        said = f"answered {status}"
        excerpt = self._excerpt(error.response.text)
        if excerpt:
            said += f" ({excerpt})"
        if status in {408, 409, 425, 429} or (status >= 500 and status != 501):
            return _Transient(said, _retry_after(error.response.headers))
        advice = ""
        if status in {401, 403}:
            advice = (
                "; the API key is wrong or may not use this model: check the environment variable that "
                "embeddings.api_key names"
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
        return _Fatal(said + advice)

    def _excerpt(self, text: str) -> str:
        plain = " ".join(
            "".join(character if character.isprintable() else " " for character in self._scrub(text)).split()
        )
        return plain if len(plain) <= 200 else plain[:199] + "…"

    def parse(self, body: bytes, count: int) -> numpy.ndarray:
        """Return the vectors of an answer in the order of its texts, unchecked.

        Raises:
            ValueError: It is not an answer to the request, in words.
        """
        import base64

        import numpy
        import orjson

        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            # NaN and Infinity, which some services write, are not JSON.
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
            raise ValueError("numbered its vectors wrongly")
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


class _Run:
    """One call of `OpenAIBackend.embed`: the workers, what they wait for, and the first failure."""

    def __init__(self, backend: OpenAIBackend, purpose: Purpose, label: str, total: int) -> None:
        self._backend = backend
        self._purpose: Purpose = purpose
        self._label = label
        self._total = total
        self._dimension = backend.dimension
        self._not_before = 0.0
        self.failure: Exception | None = None

    async def work(self, batches: Iterable[Batch], store: Store) -> None:
        """Embed all batches, or until one fails for good: then `failure` is set."""
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
                except (_Fatal, _Transient) as error:
                    self._stop(self._ended(number, error))
                    return
                store([digest for digest, _ in batch], vectors)
                _LOG.info("%s: batch %d of %d embedded", self._label, number, self._total)
        except Exception as error:
            self._stop(error)

    def _stop(self, failure: Exception) -> None:
        """Let the other workers end the request they are in, which is paid for, and begin no new one."""
        self.failure = self.failure or failure
        self._stopped.set()

    def _ended(self, number: int, error: Exception) -> StageError:
        count = self._backend.tries
        tries = f" after {count} {'try' if count == 1 else 'tries'}" if isinstance(error, _Transient) else ""
        kept = " What is embedded so far is kept: run again to go on from there." if self._total > 1 else ""
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
            retry=tenacity.retry_if_exception_type(_Transient),
            sleep=self._sleep,
            before_sleep=log,
            reraise=True,
        )
        return await retrying(self._attempt, client, texts)

    async def _attempt(self, client: AsyncOpenAI, texts: list[str]) -> numpy.ndarray:
        import asyncio

        if self.failure:
            raise _Fatal("was not asked again")
        pause = self._not_before - asyncio.get_running_loop().time()
        if pause > 0:
            await self._sleep(pause)
        body = await self._backend.request(client, texts, self._purpose)
        try:
            vectors = checked(self._backend.parse(body, len(texts)), count=len(texts), dimension=self._dimension)
        except ValueError as error:
            # Asking again would cost the same again and bring the same.
            raise _Fatal(str(error)) from None
        self._dimension = int(vectors.shape[1])
        return vectors

    def _wait(self, state: RetryCallState) -> float:
        import asyncio

        import tenacity

        error = state.outcome.exception() if state.outcome else None
        doubling = tenacity.wait_exponential(multiplier=0.5, max=self._backend.longest_wait)
        wait = float((doubling + tenacity.wait_random(0, 0.25))(state))
        if isinstance(error, _Transient) and error.after is not None:
            if error.after > self._backend.longest_wait:
                raise _Fatal(
                    f"{error} and asks to wait {error.after:.0f} s, longer than embeddings.max_wait_seconds "
                    f"({self._backend.longest_wait:g})"
                )
            wait = max(wait, error.after)
            # The limit is the key's, not the request's: nothing else is sent meanwhile either.
            self._not_before = max(self._not_before, asyncio.get_running_loop().time() + error.after)
        return wait

    async def _sleep(self, seconds: float) -> None:
        import asyncio

        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)


def _checked_endpoint(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise StageError(f'embeddings.endpoint_url: "{parts.scheme}:…" is not an http(s) address.')
    if parts.username or parts.password or parts.query or parts.fragment:
        raise StageError(
            "embeddings.endpoint_url: must not hold a user, a password, a query or a fragment, since the address is "
            "written into the data; give the key as embeddings.api_key."
        )
    return url.rstrip("/").removesuffix("/embeddings")


def _retry_after(headers: Any) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for: a number, or an HTTP date (RFC 9110, 10.2.3)."""
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
    """Return the words of the exception at the root, which says more than "Connection error."."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return str(error) or type(error).__name__


def _quiet_clients() -> None:
    """Keep the HTTP libraries' own messages, with every request's texts and headers, out of the project's log.

    For good: embeddings of several kinds are under way in several threads.
    """
    import openai  # noqa: F401 (importing it sets its logger's level to what the variable OPENAI_LOG says)

    for name in ("openai", "httpx", "httpx2", "httpcore", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
