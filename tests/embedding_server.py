"""A real embedding service for tests: the local model with OpenAI's protocol and configurable failures.

In a test: ``with EmbeddingServer() as server: …``, ``server.fail("429", times=2)``, ``server.delivered``.
On its own: ``python tests/embedding_server.py --port 8000 --fail hang --from-request 3``; it prints its address and can
be steered over HTTP: ``POST /control`` with ``{"mode": "nan", "times": 1}`` and ``GET /counts``.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import json
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stages.retrieval.backends import LocalBackend

FAILURES = {
    "401": "refuse the key",
    "401-echo": "refuse the key and repeat the whole request header in the answer",
    "400": "refuse a parameter",
    "404": "know no such model",
    "429": "answer that there are too many requests (with the given Retry-After)",
    "500": "break down",
    "503-html": "a proxy's page with status 503",
    "html": "a web page with status 200",
    "json": "broken JSON",
    "no-data": "JSON of another form",
    "nan": "NaN in a vector (not JSON)",
    "null": "null in a vector",
    "zero": "a vector of zeros",
    "dimension": "vectors of half the dimension",
    "ragged": "vectors of different dimensions",
    "few": "one vector too few",
    "index": "the same index twice",
    "index-null": "an index that is null",
    "hang": "never answer",
    "drip": "answer one byte at a time, without end",
    "close": "close the connection in the middle of the answer",
    "drop": "close the connection without an answer",
    "redirect": "send the client elsewhere",
}


@functools.cache
def _model(dimension: int) -> LocalBackend:
    return LocalBackend(dimensions=dimension)


@dataclass
class Failure:
    """An injected failure, and the requests it applies to."""

    mode: str
    times: int
    from_request: int = 1
    retry_after: str | None = None


@dataclass
class _State:
    lock: threading.Lock = field(default_factory=threading.Lock)
    failures: list[Failure] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    delivered: Counter[str] = field(default_factory=Counter)
    under_way: int = 0
    most_under_way: int = 0
    released: threading.Event = field(default_factory=threading.Event)


class EmbeddingServer:
    """The service, on a free port of 127.0.0.1, as a context manager."""

    def __init__(self, *, port: int = 0, key: str | None = None, dimension: int = 256, delay: float = 0.0) -> None:
        """Start the service.

        Args:
            port: 0 for a free one.
            key: The only key that is let in; None lets everyone in.
            dimension: 64, 128 or 256, of every vector.
            delay: Seconds that every answer takes.
        """
        self.state = _State()
        model = _model(dimension)
        handler = type("Handler", (_Handler,), {"state": self.state, "model": model, "key": key, "delay": delay})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def __enter__(self) -> EmbeddingServer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.state.released.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The base address, for ``endpoint_url``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The requests in order of arrival: ``{body, authorization}``."""
        return self.state.requests

    @property
    def delivered(self) -> Counter[str]:
        """The number of complete answers with each text."""
        return self.state.delivered

    @property
    def most_under_way(self) -> int:
        """The highest number of concurrent requests."""
        return self.state.most_under_way

    def fail(self, mode: str, *, times: int = 1_000_000, from_request: int = 1, retry_after: str | None = None) -> None:
        """Fail with ``mode`` for ``times`` requests, starting with the request of the given number (from 1)."""
        if mode not in FAILURES:
            raise ValueError(f"{mode}: one of {', '.join(FAILURES)}")
        with self.state.lock:
            self.state.failures.append(Failure(mode, times, from_request, retry_after))

    def heal(self) -> None:
        """Stop failing, and release hanging requests."""
        with self.state.lock:
            self.state.failures.clear()
        self.state.released.set()
        self.state.released = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: _State
    model: LocalBackend
    key: str | None
    delay: float

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/counts":
            with self.state.lock:
                counts = {
                    "requests": len(self.state.requests),
                    "most_under_way": self.state.most_under_way,
                    "delivered": dict(self.state.delivered),
                }
            self._answer(200, json.dumps(counts).encode())
        else:
            self._answer(404, b"{}")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
        if self.path == "/control":
            with self.state.lock:
                self.state.failures[:] = [Failure(**body)] if body.get("mode") else []
            self._answer(200, b"{}")
            return
        with self.state.lock:
            self.state.requests.append({"body": body, "authorization": self.headers.get("authorization")})
            failure = self._failure(len(self.state.requests))
            self.state.under_way += 1
            self.state.most_under_way = max(self.state.most_under_way, self.state.under_way)
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._embed(body, failure)
        finally:
            with self.state.lock:
                self.state.under_way -= 1

    def _failure(self, number: int) -> Failure | None:
        for failure in self.state.failures:
            if failure.times > 0 and number >= failure.from_request:
                failure.times -= 1
                return failure
        return None

    def _embed(self, body: dict[str, Any], failure: Failure | None) -> None:
        time.sleep(self.delay)
        if self.path != "/v1/embeddings":
            self._answer(404, b'{"error": {"message": "no such page"}}')
            return
        if self.key is not None and self.headers.get("authorization") != f"Bearer {self.key}":
            self._answer(401, b'{"error": {"message": "Incorrect API key provided."}}')
            return
        texts = body["input"]
        vectors = self._vectors(texts)
        items = [
            {"object": "embedding", "index": row, "embedding": list(map(float, v))} for row, v in enumerate(vectors)
        ]
        # In reverse order, which the protocol allows: the client must sort the results by index.
        items.reverse()
        answer = {"object": "list", "data": items, "model": body["model"], "usage": {"prompt_tokens": 1}}
        if failure is None:
            self._answer(200, json.dumps(answer).encode())
            with self.state.lock:
                self.state.delivered.update(texts)
            return
        self._fail(failure, answer)

    def _vectors(self, texts: list[str]) -> Any:
        found: list[Any] = []
        batch = [(hashlib.sha256(text.encode()).digest(), text) for text in texts]
        self.model.embed([batch], lambda _, vectors: found.append(vectors), purpose="passage", label="server", total=1)
        return found[0]

    def _fail(self, failure: Failure, answer: dict[str, Any]) -> None:
        items, released = answer["data"], self.state.released
        said = b'{"error": {"message": "no"}}'
        match failure.mode:
            case "401":
                self._answer(401, b'{"error": {"message": "Incorrect API key provided."}}')
            case "401-echo":
                self._answer(401, json.dumps({"error": {"message": f"bad: {self.headers['authorization']}"}}).encode())
            case "400":
                self._answer(400, b'{"error": {"message": "Unrecognized request argument supplied: input_type"}}')
            case "404":
                self._answer(404, b'{"error": {"message": "The model does not exist"}}')
            case "429":
                headers = {"Retry-After": failure.retry_after} if failure.retry_after else {}
                self._answer(429, b'{"error": {"message": "Too Many Requests"}}', headers)
            case "500":
                self._answer(500, said)
            case "503-html":
                self._answer(503, b"<html><body>Bad day</body></html>", {"Content-Type": "text/html"})
            case "html":
                self._answer(200, b"<!DOCTYPE html><html><body>Sign in</body></html>", {"Content-Type": "text/html"})
            case "json":
                self._answer(200, json.dumps(answer).encode()[:-20])
            case "no-data":
                self._answer(200, b'{"object": "error", "message": "model overloaded"}')
            case "nan":
                items[0]["embedding"][3] = float("nan")
                self._answer(200, json.dumps(answer).encode())
            case "null":
                items[0]["embedding"][3] = None
                self._answer(200, json.dumps(answer).encode())
            case "zero":
                items[0]["embedding"] = [0.0] * len(items[0]["embedding"])
                self._answer(200, json.dumps(answer).encode())
            case "dimension":
                for item in items:
                    del item["embedding"][len(item["embedding"]) // 2 :]
                self._answer(200, json.dumps(answer).encode())
            case "ragged":
                items[0]["embedding"].append(0.5)
                self._answer(200, json.dumps(answer).encode())
            case "few":
                items.pop()
                self._answer(200, json.dumps(answer).encode())
            case "index":
                items[0]["index"] = items[-1]["index"]
                self._answer(200, json.dumps(answer).encode())
            case "index-null":
                items[0]["index"] = None
                self._answer(200, json.dumps(answer).encode())
            case "redirect":
                self._answer(307, b"", {"Location": "http://127.0.0.1:9/v1/embeddings"})
            case "hang":
                released.wait()
                self.close_connection = True
            case "drip":
                self._begin(200, 1_000_000)
                while not released.wait(0.05):
                    self.wfile.write(b" ")
                self.close_connection = True
            case "close":
                whole = json.dumps(answer).encode()
                self._begin(200, len(whole))
                self.wfile.write(whole[: len(whole) // 2])
                self.close_connection = True
            case "drop":
                self.close_connection = True

    def _begin(self, status: int, length: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._begin(status, len(body), headers)
        self.wfile.write(body)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--key", help="the only key that is let in")
    parser.add_argument("--dimension", type=int, default=256, choices=(64, 128, 256))
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that every answer takes")
    parser.add_argument("--fail", choices=sorted(FAILURES), help="; ".join(f"{k}: {v}" for k, v in FAILURES.items()))
    parser.add_argument("--from-request", type=int, default=1)
    parser.add_argument("--times", type=int, default=1_000_000)
    parser.add_argument("--retry-after")
    given = parser.parse_args()
    with EmbeddingServer(port=given.port, key=given.key, dimension=given.dimension, delay=given.delay) as server:
        if given.fail:
            server.fail(given.fail, times=given.times, from_request=given.from_request, retry_after=given.retry_after)
        sys.stdout.write(server.url + "\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
