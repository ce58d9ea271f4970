"""``doit diff`` in real runs of the command."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.project import ROOT, Project, make_project


def diff(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        project.command("doit", "diff", *arguments), capture_output=True, text=True, check=False, cwd=ROOT, timeout=120
    )


def test_the_table_has_the_most_changed_extension_first(compared_pair: tuple[Project, Project]) -> None:
    done = diff(compared_pair[1], str(compared_pair[0].data), "107.3")
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^ (made\.\w+) +(\S.*?)  ", done.stdout, re.M)
    assert rows == [("made.api", "1.0.0 -> 1.1.0"), ("made.gone", "1.0.0 removed"), ("made.new", "1.1.0 added")]
    assert "made.api.signature" not in done.stdout


def test_only_breaking_changes_are_shown_and_fail(compared_pair: tuple[Project, Project]) -> None:
    done = diff(compared_pair[1], str(compared_pair[0].data), "107.3", "--only", "breaking", "--fail-on", "breaking")
    assert done.returncode == 3, done.stderr
    assert "! ~ function made.api.signature" in done.stdout
    assert "      Parameter was added as required: e\n" in done.stdout
    assert "made.api.Added" not in done.stdout


def test_without_breaking_changes_the_command_succeeds(compared_pair: tuple[Project, Project]) -> None:
    done = diff(
        compared_pair[1], str(compared_pair[0].data), "107.3", "--extension", "made.new", "--fail-on", "breaking"
    )
    assert done.returncode == 0, done.stderr
    same = diff(compared_pair[0], "107.3", "107.3", "--fail-on", "breaking")
    assert (same.returncode, "Nothing has changed." in same.stdout) == (0, True)


def test_one_extension_is_shown_in_detail(compared_pair: tuple[Project, Project]) -> None:
    done = diff(compared_pair[1], str(compared_pair[0].data), "107.3", "-e", "made.gone")
    assert "> function made.gone.wanders > made.new.wanders in made.new" in done.stdout
    assert "made.api " not in done.stdout
    unknown = diff(compared_pair[1], str(compared_pair[0].data), "107.3", "-e", "made.nothing")
    assert 'WARNING: no extension that matches "made.nothing" has changed.' in unknown.stderr


def test_json_has_the_same_changes(compared_pair: tuple[Project, Project]) -> None:
    done = diff(compared_pair[1], str(compared_pair[0].data), "107.3", "--json")
    result = json.loads(done.stdout)
    assert result["schema_version"] == 1
    assert result["old"]["extensions"] == result["new"]["extensions"] == 2
    assert result["breaking"] == sum(
        bool(change["breakages"]) for extension in result["extensions"] for change in extension["changes"]
    )
    signature = next(
        change
        for extension in result["extensions"]
        for change in extension["changes"]
        if change["name"] == "made.api.signature"
    )
    assert {"kind": "Parameter was removed", "name": "b", "old": "", "new": ""} in signature["breakages"]
    assert done.stdout == diff(compared_pair[1], str(compared_pair[0].data), "107.3", "--json").stdout


def test_markdown_and_a_page(compared_pair: tuple[Project, Project], tmp_path: Path) -> None:
    page = tmp_path / "changes.html"
    done = diff(compared_pair[1], str(compared_pair[0].data), "107.3", "--markdown", "--html", str(page))
    assert "| made.api | 1.0.0 → 1.1.0 |" in done.stdout
    text = page.read_text()
    assert "made.api.Changed.called_new" in text
    assert "<script" not in text
    assert str(tmp_path) not in text


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["107.3"], 3, "expected two data sets, found 107.3"),
        (["107.3", "99.1"], 1, "ERROR: 99.1: neither a folder with a data set nor a Kit version"),
        (["--since-last"], 0, "No earlier data set is kept"),
        (["107.3", "107.3", "--json", "--markdown"], 3, "expected --json or --markdown, found both"),
        (["107.3", "107.3", "--only", "cars"], 3, "cars"),
    ],
)
def test_wrong_arguments_give_one_line(
    compared_pair: tuple[Project, Project], arguments: list[str], code: int, message: str
) -> None:
    done = diff(compared_pair[0], *arguments)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert message in done.stderr


def test_since_last_is_the_data_set_before_the_last_run(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", count=2)
    assert project.run("doit").code == 0
    source = project.extensions / "made.up01/made/up01/__init__.py"
    source.write_text(source.read_text().replace("def long_function(values)", "def long_function(values, more)"))
    assert project.run("doit").code == 0
    done = diff(project, "--since-last", "-v")
    assert done.returncode == 0, done.stderr
    assert "Parameter was added as required: more" in done.stdout
    assert "made.up02" not in done.stdout
    report = tmp_path / "report.html"
    shown = subprocess.run(
        project.command("doit", "report", "-o", str(report)), capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert shown.returncode == 0, shown.stderr
    text = report.read_text()
    assert "Changes since the previous data set" in text
    assert "Parameter was added as required: more" in text
