"""Every bad input gives one clear message and a known exit code: no traceback, no hang, no silent omission.

BAD_INPUT_DOCUMENT=1 writes the table of `docs/bad_input.md` anew; else each row is required to be in it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bad_input.cases import CASES, Case
from tests.faults.harness import run_as
from tests.project import REPORT, ROOT, Project, make_project

DOCUMENT = ROOT / "docs" / "bad_input.md"
_BEGIN, _END = "<!-- cases: begin -->\n", "<!-- cases: end -->"
_WRITE = bool(os.environ.get("BAD_INPUT_DOCUMENT"))
_SECONDS = 60
_rows: dict[int, str] = {}


@pytest.fixture(scope="module", autouse=True)
def document() -> Iterator[None]:
    yield
    if _WRITE:
        table = "| input | case | message | exit code |\n|---|---|---|---:|\n"
        table += "".join(_rows[number] + "\n" for number in sorted(_rows))
        before, _, rest = DOCUMENT.read_text().partition(_BEGIN)
        DOCUMENT.write_text(before + _BEGIN + "\n" + table + "\n" + _END + rest.partition(_END)[2])


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("bad").resolve() / "project", count=2).path


def _bound_by_permissions(command: list[str]) -> list[str]:
    """Return a command that respects file modes, which root would ignore."""
    if os.geteuid() != 0:
        return command
    if shutil.which("setpriv") is None:
        pytest.skip("root reads everything, and setpriv is not there to change that")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", *command]


def _report_lines(project: Project) -> list[str]:
    """Return the lines of the completion report about skipped and repaired input."""
    report = json.loads((project.data / REPORT).read_bytes())
    lines = [f"{w['extension']}: {w['file']}:{w['line']}: {w['message']}" for w in report["warnings"]]
    extraction = report["completeness"]["extension_data"]
    lines += [f"{item['extension']}: {item['file']}: {item['why']}" for item in extraction["left_out"]]
    return lines


def _escaped(path: bytes) -> str:
    text = path.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _nothing_lost(project: Project) -> None:
    """Require that the data set or the report mentions every extension and every Python file."""
    report = "\n".join(_report_lines(project))
    database = json.loads((project.data / "107.3/extensions/extensions_database.json").read_bytes())
    atlases = "".join(path.read_text() for path in project.data.rglob("*.codeatlas.json"))
    for folder in sorted(os.listdir(os.fsencode(project.extensions))):
        name = _escaped(folder)
        assert name in database["extensions"] or name in report, f"the extension {name} is missing without a message"
        if name not in database["extensions"]:
            continue
        base = os.path.join(os.fsencode(project.extensions), folder)
        for place, _, files in os.walk(base):
            for file in files:
                if file.endswith(b".py"):
                    path = _escaped(os.path.relpath(os.path.join(place, file), base))
                    known = json.dumps(path, ensure_ascii=False) in atlases
                    assert known or path in report or os.fsdecode(file) in report or f"deep{'/d' * 20}" in path, (
                        f"{path} is missing without a message"
                    )


def _row(case: Case, message: str, project: Project) -> str:
    for path, name in ((str(project.work), "‹work›"), (str(project.path), "…"), (str(ROOT), "…")):
        message = message.replace(path, name)
    shown = " ".join(re.sub(r"in [0-9.]+ s\.", "in … s.", message).split())
    shown = shown if len(shown) <= 300 else shown[:297] + "…"
    shown = shown.replace("|", "\\|").replace("`", "'")
    return f"| {case.area} | {case.title} | `{shown}` | {case.code} |"


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{case.area}-{case.title}" for case in CASES])
def test_bad_input(template: Path, tmp_path: Path, number: int) -> None:
    case = CASES[number]
    project = Project(tmp_path.resolve() / "project")
    shutil.copytree(template, project.path)
    case.spoil(project)
    command = project.command(*case.command)
    if case.needs == "permissions":
        command = _bound_by_permissions(command)
    run = run_as(project, command, seconds=_SECONDS)
    assert "Traceback" not in run.output, run.output
    assert "has the traceback" not in run.output, run.output
    assert run.code == case.code, run.output
    if case.reported:
        found = [line for line in _report_lines(project) if case.says in line]
        assert found, "\n".join(_report_lines(project))
    else:
        found = [line for line in run.output.splitlines() if case.says in line]
        assert found, run.output
    if case.code:
        errors = re.findall(r"^(?:ERROR|[\w.]+: error): ", run.output, re.MULTILINE)
        assert len(errors) == 1, run.output
    elif (project.data / REPORT).exists():
        _nothing_lost(project)
    row = _rows[number] = _row(case, found[0], project)
    if not _WRITE:
        rows = DOCUMENT.read_text().splitlines()
        # Some messages contain Python's own text, which differs between its versions.
        assert row in rows or sys.version_info[:2] != (3, 11)
        assert [line for line in rows if line.startswith(f"| {case.area} | {case.title} |")]


def test_there_are_enough_cases_with_unique_names() -> None:
    names = {(case.area, case.title) for case in CASES}
    assert len(names) == len(CASES) >= 80


def test_no_address_created_a_file() -> None:
    """The git addresses of the cases would create this file if they were executed."""
    assert not Path("/tmp/owned").exists()


def test_the_table_has_no_removed_case() -> None:
    if sys.platform != "linux":
        pytest.skip("the table is made on Linux")
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")]
    known = {f"| {case.area} | {case.title} |" for case in CASES}
    assert [row for row in rows[1:] if not any(row.startswith(name) for name in known)] == []
