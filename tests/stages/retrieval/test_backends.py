"""The local model, exact to the bit, and a service with every kind of failure."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.artifacts.embeddings import ModelInfo
from stages.failures import StageError
from stages.retrieval.backends import Batch, LocalBackend, checked, create, embed_query
from stages.retrieval.backends import local as local_backend
from tests.embedding_server import EmbeddingServer

ROOT = Path(__file__).parents[3]
CANARY = "nvapi-canary-0123456789"
TEXTS = ["open a usd stage", "", "def f():\n    return 1", "漢字 and \x00 and é", "long " * 3000]


@pytest.fixture(scope="module")
def local() -> LocalBackend:
    return LocalBackend()


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with EmbeddingServer() as running:
        yield running


def batches(count: int, size: int = 4) -> list[Batch]:
    return [[(f"{i} {j}".encode(), f"text {i} {j}") for j in range(size)] for i in range(count)]


def run(backend: Any, work: list[Batch], purpose: Any = "passage") -> dict[bytes, numpy.ndarray]:
    found: dict[bytes, numpy.ndarray] = {}
    backend.embed(
        iter(work),
        lambda digests, vectors: found.update(zip(digests, vectors, strict=True)),
        purpose=purpose,
        label="embeddings:settings",
        total=len(work),
    )
    return found


def options(server: EmbeddingServer, **more: Any) -> dict[str, Any]:
    return {
        "backend": "openai",
        "endpoint_url": server.url,
        "model": "served",
        "timeout_seconds": 5,
        "max_tries": 2,
        "max_in_flight": 2,
        **more,
    }


def failure(backend: Any, work: list[Batch]) -> str:
    with pytest.raises(StageError) as caught:
        run(backend, work)
    return str(caught.value)


# ---- local ----------------------------------------------------------------------------------------------------------


def test_vector_depends_only_on_the_text(local: LocalBackend) -> None:
    texts = [text for text in TEXTS if text]
    one_by_one = [embed_query(local, text) for text in texts]
    together = run(local, [[(str(row).encode(), text) for row, text in enumerate(texts)]])
    reverse = run(local, [[(str(row).encode(), text) for row, text in reversed(list(enumerate(texts)))]])
    for row, vector in enumerate(one_by_one):
        assert vector.tobytes() == together[str(row).encode()].tobytes() == reverse[str(row).encode()].tobytes()
        assert vector.dtype == numpy.float32
        assert abs(float(numpy.linalg.norm(vector)) - 1) < 1e-6


def test_vectors_are_the_same_in_another_process_with_other_threads(local: LocalBackend) -> None:
    program = (
        "import sys; from stages.retrieval.backends import LocalBackend, embed_query;"
        f"sys.stdout.write(embed_query(LocalBackend(), {TEXTS[2]!r}).tobytes().hex())"
    )
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "NPY_DISABLE_CPU_FEATURES": "",
    }
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True, env=environment)
    assert bytes.fromhex(done.stdout.decode()) == embed_query(local, TEXTS[2]).tobytes()


def test_one_token_is_the_librarys_own_vector(local: LocalBackend) -> None:
    """The files are read as the library reads them: for a text of one token, the vectors are equal."""
    program = (
        "import sys, pathlib, wordllama;"
        "model = wordllama.WordLlama.load(cache_dir=pathlib.Path(wordllama.__file__).parent, disable_download=True);"
        "sys.stdout.write(model.embed(['stage'], norm=True)[0].tobytes().hex())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    theirs = numpy.frombuffer(bytes.fromhex(done.stdout.decode().splitlines()[-1]), dtype=numpy.float32)
    assert numpy.allclose(embed_query(local, "stage"), theirs, atol=1e-6)


def test_close_in_meaning_is_close_in_space(local: LocalBackend) -> None:
    query, near, far = (embed_query(local, text) for text in ("camera", "lens and photograph", "tax law"))
    assert query @ near > query @ far


@pytest.mark.parametrize("dimensions", [64, 128])
def test_fewer_dimensions(local: LocalBackend, dimensions: int) -> None:
    small = LocalBackend(dimensions=dimensions)
    whole = embed_query(local, "open a stage")[:dimensions]
    assert numpy.allclose(embed_query(small, "open a stage"), whole / numpy.linalg.norm(whole), atol=1e-6)
    assert small.namespace("passage") != local.namespace("passage")


def test_importing_and_loading_leaves_the_root_logger_alone() -> None:
    program = (
        "import logging; from stages.retrieval.backends import LocalBackend; LocalBackend();"
        "import sys; sys.exit(len(logging.root.handlers) or 'wordllama' in sys.modules or 'requests' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    ("given_options", "message"),
    [
        ({"backend": "locale"}, "embeddings.backend"),
        ({"model": "nvidia/nv-embedqa-e5-v5"}, "embeddings.model"),
        ({"dimensions": 100}, "embeddings.dimensions"),
    ],
)
def test_unsupported_options_of_the_local_model(given_options: dict[str, Any], message: str) -> None:
    with pytest.raises(StageError, match=message):
        create(given_options, None)


@pytest.mark.parametrize("broken", ["missing", "empty", "cut"])
def test_weights_that_cannot_be_read_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    real = local_backend._package_folder("wordllama")
    assert real is not None
    for part in (LocalBackend._WEIGHTS, LocalBackend._TOKENIZER):
        (tmp_path / part).parent.mkdir(exist_ok=True)
        (tmp_path / part).symlink_to(real / part)
    weights = tmp_path / LocalBackend._WEIGHTS
    content = weights.read_bytes()
    weights.unlink()
    if broken != "missing":
        weights.write_bytes(b"" if broken == "empty" else content[:100_000])
    monkeypatch.setattr(local_backend, "_package_folder", lambda name: tmp_path)
    with pytest.raises(StageError, match="wordllama"):
        LocalBackend()


def test_the_local_model_is_loaded_with_the_first_text() -> None:
    program = (
        "import sys; from stages.retrieval.backends import LocalBackend, create, embed_query;"
        "later = create({}, None, load=False);"
        "loaded = 'tokenizers' in sys.modules;"
        "same = later.description == LocalBackend().description;"
        "sys.exit(loaded or not same or len(embed_query(later, 'stage')) != 256)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_backend, "_package_folder", lambda name: None)
    with pytest.raises(StageError, match="pip install wordllama"):
        LocalBackend()


# ---- vectors of any model -------------------------------------------------------------------------------------------

finite = st.floats(-1e300, 1e300, allow_nan=False).filter(lambda number: number == 0 or abs(number) > 1e-300)


@settings(deadline=None)
@given(st.lists(st.lists(finite, min_size=3, max_size=3).filter(any), min_size=1, max_size=5))
def test_checked_vectors_have_length_one(vectors: list[list[float]]) -> None:
    result = checked(numpy.array(vectors), count=len(vectors), dimension=3)
    assert numpy.isfinite(result).all()
    assert numpy.allclose(numpy.linalg.norm(result.astype(float), axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("vectors", "count", "dimension", "message"),
    [
        ([[1.0, float("nan")]], 1, 2, "not finite"),
        ([[1.0, float("inf")]], 1, 2, "not finite"),
        ([[0.0, 0.0]], 1, 2, "zeros"),
        ([[1.0, 0.0]], 2, 2, "1 vectors for 2 texts"),
        ([[1.0, 0.0]], 1, 3, "2 dimensions where 3"),
        ([[]], 1, 0, "without numbers"),
    ],
)
def test_vectors_that_are_wrong(vectors: Any, count: int, dimension: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        checked(numpy.array(vectors), count=count, dimension=dimension)


# ---- a service ------------------------------------------------------------------------------------------------------


def test_service_returns_the_models_vectors(server: EmbeddingServer, local: LocalBackend) -> None:
    work = batches(5)
    served, here = run(create(options(server), CANARY), work), run(local, work)
    assert served.keys() == here.keys()
    assert all(numpy.allclose(served[name], here[name], atol=1e-6) for name in here)
    assert server.delivered.total() == 20
    assert set(server.delivered.values()) == {1}


def test_request_is_what_nvidia_expects(server: EmbeddingServer) -> None:
    backend = create(options(server), CANARY)
    run(backend, batches(1))
    embed_query(backend, "what?")
    passage, query = (request["body"] for request in server.requests)
    assert passage == {
        "input": ["text 0 0", "text 0 1", "text 0 2", "text 0 3"],
        "model": "served",
        "encoding_format": "float",
        "input_type": "passage",
        "truncate": "END",
    }
    assert query["input_type"] == "query"
    assert server.requests[0]["authorization"] == f"Bearer {CANARY}"


def test_request_for_a_service_without_nvidias_parameters(server: EmbeddingServer) -> None:
    run(create(options(server, input_type=False, truncate="", dimensions=256), CANARY), batches(1))
    assert server.requests[0]["body"].keys() == {"input", "model", "encoding_format", "dimensions"}


def test_no_key_of_another_service_is_sent(server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "the-users-own")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    run(create(options(server), None), batches(1))
    assert server.requests[0]["authorization"] is None


@pytest.mark.parametrize("most", [1, 3])
def test_requests_under_way_are_bounded(most: int) -> None:
    with EmbeddingServer(delay=0.05) as server:
        run(create(options(server, max_in_flight=most, timeout_seconds=30), None), batches(9, size=1))
        assert server.most_under_way == most


FATAL = {
    "401": "answered 401",
    "401-echo": "answered 401",
    "400": "embeddings.input_type = false",
    "404": "embeddings.model",
    "html": "gave HTML",
    "json": "broken or incomplete JSON",
    "no-data": "gave no list of vectors",
    "nan": "not finite",
    "null": "not finite",
    "zero": "zeros",
    "dimension": "128 dimensions where 256 are expected",
    "ragged": "different dimensions in one answer",
    "few": "3 vectors for 4 texts",
    "index": "gave vectors with invalid index numbers",
    "index-null": "gave vectors with invalid index numbers",
    "redirect": "it redirects to http://127.0.0.1:9/v1/embeddings",
}
TRANSIENT = {
    "429": "answered 429",
    "500": "answered 500",
    "503-html": "answered 503",
    "hang": "did not answer within 1 s",
    "drip": "did not answer within 1 s",
    "close": "cannot be reached",
    "drop": "cannot be reached",
}


def _patience(mode: str) -> int:
    """Return the timeout in seconds: short if a test waits for it, else long enough for a busy machine."""
    return 1 if mode in ("hang", "drip") else 30


@pytest.mark.parametrize("mode", [*FATAL, *TRANSIENT])
def test_failure_ends_in_one_error_that_names_the_batch(
    server: EmbeddingServer, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.fail(mode, from_request=3)
    done: list[bytes] = []
    with caplog.at_level(logging.DEBUG), pytest.raises(StageError) as caught:
        create(options(server, max_in_flight=1, timeout_seconds=_patience(mode)), CANARY).embed(
            batches(6), lambda digests, _: done.extend(digests), purpose="passage", label="embeddings:x", total=6
        )
    message = str(caught.value)
    assert message.startswith(f"batch 3 of 6: {server.url} ")
    assert {**FATAL, **TRANSIENT}[mode] in message
    assert "\n" not in message
    assert CANARY not in message + caplog.text
    assert CANARY not in repr(caught.value.__context__) + repr(caught.value.__cause__)
    # Finished batches were passed on, and no answered batch was requested again.
    assert done == [digest for batch in batches(2) for digest, _ in batch]
    assert len(server.requests) == (3 if mode in FATAL else 4)
    assert ("after 2 tries" in message) == (mode in TRANSIENT)


@pytest.mark.parametrize("mode", TRANSIENT)
def test_transient_failure_is_retried(server: EmbeddingServer, mode: str) -> None:
    server.fail(mode, times=1, from_request=2)
    found = run(create(options(server, timeout_seconds=_patience(mode)), CANARY), batches(4))
    assert len(found) == 16
    assert set(server.delivered.values()) == {1}


def test_after_a_failure_open_requests_end_and_no_new_one_starts() -> None:
    with EmbeddingServer(delay=0.2) as server:
        server.fail("401", times=1)
        done: list[bytes] = []
        with pytest.raises(StageError, match="401"):
            create(options(server, max_in_flight=3, timeout_seconds=30), CANARY).embed(
                batches(9, 1), lambda digests, _: done.extend(digests), purpose="passage", label="x", total=9
            )
        assert len(server.requests) < 9
        assert len(done) == server.delivered.total() == len(server.requests) - 1


def test_retry_after_delays_all_requests(server: EmbeddingServer, caplog: pytest.LogCaptureFixture) -> None:
    server.fail("429", times=1, retry_after="1.5")
    with caplog.at_level(logging.WARNING):
        began = time.monotonic()
        run(create(options(server, max_in_flight=1), None), batches(3))
    assert time.monotonic() - began >= 1.5
    assert "batch 1 of 3" in caplog.text
    assert "try 2 of 2" in caplog.text


def test_retry_after_may_be_a_date(server: EmbeddingServer) -> None:
    server.fail("429", times=1, retry_after=formatdate(time.time() + 3600, usegmt=True))
    message = failure(create(options(server), None), batches(1))
    assert "longer than embeddings.max_wait_seconds (60)" in message
    assert "asks to wait 3" in message


@pytest.mark.parametrize("value", ["soon", "-5", "nan", ""])
def test_invalid_retry_after_is_ignored(server: EmbeddingServer, value: str) -> None:
    server.fail("429", times=1, retry_after=value)
    assert len(run(create(options(server), None), batches(1))) == 4


def test_closed_port_is_one_clear_error() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        backend = create({"backend": "openai", "endpoint_url": url, "max_tries": 2}, CANARY)
        message = failure(backend, batches(1))
    assert "batch 1 of 1" in message
    assert "cannot be reached" in message
    assert "after 2 tries" in message


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000/v1",
        "ftp://host/v1",
        "https://user:secret-password@host/v1",
        "https://host/v1?key=secret",
        "https://",
    ],
)
def test_address_that_cannot_be_used(url: str) -> None:
    with pytest.raises(StageError, match=r"embeddings\.endpoint_url") as caught:
        create({"backend": "openai", "endpoint_url": url}, CANARY)
    assert "secret" not in str(caught.value)


def test_nvidias_own_service_needs_a_key() -> None:
    for key in (None, "", "  "):
        with pytest.raises(StageError, match=r"embeddings\.api_key"):
            create({"backend": "openai"}, key)
    described = create({"backend": "openai"}, CANARY).description
    assert described == ModelInfo(
        backend="openai",
        model="nvidia/nv-embedqa-e5-v5",
        revision=None,
        endpoint="https://integrate.api.nvidia.com/v1",
    )


def test_namespaces_differ_in_everything_that_affects_vectors() -> None:
    usual = {"backend": "openai", "endpoint_url": "http://h/v1"}
    changed: list[dict[str, Any]] = [
        {},
        {"model": "m"},
        {"endpoint_url": "http://g/v1"},
        {"dimensions": 8},
        {"truncate": ""},
    ]
    spaces = [create({**usual, **more}, CANARY).namespace("passage") for more in changed]
    spaces += [
        create(usual, CANARY).namespace("query"),
        create({**usual, "input_type": False}, CANARY).namespace("passage"),
    ]
    assert len(set(spaces)) == len(spaces)
    assert create({**usual, "endpoint_url": "http://h/v1/embeddings/"}, CANARY).namespace("passage") == spaces[0]
    assert not any(CANARY in space for space in spaces)


def test_failing_store_ends_the_run_with_its_error(server: EmbeddingServer) -> None:
    def full(digests: Any, vectors: Any) -> None:
        raise StageError("the disk is full")

    with pytest.raises(StageError, match="the disk is full"):
        create(options(server), CANARY).embed(batches(5), full, purpose="passage", label="x", total=5)
    assert len(server.requests) <= 2


def test_several_kinds_at_once_in_threads(server: EmbeddingServer) -> None:
    results: list[int] = []
    threads = [
        threading.Thread(target=lambda: results.append(len(run(create(options(server), CANARY), batches(3)))))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [12, 12, 12]
