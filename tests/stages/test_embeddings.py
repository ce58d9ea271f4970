"""The embeddings stage: matching documents and vectors, no repeated payment, resumable, no stored key."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy
import pytest

from stages import embeddings
from stages.artifacts.embeddings import KINDS
from stages.embeddings import embed
from stages.failures import StageError
from stages.retrieval.documents import read_documents
from tests.embedding_server import EmbeddingServer

ROOT = Path(__file__).parents[2]
FIXTURE = ROOT / "tests" / "fixtures" / "search" / "work"
CANARY = "nvapi-canary-9876543210"


@pytest.fixture
def work_dir(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FIXTURE, tmp_path / "work"))


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with EmbeddingServer() as running:
        yield running


def service(server: EmbeddingServer, **more: Any) -> dict[str, Any]:
    usual = {"backend": "openai", "endpoint_url": server.url, "model": "served", "batch_size": 2, "max_tries": 1}
    return {**usual, "timeout_seconds": 10, **more}


def contents(work_dir: Path) -> dict[str, bytes]:
    return {name: (work_dir / name).read_bytes() for kind in KINDS for name in embeddings.targets(kind)}


def embed_all(work_dir: Path, options: dict[str, Any] | None = None, **more: Any) -> None:
    for kind in KINDS:
        embed(kind, work_dir=work_dir, options=options or {}, api_key=CANARY, **more)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_the_documents_vectors(work_dir: Path, kind: str) -> None:
    embed(kind, work_dir=work_dir, options={}, api_key=None)
    folder = work_dir / "embeddings"
    vectors = numpy.load(folder / f"{kind}_embeddings.npy", mmap_mode="r")
    documents = list(read_documents(folder / f"{kind}_documents.json"))
    described = json.loads((folder / f"{kind}_embeddings.json").read_text())
    assert json.loads((folder / f"{kind}_documents.json").read_text()) == msgspec.to_builtins(
        [{**msgspec.structs.asdict(item), "metadata": json.loads(bytes(item.metadata))} for item in documents]
    )
    assert vectors.dtype == numpy.float32
    assert vectors.shape == (described["count"], described["dimension"]) == (len(documents), 256)
    assert numpy.allclose(numpy.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert described["backend"] == "local"
    assert described["model"] == "wordllama-l2-supercat"
    assert described["kit_version"] == "107.3.3"
    assert described["endpoint"] is None


def test_two_runs_give_the_same_bytes(work_dir: Path, tmp_path: Path) -> None:
    embed_all(work_dir)
    again = Path(shutil.copytree(FIXTURE, tmp_path / "elsewhere" / "work"))
    # In another order, with other batches.
    for kind in reversed(KINDS):
        embed(kind, work_dir=again, options={"batch_size": 1}, api_key=None)
    assert contents(work_dir) == contents(again)
    before = {name: (work_dir / name).stat().st_mtime_ns for name in contents(work_dir)}
    embed_all(work_dir)
    assert {name: (work_dir / name).stat().st_mtime_ns for name in before} == before


def test_a_text_is_embedded_once(work_dir: Path, server: EmbeddingServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        embed_all(work_dir, service(server))
        assert set(server.delivered.values()) == {1}
        requests = len(server.requests)
        embed_all(work_dir, service(server))
    assert len(server.requests) == requests
    assert "100.0 % from the cache" in caplog.text
    assert "MB" in caplog.text


def test_after_an_edit_only_the_changed_text_is_embedded(work_dir: Path, server: EmbeddingServer) -> None:
    embed("settings", work_dir=work_dir, options=service(server), api_key=None)
    before = server.delivered.copy()
    path = work_dir / "settings" / "setting_summary.json"
    summary = json.loads(path.read_text())
    summary["settings"]["/app/window/width"]["documentation"] = "How wide the window is."
    path.write_text(json.dumps(summary))
    embed("settings", work_dir=work_dir, options=service(server), api_key=None)
    (text,) = (server.delivered - before).elements()
    assert "How wide the window is." in text


def test_equal_texts_are_embedded_once_and_have_one_vector(work_dir: Path, server: EmbeddingServer) -> None:
    path = work_dir / "code_examples" / "extracted_methods_regular" / "acme.physics.cloth.example.json"
    example = json.loads(path.read_text())
    method = example["methods"][0]
    lines = ("start_line", "signature_end_line", "code_line", "end_line")
    example["methods"].append({**method, **{line: method[line] + 90 for line in lines}})
    path.write_text(json.dumps(example))
    embed("code_examples", work_dir=work_dir, options=service(server), api_key=None)
    assert set(server.delivered.values()) == {1}
    ids = [document.id for document in read_documents(work_dir / "embeddings" / "code_examples_documents.json")]
    vectors = numpy.load(work_dir / "embeddings" / "code_examples_embeddings.npy")
    name = "acme.physics.cloth:acme.physics.cloth.create_cloth"
    assert numpy.array_equal(vectors[ids.index(name)], vectors[ids.index(f"{name}@{method['start_line'] + 90}")])


def test_without_the_cache_everything_is_embedded_again_and_kept(work_dir: Path, server: EmbeddingServer) -> None:
    embed("settings", work_dir=work_dir, options=service(server), api_key=None)
    embed("settings", work_dir=work_dir, options=service(server), api_key=None, use_cache=False)
    assert set(server.delivered.values()) == {2}
    embed("settings", work_dir=work_dir, options=service(server), api_key=None)
    assert set(server.delivered.values()) == {2}


def test_another_model_embeds_everything_again(work_dir: Path, server: EmbeddingServer) -> None:
    for model in ("one", "two", "one"):
        embed("settings", work_dir=work_dir, options=service(server, model=model), api_key=None)
    assert set(server.delivered.values()) == {2}


def test_a_model_that_changed_under_its_name_is_detected(work_dir: Path, server: EmbeddingServer) -> None:
    embed("extensions", work_dir=work_dir, options=service(server), api_key=None)
    server.fail("dimension")
    with pytest.raises(StageError, match="--no-cache"):
        embed("settings", work_dir=work_dir, options=service(server), api_key=None)
    embed("settings", work_dir=work_dir, options=service(server), api_key=None, use_cache=False)
    assert numpy.load(work_dir / "embeddings" / "settings_embeddings.npy").shape == (9, 128)


@pytest.mark.parametrize("mode", ["nan", "few", "dimension", "html", "401", "429", "hang"])
def test_failure_leaves_no_output_and_keeps_paid_vectors(work_dir: Path, server: EmbeddingServer, mode: str) -> None:
    server.fail(mode, from_request=3)
    options = service(server, max_in_flight=1, timeout_seconds=0.5)
    with pytest.raises(StageError, match="batch 3 of 5"):
        embed("settings", work_dir=work_dir, options=options, api_key=CANARY)
    assert sorted(os.listdir(work_dir / "embeddings")) == ["cache.sqlite3"]
    server.heal()
    embed("settings", work_dir=work_dir, options=options, api_key=CANARY)
    assert len(server.delivered) == 9
    assert set(server.delivered.values()) == {1}


PROGRAM = """
import json, sys
from pathlib import Path
from stages.embeddings import embed
embed("settings", work_dir=Path(sys.argv[1]), options=json.loads(sys.argv[2]), api_key=None)
"""


@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGINT])
def test_killed_in_the_middle_and_run_again(work_dir: Path, server: EmbeddingServer, signal_: signal.Signals) -> None:
    server.fail("hang", from_request=4)
    options = service(server, max_in_flight=1, timeout_seconds=60)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(work_dir), json.dumps(options)], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while len(server.requests) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal_)
    assert process.wait(120) != 0
    assert server.delivered.total() == 6
    server.heal()
    embed("settings", work_dir=work_dir, options=options, api_key=None)
    assert len(server.delivered) == 9
    assert set(server.delivered.values()) == {1}
    assert numpy.load(work_dir / "embeddings" / "settings_embeddings.npy").shape == (9, 256)


def test_nothing_to_embed(work_dir: Path, server: EmbeddingServer) -> None:
    path = work_dir / "settings" / "setting_summary.json"
    summary = json.loads(path.read_text())
    path.write_text(json.dumps({**summary, "settings": {}}))
    for options, dimension in ({}, 256), (service(server, dimensions=64), 64), (service(server), 256):
        embed("settings", work_dir=work_dir, options=options, api_key=None)
        assert numpy.load(work_dir / "embeddings" / "settings_embeddings.npy").shape == (0, dimension)
        assert list(read_documents(work_dir / "embeddings" / "settings_documents.json")) == []
    # If the dimension is unknown, the stage sends one request to get it.
    assert len(server.requests) == 1


def test_the_key_is_written_nowhere(
    work_dir: Path, server: EmbeddingServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        embed_all(work_dir, service(server))
        server.fail("401-echo")
        with pytest.raises(StageError) as caught:
            embed("settings", work_dir=work_dir, options=service(server, model="other"), api_key=CANARY)
    assert server.requests[0]["authorization"] == f"Bearer {CANARY}"
    written = capfd.readouterr()
    assert CANARY not in caplog.text + str(caught.value) + written.out + written.err
    for path in work_dir.rglob("*"):
        assert path.is_dir() or CANARY.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("missing", "kind"),
    [
        ("extensions.json", "settings"),
        ("settings/setting_summary.json", "settings"),
        ("extension_data/extensions_database.json", "extensions"),
        ("extension_data/api_docs/acme.ui.panel-1.0.3.api_docs.json", "extensions"),
    ],
)
def test_missing_input_is_named(work_dir: Path, missing: str, kind: str) -> None:
    (work_dir / missing).unlink()
    with pytest.raises(StageError, match=Path(missing).name):
        embed(kind, work_dir=work_dir, options={}, api_key=None)


def test_relevant_options() -> None:
    local = {"backend": "local", "model": "", "max_tokens": 500, "batch_size": 50, "endpoint_url": "x", "max_tries": 5}
    relevant = embeddings.relevant_options(local)
    assert relevant.pop("model_release") == importlib.metadata.version("wordllama")
    assert relevant == {"backend": "local", "model": "", "max_tokens": 500}
    remote = embeddings.relevant_options({**local, "backend": "openai", "truncate": "END"})
    assert remote.keys() == {"backend", "model", "max_tokens", "endpoint_url", "truncate"}


def test_importing_the_stage_is_cheap() -> None:
    program = (
        "import sys, stages.embeddings, stages.faiss;"
        "sys.exit(bool({'numpy', 'faiss', 'openai', 'tokenizers', 'asyncio', 'tenacity'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_malformed_documents_are_named(tmp_path: Path) -> None:
    path = tmp_path / "settings_documents.json"
    for content in ("{}", "[\nno\n]\n"):
        path.write_text(content)
        with pytest.raises(StageError, match="settings_documents"):
            list(read_documents(path))
