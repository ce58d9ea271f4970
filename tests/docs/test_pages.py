"""The documentation site: its links, the workflow to copy, and no requests to other hosts."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.project import ROOT

WORKFLOW = ROOT / "docs" / "ci" / "nightly.yml"


def test_relative_links_of_the_readme_exist() -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", (ROOT / "README.md").read_text())
    relative = [link for link in links if "://" not in link]
    assert len(relative) > 10
    assert [link for link in relative if not (ROOT / link).exists()] == []


def test_the_readme_names_every_page() -> None:
    readme = (ROOT / "README.md").read_text()
    pages = [path.name for path in (ROOT / "docs").glob("*.md")]
    assert [page for page in pages if f"docs/{page}" not in readme] == []


def test_the_workflow_conforms_to_githubs_schema() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(WORKFLOW)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflow_is_read_only_and_saves_the_restored_folder() -> None:
    workflow = YAML(typ="safe").load(WORKFLOW)
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    assert "permissions" not in job
    restored, saved = (step["with"] for step in job["steps"] if step.get("uses", "").startswith("actions/cache/"))
    assert (saved["path"], saved["key"]) == (restored["path"], restored["key"])
    assert restored["key"].startswith(restored["restore-keys"].strip())
    assert [step["run"] for step in job["steps"] if "${{" in step.get("run", "")] == []


@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="mkdocs is not installed; `make docs` does this")
def test_the_site_loads_nothing_from_other_hosts(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    pages = list(tmp_path.glob("*.html"))
    assert len(pages) > 15
    for page in pages:
        text = page.read_text()
        loaded = re.findall(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?([^\"'\s>]+)", text)
        loaded += re.findall(r"<link\b(?![^>]*rel=[\"']?canonical)[^>]*\bhref=[\"']?([^\"'\s>]+)", text)
        assert loaded
        assert [address for address in loaded if re.match(r"(?:[a-z]+:)?//", address)] == [], page.name
    assert not list(tmp_path.rglob("*.py"))
    style = "".join(path.read_text() for path in tmp_path.rglob("*.css"))
    assert re.findall(r"url\(\s*[\"']?https?:", style) == []
