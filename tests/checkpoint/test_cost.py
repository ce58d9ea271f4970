"""The cost of an embedding service: reported before any request, and limited by the configuration."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedding_server import EmbeddingServer
from tests.project import ROOT, Project, make_project

COST_LINE = re.compile(
    r"^embeddings: ([\d,]+) texts, ([\d,]+) of them in the cache; ([\d,]+) with ([\d,]+) tokens? go to \S+?"
    r"(?:, for ([\d,.e-]+) \(([\d.e+]+) a million\))?\.(?: |$)",
    re.MULTILINE,
)


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with EmbeddingServer() as server:
        yield server


@pytest.fixture
def project(tmp_path: Path, server: EmbeddingServer) -> Project:
    project = make_project(tmp_path.resolve() / "project", count=3)
    paid(project, server)
    return project


def paid(project: Project, server: EmbeddingServer, **more: float) -> None:
    project.configure(
        embeddings__backend="openai",
        embeddings__api_key="",
        embeddings__endpoint_url=server.url,
        **{f"embeddings__{key}": value for key, value in more.items()},
    )


def test_the_run_and_the_dry_run_show_the_requests_to_the_service(project: Project, server: EmbeddingServer) -> None:
    before = project.run("doit", "dry-run")
    assert "The cost of embedding is known once the earlier stages have run." in before.output
    assert project.run("doit", "end=settings").code == 0
    dry = COST_LINE.search(project.run("doit", "dry-run", "price_per_million_tokens=1000000").output)
    assert dry
    run = project.run("doit")
    cost_line = COST_LINE.search(run.output)
    assert cost_line, run.output
    assert cost_line.groups()[:4] == dry.groups()[:4]
    texts, cached, sent, tokens, *_ = cost_line.groups()
    assert (cached, texts) == ("0", sent)
    # For an index without documents, the stage requests the vector length with a text of one token.
    assert sum(number for text, number in server.delivered.items() if text != "dimension") == int(sent)
    assert float(dry[5].replace(",", "")) == int(tokens.replace(",", ""))
    assert run.output.index("[6/8] embeddings") < cost_line.start() < run.output.index("[6/8] embeddings: done")


def test_the_dry_run_does_not_change_the_cache(project: Project, server: EmbeddingServer) -> None:
    assert project.run("doit").code == 0
    (project.work / "embeddings" / "settings_embeddings.json").unlink()
    folder = project.work / "embeddings"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    output = project.run("doit", "dry-run").output
    assert re.search(r"^embeddings: (\d+) texts, \1 of them in the cache; nothing goes to ", output, re.MULTILINE)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    again = COST_LINE.search(project.run("doit", "dry-run", "no_cache=1").output)
    assert again
    assert again[2] == "0"


def test_a_run_above_the_limit_sends_nothing_without_yes(project: Project, server: EmbeddingServer) -> None:
    paid(project, server, price_per_million_tokens=20, max_cost=0.0001)
    refused = project.run("doit")
    assert refused.code == 1
    errors = [line for line in refused.output.splitlines() if line.startswith("ERROR")]
    assert len(errors) == 1
    assert "more than embeddings.max_cost (0.0001); nothing has been sent. Run with --yes to spend it" in errors[0]
    assert not server.delivered
    agreed = project.run("data_collection_pipeline.py", "--resume", "--yes")
    assert agreed.code == 0, agreed.output
    assert server.delivered
    assert "made with other values" not in agreed.output
    # Cached texts cost nothing.
    (project.work / "embeddings" / "settings_embeddings.json").unlink()
    assert project.run("doit").code == 0


def test_a_limit_above_the_cost_has_no_effect(project: Project, server: EmbeddingServer) -> None:
    paid(project, server, price_per_million_tokens=0.01, max_cost=1)
    assert project.run("doit").code == 0


def test_a_limit_without_a_price_is_refused(project: Project, server: EmbeddingServer) -> None:
    paid(project, server, max_cost=1)
    run = project.run("doit")
    assert run.code == 2
    assert "embeddings.max_cost: expected embeddings.price_per_million_tokens beside it" in run.output


def test_the_local_model_costs_nothing(tmp_path: Path) -> None:
    project = make_project(tmp_path.resolve() / "project", count=1)
    assert "tokens" not in project.run("doit", "dry-run").output
    assert not COST_LINE.search(project.run("doit").output)


def test_the_reader_of_the_dry_run_may_close_the_pipe(project: Project) -> None:
    command = project.command("doit", "dry-run", "force=1")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
