"""A run that fails at the embedding service, and its resume when the service is back."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from tasks.stage_names import STAGES
from tests.checkpoint.test_specification import stages_run, stages_skipped
from tests.embedding_server import EmbeddingServer
from tests.project import Project, make_project

MAIN = "data_collection_pipeline.py"
KEY = "canary-5519"


@pytest.fixture
def port() -> int:
    """A port of 127.0.0.1 without a service."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def service(project: Project, port: int, **more: object) -> None:
    values = {
        "backend": "openai",
        "endpoint_url": f"http://127.0.0.1:{port}/v1",
        "api_key": "${TEST_KEY}",
        "max_tries": 2,
    }
    project.configure(**{f"embeddings__{key}": value for key, value in {**values, **more}.items()})


@pytest.mark.parametrize(
    "commands", [((MAIN,), (MAIN, "--resume")), (("doit",), ("doit",)), (("doit",), (MAIN, "--resume"))]
)
def test_a_failed_service_affects_only_later_stages(
    tmp_path: Path, port: int, commands: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    project = make_project(tmp_path.resolve() / "project")
    service(project, port)
    failed = project.run(*commands[0], TEST_KEY=KEY)
    assert failed.code == 1, failed.output
    assert "Pipeline failed at stage: embeddings" in failed.output
    assert "You can resume from this point using: --resume" in failed.output
    found = project.checkpoint()
    assert found is not None
    assert found["completed_stages"] == list(STAGES[:5])
    assert set(found["config_snapshot"]) == {"kit_cache_path", "kit_version", "work_dir"}

    with EmbeddingServer(port=port):
        resumed = project.run(*commands[1], TEST_KEY=KEY)
        assert resumed.code == 0, resumed.output
        assert stages_run(resumed) == ["embeddings", "faiss", "final_assembly"]
        assert stages_skipped(resumed) == list(STAGES[:5])
        assert project.checkpoint() is None

        never_failed = make_project(tmp_path.resolve() / "other")
        service(never_failed, port)
        assert never_failed.run(MAIN, TEST_KEY=KEY).code == 0
    assert project.data_digest() == never_failed.data_digest()
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


def test_failed_embeddings_resume_at_the_failed_batch(tmp_path: Path) -> None:
    project = make_project(tmp_path.resolve() / "project", count=8)
    with EmbeddingServer() as server:
        service(project, int(server.url.rpartition(":")[2].split("/")[0]), batch_size=2, max_in_flight=1)
        server.fail("401", from_request=7)
        failed = project.run(MAIN, TEST_KEY=KEY)
        assert failed.code == 1
        delivered = sum(server.delivered.values())
        assert delivered > 0
        server.heal()
        assert project.run(MAIN, "--resume", TEST_KEY=KEY).code == 0
        assert max(server.delivered.values()) == 1
        assert sum(server.delivered.values()) > delivered


def test_an_unset_variable_is_reported_before_anything_runs(tmp_path: Path, port: int) -> None:
    project = make_project(tmp_path.resolve() / "project", count=1)
    service(project, port)
    run = project.run(MAIN)
    assert run.code == 2
    assert "TEST_KEY" in run.output
    assert not list(project.work.glob("*.json"))


def test_a_stage_before_the_service_needs_no_key(tmp_path: Path, port: int) -> None:
    project = make_project(tmp_path.resolve() / "project", count=1)
    service(project, port)
    assert project.run(MAIN, "--end", "settings").code == 0
    shutil.rmtree(project.path)
