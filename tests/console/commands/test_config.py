"""``doit config`` in real runs of the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tomli

from tests.project import ROOT, Project, make_project


def doit(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "doit", "config", *words],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path, count=1, embeddings__model="${MODEL}", embeddings__api_key="canary-in-the-file")


def test_show_prints_the_origin_of_each_value_and_no_secret(project: Project) -> None:
    done = doit("show", "--json", f"config={project.config}", "max_extensions=3", MODEL="canary-model")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert "canary" not in done.stdout
    assert shown["processing.max_extensions"] == {"value": 3, "origin": "command line", "environment": []}
    assert shown["embeddings.model"] == {"value": "${MODEL}", "origin": "file", "environment": ["MODEL"]}
    assert shown["embeddings.api_key"]["value"] == "***"
    assert shown["processing.code_examples_min_lines"]["origin"] == "file"
    assert shown["embeddings.batch_size"] == {"value": 50, "origin": "default", "environment": []}


def test_show_prints_the_effective_configuration(project: Project) -> None:
    done = doit("show", f"config={project.config}", "kit_cache=/opt/kit", MODEL="m")
    assert done.returncode == 0, done.stderr
    document = tomli.loads(done.stdout)
    assert document["input"]["sources"] == [{"kind": "path", "path": "/opt/kit"}]
    assert document["processing"]["code_examples_min_lines"] == 20
    assert "[[input.sources]]  # command line" in done.stdout.splitlines()


def test_show_marks_values_that_a_resume_restores(project: Project) -> None:
    project.run("doit", "max_extensions=1", "end=preparation", MODEL="m")
    done = doit("show", "--json", f"config={project.config}", "resume=1", MODEL="m")
    assert json.loads(done.stdout)["processing.max_extensions"]["origin"] == "checkpoint"


def test_check_validates_like_a_run(project: Project) -> None:
    done = doit("check", str(project.config), MODEL="m")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{project.config}: valid.\n", "")
    assert not project.work.exists()
    done = doit("check", f"config={project.config}", "max_extensions=0", MODEL="m")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ERROR: command line: processing.max_extensions: expected")
    unset = doit("check", str(project.config), "embeddings.backend=openai", "api_key=${NO_SUCH_KEY}", MODEL="m")
    assert unset.returncode == 2
    assert "the environment variable NO_SUCH_KEY is not set" in unset.stderr


def test_migrate_prints_the_file_and_lists_changes_on_standard_error(tmp_path: Path) -> None:
    old = tmp_path / "old.toml"
    old.write_text('[input]\nexts_path = "/opt/exts"  # here\n[faiss]\nx = 1\n')
    done = doit("migrate", str(old))
    assert done.returncode == 0
    assert tomli.loads(done.stdout)["input"]["sources"] == [{"kind": "path", "path": "/opt/exts"}]
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["changed", "changed", "LEFT OUT"]
    (tmp_path / "new.toml").write_text(done.stdout)
    assert doit("check", str(tmp_path / "new.toml"), NVIDIA_API_KEY="k").returncode == 0


@pytest.mark.parametrize("words", [(), ("shows",), ("migrate",), ("show", "a", "b")])
def test_wrong_words(words: tuple[str, ...]) -> None:
    done = doit(*words)
    assert done.returncode == 3
    assert "expected show|check" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_file(tmp_path: Path) -> None:
    for word in ("check", "migrate"):
        done = doit(word, str(tmp_path / "gone.toml"))
        assert (done.returncode, done.stdout) == (2, "")
        assert "there is no such file" in done.stderr
